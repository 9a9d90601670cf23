"""The checked lines of an import, kept until they are booked: in a temporary database that has no name.

What was checked is what is booked, whatever happens to the file meanwhile; and a million lines need no memory.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from aikeys.ledger.calls import Call, Context
from aikeys.ledger.interchange import Item
from aikeys.providers.usage import Usage

_TABLE = "CREATE TABLE line(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, content BLOB NOT NULL)"
_AT_ONCE = 256


class StagedLine(NamedTuple):
    """A checked line: its number in the file and what it says."""

    number: int
    item: Item


class Staged:
    """Lines by their number and their id. Contexts repeat from line to line: they are kept once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._contexts: list[Context] = []
        self._places: dict[Context, int] = {}
        self.count = 0

    def add(self, line: StagedLine) -> StagedLine | None:
        """Keep a line; where another one has its id nothing is kept and that one is returned."""
        try:
            self._connection.execute(
                "INSERT INTO line VALUES (?, ?, ?)", (line.number, line.item.id, self._packed(line.item))
            )
        except sqlite3.IntegrityError:
            return self.find(line.item.id)
        self.count += 1
        return None

    def find(self, identity: str) -> StagedLine | None:
        """Return the line with that id."""
        row = self._connection.execute("SELECT number, content FROM line WHERE id = ?", (identity,)).fetchone()
        return StagedLine(row[0], self._unpacked(row[1])) if row else None

    def lines(self) -> Iterator[StagedLine]:
        """Yield all lines in the order of the file."""
        rows = self._connection.execute("SELECT number, content FROM line ORDER BY number")
        while found := rows.fetchmany(_AT_ONCE):
            for number, content in found:
                yield StagedLine(number, self._unpacked(content))

    def _packed(self, item: Item) -> bytes:
        call = item.call
        place = self._places.get(call.context)
        if place is None:
            place = self._places[call.context] = len(self._contexts)
            self._contexts.append(call.context)
        fields: Any = (call.at_us, call.settled_us, place, tuple(call.usage), *call[4:])
        return marshal.dumps((item.id, fields, item.corrects, item.is_unpriced))

    def _unpacked(self, content: bytes) -> Item:
        identity, (at_us, settled_us, place, usage, *rest), corrects, is_unpriced = marshal.loads(content)  # noqa: S302
        call = Call(at_us, settled_us, self._contexts[place], Usage._make(usage), *rest)
        return Item(identity, call, corrects, is_unpriced)


@contextmanager
def staged() -> Iterator[Staged]:
    """Yield an empty place for lines; it is gone afterwards, however the process ends."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(_TABLE)
        connection.execute("BEGIN")
        yield Staged(connection)
