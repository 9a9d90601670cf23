"""Verify all of a ledger, and what is made from its entries about budgets; Damaged names the first place that is wrong.

- Every budget is what its chained `budget set` says, and none is missing: a limit raised by hand is found.
- Every counter is the sum of its roll-ups and open reservations.
- An open reservation has no entry yet: it counts for the day on which it was made, for a context that is there.
The chain itself and the roll-ups are verified by aikeys.ledger.verify.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from aikeys.alerts.outbox import first_wrong_channel
from aikeys.budgets.changes import REMOVE, SET, limited_in
from aikeys.budgets.counters import PeriodRun, made_counter, read_counters, span_of
from aikeys.budgets.store import Budget, read_budgets, shown_limited, shown_text
from aikeys.budgets.terms import read_terms
from aikeys.budgets.who import Limited
from aikeys.errors import Damaged
from aikeys.ledger.calendar import Calendar, date_of
from aikeys.ledger.store import Ledger
from aikeys.ledger.stored_objects import first_wrong as first_wrong_object
from aikeys.ledger.verify import Known, LedgerVerdict, verify

_HINT = "put an unchanged copy of ledger.db back; aikeys-ledger(5) says what is checked"


class Whole(NamedTuple):
    """What was found: the chain's verdict, and how many budgets there are."""

    verdict: LedgerVerdict
    budgets: int


def verify_all(ledger: Ledger, known: Known, advance: Callable[[int], None] = lambda _: None) -> Whole:
    """Check everything: the chain and what is made from it, budgets and counters, alert channels, whose objects are."""
    verdict = verify(ledger, known, advance)
    budgets = verify_budgets(ledger)
    with ledger.reading() as connection:
        channel, kept = first_wrong_channel(connection), first_wrong_object(connection)
    if channel is not None:
        raise Damaged(f"{ledger.path}: the alert channel {channel} is not what was set", _HINT)
    if kept is not None:
        raise Damaged(f"{ledger.path}: whose the object {kept[:100]!a} is, is not what its call says", _HINT)
    return Whole(verdict, budgets)


def verify_budgets(ledger: Ledger) -> int:
    """Check budgets and counters against what they are made from; return how many budgets there are."""
    with ledger.reading() as connection:
        budgets = read_budgets(connection)
        _check_budgets(connection, ledger, budgets)
        _check_counters(connection, ledger)
        _check_reservations(connection, ledger)
    return len(budgets)


def _check_budgets(connection: sqlite3.Connection, ledger: Ledger, budgets: list[Budget]) -> None:
    told = _replayed(connection, ledger.path)
    stored = {(budget.who, budget.terms.period): budget for budget in budgets}
    for key in sorted({*told, *stored}):
        if told.get(key) != stored.get(key):
            who = shown_limited(connection, key[0])
            raise Damaged(f"{ledger.path}: the budget of {who} ({key[1]}) is not what was set", _HINT)


def _replayed(connection: sqlite3.Connection, path: str) -> dict[tuple[Limited, str], Budget | None]:
    """Return the budgets that the acts leave, None for one that was removed."""
    told: dict[tuple[Limited, str], Budget | None] = {}
    query = "SELECT id, act, subject, person, detail FROM entry WHERE act IN (?, ?) AND status = 'ok' ORDER BY id"
    for entry, act, subject, person, detail in connection.execute(query, (SET, REMOVE)):
        who = limited_in(subject, person)
        try:
            if act == SET:
                terms = read_terms(detail)
                told[who, terms.period] = Budget(who, terms, entry)
            else:
                told[who, detail.removeprefix("period=")] = None
        except (KeyError, ValueError):
            raise Damaged(f"{path}: entry {entry} does not say what budget it set", _HINT) from None
    return told


def _check_counters(connection: sqlite3.Connection, ledger: Ledger) -> None:
    for counter in read_counters(connection):
        who, period, start, *_ = counter
        is_run = span_of(period, start) == PeriodRun(period, start)
        if not is_run or made_counter(connection, who, PeriodRun(period, start)) != counter:
            since = "" if period == "total" else f" from {date_of(start)}"
            shown = shown_text(connection, who)
            raise Damaged(f"{ledger.path}: the counter of {shown} ({period}{since}) is not the sum of its calls", _HINT)


def _check_reservations(connection: sqlite3.Connection, ledger: Ledger) -> None:
    calendar = Calendar(ledger.zone)
    query = "SELECT at_us, pusd, day, (SELECT 1 FROM context c WHERE c.id = r.context) FROM reservation r"
    for at_us, pusd, day, has_context in connection.execute(query):
        if pusd < 0 or not has_context or not calendar.start_us(day) <= at_us < calendar.start_us(day + 1):
            raise Damaged(f"{ledger.path}: a reservation is not one that a call can have made", _HINT)
