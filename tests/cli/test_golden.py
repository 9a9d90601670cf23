"""What the command line says, word for word. Update: AIKEYS_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aikeys.cli.app import COMMANDS
from tests.conftest import Aikeys

GOLDEN = Path(__file__).parents[1] / "golden"
GROUPS = {
    "alert": ("add", "list", "remove", "test", "deliver"),
    "budget": ("set", "list", "remove", "check"),
    "ledger": ("verify", "head", "export", "import", "archive", "resolve", "erase"),
    "config": ("export", "apply"),
    "prices": ("status", "show", "update"),
    "token": ("issue", "list", "show", "revoke", "prune"),
    "unlock-method": ("list", "add", "remove"),
}
HELP = [
    ("help",),
    *((name,) for name in COMMANDS),
    *((group, name) for group, names in GROUPS.items() for name in names),
]
ERRORS = {
    "error-no-command": [],
    "error-unknown-command": ["ad"],
    "error-unknown-option": ["list", "--jsn"],
    "error-no-name": ["show"],
    "error-no-key": ["show", "nothing"],
    "error-exec-no-separator": ["exec", "openai", "ls"],
    "error-exec-no-program": ["exec", "openai", "--"],
    "error-exec-metered": ["exec", "--budget", "5", "--", "true"],
    "error-init-twice": ["init"],
    "error-completion": ["completion", "tcsh"],
    "error-name": ["add", "../x", "--stdin"],
    "error-token-for": ["token", "issue", "--for", "robot"],
    "error-token-scope": ["token", "issue", "--scope", "chat:writ"],
    "error-token-model": ["token", "issue", "--model", "gpt-4.1"],
    "error-token-key": ["token", "issue", "--key", "openai"],
    "error-token-unknown": ["token", "revoke", "0123456789abcdef"],
    "error-token-which": ["token", "revoke"],
}


def compare(name: str, actual: str) -> None:
    golden, seen = GOLDEN / f"{name}.txt", GOLDEN / f"{name}.actual"
    if os.environ.get("AIKEYS_UPDATE_GOLDEN") == "1":
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(actual, encoding="utf-8")
    if golden.exists() and golden.read_text(encoding="utf-8") == actual:
        seen.unlink(missing_ok=True)
        return
    GOLDEN.mkdir(exist_ok=True)
    seen.write_text(actual, encoding="utf-8")
    pytest.fail(f"differs: diff {golden} {seen}")


@pytest.mark.parametrize("words", HELP, ids="-".join)
def test_the_help_reads_as_agreed(bare_home: Aikeys, words: tuple[str, ...]) -> None:
    path = () if words == ("help",) else words
    done = bare_home.run(*path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    compare(f"help-{'-'.join(path)}" if path else "help", done.stdout)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_reads_as_agreed(ready_home: Aikeys, name: str) -> None:
    done = ready_home.run(*ERRORS[name])
    text = f"status {done.returncode}\n-- stdout\n{done.stdout}-- stderr\n{done.stderr}"
    compare(name, text.replace(str(ready_home.folder), "FOLDER"))
