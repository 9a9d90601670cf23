"""Counters of budgets: the SQL of the tables `counter` and `reservation`, and of the sums they are made from.

- A counter stands for (WHO, period, first day): what its calls cost, and what its open reservations hold.
- It can always be made again: `spent` from the roll-ups, `reserved` from the open reservations. So one is made when it
  is first needed, and old ones are dropped.
- Decimal text, because limits and sums go beyond 64 bits of pico-USD.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from aikeys.budgets.terms import HINT, PERIODS, stored_pusd
from aikeys.budgets.who import ORG, TOKEN, USER, Limited, Somebody, is_somebody, limited_who, somebody
from aikeys.errors import Damaged
from aikeys.ledger.calendar import period_end, period_start
from aikeys.money import joined

_FOR_EVER = 1 << 40  # a day after every day
_SLOT_OF = "FROM rollup_day r JOIN slot s ON s.id = r.slot WHERE r.day >= ? AND r.day < ?"
_OPEN = (
    "SELECT r.pusd FROM reservation r JOIN context c ON c.id = r.context JOIN slot s ON s.id = c.slot "
    "WHERE r.day >= ? AND r.day < ?"
)
_FAMILY = (  # the words of a token and of all below it
    "WITH RECURSIVE family(id) AS (VALUES (?) UNION SELECT t.id FROM token t JOIN family f ON t.parent = f.id) "
    "SELECT w.id FROM word w JOIN family ON w.text = family.id"
)
COLUMNS = {"team": "s.team", "project": "s.project", "environment": "s.environment", "user": "s.person", "key": "s.key"}


class PeriodRun(NamedTuple):
    """One run of a period: its first day. `days` are the first day and the first one after."""

    period: str
    start: int

    @property
    def days(self) -> tuple[int, int]:
        if self.period == "total":
            return -_FOR_EVER, _FOR_EVER
        return self.start, period_end(self.period, self.start) or _FOR_EVER


class Counter(NamedTuple):
    """What somebody spent and holds reserved over a period, in pico-USD."""

    who: Somebody
    period: str
    start: int
    spent_pusd: int
    reserved_pusd: int


class Sums(NamedTuple):
    """What calls cost in pico-USD, how many requests they were, and how many of those have no price.

    `doubt_pusd`: what may be missing in those whose end was estimated under a budget that lets them be.
    """

    spent_pusd: int
    requests: int
    unpriced: int
    doubt_pusd: int = 0


@lru_cache(maxsize=64)
def span_of(period: str, day: int) -> PeriodRun:
    """Return the run of a period that a day is in."""
    return PeriodRun(period, period_start(period, day))


def find_counters(connection: sqlite3.Connection, whos: Sequence[Somebody], day: int) -> list[Counter]:
    """Return the counters there are of these WHOs (stored, concrete) for the periods a day is in."""
    starts = " OR ".join(["(period = ? AND start = ?)"] * len(PERIODS))
    rows = connection.execute(
        f"SELECT who, period, start, spent, reserved FROM counter WHERE who IN ({', '.join('?' * len(whos))}) "  # noqa: S608
        f"AND ({starts})",
        (*whos, *(value for period in PERIODS for value in span_of(period, day))),
    )
    return [_counter(row) for row in rows]


def ensure_counter(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> Counter:
    """Return a counter; where there is none it is filled from the roll-ups and the open reservations."""
    found = find_counter(connection, who, span)
    if found is not None:
        return found
    counter = made_counter(connection, who, span)
    connection.execute("INSERT INTO counter VALUES (?, ?, ?, ?, ?)", (*counter[:3], *map(str, counter[3:])))
    _drop_old(connection, who, span)
    return counter


def find_counter(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> Counter | None:
    """Return a counter, None where there is none."""
    row = connection.execute(
        "SELECT spent, reserved FROM counter WHERE who = ? AND period = ? AND start = ?", (who, *span)
    ).fetchone()
    return _counter((who, *span, *row)) if row else None


def read_counters(connection: sqlite3.Connection) -> list[Counter]:
    """Return every counter; Damaged where one is for nobody or for no period."""
    found = [_counter(row) for row in connection.execute("SELECT who, period, start, spent, reserved FROM counter")]
    for one in found:
        if not is_somebody(one.who) or one.period not in PERIODS:
            raise Damaged(f"the ledger has a counter of {one.who[:80]!r} over {one.period[:20]!r}, which is none", HINT)
    return found


def _counter(row: tuple[str, str, int, str, str]) -> Counter:
    who, period, start, spent, held = row
    of = f"counter of {who} ({period})"
    return Counter(Somebody(who), period, start, stored_pusd(spent, of), stored_pusd(held, of))


def made_counter(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> Counter:
    """Make a counter from what it stands for, and store nothing."""
    return Counter(who, *span, spent_pusd(connection, who, span), reserved_pusd(connection, who, span))


def add_to_counters(
    connection: sqlite3.Connection, counters: Iterable[Counter], *, spent_pusd: int = 0, reserved_pusd: int = 0
) -> None:
    """Add to counters as they were just read in this transaction."""
    rows = [
        (str(one.spent_pusd + spent_pusd), str(one.reserved_pusd + reserved_pusd), one.who, one.period, one.start)
        for one in counters
    ]
    connection.executemany(
        "UPDATE counter SET spent = ?, reserved = ? WHERE who = ? AND period = ? AND start = ?", rows
    )


def drop_counters(connection: sqlite3.Connection, who: Limited, period: str) -> None:
    """Drop the counters of a budget that is no more; `team:*` drops those of every team."""
    limited = limited_who(who)
    if limited.is_each:
        kind = limited.kind
        connection.execute(
            "DELETE FROM counter WHERE period = ? AND who > ? AND who < ?", (period, f"{kind}:", f"{kind};")
        )
    else:
        connection.execute("DELETE FROM counter WHERE who = ? AND period = ?", (limited.somebody, period))


def spent_pusd(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> int:
    """Return what the calls of a WHO cost."""
    return sums_of(connection, who, span).spent_pusd


def sums_of(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> Sums:
    """Return the sums of a WHO's calls from the roll-ups, costs added in halves."""
    kind, _, name = who.partition(":")
    table, condition, values = "rollup_day r", "", [*span.days]
    if kind == TOKEN:
        table, condition, values = "rollup_token r", f"AND r.token IN ({_FAMILY})", [*span.days, name]  # type: ignore[list-item]
    elif kind != ORG:
        known = column_value(connection, kind, name)
        if known is None:
            return Sums(0, 0, 0)
        table = "rollup_day r JOIN slot s ON s.id = r.slot"
        condition, values = f"AND {COLUMNS[kind]} = ?", [*span.days, known]  # type: ignore[list-item]
    high, low, requests, unpriced, doubt_high, doubt_low = connection.execute(
        "SELECT sum(r.cost_high), sum(r.cost_low), sum(r.requests), sum(iif(r.source = 'unpriced', r.requests, 0)), "  # noqa: S608
        f"sum(r.doubt_high), sum(r.doubt_low) FROM {table} WHERE r.day >= ? AND r.day < ? {condition}",
        values,
    ).fetchone()
    return Sums(joined(high or 0, low or 0), requests or 0, unpriced or 0, joined(doubt_high or 0, doubt_low or 0))


