"""A small home made in this process, for tests that run many commands on it."""

from __future__ import annotations

import os
from pathlib import Path

from aikeys.vault.opening import place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.unlock import key_file, methods
from tests.vault.conftest import Home


def small_home(folder: Path) -> Path:
    """Make a home with a vault that a key file opens and one key; return it."""
    key, path = os.urandom(32), folder / "unlock.key"
    key_file.create(str(path), key)
    home = Home(place_of(str(folder / "home")), path, key)
    make_vault(home.place, [methods.NewMethod(methods.KEY_FILE, str(path), key)])
    home.add("openai", "sk-stored")
    return folder / "home"
