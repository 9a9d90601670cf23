"""Budgets that forbid lending a key raw: what a program does with it is not metered.

On `exec`'s hot path: imports nothing.
"""

import sqlite3
from collections.abc import Sequence


def first_limited(connection: sqlite3.Connection, whos: Sequence[str]) -> str | None:
    """Return the first of these `key:NAME` and `token:ID` that has a budget which is more than a warning.

    `key:*` is that of each key, and `token:*` of each token, without a budget of its own over the same period.
    """
    stored = "SELECT who, period, at_limit FROM budget WHERE who LIKE 'key:%' OR who LIKE 'token:%'"
    budgets = {(who, period): at_limit for who, period, at_limit in connection.execute(stored)}
    periods = {period for _, period in budgets}
    for who in whos:
        each = who.partition(":")[0] + ":*"
        found = (budgets.get((who, period), budgets.get((each, period), "warn")) for period in periods)
        if any(at_limit != "warn" for at_limit in found):
            return who
    return None