def each_with_calls(connection: sqlite3.Connection, kind: str, span: PeriodRun) -> list[Somebody]:
    """Return those of a kind (stored WHOs) that had calls."""
    if kind == TOKEN:
        query = "SELECT DISTINCT r.token FROM rollup_token r WHERE r.day >= ? AND r.day < ?"
    else:
        query = f"SELECT DISTINCT {COLUMNS[kind]} {_SLOT_OF}"
    found = [row[0] for row in connection.execute(query, span.days)]
    if kind == USER:
        return sorted(somebody(USER, digest.hex()) for digest in found if digest)
    words = [word_text(connection, word) for word in found]
    return sorted(somebody(kind, text) for text in words if text)


def reserved_pusd(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> int:
    """Return what the open reservations of a WHO hold."""
    kind, _, name = who.partition(":")
    if kind == ORG:
        return sum(row[0] for row in connection.execute(_OPEN, span.days))
    if kind == TOKEN:
        return sum(row[0] for row in connection.execute(f"{_OPEN} AND c.token IN ({_FAMILY})", (*span.days, name)))
    known = column_value(connection, kind, name)
    return sum(row[0] for row in connection.execute(f"{_OPEN} AND {COLUMNS[kind]} = ?", (*span.days, known)))


def column_value(connection: sqlite3.Connection, kind: str, name: str) -> int | bytes | None:
    """Return what stands in a column of slots for a name; None where no call ever had it."""
    if kind == USER:
        return bytes.fromhex(name)
    row = connection.execute("SELECT id FROM word WHERE text = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def word_text(connection: sqlite3.Connection, number: int) -> str:
    """Return a text of the ledger by its number."""
    row = connection.execute("SELECT text FROM word WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise Damaged(f"the ledger has lost text {number} of its calls", HINT)
    return str(row[0])


def _drop_old(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> None:
    """Keep this run of the period and the one before it, where calls may still settle."""
    if span.period != "total":
        before = period_start(span.period, span.start - 1)
        connection.execute("DELETE FROM counter WHERE who = ? AND period = ? AND start < ?", (who, span.period, before))
