"""Surroundings of a command: the folder it runs in, and the project's file there.

- The file is read once in a run. One that is not allowed is named once, and counts for nothing.
- A folder that was deleted is no folder: nothing stands around.

Part of `exec`: imports nothing before it is asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.config import Project
    from aikeys.ledger.calls import Labels
    from aikeys.ledger.store import Ledger
    from aikeys.project import ProjectFile

_BUDGETED = ("team", "project", "environment", "user")


class Around:
    """The surroundings of one run, for a home."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.folder = _folder()
        self._project: Project | None = None
        self._ignored: tuple[str, ...] = ()

    @property
    def project(self) -> Project:
        """What the project's file says, nothing where there is none or it is not allowed: that is said, once."""
        if self._project is None:
            from aikeys.config import Project
            from aikeys.project import find

            found = find(self.folder) if self.folder else None
            self._project = Project() if found is None else self._counted(found)
        return self._project

    def say_uncounted(self, labels: Labels, ledger: Ledger) -> None:
        """Say which kind of budget a call counts for no more, because the file that would label it is not allowed."""
        open_ones = [kind for kind in self._ignored if not getattr(labels, kind)]
        if not open_ones or not ledger.exists:
            return
        from aikeys.budgets.store import read_budgets

        with ledger.reading() as connection:
            kinds = {budget.who.partition(":")[0] for budget in read_budgets(connection)}
        for kind in open_ones:
            if kind in kinds:
                terminal.warn(f"no {kind} is set, so this counts for no budget of a {kind}: give it, or allow the file")

    def _counted(self, found: ProjectFile) -> Project:
        from aikeys.config import Project
        from aikeys.project import is_allowed, says

        if is_allowed(self.home, found):
            return says(found)
        self._ignored = _would_label(found)
        reason = f"{found.fault}; it is" if found.fault else f"{found.path} is not allowed and"
        way = found.hint if found.fault else f"look at it, then: aikeys allow {_shown(os.path.dirname(found.path))}"
        terminal.warn(f"{reason} ignored: no key and no label is taken from it ({way})")
        return Project()


def _would_label(found: ProjectFile) -> tuple[str, ...]:
    """Return which labels a file would set that a budget could be for; what it says is used for nothing else."""
    from aikeys import config

    try:
        names = dict(config.project_of(found.path, found.content).labels)
    except AikeysError:
        return ()
    return tuple(kind for kind in _BUDGETED if names.get(kind))


def _shown(path: str) -> str:
    from shlex import quote

    return quote(path)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
