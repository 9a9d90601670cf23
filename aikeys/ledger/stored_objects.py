"""Stored objects of a provider (responses …): which token made them, for which team.

A row is written with the entry of the call that made the object. Where the provider names the reply as it names the
object, the entry says whose it is, and `verify` compares; of other objects, and of archived calls, the row alone does.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_LONGEST = 100


class Owner(NamedTuple):
    """Whose an object is; `team` empty for a token without one."""

    token: str
    team: str


class MadeObject(NamedTuple):
    """An object that a call made, by the name its provider gave it."""

    provider: str
    name: str
    owner: Owner


def note(connection: sqlite3.Connection, provider: str, name: str, owner: Owner) -> None:
    """Note whose an object is; the first counts. A name that no provider gives is not kept."""
    if len(name) <= _LONGEST and name.isprintable():
        connection.execute("INSERT OR IGNORE INTO kept_object VALUES (?, ?, ?, ?)", (provider, name, *owner))


def is_of(connection: sqlite3.Connection, provider: str, name: str, owner: Owner) -> bool:
    """Tell whether an object was made by this token, or for its team."""
    row = connection.execute(
        "SELECT token, team FROM kept_object WHERE provider = ? AND name = ?", (provider, name)
    ).fetchone()
    return row is not None and (row[0] == owner.token or bool(owner.team and row[1] == owner.team))


def first_wrong(connection: sqlite3.Connection) -> str | None:
    """Return the name of an object that no call of its owner made, where calls say who made it; else None."""
    kept = {(row[0], row[1]): (row[2], row[3]) for row in connection.execute("SELECT * FROM kept_object")}
    if not kept:
        return None
    makers: dict[tuple[str, str], set[tuple[str, str]]] = {}
    query = (
        "SELECT call.request_id, call.message_id, provider.text, token.text, team.text FROM call "
        "JOIN context c ON c.id = call.context "
        "JOIN slot s ON s.id = c.slot JOIN word provider ON provider.id = s.provider "
        "JOIN word token ON token.id = c.token JOIN word team ON team.id = s.team "
        "WHERE (request_id <> '' OR message_id <> '') AND corrects = 0 "
        "AND provider.text IN (SELECT provider FROM kept_object)"
    )
    for request_id, message_id, provider, token, team in connection.execute(query):
        for name in {request_id, message_id} - {""}:
            if (provider, name) in kept:
                makers.setdefault((provider, name), set()).add((token, team))
    wrong = (name for (provider, name), owner in kept.items() if owner not in makers.get((provider, name), {owner}))
    return min(wrong, default=None)
