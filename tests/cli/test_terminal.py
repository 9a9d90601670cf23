"""The rules of the terminal. Questions are tried on a real pseudo-terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
import time
from pathlib import Path

import pytest

from aikeys.cli import screen, terminal
from aikeys.cli.render.json_text import document
from aikeys.cli.render.table import table
from aikeys.errors import Cancelled, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())


def stdin_of(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data))


def on_a_terminal(code: str, typed: bytes, **environment: str) -> str:
    """Run the code in a process with a terminal of its own, type the answer at the first colon, return the screen."""
    process, screen = pty.fork()
    if process == 0:  # pragma: no cover
        os.chdir(ROOT)
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "AIKEYS_NO_INPUT"}}
        start = "from aikeys.cli import terminal\nfrom aikeys.errors import *\n"
        os.execve(sys.executable, [sys.executable, "-c", start + code], kept | environment)  # noqa: S606
    seen = b""
    answered = False
    while True:
        try:
            chunk = os.read(screen, 4096)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
        if not answered and b": " in seen:
            time.sleep(0.2)
            os.write(screen, typed)
            answered = True
    os.close(screen)
    os.waitpid(process, 0)
    return seen.decode()


def test_data_goes_to_stdout_and_messages_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.out("openai")
    terminal.say("added openai")
    terminal.warn("no recovery code")
    terminal.error("no key named x")
    terminal.hint("see aikeys list")
    shown = capsys.readouterr()
    assert shown.out == "openai\n"
    assert shown.err.splitlines() == [
        "aikeys: added openai",
        "aikeys: warning: no recovery code",
        "aikeys: error: no key named x",
        "aikeys: hint: see aikeys list",
    ]


def test_quiet_silences_messages_but_not_errors(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.options.quiet = True
    terminal.say("added")
    terminal.detail("more")
    terminal.error("failed")
    assert capsys.readouterr().err == "aikeys: error: failed\n"


def test_details_need_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.detail("hidden")
    terminal.options.verbose = True
    terminal.detail("shown")
    assert capsys.readouterr().err == "aikeys: shown\n"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\rb", "a\\rb"), ("a\nb", "a\\nb"), ("a\x9bb", "a\\x9bb"), ("\u202ea", "\\u202ea")],
)
def test_control_characters_are_escaped(hostile: str, harmless: str) -> None:
    assert terminal.printable(hostile) == harmless


def test_a_hostile_name_cannot_forge_a_line_or_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.error("no key named x\naikeys: all is well")
    terminal.out("a\x1b[1Ab\nsecond line")
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert shown.out == "a\\x1b[1Ab\nsecond line\n"


def test_text_that_stdout_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    terminal.out("‹secret›")
    sys.stdout.flush()
    assert buffer.getvalue() == b"\\u2039secret\\u203a\n"


def test_without_a_terminal_nothing_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(b"yes\n"))
    assert not terminal.can_ask()
    assert not terminal.can_ask(data_on_stdin=True)
    with pytest.raises(Cancelled, match="input is needed, but this is not interactive"):
        terminal.confirm("Remove it?")


def test_yes_answers_for_the_user() -> None:
    terminal.options.yes = True
    assert terminal.confirm("Remove it?")


def test_a_secret_from_stdin_loses_its_line_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(b" sk-CANARY-1 \r\n"))
    assert terminal.read_stdin_secret() == b" sk-CANARY-1 "


@pytest.mark.parametrize("data", [b"", b"\n", b"x" * (terminal.SECRET_LIMIT_BYTES + 1)])
def test_an_empty_or_huge_stdin_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(data))
    with pytest.raises(UsageError):
        terminal.read_stdin_secret()


def test_a_closed_stdin_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="closed"):
        terminal.read_stdin_secret()


def test_a_hidden_answer_is_not_echoed() -> None:
    screen = on_a_terminal("print(len(terminal.ask_hidden('Key')))", b"sk-CANARY-2\n")
    assert "Key: " in screen
    assert "CANARY" not in screen
    assert "11" in screen


def test_a_confirmation_takes_its_default_from_an_empty_answer() -> None:
    assert "True" in on_a_terminal("print(terminal.confirm('Go on?', default=True))", b"\n")
    assert "False" in on_a_terminal("print(terminal.confirm('Go on?'))", b"\n")


@pytest.mark.parametrize("typed", [b"\x03", b"\x04"])
def test_ctrl_c_and_end_of_file_at_a_question_mean_no(typed: bytes) -> None:
    code = "try: terminal.ask_hidden('Key')\nexcept Cancelled as no: print('it was', no.message)"
    assert "it was cancelled" in on_a_terminal(code, typed)


@pytest.mark.parametrize("name", ["CI", "AIKEYS_NO_INPUT"])
def test_ci_and_no_input_forbid_questions_on_a_terminal(name: str) -> None:
    code = "print(terminal.can_ask())"
    assert "True" in on_a_terminal(code, b"")
    assert "True" in on_a_terminal(code, b"", **{name: "0"})
    assert "False" in on_a_terminal(code, b"", **{name: "1"})


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("verifying", total=2) as advance:
        advance()
    assert capsys.readouterr().err == ""


def test_a_table_off_the_terminal_is_complete_and_plain() -> None:
    long = "x" * 300
    assert table(["NAME", "NOTE"], [["openai", long], ["a\x1b", ""]]).splitlines() == [
        "NAME    NOTE",
        f"openai  {long}",
        "a\\x1b",
    ]


def test_a_table_on_a_terminal_fits_and_takes_no_markup() -> None:
    code = (
        "from aikeys.cli.render.table import table\n"
        "terminal.out_styled(table(['NAME', 'NOTE'], [['[bold]a[/bold]', 'x' * 100]]))"
    )
    screen = on_a_terminal(code, b"", NO_COLOR="1", COLUMNS="40")
    assert "[bold]a[/bold]" in screen
    assert "\033" not in screen
    assert max(len(line) for line in screen.splitlines()) <= 40


def test_json_names_its_schema_first_and_keeps_the_order() -> None:
    text = document("aikeys.keys/1", keys=[{"name": "ключ"}], count=1)
    assert list(json.loads(text)) == ["schema", "keys", "count"]
    assert "ключ" in text
