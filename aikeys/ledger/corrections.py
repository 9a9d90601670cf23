"""Correct what a call cost: new calls that name the old one, at the same instant; their costs add up to the difference.

One takes the call out of the cost source it stood under, its cost and counts below zero; one puts it under `billed`.
A call that stands there already gets one correction with the difference.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import (
    BILLED,
    ESTIMATED,
    REBOOKED,
    REBOOKED_FAILED,
    REVERSED,
    REVERSED_FAILED,
    SUCCESS,
    UNPRICED,
    WORST_CASE,
    Call,
    Context,
    requests_of,
)
from aikeys.ledger.entries import Head
from aikeys.ledger.listing import Texts, call_at, corrections_of, no_call
from aikeys.ledger.store import Ledger, Writer
from aikeys.providers.usage import Usage as Tokens

DOOR = "ledger"
_UNSURE = (WORST_CASE, ESTIMATED, UNPRICED)
_BLANK: dict[str, Any] = {
    "unpriced": (), "latency_ms": None, "first_token_ms": None, "reservation": b"", "request_id": "",
    "request_digest": b"", "reply_digest": b"", "message_id": "", "run": "", "list_pusd": 0, "unread": (),
    "import_id": "", "request_content": b"", "reply_content": b"",
}  # fmt: skip


class Correction(NamedTuple):
    """What a correction changed: its own number, and the call's cost before and after."""

    number: int
    before_pusd: int
    after_pusd: int


class _Held(NamedTuple):
    """What a call and its corrections hold under one cost source."""

    requests: int = 0
    cost_pusd: int = 0
    tokens: tuple[int, ...] = (0,) * 6
    doubt_pusd: int = 0

    def plus(self, one: Call) -> _Held:
        requests = requests_of(one.corrects, one.status)[0]
        tokens = tuple(mine + its for mine, its in zip(self.tokens, one.usage.tokens, strict=True))
        return _Held(self.requests + requests, self.cost_pusd + one.cost_pusd, tokens, self.doubt_pusd + one.doubt_pusd)


def correct(
    writer: Writer, number: int, cost_pusd: int, booking: Callable[[Writer, Call, Calendar], Head]
) -> Correction:
    """Book that call `number` did cost `cost_pusd`. Given again, it counts from what the last correction left.

    Raises NotFound without such a call, UsageError where it is a correction itself or its cost is known already.
    """
    ledger, connection = writer.ledger, writer.connection
    call, earlier = _call(connection, ledger, number)
    before_pusd = call.cost_pusd + sum(one.cost_pusd for one in earlier)
    if call.cost_source not in _UNSURE:
        raise UsageError(
            f"what call {number} did cost is known already ({call.cost_source})",
            "only worst_case, estimated and unpriced calls can be corrected",
        )
    if earlier and before_pusd == cost_pusd:
        raise UsageError(f"call {number} was corrected to that cost already", f"see: aikeys log {number}")
    with _names_lent(writer, number, call.context) as context:
        calendar, head = Calendar(ledger.zone), writer.head
        for one in _moves(call, earlier, cost_pusd):
            correction = one._replace(
                at_us=call.at_us, settled_us=writer.now_us, context=context._replace(door=DOOR, price="")
            )
            head = booking(writer, correction._replace(corrects=number), calendar)
    row = connection.execute("SELECT max(id) FROM call WHERE id <= ?", (head.number,)).fetchone()
    return Correction(row[0], before_pusd, cost_pusd)


def _moves(call: Call, earlier: list[Call], cost_pusd: int) -> list[Call]:
    """Return what takes request, tokens and cost out of every cost source but `billed`, and last what puts them there.

    What is taken out comes first: budgets are told of no sum that was never spent.
    """
    found: dict[str, _Held] = {}
    for one in (call, *earlier):
        found[one.cost_source] = found.get(one.cost_source, _Held()).plus(one)
    billed = found.pop(BILLED, _Held())
    moved = [(source, held) for source, held in found.items() if held != _Held()]
    is_failed = call.status != SUCCESS
    moves = [
        call._replace(
            **_BLANK,
            usage=Tokens._make([*(-count for count in held.tokens), ()]),
            cost_pusd=-held.cost_pusd,
            doubt_pusd=-held.doubt_pusd,
            cost_source=source,
            status=(REVERSED_FAILED if is_failed else REVERSED) if held.requests else SUCCESS,
        )
        for source, held in moved
    ]
    tokens = [sum(held.tokens[place] for _, held in moved) for place in range(6)]
    has_request = any(held.requests for _, held in moved)
    moves.append(
        call._replace(
            **_BLANK,
            usage=Tokens._make([*tokens, ()]),
            cost_pusd=cost_pusd - billed.cost_pusd,
            doubt_pusd=0,
            cost_source=BILLED,
            status=(REBOOKED_FAILED if is_failed else REBOOKED) if has_request else SUCCESS,
        )
    )
    return moves


@contextmanager
def _names_lent(writer: Writer, number: int, context: Context) -> Iterator[Context]:
    """Yield a call's context in which everybody has a name, an erased person for the length of the transaction only."""
    connection = writer.connection
    row = connection.execute("SELECT context FROM call WHERE id = ?", (number,)).fetchone()
    _, user, address = Texts(connection).digested(row[0])
    lent = [digest for digest, name in ((user, context.labels.user), (address, context.address)) if digest and not name]
    for digest in lent:
        connection.execute("UPDATE person SET name = ? WHERE digest = ?", (digest.hex(), digest))
    labels = context.labels._replace(user=user.hex() if user in lent else context.labels.user)
    yield context._replace(labels=labels, address=address.hex() if address in lent else context.address)
    for digest in lent:
        connection.execute("UPDATE person SET name = NULL WHERE digest = ?", (digest,))


def _call(connection: sqlite3.Connection, ledger: Ledger, number: int) -> tuple[Call, list[Call]]:
    recorded = call_at(connection, ledger, number)
    if recorded is None:
        raise no_call(connection, ledger, number)
    if recorded.call.corrects is not None:
        raise UsageError(
            f"entry {number} is a correction of {recorded.call.corrects}",
            f"correct that one: aikeys ledger resolve {recorded.call.corrects} --cost USD",
        )
    return recorded.call, [one.call for one in corrections_of(connection, ledger, number)]
