"""Remaining money of many budgets at once, for a listing: read from their counters, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aikeys.budgets.counters import find_counter, made_counter, span_of
from aikeys.budgets.store import applying
from aikeys.budgets.who import Somebody
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger


class Remaining(NamedTuple):
    """What budgets still let through, in pico-USD; `is_soft`: one of them lets an unknown end count as estimated."""

    pusd: int
    is_soft: bool = False


def remaining(ledger: Ledger, whos: Sequence[Somebody], now_us: int) -> dict[Somebody, Remaining]:
    """Return what the tightest budget of each WHO (stored form) still lets through.

    Reservations are taken off, too; nobody without a budget of their own kind is in it.
    """
    found: dict[Somebody, Remaining] = {}
    if not whos:
        return found
    with ledger.reading() as connection:
        day = Calendar(ledger.zone).day_of(now_us)
        for who, budget in applying(connection, whos):
            span = span_of(budget.terms.period, day)
            counter = find_counter(connection, who, span) or made_counter(connection, who, span)
            left = max(budget.terms.limit_pusd - counter.spent_pusd - counter.reserved_pusd, 0)
            before = found.get(who, Remaining(left))
            found[who] = Remaining(min(left, before.pusd), before.is_soft or budget.terms.is_soft)
    return found
