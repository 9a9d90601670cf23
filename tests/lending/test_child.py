from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from aikeys.errors import CannotExecute, ProgramNotFound
from aikeys.lending.child import find_program

ROOT = Path(__file__).parents[2]
DRIVER = """
import os, sys
from aikeys.errors import AikeysError
from aikeys.lending.child import find_program, replace_process
from aikeys.own_memory import protect
limit = protect()
try:
    program = find_program(sys.argv[1], os.environ.get("PATH"))
    replace_process(program, sys.argv[1:], {**os.environb, b"LENT": b"sk-\\xff"}, limit)
except AikeysError as error:
    print(error.message, file=sys.stderr)
    sys.exit(error.exit_status)
"""
STATUS = "/proc/self/status"


def driven(*command: str) -> list[str]:
    return [sys.executable, "-c", DRIVER, *command]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        driven(*command), env=environment, capture_output=True, text=True, check=False, timeout=30, **options
    )
    return done


def blocked_and_ignored(**options: object) -> tuple[int, int]:
    """Return the signals a program starts with, as Linux shows them."""
    if not os.path.exists(STATUS):
        pytest.skip("there is no /proc here")
    fields = dict(line.split(":", 1) for line in run("cat", STATUS, **options).stdout.splitlines())
    return int(fields["SigBlk"], 16), int(fields["SigIgn"], 16)


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text, newline="")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_programs_status_is_ours(status: int) -> None:
    assert run("sh", "-c", f"exit {status}").returncode == status


def test_the_program_gets_its_arguments_and_environment_byte_for_byte() -> None:
    done = run("sh", "-c", 'printf %s "$LENT" | od -An -tx1; echo "$0|$1|$2"', "a b", "", "--")
    assert done.stdout == " 73 6b 2d ff\na b||--\n"


