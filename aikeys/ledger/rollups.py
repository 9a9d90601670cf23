"""Roll-ups: the sums of calls per day (for ever), hour (five weeks), token and declared tag.

They are written in the transaction that writes the call, and `first_wrong` makes them again from the calls.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from aikeys.ledger.calendar import HOUR_US, Calendar, period_start
from aikeys.ledger.calls import (
    REBOOKED,
    REBOOKED_FAILED,
    REVERSED,
    REVERSED_FAILED,
    SUCCESS,
    Call,
    Found,
    requests_of,
    text_pairs,
)
from aikeys.ledger.store import Act, Ledger, Writer
from aikeys.money import halves

ROLLED, NO_LONGER_ROLLED = "tag-rollup", "tag-rollup-end"
_NO_WORD = 0
KEPT_HOURS = 35 * 24
SUMS = (
    "requests, failed, input, cache_read, cache_write, output, reasoning, cost_high, cost_low, list_high, "
    "list_low, doubt_high, doubt_low"
)
_COUNT = SUMS.count(",") + 1
_ADD = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS.split(", "))
_TABLES = {
    "rollup_day": ("day", "slot"), "rollup_wide": ("day", "slot"), "rollup_month": ("month", "slot"),
    "rollup_token": ("day", "token"), "rollup_tag": ("day", "tag"),
}  # fmt: skip
_NEVER_HOUR = (1 << 62) // HOUR_US
_HOURLY = {"rollup_hour": "slot", "rollup_token_hour": "token"}
OF_CALLS = f"""sum(iif(corrects = 0, 1, (status IN ('{REBOOKED}', '{REBOOKED_FAILED}'))
    - (status IN ('{REVERSED}', '{REVERSED_FAILED}')))),
  sum(iif(corrects = 0, status <> '{SUCCESS}', (status = '{REBOOKED_FAILED}') - (status = '{REVERSED_FAILED}'))),
  sum(input), sum(cache_read), sum(cache_write_5m + cache_write_1h), sum(output), sum(reasoning), sum(cost_pusd >> 32),
  sum(cost_pusd & 4294967295), sum(list_pusd >> 32), sum(list_pusd & 4294967295), sum(doubt_pusd >> 32),
  sum(doubt_pusd & 4294967295)"""

Sums = tuple[int, ...]
RowKey = tuple[int, int, str]
Rows = dict[RowKey, Sums]


def sums_of(call: Call) -> Sums:
    """Return what a call adds to a roll-up, in the order of SUMS."""
    usage = call.usage
    return (
        *requests_of(call.corrects, call.status),
        *(usage.input, usage.cache_read, usage.cache_write_5m + usage.cache_write_1h, usage.output, usage.reasoning),
        *(*halves(call.cost_pusd), *halves(call.list_pusd), *halves(call.doubt_pusd)),
    )


class RollupKey(NamedTuple):
    """Where a call is added up: its slot, that without the person, the word of its token (or None), day and month."""

    slot: int
    wide: int
    token: int | None
    day: int
    month: int


def sums_of_frame(numbers: tuple[int, ...], status: str, found: Found) -> Sums:
    """Return the same of a call's numbers in canonical order."""
    cache_read, write_5m, write_1h, output, reasoning, cost_pusd = numbers[4:10]
    return (
        *requests_of(numbers[12], status),
        *(numbers[3], cache_read, write_5m + write_1h, output, reasoning),
        *(*halves(cost_pusd), *halves(found.list_pusd), *halves(found.doubt_pusd)),
    )


class Waiting:
    """The part of a writer's memory (memory.py) that adds up here first what is written once for many calls."""

    def __init__(self) -> None:
        self._sums: dict[tuple[RollupKey, str, int, tuple[int, ...]], Sums] = {}
        self._tags: dict[tuple[tuple[str, str], ...], list[int]] = {}
        self._hours = (-1, 0)

    def add(self, place: RollupKey, source: str, hour: int, tags: Sequence[int], sums: Sums) -> None:
        """Add to what waits for the rows of calls of one place, cost source, hour and tags."""
        key = place, source, hour, (*tags,)
        found = self._sums.get(key)
        self._sums[key] = sums if found is None else tuple(map(int.__add__, found, sums))

    def write_out(self, connection: sqlite3.Connection) -> None:
        """Write what waits, each row once."""
        rows: dict[tuple[str, RowKey], Sums] = {}
        for (place, source, hour, tags), sums in self._sums.items():
            for row in _rows_of(place, source, hour, self._hours[1], tags):
                found = rows.get(row)
                rows[row] = sums if found is None else tuple(map(int.__add__, found, sums))
        for (table, key), sums in rows.items():
            add(connection, table, (*key, *sums))
        self._sums.clear()

    def forget_calls(self) -> None:
        """Look again which hours are kept."""
        self._hours = (-1, 0)

    def look_at_hours(self, connection: sqlite3.Connection, now_us: int) -> None:
        """Look which hours are kept, once an hour; what waits is written by those that were."""
        if self._hours[0] != now_us // HOUR_US:
            self.write_out(connection)
            self._hours = now_us // HOUR_US, forget_old_hours(connection, now_us)

    def rolled_tags(self, connection: sqlite3.Connection, tags: tuple[tuple[str, str], ...]) -> list[int]:
        """Return the words of those tags that are declared."""
        if tags not in self._tags:
            self._tags[tags] = rolled_tags(connection, tags)
        return self._tags[tags]


