"""The schema of a database file against the statements that make it: nothing missing, nothing beside it.

A trigger, a view or an index that nobody made here would act on every write, or refuse it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def first_difference(connection: sqlite3.Connection, statements: Iterable[str]) -> str | None:
    """Return the name of something in the file that the statements do not make, or of what is missing; else None."""
    stored = set(connection.execute(_SCHEMA).fetchall())
    blank = sqlite3.connect(":memory:")
    try:
        for statement in statements:
            blank.execute(statement)
        meant = set(blank.execute(_SCHEMA).fetchall())
    finally:
        blank.close()
    return min((str(name) for _, name, *_ in stored ^ meant), default=None)