def test_the_process_is_replaced_not_wrapped() -> None:
    with subprocess.Popen(
        driven("sh", "-c", "echo $$"), env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


def test_what_was_printed_before_comes_before_the_programs_output() -> None:
    code = "from aikeys.lending.child import replace_process as r; print('first'); r('/bin/echo', ['echo', 'second'], {}, None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "first\nsecond\n"


def test_a_missing_program_is_127() -> None:
    done = run("no-such-program-here")
    assert done.returncode == 127
    assert done.stderr == "no-such-program-here was not found in PATH\n"


def test_a_missing_path_is_127(tmp_path: Path) -> None:
    assert run(f"{tmp_path}/none").returncode == 127


def test_a_program_without_permission_is_126(tmp_path: Path) -> None:
    done = run(script(tmp_path / "tool", "#!/bin/sh\n", 0o644))
    assert done.returncode == 126
    assert "is not executable" in done.stderr


def test_a_directory_is_126(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    assert done.returncode == 126
    assert "is a directory" in done.stderr


def test_a_file_that_is_no_program_is_126(tmp_path: Path) -> None:
    done = run(script(tmp_path / "tool", "no first line\n"))
    assert done.returncode == 126
    assert "is not a program this system can run" in done.stderr


def test_a_missing_interpreter_is_127_and_named(tmp_path: Path) -> None:
    done = run(script(tmp_path / "tool", "#! /no/such/interpreter -x\n"))
    assert done.returncode == 127
    assert done.stderr == f"{tmp_path}/tool needs the interpreter /no/such/interpreter, which does not exist\n"


def test_windows_line_ends_are_shown_in_the_interpreters_name(tmp_path: Path) -> None:
    done = run(script(tmp_path / "tool", "#!/bin/sh\r\n"))
    assert done.returncode == 127
    assert r"'/bin/sh\r'" in done.stderr


def test_an_interpreter_without_permission_is_126_and_named(tmp_path: Path) -> None:
    interpreter = script(tmp_path / "interpreter", "", 0o644)
    done = run(script(tmp_path / "tool", f"#!{interpreter}\n"))
    assert done.returncode == 126
    assert interpreter in done.stderr


def test_arguments_that_are_too_long_are_126() -> None:
    code = (
        "from aikeys.errors import CannotExecute\n"
        "from aikeys.lending.child import replace_process\n"
        "try: replace_process('/bin/true', ['true', 'x' * 9_000_000], {}, None)\n"
        "except CannotExecute as error: print(error.exit_status, error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "126 /bin/true cannot be started: its arguments and environment are too long\n"


def test_a_program_later_in_path_is_found_behind_one_that_cannot_run(tmp_path: Path) -> None:
    for name, mode in (("a", 0o644), ("b", 0o755)):
        (tmp_path / name).mkdir()
        script(tmp_path / name / "tool", "#!/bin/sh\n", mode)
    (tmp_path / "c" / "tool").mkdir(parents=True)
    assert find_program("tool", f"{tmp_path}/none:{tmp_path}/c:{tmp_path}/a:{tmp_path}/b") == f"{tmp_path}/b/tool"
    with pytest.raises(CannotExecute, match="is not executable"):
        find_program("tool", f"{tmp_path}/a")
    with pytest.raises(CannotExecute, match="is a directory"):
        find_program("tool", f"{tmp_path}/c")


def test_without_path_the_systems_directories_are_searched() -> None:
    assert find_program("sh", None) in {"/bin/sh", "/usr/bin/sh"}


def test_an_empty_element_of_path_is_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "tool", "#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    assert find_program("tool", "/none:") == "tool"


@pytest.mark.parametrize("command", ["", "a\0b", "x" * 5000, "/etc/passwd/sh"])
def test_an_impossible_program_is_not_found(command: str) -> None:
    with pytest.raises(ProgramNotFound):
        find_program(command, "/bin")


def test_the_program_starts_with_no_signal_ignored_or_blocked() -> None:
    assert blocked_and_ignored() == (0, 0)


def test_the_inherited_mask_and_an_ignored_interrupt_stay() -> None:
    def before() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    assert blocked_and_ignored(preexec_fn=before) == (1 << (signal.SIGUSR1 - 1), 1 << (signal.SIGINT - 1))


def test_a_program_in_a_pipe_ends_quietly_when_its_reader_leaves() -> None:
    line = f"{{ {{ {shlex.join(driven('yes'))}; echo $? >&3; }} | head -n 1; }} 3>&1"  # no PIPESTATUS in sh
    done = subprocess.run(
        ["sh", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout == f"y\n{128 + signal.SIGPIPE}\n"
    assert not done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_program_as_if_it_ran_alone(number: signal.Signals) -> None:
    with subprocess.Popen(
        driven("sh", "-c", "echo ready; exec sleep 30"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(10) == -number


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(("typed", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_keys_typed_on_the_terminal_reach_the_program(typed: str, number: signal.Signals) -> None:
    terminal = pexpect.spawn(
        sys.executable,
        driven("sh", "-c", "ulimit -c 0; test -t 0 && test -t 1 && echo ready; exec sleep 30")[1:],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=20,
    )
    terminal.expect_exact("ready\r\n")
    terminal.send(typed)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.signalstatus == number


def test_the_core_limit_is_given_back_to_the_program() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    soft = 4096 * 512 if hard == resource.RLIM_INFINITY else hard
    done = run(
        *driven()[:1],
        "-c",
        "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (soft, hard)),
    )
    assert done.stdout == f"{soft} {hard}\n"


def test_when_the_program_cannot_start_our_signals_and_core_limit_are_back(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from aikeys.errors import CannotExecute\n"
        "from aikeys.lending.child import replace_process\n"
        "from aikeys.own_memory import protect\n"
        "limit = protect()\n"
        "try: replace_process(sys.argv[1], ['tool'], {}, limit)\n"
        "except CannotExecute:\n"
        "    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0\n"
        "    print('back')\n"
    )
    tool = script(tmp_path / "tool", "no first line\n")
    done = subprocess.run([sys.executable, "-c", code, tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("back\n", "")
