"""The table of commands, the global options and the help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aikeys import __main__, __version__, errors
from aikeys.cli import app, terminal, words

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())


@pytest.mark.parametrize(
    ("given", "hoisted"),
    [
        ("list --json -q", "-q list --json"),
        ("list --home /x --json", "--home /x list --json"),
        ("add a --home=/x -y", "--home=/x -y add a"),
        ("list -qv", "-qv list"),
        ("rotate -- -q", "rotate -- -q"),
        ("-q exec -v -- prog -q", "-q exec -v -- prog -q"),
        ("exec a --home x -- b", "exec a --home x -- b"),
        ("list --version", "--version list"),
        ("--home exec list", "--home exec list"),
        ("", ""),
    ],
)
def test_global_options_move_to_the_front(given: str, hoisted: str) -> None:
    assert words.hoist(given.split()) == hoisted.split()


@pytest.mark.parametrize("words", [["list", "--home"], ["--home", "-q", "list"]])
def test_home_without_a_directory_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(words) == 2
    assert "--home needs a directory" in capsys.readouterr().err


def test_options_are_stored_before_and_after_the_command() -> None:
    assert app.main(["-q", "completion", "--home", "/x", "bash", "-y"]) in (0, 1)
    chosen = terminal.options
    assert (chosen.home, chosen.quiet, chosen.yes, chosen.verbose, chosen.no_input) == ("/x", True, True, False, False)


def test_options_reach_what_runs_without_typer() -> None:
    words.apply(["--home=/y", "-qv", "--no-input"])
    chosen = terminal.options
    assert (chosen.home, chosen.quiet, chosen.verbose, chosen.no_input, chosen.yes) == ("/y", True, True, True, False)


def test_help_shows_five_groups_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f"\n{group}:\n") for group in app.GROUPS]
    assert places == sorted(places)
    for name, row in app.COMMANDS.items():
        assert (f"\n  {name} " in shown) == (row.group != app.HIDDEN)
    for status, meaning in errors.EXIT_STATUSES.items():
        assert f"{status:>3}  {meaning}" in shown


def test_no_arguments_show_the_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Usage: aikeys" in shown.err


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from aikeys.cli import app; app.main(['--help'])\n"
        "sys.exit(any(name.startswith(('aikeys.cli.commands.', 'rich')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_a_mistyped_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["rotat"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "aikeys: error: no such command 'rotat'",
        "aikeys: hint: did you mean 'rotate'? see aikeys --help",
    ]


def test_a_usage_error_points_to_the_commands_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["completion", "bash", "again"]) == 2
    shown = capsys.readouterr().err
    assert shown == "aikeys: error: unexpected extra argument\naikeys: hint: see aikeys completion --help\n"
    assert app.main(["completion", "bash", "sk-CANARY-3"]) == 2
    shown = capsys.readouterr().err
    assert "in the shell's history now" in shown
    assert "CANARY" not in shown


def test_an_unknown_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--version"], ["list", "--version"], ["-q", "--version"], ["--version", "exec"]])
def test_the_version_stands_alone_on_stdout(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["aikeys", *words])
    assert __main__.main() == 0
    assert capsys.readouterr() == (f"aikeys {__version__}\n", "")


def test_version_starts_without_typer() -> None:
    code = "import sys; sys.argv[1:] = ['--version']; from aikeys.__main__ import main; main(); sys.exit('typer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_an_interrupt_during_the_imports_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "_dispatch", interrupted)
    assert __main__.main() == 130


@pytest.mark.parametrize("group", ["alert", "budget", "config", "ledger", "prices", "token", "unlock-method"])
def test_a_group_alone_prints_its_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([group, "--help"]) == 0
    wanted = capsys.readouterr().out
    assert app.main([group]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.strip() == wanted.strip()
