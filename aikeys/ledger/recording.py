"""Append a call to the chain and add it to the roll-ups, inside a writer's transaction.

Only `aikeys/budgets/booking.py` calls this: what is recorded must also reach the counters and the alerts.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, call_hash, context_digest, extra_bytes, numbers_of, pairs_text
from aikeys.ledger.entries import Head
from aikeys.ledger.rollups import RollupKey, add_call, word_id
from aikeys.ledger.store import Writer

_INSERT = f"INSERT INTO call VALUES ({', '.join('?' * 19)})"  # noqa: S608


class ContextRow(NamedTuple):
    """A context's row: its id, its slot's id, the word of its token (None without one), and its digest."""

    id: int
    slot: int
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
        (*numbers, call.cost_source, call.status, filed.id, extra, day, digest),
    )
    writer.head = Head(number, digest)
    add_call(writer, call, RollupKey(filed.slot, filed.token, day))
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
    row = connection.execute("SELECT id, slot FROM context WHERE digest = ?", (digest,)).fetchone()
    if row:
        return ContextRow(row[0], row[1], token, digest)

    def word(text: str) -> int:
        return word_id(connection, text)

    labels = context.labels
    columns = (
        *(word(labels.team), word(labels.project), word(labels.environment), user),
        *(word(context.key), word(context.provider), word(context.model)),
    )
    slot = connection.execute(
        "INSERT INTO slot(team, project, environment, user, key, provider, model) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET team = team RETURNING id",
        columns,
    ).fetchone()[0]
    added = connection.execute(
        "INSERT INTO context(slot, token, tags, answered, price, address, door, digest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(slot, word(context.token), word(pairs_text(labels.tags)), word(context.answered), word(context.price)),
            *(address, word(context.door), digest),
        ),
    ).fetchone()
    return ContextRow(added[0], slot, token, digest)
