"""The budget of one run (`exec --metered`): set when it begins, removed when it ends, also by whoever comes next.

A run's token lives in one process, which holds a lock as long as it lives; a budget whose process is gone limits
nobody any more.
"""

from __future__ import annotations

import os
import sqlite3

from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.store import read_budgets
from aikeys.budgets.terms import TOTAL, WORST, Terms
from aikeys.budgets.who import TOKEN, Who, limited_who
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.token_acts import process_of_run
from aikeys.storage.process_lock import is_gone


def begin(writer: Writer, token: str, limit_pusd: int, when_unknown: str = WORST) -> None:
    """Limit what a run spends, in the transaction that announces its token."""
    set_budget(writer, Who(TOKEN, token), Terms(limit_pusd, TOTAL, "block", when_unknown=when_unknown))


def end(writer: Writer, token: str) -> None:
    """Remove the budget of a run that is over, where it still stands."""
    who = Who(TOKEN, token)
    if any(budget.who == who.limited and budget.terms.period == TOTAL for budget in read_budgets(writer.connection)):
        remove_budget(writer, str(who), TOTAL)


def end_those_of_the_dead(ledger: Ledger) -> None:
    """Remove the budgets of runs whose process is gone; call it after `recover`, which counts what they had open."""
    with ledger.reading() as connection:
        gone = _of_the_dead(connection, os.path.dirname(ledger.path))
    if gone:
        with ledger.writing() as writer:
            for token in gone:
                end(writer, token)


def _of_the_dead(connection: sqlite3.Connection, directory: str) -> list[str]:
    found = []
    for budget in read_budgets(connection):
        who = limited_who(budget.who)
        if who.kind != TOKEN or who.is_each or budget.terms.period != TOTAL:
            continue
        process = process_of_run(connection, who.name, budget.entry)
        if process and is_gone(directory, process):
            found.append(who.name)
    return found