def add_call(writer: Writer, call: Call, place: RollupKey) -> None:
    """Add a call to every roll-up it belongs to."""
    connection, tags, sums = writer.connection, call.context.labels.tags, sums_of(call)
    hour = call.at_us // HOUR_US
    if writer.cache is None:
        first_hour = forget_old_hours(connection, writer.now_us)
        for table, key in _rows_of(place, call.cost_source, hour, first_hour, rolled_tags(connection, tags)):
            add(connection, table, (*key, *sums))
    else:
        waiting = writer.cache.part(Waiting)
        waiting.look_at_hours(connection, writer.now_us)
        waiting.add(place, call.cost_source, hour, waiting.rolled_tags(connection, tags) if tags else (), sums)


def _rows_of(
    place: RollupKey, source: str, hour: int, first_hour: int, tags: Iterable[int]
) -> Iterator[tuple[str, RowKey]]:
    """Yield table and key of every roll-up that a call of a place, cost source and hour belongs to."""
    slot, wide, token, day, month = place
    yield "rollup_day", (day, slot, source)
    yield "rollup_wide", (day, wide, source)
    yield "rollup_month", (month, wide, source)
    if hour >= first_hour:
        yield "rollup_hour", (hour, slot, source)
    if token is not None:
        yield "rollup_token", (day, token, source)
        if hour >= first_hour:
            yield "rollup_token_hour", (hour, token, source)
    for tag in tags:
        yield "rollup_tag", (day, tag, source)


def add(connection: sqlite3.Connection, table: str, row: tuple[int | str, ...]) -> None:
    """Add sums to a row of a roll-up, which need not be there."""
    connection.execute(
        f"INSERT INTO {table} VALUES ({', '.join('?' * (3 + _COUNT))}) ON CONFLICT DO UPDATE SET {_ADD}",  # noqa: S608
        row,
    )


def rolled_tags(connection: sqlite3.Connection, tags: Iterable[tuple[str, str]]) -> list[int]:
    """Return the words `name=value` of those tags that are declared, new ones where they are new."""
    wanted = list(tags)
    if not wanted:
        return []
    declared = _declared(connection)
    return [word_id(connection, f"{name}={value}") for name, value in wanted if name in declared]


def word_id(connection: sqlite3.Connection, text: str) -> int:
    """Return the number of a text, a new one where it is new."""
    row = connection.execute("SELECT id FROM word WHERE text = ?", (text,)).fetchone()
    if row is None:
        row = connection.execute("INSERT INTO word(text) VALUES (?) RETURNING id", (text,)).fetchone()
    return int(row[0])


def keep_tags(ledger: Ledger, names: Collection[str]) -> None:
    """Keep roll-ups of these tags and of no others from now on; only looks where that is so already."""
    with ledger.reading() as connection:
        if _declared(connection) == {*names}:
            return
    with ledger.writing() as writer:
        for name in sorted(_declared(writer.connection) - {*names}):
            _end_tag(writer, name)
        for name in sorted(names):
            declare_tag(writer, name)


def declare_tag(writer: Writer, name: str) -> None:
    """Keep a roll-up of a tag from now on, and fill it from the calls that are here. Written down as an act."""
    connection = writer.connection
    if connection.execute("INSERT OR IGNORE INTO rolled_tag VALUES (?)", (name,)).rowcount:
        writer.act(Act(ROLLED, name))
        used = "SELECT text FROM word WHERE id IN (SELECT tags FROM context UNION SELECT tags FROM archived)"
        pairs = {pair for row in connection.execute(used).fetchall() for pair in text_pairs(row[0]) if pair[0] == name}
        for pair in sorted(pairs):
            word_id(connection, "=".join(pair))
        naming = _naming(connection)
        for each in _days(connection):
            for (day, tag, source), sums in _made(connection, naming, each)["rollup_tag"].items():
                if _word(connection, tag).startswith(f"{name}="):
                    add(connection, "rollup_tag", (day, tag, source, *sums))


