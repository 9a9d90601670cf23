"""Every command, and a small home to run each on, in this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from aikeys.cli import app
from aikeys.vault.opening import place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.unlock import key_file, methods
from tests.vault.conftest import Home

RunHere = Callable[[list[str]], str]
_ENDLESS = (["demo"], ["top"])


def commands() -> list[list[str]]:
    """Return every command, those of groups by their whole names; none that would serve or ask for long."""
    found = []

    def walk(command: object, path: list[str]) -> None:
        below = getattr(command, "commands", {})
        if not below:
            found.append(path)
        for name, one in below.items():
            walk(one, [*path, name])

    walk(app.load_all(), [])
    return [path for path in found if path not in _ENDLESS]


def make_small_home(folder: Path) -> Home:
    """Make a home with a vault that a key file opens and one key."""
    key, path = os.urandom(32), folder / "unlock.key"
    key_file.create(str(path), key)
    home = Home(place_of(str(folder / "home")), path, key)
    make_vault(home.place, [methods.NewMethod(methods.KEY_FILE, str(path), key)])
    home.add("openai", "sk-stored")
    return home
