"""Projects' files as commands handle them: the folder that is meant, and the act that says one counts."""

from __future__ import annotations

import os
from typing import NoReturn

from aikeys.cli import home, terminal
from aikeys.errors import NotFound


def record(act: str, path: str, detail: str) -> None:
    """Write the act into the ledger where there is one: no entry, no change of what is allowed."""
    from aikeys.ledger.store import Act

    ledger = home.place().ledger
    if ledger.exists:
        name = terminal.printable(os.path.basename(os.path.dirname(path)))
        ledger.event(Act(act, name, detail))
        ledger.close()


def start_folder(folder: str) -> str:
    """Return the folder that was given, or this one; NotFound where it is none or was deleted."""
    try:
        start = os.path.abspath(folder) if folder else os.getcwd()
    except OSError:
        _gone()
    if not os.path.isdir(start):
        raise NotFound(f"{terminal.printable(folder)} is not a folder", "name the project's folder")
    return start


def _gone() -> NoReturn:
    raise NotFound("the current folder was deleted", "name the project's folder: aikeys allow DIR")
