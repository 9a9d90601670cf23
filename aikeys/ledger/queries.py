"""The reads of reports: sums of calls by labels and time, durations, usage by price. Changes nothing.

- A question about labels alone, in days of the ledger's zone, is answered from the daily roll-ups; about tokens or one
  declared tag from theirs; hours and other zones from the hourly one while it reaches back. All else reads the calls.
- Calls that were archived count as they did: they are in the roll-ups, and `archived` keeps their sums for the rest.
- SQL only adds per slot or context; their texts are looked up and compared here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aikeys.errors import CannotDecide, Damaged
from aikeys.ledger import lost_ledgers
from aikeys.ledger.calendar import HOUR_US, Calendar, date_of, period_start
from aikeys.ledger.calls import NO_UNITS_SQL, read_extra, text_pairs
from aikeys.ledger.own_contexts import contexts_of_labels, contexts_of_tokens
from aikeys.ledger.questions import (
    CALLS,
    ERASED,
    NONE,
    ROLL_UPS,
    SLOT,
    TAG,
    CallSums,
    Figures,
    Keys,
    LedgerSums,
    Met,
    Runs,
    SqlFrame,
    SumQuery,
    figures_of,
    is_wanted,
)
from aikeys.ledger.raw_runs import between
from aikeys.ledger.rollups import OF_CALLS, SUMS, hours_from
from aikeys.ledger.store import HINT, Ledger
from aikeys.ledger.token_acts import family
from aikeys.ledger.unread_fields import UnreadField, unread_fields
from aikeys.money import joined
from aikeys.providers.usage import TOKENS, Usage

_QUARTER_US = HOUR_US // 4  # every zone's offset is a multiple of it
_USED_SUMS = ", ".join(f"sum({name})" for name in TOKENS)
_COST = "cost_pusd >> 32, cost_pusd & 4294967295"
_COST_SUMS = "sum(cost_pusd >> 32), sum(cost_pusd & 4294967295)"
_IS_SIMPLE = f"""{NO_UNITS_SQL} AND reasoning <= output
  AND cache_read + cache_write_5m + cache_write_1h <= input"""
_COLUMNS = {"user": "person"}
_SLOT = ", ".join(_COLUMNS.get(name, name) for name in SLOT)
_ADDED = ", ".join(f"sum({name})" for name in SUMS.split(", "))


@contextmanager
def reading(ledger: Ledger) -> Iterator[Reading]:
    """One state of the ledger for all questions of a report."""
    with ledger.reading() as connection:
        yield Reading(connection, ledger)


def raw_runs(connection: sqlite3.Connection, start_us: int, end_us: int, tokens: Sequence[str] | None = None) -> int:
    """Return how many programs `exec` handed keys to, not a token: what they spent nobody metered.

    With `tokens` only those that one of these started: an entry ends with its token.
    """
    return between(connection, start_us, end_us, tokens)


class Reading:
    """Answers from one state of a ledger."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self._connection = connection
        self._calendar = Calendar(ledger.zone)
        self._path = ledger.path
        self._words: dict[int, str] = {}

    def sums(self, asked: SumQuery) -> LedgerSums:
        """Answer from roll-ups where they can, else from the calls; CannotDecide where archived hours are asked for."""
        if "hour" in asked.by or asked.between or asked.calendar.zone.key != self._calendar.zone.key:
            return self._by_hour(asked)
        needs = asked.needs
        if needs <= {*SLOT}:
            return self._by_slot(asked)
        if needs == {"token"}:
            return self._by_words(asked, "rollup_token", "token", self._word)
        tag = next(iter(needs)) if len(needs) == 1 else ""
        if tag.startswith(TAG) and self._is_rolled(tag.removeprefix(TAG)):
            start = tag.removeprefix(TAG) + "="
            return self._by_words(asked, "rollup_tag", "tag", lambda number: _behind(start, self._word(number)))
        return self._by_call(asked)

    def family(self, token: str) -> tuple[str, ...]:
        """Return a token and all below it."""
        return family(self._connection, token)

    def runs_not_metered(self, start_us: int, end_us: int, tokens: Sequence[str] | None = None) -> Runs:
        """Return how many programs `exec` handed keys to; with `tokens` those that one of these started."""
        count = raw_runs(self._connection, start_us, end_us, tokens)
        base = self._connection.execute("SELECT base FROM ledger").fetchone()[0]
        oldest = self._connection.execute("SELECT at_us FROM entry ORDER BY id LIMIT 1").fetchone()
        return Runs(count, not base or (oldest is not None and oldest[0] <= start_us))

    def lost_before_us(self, start_us: int) -> int | None:
        """Return up to when nothing is known of a time from `start_us` on, because its ledger was lost; else None."""
        lost = lost_ledgers.find(self._connection, start_us)
        return lost.before_us if lost else None

    def unread_fields(self, asked: SumQuery) -> list[UnreadField]:
        """Return the fields of replies that nobody read, of the days that were asked for."""
        return unread_fields(self._connection, asked.first, asked.end, asked.where)

    def prices(self, answer: LedgerSums) -> list[str]:
        """Return the texts of the prices that the calls met were computed with; from roll-ups, at any time."""
        column, met = ("slot", answer.slots) if answer.slots else ("id", answer.contexts)
        listed = "SELECT value FROM json_each(?)"
        if answer.is_wide:
            listed = f"SELECT id FROM slot WHERE wide IN ({listed})"  # noqa: S608
        query = (
            "SELECT text FROM word WHERE id IN (SELECT price FROM context "  # noqa: S608
            f"WHERE {column} IN ({listed})) AND text <> '' ORDER BY text"
        )
        return [row[0] for row in self._connection.execute(query, (_listed(met),))]

    def first_day(self) -> int | None:
        """Return the day of the oldest call (in the ledger's zone)."""
        found: int | None = self._connection.execute("SELECT min(day) FROM rollup_day").fetchone()[0]
        return found

    def newest_us(self) -> int | None:
        """Return when the newest call was settled."""
        row = self._connection.execute("SELECT settled_us FROM call ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else None

    def durations(self, asked: SumQuery, column: str) -> dict[Keys, dict[int, int]]:
        """Return how many calls took how many ms, by `by`; `column` is latency_ms or first_token_ms."""
        frame = self._frame(asked)
        found: dict[Keys, dict[int, int]] = {}
        met = Met(asked, frame, self._context)
        query = (
            f"SELECT {frame.time}, context, {column}, count(*) FROM call "  # noqa: S608
            f"WHERE {frame.calls} AND corrects = 0 AND {column} >= 0 GROUP BY 1, 2, 3"
        )
        for at, context, took_ms, count in self._connection.execute(query, frame.values):
            keys = met.keys(context, at)
            if keys is not None:
                counts = found.setdefault(keys, {})
                counts[took_ms] = counts.get(took_ms, 0) + count
        return found

    def metered(self, asked: SumQuery) -> Iterator[CallSums]:
        """Yield usage and cost by day, labels and price; calls with further units or odd counts come one by one.

        What was archived comes with its sums, and without a price.
        """
        frame = self._frame(asked)
        met = Met(asked, frame, self._context)
        start = f"SELECT {frame.time}, context, source, corrects > 0,"
        end = f"FROM call WHERE {frame.calls} AND"
        together = f"{start} count(*), {_USED_SUMS}, x'', {_COST_SUMS} {end} {_IS_SIMPLE} GROUP BY 1, 2, 3, 4"
        apart = f"{start} 1, {', '.join(TOKENS)}, extra, {_COST} {end} NOT ({_IS_SIMPLE})"
        for query in (together, apart):
            for at, context, source, corrects, count, *used, extra, high, low in self._connection.execute(
                query, frame.values
            ):
                if met.keys(context, at) is not None:
                    usage = Usage._make([*used, read_extra(extra).other])
                    requests = 0 if corrects else count
                    what = (met.labels(context), source, bool(corrects), requests, usage)
                    yield CallSums(frame.day(at), *what, joined(high, low))
        yield from self._metered_archived(asked, frame)

    def _metered_archived(self, asked: SumQuery, frame: SqlFrame) -> Iterator[CallSums]:
        met = Met(asked, frame, self._archived)
        for day, identity, source, requests, _, *used in self._archived_rows(frame):
            if met.keys(identity, day) is not None:
                total, read, written, output, reasoning, high, low = used[:7]
                usage = Usage(total, read, written, 0, output, reasoning)
                yield CallSums(day, met.labels(identity), source, False, requests, usage, joined(high, low))

    def rolled_tags(self) -> list[str]:
        """Return the names of the tags that are declared."""
        return [row[0] for row in self._connection.execute("SELECT name FROM rolled_tag ORDER BY name")]

    def _by_hour(self, asked: SumQuery) -> LedgerSums:
        frame = self._frame(asked)
        if not asked.needs <= {*SLOT} or frame.step_us != HOUR_US or not self._has_hours(frame):
            return self._by_call(asked)
        return self._rolled(asked, "rollup_hour", "hour", (asked.start_us // HOUR_US, asked.end_us // HOUR_US))

    def _by_slot(self, asked: SumQuery) -> LedgerSums:
        """Where nobody asks for persons, from the sums without them, by month for whole months: those stay few."""
        is_wide = "user" not in asked.needs
        span = (asked.first, asked.end)
        if is_wide and "day" not in asked.by and all(day == period_start("month", day) for day in span):
            found = self._rolled(asked, "rollup_month", "month", span)
        else:
            found = self._rolled(asked, "rollup_wide" if is_wide else "rollup_day", "day", span)
        return found._replace(is_wide=is_wide)

    def _rolled(self, asked: SumQuery, table: str, at: str, span: tuple[int, int]) -> LedgerSums:
        """Let SQL add up by the labels asked for; which slots a filter leaves is found out before."""
        when = f"{at} >= ? AND {at} < ?"
        found = self._connection.execute(f"SELECT DISTINCT slot FROM {table} WHERE {when}", span)  # noqa: S608
        present = self._present([row[0] for row in found])
        slots = [each for each in present if not asked.where or is_wanted(self._slot(each), asked.where)]
        columns = [name for name in asked.by if name in SLOT]
        time = at if {"day", "hour"} & {*asked.by} else "0"
        keys = ", ".join([time, *(f"s.{_COLUMNS.get(name, name)}" for name in columns), "source"])
        width = len(columns) + 1
        places = ", ".join(map(str, range(1, width + 2)))
        rows = self._connection.execute(
            f"SELECT {keys}, {_ADDED} FROM {table} CROSS JOIN slot s ON s.id = slot WHERE {when} "  # noqa: S608
            f"{'AND slot IN (SELECT value FROM json_each(?))' if asked.where else ''} GROUP BY {places}",
            (*span, _listed(slots)) if asked.where else span,
        )
        met = Met(asked._replace(where=()), self._frame(asked), lambda ids: self._labels(columns, ids))
        met.add((row[0], row[1:width], *row[width:]) for row in rows)
        return LedgerSums(met.cells, ROLL_UPS, slots=frozenset(slots))

    def _present(self, slots: list[int]) -> list[int]:
        """Return the slots; Damaged where one has no labels: joining would leave its money out."""
        query = "SELECT count(*) FROM slot WHERE id IN (SELECT value FROM json_each(?))"
        if self._connection.execute(query, (_listed(slots),)).fetchone()[0] != len(slots):
            raise Damaged(f"{self._path} has lost the labels of its calls", HINT)
        return slots

    def _by_words(self, asked: SumQuery, table: str, column: str, text_of: Callable[[int], str | None]) -> LedgerSums:
        """What no row of the roll-up holds is the rest of the day: calls without a token, or without that tag."""
        name = next(iter(asked.needs))
        frame = self._frame(asked)
        everything = asked._replace(by=tuple(each for each in asked.by if each == "day"), where=())
        rest = dict(self._by_slot(everything).cells)
        place = asked.by.index(name) if name in asked.by else None
        wanted = {text for _, texts in asked.where for text in texts} if asked.where else None
        cells: dict[tuple[Keys, str], Figures] = {}
        time = "day" if "day" in asked.by else "0"
        rows = self._connection.execute(
            f"SELECT {time}, {column}, source, {_ADDED} FROM {table} "  # noqa: S608
            "WHERE day >= ? AND day < ? GROUP BY 1, 2, 3",
            (asked.first, asked.end),
        )

        def put(text: str, days: Keys, source: str, figures: Figures) -> None:
            if wanted is not None and text not in wanted:
                return
            keys = days if place is None else (*days[:place], text, *days[place:])
            cells[keys, source] = cells.get((keys, source), NONE).plus(figures)

        for day, number, source, *sums in rows:
            text = text_of(number)
            if text is None:
                continue
            figures = figures_of(sums)
            days: Keys = (frame.day(day),) if "day" in asked.by else ()
            rest[days, source] = rest.get((days, source), NONE).minus(figures)
            put(text, days, source, figures)
        for (days, source), figures in rest.items():
            if any(figures):
                put("", days, source, figures)
        if wanted is not None:  # others' calls share the slots, not the contexts
            return LedgerSums(cells, ROLL_UPS, contexts=frozenset(self._contexts_with(name, wanted)))
        return LedgerSums(cells, ROLL_UPS, slots=frozenset(self._slots_of(asked)))

    def _contexts_with(self, name: str, wanted: Iterable[str]) -> Iterator[int]:
        if name == "token":
            yield from contexts_of_tokens(self._connection, list(wanted))
            return
        for text in wanted:
            yield from contexts_of_labels(self._connection, [(name.removeprefix(TAG), text)])

    def _by_call(self, asked: SumQuery) -> LedgerSums:
        frame = self._frame(asked)
        met = Met(asked, frame, self._context)
        time = frame.time if {"day", "hour"} & {*asked.by} else "0"
        query = f"SELECT {time}, context, source, {OF_CALLS} FROM call WHERE {frame.calls} GROUP BY 1, 2, 3"  # noqa: S608
        met.add(self._connection.execute(query, frame.values))
        contexts = frozenset(met.identities())
        archived = Met(asked, frame, self._archived, met.cells)
        archived.add(self._archived_rows(frame))
        return LedgerSums(met.cells, CALLS, contexts=contexts)

    def _archived_rows(self, frame: SqlFrame) -> Iterator[tuple[Any, ...]]:
        if frame.step_us:
            query = "SELECT max(day) FROM archived WHERE day >= ? AND day < ?"
            last = self._connection.execute(query, frame.days).fetchone()[0]
            if last is not None:
                raise CannotDecide(
                    f"calls up to {date_of(last)} are archived: only their days in {self._calendar.zone.key} are known",
                    "report by day and without --tz, or from a later date",
                )
        query = f"SELECT day, slot, token, tags, source, {SUMS} FROM archived WHERE day >= ? AND day < ?"  # noqa: S608
        for day, slot, token, tags, *rest in self._connection.execute(query, frame.days):
            yield (day, (slot, token, tags), *rest)

    def _slots_of(self, asked: SumQuery) -> Iterator[int]:
        query = "SELECT DISTINCT slot FROM rollup_day WHERE day >= ? AND day < ?"
        return (row[0] for row in self._connection.execute(query, (asked.first, asked.end)))

    def _frame(self, asked: SumQuery) -> SqlFrame:
        """Return how SQL finds the calls of a question and their time."""
        if asked.calendar.zone.key == self._calendar.zone.key and "hour" not in asked.by and not asked.between:
            days = (asked.first, asked.end)
            return SqlFrame("day", "day >= ? AND day < ?", days, days, 0, asked.calendar)
        start_us, end_us = asked.start_us, asked.end_us
        bounds = (start_us, end_us, *map(asked.calendar.start_us, range(asked.first, asked.end + 1)))
        step_us = HOUR_US if all(at_us % HOUR_US == 0 for at_us in bounds) else _QUARTER_US
        days = (self._calendar.day_of(start_us), self._calendar.day_of(end_us - 1) + 1)
        condition = "day >= ? AND day < ? AND at_us >= ? AND at_us < ?"
        return SqlFrame(f"at_us / {step_us}", condition, (*days, start_us, end_us), days, step_us, asked.calendar)

    def _has_hours(self, frame: SqlFrame) -> bool:
        """Tell whether the hourly roll-up, of which the oldest are dropped, still holds every call asked for."""
        start_us, end_us = frame.values[2:]
        kept_us = min(end_us, hours_from(self._connection) * HOUR_US)
        if start_us >= kept_us:
            return True
        query = "SELECT 1 FROM call WHERE day >= ? AND day < ? AND at_us >= ? AND at_us < ? LIMIT 1"
        if self._connection.execute(query, (*frame.days, start_us, kept_us)).fetchone():
            return False
        query = "SELECT 1 FROM archived WHERE day >= ? AND day < ? LIMIT 1"
        return self._connection.execute(query, frame.days).fetchone() is None

    def _is_rolled(self, tag: str) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM rolled_tag WHERE name = ?", (tag,)).fetchone())

    def _word(self, number: int) -> str:
        if number not in self._words:
            row = self._connection.execute("SELECT text FROM word WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise Damaged(f"{self._path} has lost a text of its calls", HINT)
            self._words[number] = row[0]
        return self._words[number]

    def _slot(self, number: Any) -> dict[str, str]:
        row = self._connection.execute(f"SELECT {_SLOT} FROM slot WHERE id = ?", (number,)).fetchone()  # noqa: S608
        if row is None:
            raise Damaged(f"{self._path} has lost the labels of its calls", HINT)
        return self._labels(SLOT, row)

    def _labels(self, names: Sequence[str], ids: Sequence[Any]) -> dict[str, str]:
        return {
            name: self._person(each) if name == "user" else self._word(each)
            for name, each in zip(names, ids, strict=True)
        }

    def _context(self, number: Any) -> dict[str, str]:
        query = "SELECT slot, token, tags, price FROM context WHERE id = ?"
        row = self._connection.execute(query, (number,)).fetchone()
        if row is None:
            raise Damaged(f"{self._path} has lost the labels of its calls", HINT)
        *archived, price = row
        return self._archived(archived) | {"price": self._word(price)}

    def _archived(self, numbers: Any) -> dict[str, str]:
        slot, token, tags = numbers
        tagged = {TAG + name: value for name, value in text_pairs(self._word(tags))}
        return {**self._slot(slot), "token": self._word(token), **tagged}

    def _person(self, digest: bytes) -> str:
        if not digest:
            return ""
        row = self._connection.execute("SELECT name FROM person WHERE digest = ?", (digest,)).fetchone()
        return row[0] if row and row[0] else ERASED


def _listed(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def _behind(start: str, text: str) -> str | None:
    return text.removeprefix(start) if text.startswith(start) else None
