from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).parents[2]
STATUS = "/proc/self/status"
DRIVER = """
import os, signal, sys, threading
from aikeys.lending.child import find_program, spawn_process
from aikeys.own_memory import protect
from aikeys.lending.supervise import Supervisor
limit = protect()
supervisor = Supervisor()
beside = threading.Event()
threading.Thread(target=beside.wait).start()
print("supervisor", os.getpid(), flush=True)
pid = spawn_process(find_program(sys.argv[1], os.environ.get("PATH")), sys.argv[1:], os.environb, limit, supervisor.mask)
status = supervisor.wait_for(pid)
supervisor.leave()
beside.set()
print("status", status, flush=True)
sys.exit(status)
"""
LISTENER = """
import os, signal, sys
wanted = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH]
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", os.getpid(), flush=True)
while True:
    number = signal.sigwait(wanted)
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGUSR2:
        extra = signal.sigtimedwait(wanted, 0)
        print("and", signal.Signals(extra.si_signo).name if extra else "nothing", flush=True)
        sys.exit(7)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def driven(*command: str) -> list[str]:
    return [sys.executable, "-c", DRIVER, *command]


def run(*command: str, before: tuple[str, ...] = (), **options: object) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        [*before, *driven(*command)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )
    return done


@contextmanager
def on_a_terminal(*words: str) -> Iterator[pexpect.spawn]:
    child = pexpect.spawn(words[0], list(words[1:]), env=environment(), timeout=60, encoding="utf-8", echo=False)
    try:
        yield child
    finally:
        child.close(force=True)


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_programs_status_is_ours(status: int) -> None:
    assert run("sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_program_that_a_signal_ended_gives_128_and_its_number(number: signal.Signals) -> None:
    assert run("sh", "-c", f"kill -{int(number)} $$").returncode == 128 + number


def test_a_program_that_cannot_be_started_is_said_so() -> None:
    code = (
        "from aikeys.errors import CannotExecute\nfrom aikeys.lending.child import spawn_process\n"
        "try:\n    spawn_process('/dev/null', ['x'], {}, None, ())\nexcept CannotExecute as error:\n    print(error.message)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("/dev/null cannot be executed")


@pytest.mark.skipif(not os.path.exists(STATUS), reason="there is no /proc here")
@pytest.mark.parametrize("before", [(), ("sh", "-c", 'trap "" HUP INT USR1; exec "$@"', "sh")])
def test_the_program_starts_with_the_signals_that_we_were_started_with(before: tuple[str, ...]) -> None:
    def signals(text: str) -> list[int]:
        rows = [line.split(":") for line in text.splitlines() if line.startswith(("SigBlk", "SigIgn"))]
        return [int(mask, 16) & ~(3 << 31) for _, mask in rows]  # 32 and 33 are the C library's own

    bare = subprocess.run([*before, "cat", STATUS], capture_output=True, text=True, check=True)
    assert signals(run("cat", STATUS, before=before).stdout) == signals(bare.stdout)


def test_the_program_has_the_open_files_and_the_core_limit_that_we_were_started_with() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"handed down")
    os.close(writing)
    done = run("sh", "-c", f"cat /dev/fd/{reading}; ulimit -c", pass_fds=(reading,))
    os.close(reading)
    limit = subprocess.run(["sh", "-c", "ulimit -c"], capture_output=True, text=True, check=True).stdout
    assert f"handed down{limit}" in done.stdout


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT", "SIGQUIT", "SIGWINCH"])
def test_a_signal_that_was_sent_to_us_alone_is_passed_on(name: str) -> None:
    words = driven(sys.executable, "-c", LISTENER)
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True) as ours:
        assert ours.stdout is not None
        try:
            for line in ours.stdout:
                if line.startswith("ready"):
                    break
            ours.send_signal(getattr(signal, name))
            assert ours.stdout.readline() == f"got {name}\n"
            ours.send_signal(signal.SIGUSR2)
            assert ours.stdout.readline() == "got SIGUSR2\n"
            assert ours.stdout.read() == "and nothing\nstatus 7\n"
        finally:
            ours.kill()
    assert ours.returncode == 7


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_the_terminal_sends_reaches_the_program_once() -> None:
    with on_a_terminal(*driven(sys.executable, "-c", LISTENER)) as child:
        child.logfile_read = everything = io.StringIO()
        child.expect("supervisor (\\d+)")
        ours = int(child.match.group(1))
        child.expect_exact("ready")
        child.sendintr()
        child.expect_exact("got SIGINT")
        child.sendcontrol("\\")
        child.expect_exact("got SIGQUIT")
        child.setwinsize(33, 99)
        child.expect_exact("got SIGWINCH")
        os.kill(ours, signal.SIGUSR2)  # signals wait in the order of their numbers: a second one would be seen
        child.expect_exact("got SIGUSR2")
        child.expect_exact("and nothing")
        child.expect_exact("status 7")
    got = re.findall(r"got (\w+)", everything.getvalue())
    assert got == ["SIGINT", "SIGQUIT", "SIGWINCH", "SIGUSR2"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_ctrl_z_stops_both_and_the_shell_continues_both(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "program.py").write_text("for line in iter(input, 'end'): print('<' + line + '>', flush=True)")
    with on_a_terminal("bash", "--norc", "--noprofile", "-i") as shell:
        shell.sendline("PS1='at-$? '")
        shell.expect("at-0 ")
        for _ in range(2):  # stopping works a second time, too
            if _ == 0:
                shell.sendline(f"{sys.executable} {tmp_path}/driver.py {sys.executable} {tmp_path}/program.py")
                shell.expect("supervisor")
            shell.sendline("one")
            shell.expect_exact("<one>")
            shell.sendcontrol("z")
            shell.expect("at-148 ")
            shell.sendline("fg")
            shell.sendline("two")
            shell.expect_exact("<two>")
        shell.sendline("end")
        shell.expect("status 0")
        shell.expect("at-0 ")


def test_whoever_is_impatient_makes_the_end_hurry() -> None:
    code = """
import os, signal, threading
from aikeys.lending.supervise import Supervisor
supervisor, over = Supervisor(), threading.Event()
def hurry():
    print("hurries", flush=True)
    over.set()
print("waits", flush=True)
supervisor.wait_until(over.is_set, hurry)
supervisor.leave()
print("left", flush=True)
"""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        try:
            assert ours.stdout.readline() == "waits\n"
            ours.send_signal(signal.SIGCHLD)  # asks again: not over yet
            ours.send_signal(signal.SIGINT)
            assert ours.stdout.read() == "hurries\nleft\n"
        finally:
            ours.kill()
    assert ours.returncode == 0
