"""Which objects kept at a provider (stored responses …) were made by which token, for which team. Not chained."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_LONGEST = 200


class Owner(NamedTuple):
    """Whose an object is; `team` empty for a token without one."""

    token: str
    team: str


def note(connection: sqlite3.Connection, provider: str, name: str, owner: Owner) -> None:
    """Note whose an object is; the first counts."""
    if len(name) <= _LONGEST:
        connection.execute("INSERT OR IGNORE INTO kept_object VALUES (?, ?, ?, ?)", (provider, name, *owner))


def is_of(connection: sqlite3.Connection, provider: str, name: str, owner: Owner) -> bool:
    """Tell whether an object was made by this token, or for its team."""
    row = connection.execute(
        "SELECT token, team FROM kept_object WHERE provider = ? AND name = ?", (provider, name)
    ).fetchone()
    return row is not None and (row[0] == owner.token or bool(owner.team and row[1] == owner.team))
