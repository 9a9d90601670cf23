"""Set and remove budgets: each an act in the chain, the row and the counter made from it, in one transaction."""

from __future__ import annotations

import sqlite3

from aikeys.budgets.counters import drop_counters, ensure_counter, span_of
from aikeys.budgets.late import detail_of, late
from aikeys.budgets.store import (
    ERASED,
    Budget,
    delete_budget,
    filed,
    limited_known,
    named,
    put_budget,
    read_budgets,
    read_budgets_of,
)
from aikeys.budgets.terms import Terms, terms_text
from aikeys.budgets.thresholds import tell
from aikeys.budgets.who import USER, Limited, Who, concrete_who, limited_who, own_of, somebody
from aikeys.errors import NotFound, UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Act, Writer
from aikeys.names import meant

SET, LATE, REMOVE = "budget set", "budget late", "budget remove"


def present_terms(connection: sqlite3.Connection, who: Who, period: str) -> Terms | None:
    """Return the terms of the budget that one set now would replace."""
    stored = limited_known(connection, who)
    budgets = read_budgets_of(connection, stored) if stored else []
    return next((one.terms for one in budgets if one.terms.period == period), None)


def set_budget(writer: Writer, who: Who, terms: Terms) -> Budget:
    """Set a budget, in the place of the one over the same period; thresholds that are reached already are told.

    The calls under way that it comes too late for are named by an act of their own.
    """
    entry = writer.act(_act(SET, who, terms_text(terms))).number
    stored = filed(writer, who)
    budget = Budget(stored.limited, terms, entry)
    put_budget(writer.connection, budget)
    day = Calendar(writer.ledger.zone).day_of(writer.now_us)
    for found in late(writer.connection, budget, day):
        whose = concrete_who(found.who) if who.is_each else who
        writer.act(_act(LATE, whose, detail_of(found, terms.period), is_digest=who.is_each))
    if not who.is_each:
        counter = ensure_counter(writer.connection, stored.somebody, span_of(terms.period, day))
        tell(writer, budget, counter, 0)
    return budget


def remove_budget(writer: Writer, shown: str, period: str | None = None) -> Budget:
    """Remove the budget of a WHO as a person reads it, and return it.

    Raises NotFound naming the nearest, UsageError where there are several periods and none was named.
    """
    connection = writer.connection
    budgets = [(named(connection, limited_who(budget.who)), budget) for budget in read_budgets(connection)]
    found = [(who, one) for who, one in budgets if str(who) == shown and period in (None, one.terms.period)]
    if not found:
        hint = meant(shown, [str(who) for who, _ in budgets])
        over = f" over a {period}" if period and period != "total" else " in total" if period else ""
        raise NotFound(f"there is no budget for {shown}{over}", f"{hint} see: aikeys budget list".strip())
    if len(found) > 1:
        periods = ", ".join(one.terms.period for _, one in found)
        raise UsageError(f"{shown} has several budgets: {periods}", "say which: --period " + found[0][1].terms.period)
    who, budget = found[0]
    is_erased = shown.startswith(f"{USER}:{ERASED}")
    limited = limited_who(budget.who) if is_erased else who
    writer.act(_act(REMOVE, limited, f"period={budget.terms.period}", is_digest=is_erased))
    delete_budget(connection, budget.who, budget.terms.period)
    drop_counters(connection, budget.who, budget.terms.period)
    return budget


def remove_budgets_of(writer: Writer, name: str) -> list[Budget]:
    """Remove every budget of a user, each by an act, before the name is erased: they would limit nobody any more."""
    who = Who(USER, name)
    stored = filed(writer, who).limited
    found = [budget for budget in read_budgets(writer.connection) if budget.who == stored]
    for budget in found:
        remove_budget(writer, str(who), budget.terms.period)
    return found


def limited_in(subject: str, person: bytes | None) -> Limited:
    """Return whom the budget of an act limits: a user stands in `person`."""
    return own_of(somebody(USER, person.hex())) if person else Limited(subject)


def _act(name: str, who: Who, detail: str, *, is_digest: bool = False) -> Act:
    if who.kind == USER and not who.is_each and not is_digest:
        return Act(name, f"{USER}:", detail, who.name)
    return Act(name, who.limited, detail)
