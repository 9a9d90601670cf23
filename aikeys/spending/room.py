"""What the blocking budgets leave a call, for its cap. Only `Desk.reserve` decides; this looks, and takes no lock."""

from __future__ import annotations

from aikeys.budgets.counters import find_counter, made_counter, span_of
from aikeys.budgets.decisions import BLOCKING
from aikeys.budgets.store import applying, stored_text
from aikeys.budgets.who import USER, Who, whos_of
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Context
from aikeys.ledger.store import Ledger


def left_pusd(ledger: Ledger, context: Context, now_us: int) -> int | None:
    """Return what the tightest blocking budget has left once open reservations have cost nothing; None without one."""
    day = Calendar(ledger.zone).day_of(now_us)
    user = context.labels.user
    left = []
    with ledger.reading() as connection:
        stored = stored_text(connection, Who(USER, user)) if user else None
        digest = bytes.fromhex(stored.partition(":")[2]) if stored else b""
        whos = whos_of(context, digest)
        if user and not digest:  # nobody the ledger has seen: only a budget for each user can apply
            whos = (*whos, f"{USER}:00")
        for who, budget in applying(connection, whos):
            if budget.terms.at_limit in BLOCKING:
                span = span_of(budget.terms.period, day)
                counter = find_counter(connection, who, span) or made_counter(connection, who, span)
                left.append(budget.terms.limit_pusd - counter.spent_pusd)
    return min(left, default=None)
