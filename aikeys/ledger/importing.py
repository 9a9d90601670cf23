"""Import calls that were made elsewhere: all lines of a file or none, each id once.

One transaction: who reads sees the ledger before or after, and other writers wait that long.

- An id that is in the table `imported`, or that names a call of this very ledger, is known already and skipped.
- An id of this ledger whose call is not here, or is another one, is refused: the ledger was put back to an older copy,
  and which of its numbers mean what cannot be told any more.
- A correction hits a call that is here, at that call's time, and leaves its cost between zero and the greatest.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from aikeys.errors import Usage
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import MAX_COST_PUSD, Call
from aikeys.ledger.entries import Head
from aikeys.ledger.interchange import IMPORT, Item, Reader
from aikeys.ledger.listing import call_at, corrections_of
from aikeys.ledger.store import Act, Ledger, Writer, read_base

LONGEST_LINE = 1 << 20
_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
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
                elif _is_known(writer, item, own):
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


def _is_known(writer: Writer, item: Item, own: str) -> bool:
    """Tell whether a line's call is here; Usage where its id is this ledger's and the call is not."""
    if _call_of(writer.connection, item.id):
        return True
    if not item.id.startswith(own):
        return False
    number = _own_number(item.id, own)
    if number <= read_base(writer.connection, writer.ledger).number:
        return True
    row = writer.connection.execute("SELECT at_us, cost_pusd FROM call WHERE id = ?", (number,)).fetchone()
    if row == (item.call.at_us, item.call.cost_pusd):
        return True
    lack = "is another call" if row else "is no call" if number <= writer.head.number else "is not here"
    raise Usage(f"its id is that of entry {number} of this ledger, which {lack}: was an older copy put back?")


def _own_number(identity_: str, own: str) -> int:
    text = identity_.removeprefix(own)
    if not _NUMBER.fullmatch(text):
        raise Usage(f"{identity_[:80]} names this ledger and none of its entries")
    return int(text)


def _completed(writer: Writer, item: Item, pricing: Pricing, own: str) -> Call:
    if not item.corrects:
        return pricing(item.call) if item.is_unpriced else item.call
    if item.is_unpriced:
        raise Usage("it is a correction, but cost_usd is missing")
    return item.call._replace(corrects=_corrected(writer, item, own))


def _corrected(writer: Writer, item: Item, own: str) -> int:
    """Return the number of the call that a line corrects; Usage where it cannot be corrected so."""
    connection, ledger, what = writer.connection, writer.ledger, f"it corrects {item.corrects[:80]}, which is"
    number = _own_number(item.corrects, own) if item.corrects.startswith(own) else _call_of(connection, item.corrects)
    if number is None or number > writer.head.number:
        raise Usage(f"{what} not here: import that first")
    if number <= read_base(connection, ledger).number:
        raise Usage(f"{what} archived: its cost can no longer change")
    recorded = call_at(connection, ledger, number)
    if recorded is None:
        raise Usage(f"{what} no call")
    if recorded.call.corrects is not None:
        raise Usage(f"{what} a correction itself")
    if recorded.call.at_us != item.call.at_us:
        raise Usage("its at is not that of the call it corrects")
    earlier = (one.call.cost_pusd for one in corrections_of(connection, ledger, number))
    after_pusd = recorded.call.cost_pusd + sum(earlier) + item.call.cost_pusd
    if not 0 <= after_pusd <= MAX_COST_PUSD:
        raise Usage(f"the corrected cost would be {'below zero' if after_pusd < 0 else 'above 9 million USD'}")
    return number
