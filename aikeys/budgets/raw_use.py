"""Whether a budget speaks against lending a key raw: what a program does with it is not metered.

On `exec`'s hot path: imports nothing.
"""

import sqlite3
from collections.abc import Sequence


def first_limited(connection: sqlite3.Connection, keys: Sequence[str]) -> str | None:
    """Return the first of these keys that has a budget which is more than a warning; `key:*` is every other key's."""
    stored = "SELECT who, period, at_limit FROM budget WHERE who LIKE 'key:%'"
    budgets = {(who, period): at_limit for who, period, at_limit in connection.execute(stored)}
    periods = {period for _, period in budgets}
    for key in keys:
        found = (budgets.get((f"key:{key}", period), budgets.get(("key:*", period), "warn")) for period in periods)
        if any(at_limit != "warn" for at_limit in found):
            return key
    return None
