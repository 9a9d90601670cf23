"""Cache of one connection, valid while PRAGMA data_version is unchanged; pending writes are flushed before commit.

- Only one kind of writer has a memory: a thread with a connection of its own that commits many calls at once
  (budgets.sqlite_rounds). Everybody else reads and writes at once.
- It holds from one transaction to the next while nobody else writes (`PRAGMA data_version`). When somebody did, what
  calls change is dropped (`Part.forget_calls`); what only acts change is kept unless there is a new act: a person who
  is erased, a token that gets another parent, a budget, a declared tag. Within a transaction nobody else can write.
- Everything is dropped when anything fails.
- What waits (`Part.write_out`) is written before the commit, and before anything reads the tables it belongs to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aikeys.ledger.store import Ledger, Writer

_MOST_CONTEXTS = 10_000
_HARMLESS = ("access", "exec", "overrun")
"""Acts that come with calls and change nothing that is remembered; any other may."""


class Part(Protocol):
    """What one module remembers; made without arguments."""

    def write_out(self, connection: sqlite3.Connection) -> None:
        """Write what waits."""
        ...

    def forget_calls(self) -> None:
        """Drop what another process may have changed by reserving and settling."""
        ...


P = TypeVar("P", bound=Part)


class WriteCache:
    """What the modules remember between and within transactions. `filed` are contexts and their rows (recording)."""

    def __init__(self) -> None:
        self.filed: dict[Any, Any] = {}
        self._parts: dict[type[Any], Any] = {}
        self._version = -1
        self._known_to = 0

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

    def check(self, writer: Writer) -> None:
        """Forget what somebody else may have changed; at the beginning of a transaction."""
        version = writer.connection.execute("PRAGMA data_version").fetchone()[0]
        if len(self.filed) > _MOST_CONTEXTS:
            self.forget()
        elif version != self._version:
            if is_any_act(writer.connection, self._known_to):
                self.forget()
            else:
                for part in self._parts.values():
                    part.forget_calls()
        self._version = version
        self._known_to = writer.head.number


def is_any_act(connection: sqlite3.Connection, after: int) -> bool:
    """Tell whether there is an act after an entry that may have changed what is remembered."""
    query = f"SELECT 1 FROM entry WHERE id > ? AND act NOT IN ({', '.join('?' * len(_HARMLESS))}) LIMIT 1"  # noqa: S608
    return connection.execute(query, (after, *_HARMLESS)).fetchone() is not None


@contextmanager
def cached_writing(ledger: Ledger, cache: WriteCache) -> Iterator[Writer]:
    """One transaction of a ledger whose connection nobody else uses; anything raised leaves the ledger as it was."""
    try:
        with ledger.writing() as writer:
            cache.check(writer)
            writer.cache, writer.filed = cache, cache.filed
            yield writer
            cache.write_out(writer.connection)
    except BaseException:
        cache.forget()
        raise
