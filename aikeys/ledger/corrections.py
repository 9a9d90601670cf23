"""Correct what a call cost: a new call that names the old one, at the same instant, its cost is the difference."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aikeys.errors import NotFound, Usage
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import BILLED, ESTIMATED, UNPRICED, WORST_CASE, Call, Context
from aikeys.ledger.entries import Head
from aikeys.ledger.listing import Texts, call_at, corrections_of
from aikeys.ledger.store import Ledger, Writer
from aikeys.providers.usage import NOTHING

DOOR = "ledger"
_UNSURE = (WORST_CASE, ESTIMATED, UNPRICED)


class Correction(NamedTuple):
    """What a correction changed: its own number, and the call's cost before and after."""

    number: int
    before_pusd: int
    after_pusd: int


def correct(
    writer: Writer, number: int, cost_pusd: int, booking: Callable[[Writer, Call, Calendar], Head]
) -> Correction:
    """Book that call `number` did cost `cost_pusd`. Given again, it counts from what the last correction left.

    Raises NotFound without such a call, Usage where it is a correction itself or its cost is known already.
    """
    ledger, connection = writer.ledger, writer.connection
    call, earlier = _call(connection, ledger, number)
    before_pusd = call.cost_pusd + sum(one.cost_pusd for one in earlier)
    if call.cost_source not in _UNSURE:
        raise Usage(
            f"what call {number} did cost is known already ({call.cost_source})",
            "only worst_case, estimated and unpriced calls can be corrected",
        )
    if earlier and before_pusd == cost_pusd:
        raise Usage(f"call {number} was corrected to that cost already", f"see: aikeys log {number}")
    with _names_lent(writer, number, call.context) as context:
        correction = Call(
            at_us=call.at_us,
            settled_us=writer.now_us,
            context=context._replace(door=DOOR, price=""),
            usage=NOTHING,
            cost_pusd=cost_pusd - before_pusd,
            cost_source=BILLED,
            corrects=number,
        )
        head = booking(writer, correction, Calendar(ledger.zone))
    row = connection.execute("SELECT max(id) FROM call WHERE id <= ?", (head.number,)).fetchone()
    return Correction(row[0], before_pusd, cost_pusd)


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
        raise NotFound(f"there is no call {number} in the ledger", "see: aikeys log")
    if recorded.call.corrects is not None:
        raise Usage(
            f"entry {number} is a correction of {recorded.call.corrects}",
            f"correct that one: aikeys ledger resolve {recorded.call.corrects} --cost USD",
        )
    return recorded.call, [one.call for one in corrections_of(connection, ledger, number)]
