"""A small home, and commands run on it in this process."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from aikeys import __main__
from aikeys.cli import terminal
from tests.cli.every_command import RunHere, make_small_home


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a vault that a key file opens, a key and a ledger."""
    return Path(make_small_home(tmp_path_factory.mktemp("small")).place.home)


@pytest.fixture
def run_here(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RunHere:
    """Run a command line in this process and return all it printed; no failure is unforeseen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIKEYS_NO_INPUT", "1")

    def run(words: list[str]) -> str:
        monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())
        monkeypatch.setenv("AIKEYS_HOME", str(small_home))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        status = __main__._dispatch(words)
        printed = "".join(capfd.readouterr())
        assert "error: internal error" not in printed, words
        assert isinstance(status, int)
        return printed

    return run
