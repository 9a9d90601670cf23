"""A ledger that stands for a lost one: what was spent before it began is unknown, and said until it is settled.

- `ledger import --new-ledger` gives a vault another ledger, by the act *new-ledger* in the chain. From then on every
  report, check and budget over a time before that act says that it does not know.
- It ends when the old ledger is put back with its vault, for that one has no such act; or with `ledger resolve
  new-ledger --cost USD`: an act, and a call of that cost at the time of the first act. The call names nobody: it counts
  for the organisation alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from aikeys.clock import rfc3339
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import ESTIMATED, Call, Context, Labels
from aikeys.ledger.entries import Head
from aikeys.ledger.store import Act, Writer
from aikeys.money import usd_text

NEW, RESOLVE = "new-ledger", "ledger resolve"
PROVIDER = "lost-ledger"
WAY_OUT = f"put the old ledger.db back with its vault (aikeys restore FILE), or: aikeys {RESOLVE} {NEW} --cost USD"
_CONTEXT = Context(Labels(), provider=PROVIDER, model=f"{PROVIDER}/unknown", door="ledger")
_NEWEST = """SELECT id, at_us FROM entry WHERE act = ? AND phase = 'intent' AND id > coalesce(
  (SELECT max(id) FROM entry WHERE act = ? AND subject = ? AND status = 'ok'), 0) ORDER BY id DESC LIMIT 1"""


class Lost(NamedTuple):
    """The act that began this ledger in the place of a lost one, and its time."""

    entry: int
    before_us: int

    @property
    def sentence(self) -> str:
        """What every figure of that time has to say."""
        return sentence(self.before_us)


def sentence(before_us: int) -> str:
    """Return what is said of an unknown time before an instant."""
    at = rfc3339(before_us / 1e6)
    return f"what was spent before {at} is not known: the ledger of that time was lost, and its limits with it"


def is_told_in(reason: str) -> bool:
    """Tell whether that is among the reasons why nothing is decided."""
    return sentence(0).rpartition(" is not known")[2] in reason


def find(connection: sqlite3.Connection, since_us: int | None = None) -> Lost | None:
    """Return what is not settled yet, None for nothing; with `since_us` only what concerns the time from then on."""
    row = connection.execute(_NEWEST, (NEW, RESOLVE, NEW)).fetchone()
    return Lost(*row) if row and (since_us is None or since_us < row[1]) else None


def settle(writer: Writer, cost_pusd: int, booking: Callable[[Writer, Call, Calendar], Head]) -> tuple[Lost, int]:
    """Book what the time of a lost ledger did cost; returns what was lost, and the call's number (0: it cost nothing).

    Raises UsageError where nothing is to be settled.
    """
    lost = find(writer.connection)
    if lost is None:
        raise UsageError(
            "this ledger stands for no lost one, or that is settled", f"see: aikeys audit --act '{RESOLVE}'"
        )
    number = 0
    if cost_pusd:
        call = Call(lost.before_us, writer.now_us, _CONTEXT, cost_pusd=cost_pusd, cost_source=ESTIMATED)
        number = writer.head.number + 1  # what booking appends first
        booking(writer, call, Calendar(writer.ledger.zone))
    writer.act(Act(RESOLVE, NEW, f"lost={lost.entry} entry={number} cost_usd={usd_text(cost_pusd)}"))
    return lost, number
