"""The SQL of the table `reservation`: what is set aside now, by which process, for which context.

A reservation counts for whom its stored context names, by digest: a name that is erased meanwhile changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aikeys.budgets.who import Somebody, whos_of
from aikeys.errors import Damaged
from aikeys.ledger.calls import Context, Labels, text_pairs
from aikeys.ledger.store import Writer
from aikeys.ledger.token_acts import ancestors

LOST = "lost"
_CONTEXT = (
    "SELECT s.team, s.project, s.environment, s.person, c.tags, c.token, s.key, s.provider, s.model, c.answered, "
    "c.price, c.address, c.door, c.origin, c.tool FROM context c JOIN slot s ON s.id = c.slot WHERE c.id = ?"
)

_LABELS = (
    "SELECT team.text, project.text, environment.text, s.person, key.text, token.text FROM context c "
    "JOIN slot s ON s.id = c.slot JOIN word team ON team.id = s.team JOIN word project ON project.id = s.project "
    "JOIN word environment ON environment.id = s.environment JOIN word key ON key.id = s.key "
    "JOIN word token ON token.id = c.token WHERE c.id = ?"
)


class Open(NamedTuple):
    """A reservation in the order of its columns; `context` is the row of its context, `day` the day of `at_us`."""

    id: bytes
    at_us: int
    process: str
    context: int
    pusd: int
    day: int


class ReservedSum(NamedTuple):
    """What calls hold that are not booked: how many, and how much in all."""

    calls: int
    pusd: int


class StoredContext(NamedTuple):
    """A stored context with the digests that stand for its user and address, empty for nobody."""

    context: Context
    user: bytes
    address: bytes


def put_open(connection: sqlite3.Connection, one: Open) -> None:
    """Write a reservation."""
    connection.execute("INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?)", one)


def take_open(connection: sqlite3.Connection, number: bytes) -> Open | None:
    """Remove a reservation and return it; None where it does not stand any more."""
    row = connection.execute("DELETE FROM reservation WHERE id = ? RETURNING *", (number,)).fetchone()
    return Open(*row) if row else None


def find_open(connection: sqlite3.Connection, number: bytes) -> Open | None:
    """Return a reservation that stands."""
    row = connection.execute("SELECT * FROM reservation WHERE id = ?", (number,)).fetchone()
    return Open(*row) if row else None


def open_of(connection: sqlite3.Connection, process: str) -> list[Open]:
    """Return the reservations of a process, oldest first."""
    rows = connection.execute("SELECT * FROM reservation WHERE process = ? ORDER BY rowid", (process,))
    return [Open(*row) for row in rows]


def processes(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the processes that have reservations."""
    return [row[0] for row in connection.execute("SELECT DISTINCT process FROM reservation")]


def whos_filed(connection: sqlite3.Connection, number: int) -> tuple[Somebody, ...]:
    """Return the WHOs, in stored form, that a stored context counts for."""
    row = connection.execute(_LABELS, (number,)).fetchone()
    if row is None:
        raise Damaged("a reservation has lost its context", "put an unchanged copy of ledger.db back")
    team, project, environment, user, key, token = row
    above = ancestors(connection, token) if token else ()
    return whos_of(Context(Labels(team, project, environment), token, key), user, above)


def filed_context(connection: sqlite3.Connection, number: int) -> StoredContext:
    """Return a stored context; erased names are empty in it."""
    row = connection.execute(_CONTEXT, (number,)).fetchone()
    team, project, environment, user, tags, *texts, address, door, source, tool = row

    def word(text: int) -> str:
        return str(connection.execute("SELECT text FROM word WHERE id = ?", (text,)).fetchone()[0])

    def person(digest: bytes) -> str:
        row = connection.execute("SELECT name FROM person WHERE digest = ?", (digest,)).fetchone()
        return str(row[0] or "") if row else ""

    labels = Labels(word(team), word(project), word(environment), person(user), text_pairs(word(tags)))
    token, key, provider, model, answered, price = map(word, texts)
    end = (word(door), word(source), word(tool))
    context = Context(labels, token, key, provider, model, answered, price, person(address), *end)
    return StoredContext(context, user, address)


@contextmanager
def with_names(writer: Writer, filed: StoredContext) -> Iterator[Context]:
    """Yield a stored context in which everybody has a name, so that recording it finds the same row.

    Somebody who was erased has one for the length of the transaction only.
    """
    connection, context = writer.connection, filed.context
    lent = []
    for digest, name in ((filed.user, context.labels.user), (filed.address, context.address)):
        if digest and not name and digest not in lent:
            connection.execute("UPDATE person SET name = ? WHERE digest = ?", (digest.hex(), digest))
            lent.append(digest)
    user = filed.user.hex() if filed.user in lent else context.labels.user
    address = filed.address.hex() if filed.address in lent else context.address
    yield context._replace(labels=context.labels._replace(user=user), address=address)
    for digest in lent:
        connection.execute("UPDATE person SET name = NULL WHERE digest = ?", (digest,))


def entry_of(connection: sqlite3.Connection, number: bytes, day: int) -> tuple[int, int, bool] | None:
    """Return (entry, cost, whether it is corrected) of the call that a reservation became."""
    row = connection.execute(
        "SELECT id, cost_pusd, status FROM call WHERE reservation = ? AND reservation <> x'' AND corrects = 0",
        (number,),
    ).fetchone()
    if row is None:
        return None
    corrected = (
        row[2] != LOST
        or connection.execute("SELECT 1 FROM call WHERE day = ? AND corrects = ?", (day, row[0])).fetchone()
    )
    return row[0], row[1], bool(corrected)
