"""What a connection need not read again, and what waits to be written together: for a writer of many small acts.

- Only one kind of writer has a memory: a thread with a connection of its own that commits many calls at once
  (budgets.group_desk). Everybody else reads and writes at once.
- It holds from one transaction to the next while nobody else writes (`PRAGMA data_version`), and is dropped whenever
  somebody does, and when anything fails. Within a transaction nobody else can write.
- What waits (`Part.write_out`) is written before the commit, and before anything reads the tables it belongs to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aikeys.ledger.store import Ledger, Writer

_MOST_CONTEXTS = 10_000


class Part(Protocol):
    """What one module remembers; made without arguments."""

    def write_out(self, connection: sqlite3.Connection) -> None:
        """Write what waits."""
        ...


P = TypeVar("P", bound=Part)


class Memory:
    """What the modules remember between and within transactions. `filed` are contexts and their rows (recording)."""

    def __init__(self) -> None:
        self.filed: dict[Any, Any] = {}
        self._parts: dict[type[Any], Any] = {}
        self._version = -1

    def part(self, kind: type[P]) -> P:
        """Return what a module remembers, new where it is new."""
        found: P | None = self._parts.get(kind)
        if found is None:
            found = self._parts[kind] = kind()
        return found

    def write_out(self, connection: sqlite3.Connection) -> None:
        """Write what waits in every part."""
        for part in self._parts.values():
            part.write_out(connection)

    def forget(self) -> None:
        """Drop everything, also what waits."""
        self.filed.clear()
        self._parts.clear()

    def check(self, connection: sqlite3.Connection) -> None:
        """Forget what somebody else may have changed; inside a transaction."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self.filed) > _MOST_CONTEXTS:
            self.forget()
            self._version = version


@contextmanager
def remembering(ledger: Ledger, memory: Memory) -> Iterator[Writer]:
    """One transaction of a ledger whose connection nobody else uses; anything raised leaves the ledger as it was."""
    try:
        with ledger.writing() as writer:
            memory.check(writer.connection)
            writer.memory, writer.filed = memory, memory.filed
            yield writer
            memory.write_out(writer.connection)
    except BaseException:
        memory.forget()
        raise
