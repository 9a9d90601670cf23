"""Book a call: entry, chain, roll-ups, counters and alerts in the writer's transaction.

The only caller of ledger.recording.append_call: what is recorded always reaches the counters and the alerts.
"""

from __future__ import annotations

from aikeys.budgets.budget_cache import (
    add_to_counters,
    applying,
    ensure_counter,
    find_counters,
    is_anybody_limited,
    whos_in,
)
from aikeys.budgets.counters import Counter, span_of
from aikeys.budgets.store import Applied
from aikeys.budgets.thresholds import tell
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.entries import Head
from aikeys.ledger.recording import append_call
from aikeys.ledger.store import Writer


def book(writer: Writer, call: Call, calendar: Calendar) -> Head:
    """Append a call, add its cost to the counters of its day, and queue the alerts it sets off.

    Counters are made for budgets that apply now. Of days gone by, those that are kept are added to and no others, so
    that an import of last year's calls alerts nobody.
    """
    if not is_anybody_limited(writer):
        return append_call(writer, call, calendar)
    day = calendar.day_of(call.at_us)
    whos = whos_in(writer, call.context)
    applied = applying(writer, whos)
    today = calendar.day_of(writer.now_us) if applied else day
    for who, budget in applied:
        span = span_of(budget.terms.period, day)
        if span == span_of(budget.terms.period, today):
            ensure_counter(writer, who, span)  # before the call is in the roll-ups it is made from
    head = append_call(writer, call, calendar)
    counters = find_counters(writer, whos, day)
    if counters:
        add_to_counters(writer, counters, spent_pusd=call.cost_pusd)
        _tell(writer, applied, counters, call.cost_pusd)
    return head


def _tell(writer: Writer, applied: list[Applied], before: list[Counter], cost_pusd: int) -> None:
    counters = {(counter.who, counter.period): counter for counter in before}
    for who, budget in applied:
        counter = counters.get((who, budget.terms.period))
        if budget.terms.alerts and counter is not None:
            after = counter._replace(spent_pusd=counter.spent_pusd + cost_pusd)
            tell(writer, budget, after, counter.spent_pusd)
