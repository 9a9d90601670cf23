"""Recompute what is made from the ledger's entries about budgets; raises Damaged naming the first place that is wrong.

- Every budget is what its chained `budget set` says, and none is missing: a limit raised by hand is found.
- Every counter is the sum of its roll-ups and open reservations.
The chain itself and the roll-ups are verified by aikeys.ledger.verify.
"""

from __future__ import annotations

import sqlite3

from aikeys.budgets.changes import REMOVE, SET, stored_subject
from aikeys.budgets.counters import Span, made_counter, read_counters
from aikeys.budgets.store import Budget, read_budgets, shown_text
from aikeys.budgets.terms import read_terms
from aikeys.errors import Damaged
from aikeys.ledger.calendar import date_of
from aikeys.ledger.store import Ledger

_HINT = "put an unchanged copy of ledger.db back; aikeys-ledger(5) says what is checked"


def verify_budgets(ledger: Ledger) -> int:
    """Check budgets and counters against what they are made from; return how many budgets there are."""
    with ledger.reading() as connection:
        budgets = read_budgets(connection)
        _check_budgets(connection, ledger, budgets)
        _check_counters(connection, ledger)
    return len(budgets)


def _check_budgets(connection: sqlite3.Connection, ledger: Ledger, budgets: list[Budget]) -> None:
    told = _replayed(connection, ledger.path)
    stored = {(budget.who, budget.terms.period): budget for budget in budgets}
    for key in sorted({*told, *stored}):
        if told.get(key) != stored.get(key):
            who = shown_text(connection, key[0])
            raise Damaged(f"{ledger.path}: the budget of {who} ({key[1]}) is not what was set", _HINT)


def _replayed(connection: sqlite3.Connection, path: str) -> dict[tuple[str, str], Budget | None]:
    """Return the budgets that the acts leave, None for one that was removed."""
    told: dict[tuple[str, str], Budget | None] = {}
    query = "SELECT id, act, subject, person, detail FROM entry WHERE act IN (?, ?) AND status = 'ok' ORDER BY id"
    for entry, act, subject, person, detail in connection.execute(query, (SET, REMOVE)):
        who = stored_subject(subject, person)
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
        if made_counter(connection, who, Span(period, start)) != counter:
            since = "" if period == "total" else f" from {date_of(start)}"
            shown = shown_text(connection, who)
            raise Damaged(f"{ledger.path}: the counter of {shown} ({period}{since}) is not the sum of its calls", _HINT)
