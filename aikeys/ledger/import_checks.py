"""Checks of a line of an import: it is new, known as it is, or refused.

- An id that is here already, in the table `imported` or as that of a call of this very ledger, is known where the line
  says what the call says, and refused where it says anything else: an import changes no entry.
- An id of this ledger whose call is not here is refused: the ledger was put back to an older copy, and which of its
  numbers mean what cannot be told any more. Of an archived call only the id is left: it is known.
- A correction hits an imported call, at that call's time, and leaves its cost between zero and the greatest. What this
  ledger measured itself is corrected by `ledger resolve` alone.
"""

from __future__ import annotations

import re
import sqlite3
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.ledger.calls import COMPUTED, ESTIMATED, IMPORT, MAX_COST_PUSD, UNPRICED, Call, Context
from aikeys.ledger.import_ids import id_of
from aikeys.ledger.interchange import Item, LineReader, call_row, exported
from aikeys.ledger.listing import Finder, Recorded, corrections_of
from aikeys.ledger.store import Ledger, read_base, read_head

_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_PRICED = (COMPUTED, ESTIMATED, UNPRICED)
_SAID = {
    "at_us": "at", "cost_pusd": "cost_usd", "unpriced": "unpriced_units", "usage": "token counts", "context": "texts",
    "list_pusd": "list_usd", "doubt_pusd": "doubt_usd",
}  # fmt: skip
_COMPARED = ("at_us", "usage", "status", "latency_ms", "first_token_ms", "run", "unread")
_COSTS = ("cost_pusd", "cost_source", "unpriced", "list_pusd", "doubt_pusd")


class Corrected(NamedTuple):
    """A call that a line corrects: its number here (0 for one of the same file), itself, and what it costs by now."""

    number: int
    call: Call
    cost_pusd: int


class Checks:
    """Checks against one ledger; `connection` may be in a transaction or not."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger, reader: LineReader) -> None:
        self._connection = connection
        self._ledger = ledger
        self._reader = reader
        self._own = f"{ledger.ledger_id.hex()}:"
        self._found = Finder(connection, ledger)
        self._as_imported: dict[Context, Context] = {}

    def is_known(self, item: Item) -> bool:
        """Tell whether a line's call is here, as the line says; UsageError where only its id is."""
        number = self._number_of(item.id)
        is_own = number is None and item.id.startswith(self._own)
        if is_own:
            number = own_number(item.id, self._own)
        if number is None:
            return False
        if number <= read_base(self._connection, self._ledger).number:
            return True
        recorded = self._found.at(number)
        if recorded is None:
            lack = "not a call" if number <= read_head(self._connection, self._ledger).number else "not here"
            raise UsageError(
                f"its id is that of entry {number} of this ledger, which is {lack}: was an older copy put back?"
            )
        other = self._difference(item, recorded)
        if other is None:
            return True
        if is_own:
            raise UsageError(
                f"its id is that of entry {number} of this ledger, which is another call ({other}): "
                "was an older copy put back, or the line changed?",
                f"what a call cost is corrected by: aikeys ledger resolve {number} --cost USD",
            )
        raise UsageError(f"its id was imported before with other content ({other}): entry {number}")

    def corrected(self, item: Item) -> Corrected | None:
        """Return the call that a line corrects, None where it is not here; UsageError where it cannot be."""
        what = f"it corrects {item.corrects[:80]}, which is"
        is_own = item.corrects.startswith(self._own)
        number = own_number(item.corrects, self._own) if is_own else self._number_of(item.corrects)
        if number is None:
            return None
        if number > read_head(self._connection, self._ledger).number:
            raise UsageError(f"{what} not here: import that first")
        if number <= read_base(self._connection, self._ledger).number:
            raise UsageError(f"{what} archived: its cost can no longer change")
        recorded = self._found.at(number)
        if recorded is None:
            raise UsageError(f"{what} not a call")
        if recorded.call.corrects is None and recorded.call.context.door != IMPORT:
            raise UsageError(
                f"{what} a call that this ledger measured itself: an import cannot change it",
                f"correct it by: aikeys ledger resolve {number} --cost USD",
            )
        earlier = (one.call.cost_pusd for one in corrections_of(self._connection, self._ledger, number))
        return Corrected(number, recorded.call, recorded.call.cost_pusd + sum(earlier))

    def _number_of(self, identity: str) -> int | None:
        row = self._connection.execute("SELECT call FROM imported WHERE id = ?", (identity,)).fetchone()
        return row[0] if row else None

    def _difference(self, item: Item, recorded: Recorded) -> str | None:
        """Return what a line says otherwise than the call that is here, as a line names it; None for nothing."""
        mine, its = recorded.call, item.call
        as_imported = self._context(recorded)
        mine = mine._replace(
            context=as_imported,
            usage=mine.usage._replace(other=tuple(sorted(mine.usage.other))),
            unpriced=tuple(sorted(mine.unpriced)),
        )
        its = its._replace(context=self._without_erased(its.context, as_imported, recorded.number))
        compared: tuple[str, ...] = _COMPARED
        if item.is_unpriced:  # its price was looked up when it was imported, and may be another today
            mine = mine._replace(context=mine.context._replace(price=its.context.price))
            if mine.cost_source not in _PRICED:
                return "cost_usd"
        else:
            compared += _COSTS
        for field in (*compared, "context"):
            if getattr(mine, field) != getattr(its, field):
                return _SAID.get(field, field)
        corrects = id_of(self._connection, self._ledger, mine.corrects) if mine.corrects else ""
        return None if corrects == item.corrects else "corrects"

    def _without_erased(self, context: Context, recorded: Context, number: int) -> Context:
        """Leave out names that were erased here: an export made before still has them, and it is the same call."""
        if (context.labels.user, context.address) == (recorded.labels.user, recorded.address):
            return context
        user, address = self._found.digests(number)
        if user and not recorded.labels.user:
            context = context._replace(labels=context.labels._replace(user=""))
        if address and not recorded.address:
            context = context._replace(address="")
        return context

    def _context(self, recorded: Recorded) -> Context:
        """Return a call's context as an import of its export has it."""
        context = recorded.call.context
        found = self._as_imported.get(context)
        if found is None:
            row = exported(call_row(recorded, "id", "corrected" if recorded.call.corrects else ""))
            found = self._as_imported[context] = self._reader.context(row)
        return found


def own_number(identity: str, own: str) -> int:
    """Return the number in an id of this ledger (`own`: its beginning); UsageError where it is none."""
    text = identity.removeprefix(own)
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"{identity[:80]} names this ledger and none of its entries")
    return int(text)


def check_correction(item: Item, corrected: Corrected) -> None:
    """Raise UsageError where a correction does not fit the call that it corrects."""
    call = corrected.call
    if call.corrects is not None:
        raise UsageError(f"it corrects {item.corrects[:80]}, which is a correction itself")
    if call.at_us != item.call.at_us:
        raise UsageError("its at is not that of the call it corrects")
    after_pusd = corrected.cost_pusd + item.call.cost_pusd
    if not 0 <= after_pusd <= MAX_COST_PUSD:
        raise UsageError(f"the corrected cost would be {'below zero' if after_pusd < 0 else 'above 9 million USD'}")
