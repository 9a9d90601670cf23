"""Soft ends: which of two costs an unknown end is booked at, the worst case or the estimate; asked while it settles.

- The estimate only where every blocking budget that applies now says so, and none without one.
- What may be missing in estimates, together with this one, is at most a fifth of each limit over the period of the
  call: beyond that it is the worst case again.
"""

from __future__ import annotations

from aikeys.budgets.budget_cache import applying, whos_in
from aikeys.budgets.counters import span_of, sums_of
from aikeys.budgets.decisions import BLOCKING
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Writer

SHARE_OF_LIMIT = 5
"""One part of so many of a limit may be missing."""


def end_of(writer: Writer, worst: Call, soft: Call | None, calendar: Calendar) -> Call:
    """Return what is booked of a call that settles: the estimate where it may be, else the worst case."""
    return soft if soft is not None and may_be_soft(writer, soft, calendar) else worst


def may_be_soft(writer: Writer, soft: Call, calendar: Calendar) -> bool:
    """Tell whether an estimate may be booked; `soft.doubt_pusd` is what may be missing in it."""
    blocking = [one for one in applying(writer, whos_in(writer, soft.context)) if one.budget.terms.at_limit in BLOCKING]
    if not blocking or not all(budget.terms.is_soft for _, budget in blocking):
        return False
    writer.write_out()  # doubts are summed from the roll-ups
    day = calendar.day_of(soft.at_us)
    for who, budget in blocking:
        held = sums_of(writer.connection, who, span_of(budget.terms.period, day))
        if (max(0, held.doubt_pusd) + soft.doubt_pusd) * SHARE_OF_LIMIT > budget.terms.limit_pusd:
            return False
    return True
