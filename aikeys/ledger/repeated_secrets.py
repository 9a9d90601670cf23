"""Secrets that a provider repeated before replies were masked: where a ledger holds one, and masking it there.

- Beside the chain stand what a reply calls its model (a word of contexts), names of objects that a provider keeps, and
  messages that wait or were sent. There it is masked, and the pages that held it are overwritten.
- A context then has other texts than its digest, which is in the chain and stays. An act states both digests, so that
  the context is still checked; a checkpoint has to follow it.
- What is part of an entry (the provider's id of a request, what an act says), or names somebody or something (a label,
  a model, a key), stays: only another ledger is without it. So do archives, exports and backups.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from aikeys.errors import NotFound
from aikeys.ledger.calls import context_digest
from aikeys.ledger.listing import Texts
from aikeys.ledger.projections import ERASED
from aikeys.ledger.rollups import word_id
from aikeys.ledger.store import Act, Ledger, Signer
from aikeys.providers.masking import Search

CONTEXT = "context"
"""The subject of an act that states under which digests a context is known: in the chain, and of its texts now."""
_STATED = "SELECT detail FROM entry WHERE act = ? AND subject = ?"
_BATCH, _SHOWN = 4096, 5
_ANSWERED = "SELECT id, text FROM word WHERE id IN (SELECT answered FROM context)"
_OBJECTS = "SELECT name, provider || '/' || name FROM kept_object"
_MESSAGES = "SELECT id, message || char(10) || error FROM outbox"
_NAMES = """SELECT text, text FROM word WHERE id IN (SELECT team FROM slot UNION SELECT project FROM slot
  UNION SELECT environment FROM slot UNION SELECT key FROM slot UNION SELECT model FROM slot UNION
  SELECT provider FROM slot UNION SELECT token FROM context UNION SELECT tags FROM context UNION
  SELECT price FROM context UNION SELECT door FROM context UNION SELECT origin FROM context UNION
  SELECT tool FROM context UNION SELECT token FROM archived UNION
  SELECT tags FROM archived UNION SELECT tag FROM rollup_tag UNION SELECT token FROM rollup_token)
  UNION ALL SELECT name, name FROM person WHERE name IS NOT NULL
  UNION ALL SELECT who, who FROM budget UNION ALL SELECT name, settings FROM channel"""
_ENTRIES = (
    "SELECT id, extra FROM call WHERE length(extra) > 0",
    "SELECT id, subject || char(10) || detail || char(10) || status FROM entry",
    "SELECT id, facts FROM entry WHERE length(facts) > 0",
)


class Places(NamedTuple):
    """Where a secret stands: rows that can be masked, and numbers of entries and how many names that cannot."""

    answered: tuple[int, ...]
    objects: tuple[str, ...]
    messages: tuple[int, ...]
    entries: tuple[int, ...]
    names: int

    @property
    def can_be_masked(self) -> int:
        """Return how many places that are beside the chain."""
        return len(self.answered) + len(self.objects) + len(self.messages)

    @property
    def staying(self) -> list[str]:
        """Return in words where it stands and cannot be masked."""
        texts = []
        if self.entries:
            more = f" and {len(self.entries) - _SHOWN} more" if len(self.entries) > _SHOWN else ""
            texts.append(f"the chain: entry {', '.join(map(str, self.entries[:_SHOWN]))}{more}")
        if self.names:
            texts.append("a label or another name" if self.names == 1 else f"{self.names} labels or other names")
        return texts


def places(ledger: Ledger, search: Search) -> Places:
    """Return where the ledger holds one of the secrets."""
    with ledger.reading() as connection:
        return _places(connection, search)


def mask(ledger: Ledger, search: Search, key: str, signer: Signer) -> Places:
    """Mask the secrets of a key beside the chain, in one signed transaction; return where they stood.

    Raises NotFound where the ledger holds none.
    """
    with ledger.writing() as writer:
        connection = writer.connection
        connection.execute("PRAGMA secure_delete=ON")
        found = _places(connection, search)
        if not any(found):
            raise NotFound(f"the ledger does not hold the secret of {key}", "aikeys doctor looks for those of all keys")
        writer.act(Act(ERASED, "key", key))
        for word in found.answered:
            for old, new in _renamed(connection, word, search):
                writer.act(Act(ERASED, CONTEXT, f"{old.hex()} {new.hex()}"))
        for name in found.objects:
            connection.execute("DELETE FROM kept_object WHERE name = ?", (name,))
        for number in found.messages:
            message, error = connection.execute("SELECT message, error FROM outbox WHERE id = ?", (number,)).fetchone()
            texts = (search.masked(message), search.masked(error), number)
            connection.execute("UPDATE outbox SET message = ?, error = ? WHERE id = ?", texts)
        writer.checkpoint(signer)
    ledger.truncate_log()
    return found


def checked_as(connection: sqlite3.Connection) -> Callable[[bytes, bytes], bytes]:
    """Return what tells a context's digest in the chain, from the one it is stored with and that of its texts."""
    stated = {row[0] for row in connection.execute(_STATED, (ERASED, CONTEXT))}
    return lambda stored, fresh: stored if f"{stored.hex()} {fresh.hex()}" in stated else fresh


def last_stated(connection: sqlite3.Connection) -> int:
    """Return the number of the last act that states a context's digests, 0 where there is none."""
    query = "SELECT max(id) FROM entry WHERE act = ? AND subject = ?"
    return connection.execute(query, (ERASED, CONTEXT)).fetchone()[0] or 0


def _places(connection: sqlite3.Connection, search: Search) -> Places:
    entries = {number for query in _ENTRIES for number in _holding(connection, search, query)}
    return Places(
        tuple(_holding(connection, search, _ANSWERED)),
        tuple(_holding(connection, search, _OBJECTS)),
        tuple(_holding(connection, search, _MESSAGES)),
        tuple(sorted(entries)),
        len(set(_holding(connection, search, _NAMES))),
    )


def _holding(connection: sqlite3.Connection, search: Search, query: str) -> Iterator[Any]:
    """Yield the first column of the rows whose second holds a secret."""
    rows = connection.execute(query)
    while batch := rows.fetchmany(_BATCH):
        texts = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for _, text in batch]
        if search.finds(b"\n".join(texts)):
            yield from (row[0] for row, text in zip(batch, texts, strict=True) if search.finds(text))


def _renamed(connection: sqlite3.Connection, word: int, search: Search) -> Iterator[tuple[bytes, bytes]]:
    """Give contexts a masked word in the place of this one; yield the digests of each, in the chain and now."""
    (text,) = connection.execute("SELECT text FROM word WHERE id = ?", (word,)).fetchone()
    masked = word_id(connection, search.masked(text))
    for number, stored in connection.execute("SELECT id, digest FROM context WHERE answered = ?", (word,)).fetchall():
        connection.execute("UPDATE context SET answered = ? WHERE id = ?", (masked, number))
        yield bytes(stored), context_digest(*Texts(connection).digested(number))
    if text not in _holding(connection, search, _NAMES):
        connection.execute("DELETE FROM word WHERE id = ?", (word,))
