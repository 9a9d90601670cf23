"""Remaining money of many budgets at once, for a listing: read from their counters, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.budgets.counters import find_counter, made_counter, span_of
from aikeys.budgets.store import applying
from aikeys.budgets.who import Somebody
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger


def remaining(ledger: Ledger, whos: Sequence[Somebody], now_us: int) -> dict[Somebody, int]:
    """Return what the tightest budget of each WHO (stored form) still lets through, in pico-USD.

    Reservations are taken off, too; nobody without a budget of their own kind is in it.
    """
    found: dict[Somebody, int] = {}
    if not whos:
        return found
    with ledger.reading() as connection:
        day = Calendar(ledger.zone).day_of(now_us)
        for who, budget in applying(connection, whos):
            span = span_of(budget.terms.period, day)
            counter = find_counter(connection, who, span) or made_counter(connection, who, span)
            left = max(budget.terms.limit_pusd - counter.spent_pusd - counter.reserved_pusd, 0)
            found[who] = min(left, found.get(who, left))
    return found