def _end_tag(writer: Writer, name: str) -> None:
    start = f"{name}="
    words = "SELECT id FROM word WHERE substr(text, 1, ?) = ?"
    writer.connection.execute("DELETE FROM rolled_tag WHERE name = ?", (name,))
    writer.connection.execute(f"DELETE FROM rollup_tag WHERE tag IN ({words})", (len(start), start))  # noqa: S608
    writer.act(Act(NO_LONGER_ROLLED, name))


def _declared(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM rolled_tag")}


def forget_old_hours(connection: sqlite3.Connection, now_us: int) -> int:
    """Drop hourly roll-ups older than five weeks, days stay for ever; return the first hour that is kept.

    It never moves back: from there on no call is missing, whatever the clock did.
    """
    stored = _stored_hours_from(connection)
    kept = max(stored, now_us // HOUR_US - KEPT_HOURS)
    if kept > stored:
        connection.execute("UPDATE ledger SET hours_from = ?", (kept,))
        for table in _HOURLY:
            connection.execute(f"DELETE FROM {table} WHERE hour < ?", (kept,))  # noqa: S608
    return kept


def hours_from(connection: sqlite3.Connection) -> int:
    """Return the first hour (since 1970, UTC) from which on the hourly roll-up has every call, and can be checked.

    Hours of days with archived calls cannot: only the sums of those days are known.
    """
    zone, archived = connection.execute("SELECT zone, (SELECT max(day) FROM archived) FROM ledger").fetchone()
    stored = _stored_hours_from(connection)
    return stored if archived is None else max(stored, -(-Calendar(zone).start_us(archived + 1) // HOUR_US))


def _stored_hours_from(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT hours_from FROM ledger").fetchone()[0])


def first_wrong(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """Return day and table of a roll-up that is not the sum of its calls (and of what was archived), or None.

    A day at a time, and a month of the few rows without persons: memory does not grow with the ledger.
    """
    naming = _naming(connection)
    for month, days in groupby(_days(connection), lambda day: period_start("month", day)):
        of_month = _Adding()
        for day in days:
            made = _made(connection, naming, day)
            of_month.add_all(made.pop("rollup_month"))
            if day != month:
                made["rollup_month"] = {}
            for table, rows in made.items():
                if _stored(connection, table, day) != rows:
                    return day, table
        if _stored(connection, "rollup_month", month) != of_month.rows():
            return month, "rollup_month"
    return next((found for table in _HOURLY if (found := _first_wrong_hour(connection, table))), None)


def _days(connection: sqlite3.Connection) -> list[int]:
    """Return every day of a call, of archived ones and of a roll-up; the first of a month for those by month."""
    daily = [table for table, (time, _) in _TABLES.items() if time == "day"]
    queries = [f"SELECT DISTINCT day FROM {table}" for table in ("call", "archived", *daily)]  # noqa: S608
    queries.append("SELECT month FROM rollup_month ORDER BY 1")
    return [row[0] for row in connection.execute(" UNION ".join(queries))]


def _stored(connection: sqlite3.Connection, table: str, start: int) -> Rows:
    time, column = _TABLES[table]
    query = f"SELECT {time}, {column}, source, {SUMS} FROM {table} WHERE {time} = ?"  # noqa: S608
    return _keyed(connection.execute(query, (start,)))


def are_hours_kept_from(connection: sqlite3.Connection, latest_us: int) -> bool:
    """Tell whether the first hour that is kept is one that an entry can have moved it to."""
    return _stored_hours_from(connection) <= max(0, latest_us // HOUR_US - KEPT_HOURS + 1)


def _first_wrong_hour(connection: sqlite3.Connection, table: str) -> tuple[int, str] | None:
    """Compare every hour that is used."""
    kept = (_stored_hours_from(connection),)
    forgotten = connection.execute(f"SELECT min(hour) FROM {table} WHERE hour < ?", kept).fetchone()[0]  # noqa: S608
    if forgotten is not None:
        return forgotten // 24, table
    column, first = _HOURLY[table], hours_from(connection)
    query = f"SELECT hour, {column}, source, {SUMS} FROM {table} WHERE hour >= ? AND hour < ?"  # noqa: S608
    latest_us = connection.execute("SELECT coalesce(max(at_us), 0) FROM call").fetchone()[0]
    last = max(latest_us // HOUR_US, first - 1)
    beyond = connection.execute(f"SELECT min(hour) FROM {table} WHERE hour > ?", (last,)).fetchone()[0]  # noqa: S608
    if beyond is not None:
        return beyond // 24, table
    for start in range(first, last + 1, 24):
        stored = _keyed(connection.execute(query, (start, start + 24)))
        made = _keyed(hours_made(connection, table, start, start + 24))
        wrong = [key for key in {*stored, *made} if stored.get(key) != made.get(key)]
        if wrong:
            return min(wrong)[0] // 24, table
    return None


def hours_made(
    connection: sqlite3.Connection, table: str, first: int, end: int = _NEVER_HOUR
) -> Iterator[tuple[Any, ...]]:
    """Make an hourly roll-up from the calls of hours ≥ `first` and < `end`."""
    column = _HOURLY[table]
    yield from connection.execute(
        f"SELECT call.at_us / {HOUR_US} AS hour, c.{column}, source, {OF_CALLS} FROM call "  # noqa: S608
        "JOIN context c ON c.id = call.context WHERE call.day >= ? AND call.day <= ? AND at_us >= ? AND at_us < ? "
        + ("AND c.token <> (SELECT id FROM word WHERE text = '') " if column == "token" else "")
        + "GROUP BY 1, 2, 3",
        (first // 24 - 1, end // 24 + 1, first * HOUR_US, end * HOUR_US),
    )


class _Naming(NamedTuple):
    """What numbers mean, read once: declared tags, words and their numbers, and slots without their persons."""

    declared: set[str]
    words: dict[int, str]
    numbers: dict[str, int]
    wide: dict[int, int]


def _naming(connection: sqlite3.Connection) -> _Naming:
    words: dict[int, str] = dict(connection.execute("SELECT id, text FROM word"))
    wide: dict[int, int] = dict(connection.execute("SELECT id, wide FROM slot").fetchall())
    return _Naming(_declared(connection), words, {text: number for number, text in words.items()}, wide)


class _Adding:
    """Rows of a roll-up as they are added up."""

    def __init__(self) -> None:
        self._rows: defaultdict[RowKey, list[int]] = defaultdict(lambda: [0] * _COUNT)

    def add(self, key: RowKey, sums: Iterable[int]) -> None:
        row = self._rows[key]
        row[:] = [one + other for one, other in zip(row, sums, strict=True)]

    def add_all(self, rows: Rows) -> None:
        for key, sums in rows.items():
            self.add(key, sums)

    def rows(self) -> Rows:
        return {key: tuple(row) for key, row in self._rows.items()}


def _made(connection: sqlite3.Connection, naming: _Naming, day: int) -> dict[str, Rows]:
    """Make a day's part of the daily roll-ups and of the month's: SQL adds per context, the rest is few rows."""
    made = {table: _Adding() for table in _TABLES}
    month = period_start("month", day)
    for slot, token, tags, source, *sums in _groups(connection, day):
        without = naming.wide.get(slot, 0)
        keys = [("rollup_day", day, slot), ("rollup_wide", day, without), ("rollup_month", month, without)]
        if naming.words.get(token):
            keys.append(("rollup_token", day, token))
        pairs = text_pairs(naming.words.get(tags, ""))
        texts = [f"{name}={value}" for name, value in pairs if name in naming.declared]
        keys += [("rollup_tag", day, naming.numbers.get(text, _NO_WORD)) for text in texts]
        for table, start, number in keys:
            made[table].add((start, number, source), sums)
    return {table: adding.rows() for table, adding in made.items()}


def _groups(connection: sqlite3.Connection, day: int) -> Iterator[tuple[Any, ...]]:
    """Yield (slot, token, tags, source, sums…) of a day's calls that are here and of those archived."""
    query = (
        f"SELECT c.slot, c.token, c.tags, g.* FROM (SELECT source, {OF_CALLS}, context FROM call WHERE day = ? "  # noqa: S608
        "GROUP BY context, source) g JOIN context c ON c.id = g.context"
    )
    for *row, _context in connection.execute(query, (day,)):
        yield tuple(row)
    query = f"SELECT slot, token, tags, source, {SUMS} FROM archived WHERE day = ?"  # noqa: S608
    yield from connection.execute(query, (day,))


def _keyed(rows: Iterable[tuple[int, ...]]) -> Rows:
    return {(day, number, source): tuple(sums) for day, number, source, *sums in rows}  # type: ignore[misc]


def _word(connection: sqlite3.Connection, number: int) -> str:
    return str(connection.execute("SELECT text FROM word WHERE id = ?", (number,)).fetchone()[0])
