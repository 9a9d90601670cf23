"""Contexts of some tokens or labels: tells calls of one's own from others' in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

_WORDS = ("team", "project", "environment")
_START = "SELECT c.id FROM context c JOIN slot s ON s.id = c.slot WHERE "


def contexts_of_tokens(connection: sqlite3.Connection, tokens: Sequence[str]) -> list[int]:
    """Return the contexts of the calls that tokens made."""
    from json import dumps

    condition = "c.token IN (SELECT id FROM word WHERE text IN (SELECT value FROM json_each(?)))"
    return [row[0] for row in connection.execute(_START + condition, (dumps(tokens),))]


def contexts_of_labels(connection: sqlite3.Connection, labels: Sequence[tuple[str, str]]) -> list[int]:
    """Return the contexts that carry all of these labels; a name that is no label of ours is a tag."""
    conditions, values = [], []
    for name, value in labels:
        if name in _WORDS:
            conditions.append(f"s.{name} = (SELECT id FROM word WHERE text = ?)")  # noqa: S608  the name is one of ours
            values.append(value)
        elif name == "user":
            conditions.append("s.person = (SELECT digest FROM person WHERE name = ?)")
            values.append(value)
        else:
            conditions.append("(SELECT instr(char(10) || text || char(10), ?) FROM word WHERE id = c.tags) > 0")
            values.append(f"\n{name}={value}\n")
    return [row[0] for row in connection.execute(_START + " AND ".join(conditions), values)] if conditions else []
