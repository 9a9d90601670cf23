"""Append a call to the chain and add it to the roll-ups, inside a writer's transaction.

Only `aikeys/budgets/booking.py` calls this: what is recorded must also reach the counters and the alerts.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from aikeys.ledger.calendar import Calendar, period_start
from aikeys.ledger.calls import (
    Call,
    Context,
    call_hash,
    context_digest,
    extra_bytes,
    found_of,
    numbers_of,
    pairs_text,
)
from aikeys.ledger.entries import Head
from aikeys.ledger.rollups import RollupKey, add_call, word_id
from aikeys.ledger.store import Writer

_INSERT = f"INSERT INTO call VALUES ({', '.join('?' * 25)})"  # noqa: S608


class ContextRow(NamedTuple):
    """A context's row: its id, its slot's id and that of the slot without its person, the word of its token (None
    without one), and its digest."""

    id: int
    slot: int
    wide: int
    token: int | None
    digest: bytes


def append_call(writer: Writer, call: Call, calendar: Calendar) -> Head:
    """Append a settled call; its day and hour are those of `at_us`."""
    filed = writer.filed.get(call.context) or file_context(writer, call.context)
    number = writer.head.number + 1
    numbers = numbers_of(number, call)
    extra = extra_bytes(call)
    texts = (call.cost_source.encode(), call.status.encode(), filed.digest, extra)
    digest = call_hash(writer.head.hash, numbers, texts)
    day = calendar.day_of(call.at_us)
    writer.connection.execute(
        _INSERT,
        (*numbers, call.cost_source, call.status, filed.id, extra, day, digest, *found_of(call)),
    )
    writer.head = Head(number, digest)
    add_call(writer, call, RollupKey(filed.slot, filed.wide, filed.token, day, period_start("month", day)))
    return writer.head


def file_context(writer: Writer, context: Context) -> ContextRow:
    """Return the row of a context, a new one where it is new; the writer remembers it."""
    filed = writer.filed[context] = _file(writer, context)
    return filed


def _file(writer: Writer, context: Context) -> ContextRow:
    connection = writer.connection
    user = writer.person(context.labels.user) if context.labels.user else b""
    address = writer.person(context.address) if context.address else b""
    digest = context_digest(context, user, address)
    token = word_id(connection, context.token) if context.token else None
    row = connection.execute(
        "SELECT c.id, c.slot, s.wide FROM context c JOIN slot s ON s.id = c.slot WHERE c.digest = ?", (digest,)
    ).fetchone()
    if row:
        return ContextRow(row[0], row[1], row[2], token, digest)

    def word(text: str) -> int:
        return word_id(connection, text)

    labels = context.labels
    team, project, environment = word(labels.team), word(labels.project), word(labels.environment)
    end = (word(context.key), word(context.provider), word(context.model))
    wide = slot_id(connection, (team, project, environment, b"", *end))
    slot = slot_id(connection, (team, project, environment, user, *end), wide) if user else wide
    added = connection.execute(
        "INSERT INTO context(slot, token, tags, answered, price, address, door, origin, tool, digest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(slot, word(context.token), word(pairs_text(labels.tags)), word(context.answered), word(context.price)),
            *(address, word(context.door), word(context.source), word(context.tool), digest),
        ),
    ).fetchone()
    return ContextRow(added[0], slot, wide, token, digest)


def slot_id(connection: sqlite3.Connection, columns: tuple[int | bytes, ...], wide: int = 0) -> int:
    """Return the slot of these words and this person, a new one where it is new.

    `wide` is the one without the person, 0 where this is it.
    """
    found = connection.execute(
        "INSERT INTO slot(team, project, environment, person, key, provider, model, wide) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (team, project, environment, person, key, provider, model) DO UPDATE SET team = excluded.team "
        "RETURNING id, wide",
        (*columns, wide),
    ).fetchone()
    if not found[1]:
        connection.execute("UPDATE slot SET wide = id WHERE id = ?", (found[0],))
    return int(found[0])
