"""Book a call: entry, chain, roll-ups, counters and alerts in the writer's transaction.

The only caller of ledger.recording.append_call: what is recorded always reaches the counters and the alerts.
"""

from __future__ import annotations

import sqlite3

from aikeys.budgets.counters import Counter, add_to_counters, ensure_counter, find_counters, span_of
from aikeys.budgets.store import Applied, applying
from aikeys.budgets.thresholds import tell
from aikeys.budgets.who import whos_of
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context
from aikeys.ledger.entries import Head
from aikeys.ledger.recording import append_call
from aikeys.ledger.store import Writer


def book(writer: Writer, call: Call, calendar: Calendar) -> Head:
    """Append a call, add its cost to the counters of its day, and queue the alerts it sets off.

    Counters are made for budgets that apply now. Of days gone by, those that are kept are added to and no others, so
    that an import of last year's calls alerts nobody.
    """
    connection = writer.connection
    if not _is_anybody_limited(connection):
        return append_call(writer, call, calendar)
    day = calendar.day_of(call.at_us)
    whos = whos_in(writer, call.context)
    applied = applying(connection, whos)
    today = calendar.day_of(writer.now_us) if applied else day
    for who, budget in applied:
        span = span_of(budget.terms.period, day)
        if span == span_of(budget.terms.period, today):
            ensure_counter(connection, who, span)  # before the call is in the roll-ups it is made from
    head = append_call(writer, call, calendar)
    counters = find_counters(connection, whos, day)
    if counters:
        add_to_counters(connection, counters, spent_pusd=call.cost_pusd)
        _tell(writer, applied, counters, call.cost_pusd)
    return head


def _is_anybody_limited(connection: sqlite3.Connection) -> bool:
    """Tell whether there is a budget or a counter: without one, an import of a million calls takes half the time."""
    query = "SELECT EXISTS (SELECT 1 FROM budget) OR EXISTS (SELECT 1 FROM counter)"
    return bool(connection.execute(query).fetchone()[0])


def whos_in(writer: Writer, context: Context) -> tuple[str, ...]:
    """Return the WHOs (stored form) that a call counts for; a user who is new gets a digest."""
    user = context.labels.user
    return whos_of(context, writer.person(user) if user else b"")


def _tell(writer: Writer, applied: list[Applied], before: list[Counter], cost_pusd: int) -> None:
    counters = {(counter.who, counter.period): counter for counter in before}
    for who, budget in applied:
        counter = counters.get((who, budget.terms.period))
        if budget.terms.alerts and counter is not None:
            after = counter._replace(spent_pusd=counter.spent_pusd + cost_pusd)
            tell(writer, budget, after, counter.spent_pusd)
