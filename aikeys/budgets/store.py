"""The rows of budgets, and whom they are for: the SQL of the table `budget`.

- A row is what its chained `budget set` says; setting again replaces it. What an unknown end counts stands in the act
  alone.
- A budget for each (`team:*`) stands for those without a budget of their own over the same period.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from aikeys.budgets.decisions import AT_LIMIT, BLOCKING
from aikeys.budgets.terms import ESTIMATE, HINT, PERIODS, Terms, alerts_text, stored_pusd
from aikeys.budgets.who import (
    USER,
    Limited,
    Somebody,
    Who,
    concrete_who,
    each_of,
    is_limited,
    limited_who,
    own_of,
    somebody,
)
from aikeys.errors import Damaged
from aikeys.ledger.store import Writer

_ROWS = (
    "SELECT who, limit_pusd, period, at_limit, alerts, entry, "
    "(SELECT detail LIKE '% when_unknown=estimate' FROM entry WHERE id = budget.entry) FROM budget"
)
ERASED = "(erased)"
_BLOCKING = ", ".join(f"'{way}'" for way in sorted(BLOCKING))


class Budget(NamedTuple):
    """A budget: whom it limits, its terms, and the number of the entry that set it."""

    who: Limited
    terms: Terms
    entry: int


class Applied(NamedTuple):
    """A budget as it applies to somebody: one of many where the budget is for each."""

    who: Somebody
    budget: Budget


def read_budgets(connection: sqlite3.Connection) -> list[Budget]:
    """Return every budget, by WHO and period."""
    budgets = [_budget(row) for row in connection.execute(f"{_ROWS} ORDER BY who")]
    return sorted(budgets, key=lambda budget: (budget.who, PERIODS.index(budget.terms.period)))


def read_budgets_of(connection: sqlite3.Connection, who: Limited) -> list[Budget]:
    """Return the budgets of one WHO (stored form) itself."""
    return [_budget(row) for row in connection.execute(f"{_ROWS} WHERE who = ?", (who,))]


def applying(connection: sqlite3.Connection, whos: Iterable[Somebody]) -> list[Applied]:
    """Return the budgets that apply to these, their own before one for each."""
    wanted = [(who, own_of(who), each_of(who)) for who in whos]
    names = {name for _, *both in wanted for name in both}
    query = f"{_ROWS} WHERE who IN ({', '.join('?' * len(names))})"
    found: dict[str, dict[str, Budget]] = {}
    for row in connection.execute(query, tuple(names)):
        found.setdefault(row[0], {})[row[2]] = _budget(row)
    applied = []
    for who, own, each in wanted:
        if own in found or each in found:
            budgets = found.get(each, {}) | found.get(own, {})
            applied += [Applied(who, budgets[period]) for period in PERIODS if period in budgets]
    return applied


def is_anybody_blocked(connection: sqlite3.Connection) -> bool:
    """Tell whether there is any budget that can refuse a call; where there is none, nobody has to ask for whom."""
    return connection.execute(f"SELECT 1 FROM budget WHERE at_limit IN ({_BLOCKING}) LIMIT 1").fetchone() is not None  # noqa: S608


def put_budget(connection: sqlite3.Connection, budget: Budget) -> None:
    """Write a budget in the place of the one over the same period."""
    terms = budget.terms
    connection.execute(
        "INSERT INTO budget(who, period, limit_pusd, at_limit, alerts, entry) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (who, period) DO UPDATE SET limit_pusd = excluded.limit_pusd, at_limit = excluded.at_limit, "
        "alerts = excluded.alerts, entry = excluded.entry",
        (budget.who, terms.period, str(terms.limit_pusd), terms.at_limit, alerts_text(terms.alerts), budget.entry),
    )


def delete_budget(connection: sqlite3.Connection, who: Limited, period: str) -> None:
    """Delete a budget."""
    connection.execute("DELETE FROM budget WHERE who = ? AND period = ?", (who, period))


def somebody_known(connection: sqlite3.Connection, who: Who) -> Somebody | None:
    """Return the stored form of somebody; None for a user the ledger has never seen."""
    if who.kind != USER:
        return who.somebody
    row = connection.execute("SELECT digest FROM person WHERE name = ?", (who.name,)).fetchone()
    return somebody(USER, bytes(row[0]).hex()) if row else None


def limited_known(connection: sqlite3.Connection, who: Who) -> Limited | None:
    """Return the stored form of whom a budget limits; None for a user the ledger has never seen."""
    if who.is_each:
        return who.limited
    found = somebody_known(connection, who)
    return own_of(found) if found else None


def filed(writer: Writer, who: Who) -> Who:
    """Return a WHO with the digest that stands for a user's name; one who is new gets it."""
    if who.kind != USER or who.is_each:
        return who
    return Who(USER, writer.person(who.name).hex())


def shown_text(connection: sqlite3.Connection, who: Somebody) -> str:
    """Return somebody as a person reads it; a user who was erased has no name."""
    return str(named(connection, concrete_who(who)))


def shown_limited(connection: sqlite3.Connection, who: Limited) -> str:
    """Return whom a budget limits as a person reads it."""
    return str(named(connection, limited_who(who)))


def named(connection: sqlite3.Connection, who: Who) -> Who:
    """Return a stored WHO with a user's name in the place of the digest."""
    if who.kind != USER or who.is_each:
        return who
    row = connection.execute("SELECT name FROM person WHERE digest = ?", (bytes.fromhex(who.name),)).fetchone()
    return Who(USER, row[0] if row and row[0] else f"{ERASED}{who.name[:12]}")


def _budget(row: tuple[str, str, str, str, str, int, int | None]) -> Budget:
    who, limit, period, at_limit, alerts, entry, is_estimate = row
    terms = _terms(who, limit, period, at_limit, alerts)
    return Budget(Limited(who), terms._replace(when_unknown=ESTIMATE) if is_estimate else terms, entry)


@lru_cache(maxsize=1024)
def _terms(who: str, limit: str, period: str, at_limit: str, alerts: str) -> Terms:
    of = f"budget of {who}"
    percents = tuple(stored_pusd(percent, of) for percent in alerts.split(",") if percent)
    if period not in PERIODS or at_limit not in AT_LIMIT:
        raise Damaged(f"in the ledger the {of} has a period or a way to act that is none", HINT)
    if not is_limited(who):
        raise Damaged(f"the ledger has a budget for {who[:80]!r}, which is nobody", HINT)
    return Terms(stored_pusd(limit, of), period, at_limit, percents)
