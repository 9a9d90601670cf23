"""Questions on a real terminal: what is hidden stays hidden over stops, what is asked once is asked once."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import Aikeys, canary

pexpect = pytest.importorskip("pexpect")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

PASSPHRASE = "correct horse battery"


@contextmanager
def on_a_terminal(aikeys: Aikeys, *args: str, **environment: str) -> Iterator[Any]:
    words = aikeys.argv(*args)
    child = pexpect.spawn(
        words[0], words[1:], env=aikeys.env(environment), cwd=str(aikeys.folder), timeout=30, encoding="utf-8"
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


def is_echoing(child: Any) -> bool:
    return bool(termios.tcgetattr(child.child_fd)[3] & termios.ECHO)


# What a shell does for its jobs: the kernel stops by Ctrl-Z only what somebody of the session waits for.
SHELL = """
import os, signal, sys, termios
for name in ("SIGTTOU", "SIGTSTP", "SIGCONT"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    for name in ("SIGTTOU", "SIGTSTP", "SIGCONT", "SIGQUIT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    echo = bool(termios.tcgetattr(0)[3] & termios.ECHO)
    if not os.WIFSTOPPED(status):
        print("ended", os.waitstatus_to_exitcode(status), "echo", echo, flush=True)
        break
    print("stopped, echo", echo, flush=True)
    input()
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
"""


@contextmanager
def under_a_shell(aikeys: Aikeys, *args: str, **environment: str) -> Iterator[Any]:
    words = ["-c", SHELL, *aikeys.argv(*args)]
    child = pexpect.spawn(
        sys.executable, words, env=aikeys.env(environment), cwd=str(aikeys.folder), timeout=30, encoding="utf-8"
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


def test_ctrl_z_gives_the_echo_back_and_fg_takes_it_away_and_asks_again(ready_home: Aikeys) -> None:
    with under_a_shell(ready_home, "add", "openai", "--no-verify") as child:
        for _ in range(2):
            child.expect_exact("Key for openai: ")
            assert not is_echoing(child)
            child.send("half a key")
            child.sendcontrol("z")
            child.expect("stopped, echo (True|False)")
            assert child.match[1] == "True"
            child.sendline("fg")
        child.expect_exact("Key for openai: ")
        assert not is_echoing(child)
        child.sendline(canary())
        child.expect_exact("ended 0 echo True")
        assert "CANARY" not in child.before
        assert "half" not in child.before
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


@pytest.mark.parametrize(("key", "number"), [("\\", signal.SIGQUIT), ("", signal.SIGTERM), ("", signal.SIGHUP)])
def test_what_ends_a_hidden_question_gives_the_echo_back(ready_home: Aikeys, key: str, number: int) -> None:
    with under_a_shell(ready_home, "add", "openai", "--no-verify") as child:
        child.expect_exact("Key for openai: ")
        if key:
            child.sendcontrol(key)
        else:
            os.killpg(os.tcgetpgrp(child.child_fd), number)
        child.expect_exact(f"ended {-number} echo True")


def test_a_stop_that_cannot_be_caught_and_one_without_a_shell_ask_again(ready_home: Aikeys) -> None:
    with on_a_terminal(ready_home, "add", "openai", "--no-verify") as child:
        child.expect_exact("Key for openai: ")
        os.kill(child.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
        modes = termios.tcgetattr(child.child_fd)
        modes[3] |= termios.ECHO  # as a shell does for itself
        termios.tcsetattr(child.child_fd, termios.TCSANOW, modes)
        os.kill(child.pid, signal.SIGCONT)
        child.expect_exact("Key for openai: ")
        assert not is_echoing(child)
        os.kill(child.pid, signal.SIGTSTP)  # stops nothing here: the process has no shell
        child.expect_exact("Key for openai: ")
        assert not is_echoing(child)
        child.sendline(canary())
        child.expect(pexpect.EOF)
        assert "CANARY" not in child.before


def test_a_stop_signal_that_is_ignored_stays_ignored(ready_home: Aikeys) -> None:
    words = ["sh", "-c", 'trap "" TSTP; exec "$@"', "sh", *ready_home.argv("add", "openai", "--no-verify")]
    child = pexpect.spawn(words[0], words[1:], env=ready_home.env(), timeout=30, encoding="utf-8")
    try:
        child.expect_exact("Key for openai: ")
        os.kill(child.pid, signal.SIGTSTP)
        child.sendline(canary())
        child.expect(pexpect.EOF)
        assert "Key for openai" not in child.before
        assert "added openai" in child.before
    finally:
        child.close(force=True)


def test_a_first_add_makes_the_vault_and_asks_for_its_passphrase_no_third_time(bare_home: Aikeys) -> None:
    with on_a_terminal(bare_home, "add", "openai", "--no-verify") as child:
        make_a_vault(child)
        child.expect_exact("Key for openai: ")
        assert "Passphrase" not in child.before
        child.sendline(canary())
        child.expect(pexpect.EOF)
        assert "added openai" in child.before
    assert bare_home.lent("openai", env={"AIKEYS_PASSPHRASE": PASSPHRASE})["OPENAI_API_KEY"] == canary()


def test_a_first_import_makes_the_vault_and_asks_for_its_passphrase_no_third_time(bare_home: Aikeys) -> None:
    (bare_home.folder / ".env").write_text(f"OPENAI_API_KEY={canary()}\n")
    with on_a_terminal(bare_home, "import") as child:
        make_a_vault(child)
        child.expect_exact("Add 1 key? [Y/n]: ")
        assert "Passphrase" not in child.before
        child.sendline("")
        child.expect_exact("brings them back [y/N]: ")
        child.sendline("")
        child.expect(pexpect.EOF)
    assert bare_home.lent("openai", env={"AIKEYS_PASSPHRASE": PASSPHRASE})["OPENAI_API_KEY"] == canary()


def make_a_vault(child: Any) -> None:
    child.expect_exact("Make one? [Y/n]: ")
    child.sendline("")
    child.expect_exact("New passphrase: ")
    child.sendline(PASSPHRASE)
    child.expect_exact("The same again: ")
    child.sendline(PASSPHRASE)
    child.expect_exact("recovery code")


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (("add", "openai"), "pipe it in with --stdin"),
        (("rotate", "openai"), "pipe it in with --stdin"),
        (("init", "--passphrase"), "AIKEYS_PASSPHRASE_FILE"),
        (("passphrase",), "--new-file"),
        (("import",), "--yes"),
    ],
)
def test_a_question_that_may_not_be_asked_names_what_answers_it(ready_home: Aikeys, words: Any, way: str) -> None:
    (ready_home.folder / ".env").write_text(f"OPENAI_API_KEY={canary()}\n")
    if words[0] == "rotate":
        ready_home.add("openai", canary("old"))
    env = {"AIKEYS_HOME": str(ready_home.folder / "other")} if words[0] == "init" else {}
    done = ready_home.run(*words, "--no-input", env=env)
    assert done.returncode == 3, done.stderr
    assert way in done.stderr.splitlines()[-1]


def _with_a_passphrase(home: Aikeys) -> None:
    done = home.run("init", "--passphrase", env={"AIKEYS_PASSPHRASE": PASSPHRASE})
    assert done.returncode == 0, done.stderr
    added = home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env={"AIKEYS_PASSPHRASE": PASSPHRASE})
    assert added.returncode == 0, added.stderr


def test_a_wrong_passphrase_is_asked_for_again_and_the_third_one_is_the_last(bare_home: Aikeys) -> None:
    _with_a_passphrase(bare_home)
    with on_a_terminal(bare_home, "exec", "openai", "--", "echo", "it runs") as child:
        for typed in ("wrong", "wrong again", PASSPHRASE):
            child.expect("Passphrase .*: ")
            child.sendline(typed)
        child.expect_exact("to type it once for eight hours: aikeys unlock")
        child.expect_exact("it runs")
        child.expect(pexpect.EOF)
    with on_a_terminal(bare_home, "exec", "openai", "--", "echo", "it runs") as child:
        for left in ("", "2 tries left", "1 try left"):
            child.expect(f"{left}.*Passphrase .*: ")
            child.sendline("wrong")
        child.expect(pexpect.EOF)
        assert "it runs" not in child.before
        child.wait()
        assert child.exitstatus == 125


@pytest.mark.parametrize(
    "words",
    [("exec", "opneai", "--", "true"), ("rotate", "opneai"), ("edit", "opneai", "--team", "x"), ("verify", "opneai"),
     ("show", "opneai", "--reveal"), ("exec", "--env", "A=opneai", "--", "true"), ("exec", "--metered", "opneai", "--", "true")],
)  # fmt: skip
def test_a_name_that_is_wrong_is_said_before_a_passphrase_is_asked(bare_home: Aikeys, words: tuple[str, ...]) -> None:
    _with_a_passphrase(bare_home)
    with on_a_terminal(bare_home, *words) as child:
        child.expect(pexpect.EOF)
        assert "there is no key named opneai" in child.before
        assert "Passphrase" not in child.before


def test_two_new_passphrases_that_differ_are_asked_for_again(bare_home: Aikeys) -> None:
    with on_a_terminal(bare_home, "init", "--passphrase") as child:
        for first, second in (("one of several words", "another"), (PASSPHRASE, PASSPHRASE)):
            child.expect_exact("New passphrase: ")
            child.sendline(first)
            child.expect_exact("The same again: ")
            child.sendline(second)
        child.expect(pexpect.EOF)
    assert bare_home.run("list", env={"AIKEYS_PASSPHRASE": PASSPHRASE}).returncode == 0


def test_in_ci_nothing_is_asked_again(bare_home: Aikeys) -> None:
    _with_a_passphrase(bare_home)
    with on_a_terminal(bare_home, "exec", "openai", "--", "true", CI="true", AIKEYS_PASSPHRASE="wrong") as child:
        child.expect(pexpect.EOF)
        assert "Passphrase (or" not in child.before


@pytest.mark.parametrize("line", ["OPENAI_API_KEY={}", 'export OPENAI_API_KEY="{}"'])
def test_a_pasted_line_is_offered_without_its_name(ready_home: Aikeys, line: str) -> None:
    with on_a_terminal(ready_home, "add", "openai", "--no-verify") as child:
        child.expect_exact("Key for openai: ")
        child.sendline(line.format(canary()))
        child.expect_exact("This begins with OPENAI_API_KEY=. Take only what comes after it? [Y/n]: ")
        child.sendline("")
        child.expect(pexpect.EOF)
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


def test_a_key_on_the_command_line_is_told_to_be_in_the_history_and_is_not_stored(ready_home: Aikeys) -> None:
    for key in (canary(), "gsk_" + "aB3dE5gH7j" * 5 + "ab", "AIzaSy" + "x0y1z2w3v4" * 3 + "abc"):
        done = ready_home.run("add", "openai", key)
        assert done.returncode == 2
        assert "in the shell's history now: nothing was stored" in done.stderr
        assert key not in done.stderr
    assert ready_home.run("show", "openai").returncode == 10
