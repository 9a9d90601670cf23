"""Every failure becomes one line, a hint and a status."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from aikeys import errors
from aikeys.cli import boundary

ROOT = Path(__file__).parents[2]
CANARY = "sk-CANARY-0123456789abcdef"


def failing(failure: BaseException) -> NoReturn:
    raise failure


def run(failure: BaseException, *, exec_statuses: bool = False) -> int:
    return boundary.run(lambda: failing(failure), exec_statuses=exec_statuses)


def test_the_status_of_main_is_returned() -> None:
    assert boundary.run(lambda: None) == 0
    assert boundary.run(lambda: 25) == 25
    assert boundary.run(lambda: 7, exec_statuses=True) == 7


def test_our_own_errors_show_sentence_hint_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(errors.NotFound("no key named x", "see aikeys list")) == 10
    assert capsys.readouterr().err == "aikeys: error: no key named x\naikeys: hint: see aikeys list\n"


@pytest.mark.parametrize(
    "secret", ["sk-proj-CANARY0123456789abcdef", "aik_" + "0aZ9" * 20, "glpat-0123456789abcdefghij"]
)
def test_no_error_repeats_what_surely_is_a_key_wherever_it_stood(
    secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(errors.BadConfiguration(f"config.toml: {secret} is not known", f"remove {secret}")) == 14
    assert capsys.readouterr().err == "aikeys: error: config.toml: … is not known\naikeys: hint: remove …\n"


def test_every_error_class_has_a_documented_status() -> None:
    def below(kind: type[errors.AikeysError]) -> list[type[errors.AikeysError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in below(child))]

    assert {kind.exit_status for kind in below(errors.AikeysError)} <= set(errors.EXIT_STATUSES)


def test_under_exec_only_126_and_127_stay() -> None:
    assert run(errors.Locked("locked"), exec_statuses=True) == 125
    assert run(RuntimeError(), exec_statuses=True) == 125
    assert run(errors.CannotExecute("x"), exec_statuses=True) == 126
    assert run(errors.ProgramNotFound("x"), exec_statuses=True) == 127


def test_an_interrupt_is_130_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_an_unforeseen_error_shows_its_type_and_never_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIKEYS_DEBUG", raising=False)
    assert run(ValueError(CANARY)) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("aikeys: error: internal error: ValueError\n")
    assert "CANARY" not in shown
    assert "Traceback" not in shown


def test_debug_shows_places_and_no_values(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKEYS_DEBUG", "1")
    run(ValueError(CANARY))
    shown = capsys.readouterr().err
    assert "test_boundary.py:" in shown
    assert "CANARY" not in shown


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES])
def test_a_failing_machine_is_named(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(OSError(code, "x", "/vault")) == 1
    assert capsys.readouterr().err.startswith(f"aikeys: error: /vault: {os.strerror(code).lower()}\naikeys: hint: ")


def test_typers_exit_and_abort_keep_their_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(typer.Exit(25)) == 25
    assert run(typer.Abort()) == 3
    assert run(SystemExit(4)) == 4
    assert capsys.readouterr().err == "aikeys: error: cancelled\n"


def test_a_command_that_breaks_its_pipe_is_141() -> None:
    line = f'{{ {{ "{sys.executable}" -m aikeys --help; echo $? >&3; }} | head -c 0; }} 3>&1'  # no PIPESTATUS in sh
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) in {("141\n", ""), ("0\n", "")}  # 0 where it had written before head closed


def test_a_usage_error_reads_like_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(typer.BadParameter("It is wrong.")) == 2
    assert capsys.readouterr().err == "aikeys: error: invalid value: It is wrong\naikeys: hint: see aikeys --help\n"


def test_a_key_typed_in_the_wrong_place_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    run(typer.BadParameter(f"no such thing: {CANARY}"))
    assert "CANARY" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('exit "$({ { "$@"; echo $? >&3; } | head -c 0; } 3>&1)"', 141),
        ('"$@" > /dev/full', 1),
        ('"$@" >&-', 1),
    ],
)
def test_a_lost_stdout_is_no_traceback(line: str, status: int) -> None:
    code = "import sys, time; time.sleep(.3); from aikeys.cli import boundary, terminal; "
    code += "sys.exit(boundary.run(lambda: terminal.out('x' * 200000)))"
    command = ["sh", "-c", line, "sh", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_endless_argument_does_not_hide_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(errors.NotFound(f"no key named {'x' * 100_000} is here", "see aikeys list")) == 10
    shown = capsys.readouterr().err
    assert len(shown) < 1000
    assert "no key named xxx" in shown
    assert "xxx is here\naikeys: hint: see aikeys list\n" in shown
    assert run(errors.NotFound("no key named " + "x " * 50_000)) == 10
    assert len(capsys.readouterr().err) < 10_000


def test_a_byte_that_is_no_text_is_shown_as_that_byte(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(errors.NotFound("no key named \udcff")) == 10
    assert capsys.readouterr().err == "aikeys: error: no key named \\xff\n"
