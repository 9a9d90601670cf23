"""Import calls that were made elsewhere: all lines of a file or none, each id once.

One transaction: who reads sees the ledger before or after, and other writers wait that long. An id that is in the
table `imported`, or that names an entry of this very ledger, is known already and skipped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from aikeys.errors import Usage
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.entries import Head
from aikeys.ledger.interchange import IMPORT, Item, Reader
from aikeys.ledger.listing import call_at
from aikeys.ledger.store import Act, Ledger, Writer

LONGEST_LINE = 1 << 20
Booking = Callable[[Writer, Call, Calendar], Head]


class Pricing(Protocol):
    """Gives a call without a cost one: cost, cost source, unpriced units and the price's text."""

    def __call__(self, call: Call) -> Call: ...


class Counts(NamedTuple):
    """What an import did: calls taken, known before, lines that are no calls, and taken calls without a price."""

    imported: int
    known: int
    others: int
    unpriced: int


def import_calls(
    ledger: Ledger, lines: Iterable[bytes], booking: Booking, pricing: Pricing, advance: Callable[[int], None]
) -> Counts:
    """Book every line's call; Usage names the first line that cannot be taken, and nothing was taken then.

    `advance` is told the size of each line.
    """
    imported = known = others = unpriced = 0
    with ledger.writing() as writer:
        reader, calendar, own = Reader(writer.now_us), Calendar(ledger.zone), f"{ledger.ledger_id.hex()}:"
        for number, line in enumerate(lines, 1):
            advance(len(line))
            if not line.strip():
                continue
            try:
                item = _read(reader, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                if item is None:
                    others += 1
                elif item.id.startswith(own) or _call_of(writer.connection, item.id):
                    known += 1
                else:
                    call = _completed(writer, item, pricing, own)
                    unpriced += call.cost_source == "unpriced"
                    row = (item.id, writer.head.number + 1)  # what booking appends first
                    booking(writer, call, calendar)
                    writer.connection.execute("INSERT INTO imported VALUES (?, ?)", row)
                    imported += 1
            except Usage as error:
                raise Usage(f"line {number}: {error.message}", "nothing was imported; see aikeys-ledger(5)") from None
        if imported:
            writer.act(Act("ledger import", "calls", f"calls={imported} known={known}"))
    return Counts(imported, known, others, unpriced)


def id_of(connection: sqlite3.Connection, ledger: Ledger, number: int) -> str:
    """Return the id under which another ledger can import a call: its own where it was imported, else ledger:number."""
    recorded = call_at(connection, ledger, number)
    if recorded is None:
        row = connection.execute("SELECT id FROM imported WHERE call = ?", (number,)).fetchone()
        return row[0] if row else f"{ledger.ledger_id.hex()}:{number}"
    return identity(ledger, number, recorded.call)


def identity(ledger: Ledger, number: int, call: Call) -> str:
    """Return the same of a call that is at hand."""
    return call.request_id if call.context.door == IMPORT else f"{ledger.ledger_id.hex()}:{number}"


def _read(reader: Reader, line: bytes) -> Item | None:
    if len(line) > LONGEST_LINE:
        raise Usage("it is longer than 1 MiB")
    return reader.read(line)


def _call_of(connection: sqlite3.Connection, identity_: str) -> int | None:
    row = connection.execute("SELECT call FROM imported WHERE id = ?", (identity_,)).fetchone()
    return row[0] if row else None


def _completed(writer: Writer, item: Item, pricing: Pricing, own: str) -> Call:
    call = pricing(item.call) if item.is_unpriced else item.call
    if not item.corrects:
        return call
    target = item.corrects.removeprefix(own)
    original = (
        int(target) if target != item.corrects and target.isdigit() else _call_of(writer.connection, item.corrects)
    )
    if original is None:
        raise Usage(f"it corrects {item.corrects[:80]}, which is not here: import that first")
    return call._replace(corrects=original)
