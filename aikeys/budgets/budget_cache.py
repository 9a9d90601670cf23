"""Budgets and counters as a writer meets them: read and written at once, or remembered (ledger.memory).

The functions are those of `store` and `counters` with a writer in the place of the connection: with a memory, a call
that many made before in the same transaction reads nothing, and a counter is written once for all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from aikeys.budgets import counters as stored
from aikeys.budgets import store
from aikeys.budgets.counters import Counter, PeriodRun
from aikeys.budgets.open_reservations import whos_filed as whos_stored
from aikeys.budgets.store import Applied
from aikeys.budgets.who import Somebody, whos_of
from aikeys.ledger.calls import Context
from aikeys.ledger.store import Writer
from aikeys.ledger.token_acts import ancestors

_Key = tuple[Somebody, str, int]


class BudgetCache:
    """The part of a memory that knows budgets and counters."""

    def __init__(self) -> None:
        self.whos: dict[Context, tuple[Somebody, ...]] = {}
        self.whos_filed: dict[int, tuple[Somebody, ...]] = {}
        self.applied: dict[Sequence[Somebody], list[Applied]] = {}
        self.counters: dict[_Key, Counter] = {}
        self.found: dict[tuple[Sequence[Somebody], int], list[_Key]] = {}
        self.changed: set[_Key] = set()
        self.is_anybody_limited = False

    def write_out(self, connection: sqlite3.Connection) -> None:
        """Write the counters that changed."""
        if self.changed:
            stored.add_to_counters(connection, [self.counters[key] for key in self.changed])
            self.changed.clear()

    def forget_calls(self) -> None:
        """Drop the counters."""
        self.counters.clear()
        self.found.clear()
        self.changed.clear()

    def keys_of(self, connection: sqlite3.Connection, whos: Sequence[Somebody], day: int) -> list[_Key]:
        """Return which counters there are of these WHOs for the periods a day is in."""
        keys = self.found.get((whos, day))
        if keys is None:
            rows = stored.find_counters(connection, whos, day)
            keys = self.found[whos, day] = [row[:3] for row in rows]
            for row in rows:
                self.counters.setdefault(row[:3], row)  # what waits is newer than the table
        return keys


def whos_in(writer: Writer, context: Context) -> tuple[Somebody, ...]:
    """Return the WHOs (stored form) that a call counts for; a user who is new gets a digest."""
    cache = _budget_cache(writer)
    if cache is not None and (known := cache.whos.get(context)) is not None:
        return known
    user = context.labels.user
    above = ancestors(writer.connection, context.token) if context.token else ()
    whos = whos_of(context, writer.person(user) if user else b"", above)
    if cache is not None:
        cache.whos[context] = whos
    return whos


def whos_filed(writer: Writer, number: int) -> tuple[Somebody, ...]:
    """Return the WHOs that a stored context counts for."""
    cache = _budget_cache(writer)
    if cache is None:
        return whos_stored(writer.connection, number)
    if number not in cache.whos_filed:
        cache.whos_filed[number] = whos_stored(writer.connection, number)
    return cache.whos_filed[number]


def applying(writer: Writer, whos: Sequence[Somebody]) -> list[Applied]:
    """Return the budgets that apply to concrete WHOs."""
    cache = _budget_cache(writer)
    if cache is None:
        return store.applying(writer.connection, whos)
    if whos not in cache.applied:
        cache.applied[whos] = store.applying(writer.connection, whos)
    return cache.applied[whos]


def is_anybody_limited(writer: Writer) -> bool:
    """Tell whether there is a budget or a counter: without one, an import of a million calls takes half the time."""
    cache = _budget_cache(writer)
    if cache is not None and cache.is_anybody_limited:
        return True
    query = "SELECT EXISTS (SELECT 1 FROM budget) OR EXISTS (SELECT 1 FROM counter)"
    is_limited = bool(writer.connection.execute(query).fetchone()[0])
    if cache is not None:
        cache.is_anybody_limited = is_limited
    return is_limited


def ensure_counter(writer: Writer, who: Somebody, span: PeriodRun) -> Counter:
    """Return a counter; where there is none it is made from the roll-ups and the open reservations."""
    cache = _budget_cache(writer)
    if cache is None:
        return stored.ensure_counter(writer.connection, who, span)
    key = (who, *span)
    counter = cache.counters.get(key)
    if counter is None:
        counter = stored.find_counter(writer.connection, who, span)
        if counter is None:
            writer.write_out()  # it is made from what waits, and old ones are dropped
            cache.counters.clear()
            cache.found.clear()
            counter = stored.ensure_counter(writer.connection, who, span)
        cache.counters[key] = counter
    return counter


def find_counters(writer: Writer, whos: Sequence[Somebody], day: int) -> list[Counter]:
    """Return the counters there are of these WHOs for the periods a day is in."""
    cache = _budget_cache(writer)
    if cache is None:
        return stored.find_counters(writer.connection, whos, day)
    return [cache.counters[key] for key in cache.keys_of(writer.connection, whos, day)]


def add_to_counters(
    writer: Writer, counters: Sequence[Counter], *, spent_pusd: int = 0, reserved_pusd: int = 0
) -> None:
    """Add to counters as they were just read in this transaction."""
    cache = _budget_cache(writer)
    if cache is None:
        stored.add_to_counters(writer.connection, counters, spent_pusd=spent_pusd, reserved_pusd=reserved_pusd)
        return
    for who, period, start, spent, reserved in counters:
        key = (who, period, start)
        cache.counters[key] = Counter(who, period, start, spent + spent_pusd, reserved + reserved_pusd)
        cache.changed.add(key)


def _budget_cache(writer: Writer) -> BudgetCache | None:
    return None if writer.cache is None else writer.cache.part(BudgetCache)
