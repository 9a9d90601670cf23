"""Spending between two instants, by groups: the query behind GET /v1/usage.

- A time without an offset is in the ledger's zone. A bare date as the end is inclusive, any other end is not.
- Without a start it is the first of the end's month, without an end today; without either this month.
- Whole days of the ledger's zone are read from the daily roll-ups, whole hours from the hourly ones, else the calls.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from aikeys.clock import rfc3339
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar, date_of, number_of
from aikeys.ledger.queries import reading
from aikeys.ledger.questions import Figures, SumQuery, Where
from aikeys.ledger.ranges import DayRange, month_of
from aikeys.ledger.store import Ledger
from aikeys.reports import rows as rows_
from aikeys.reports.asking import versions, with_unread
from aikeys.reports.own import seen
from aikeys.reports.values import Coverage, ReportRow
from aikeys.tokens.sight import EVERYTHING, Sight

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:?\d\d.{0,30}", re.ASCII)
_LOST_PLUS = re.compile(r"(\d) (\d\d:?\d\d)$", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1971, 9998
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "write a date such as 2026-11-01, or a time such as 2026-11-01T10:00:00Z"


class BadTime(UsageError):
    """A bound of the range is none; `field` says which."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}", _HINT)
        self.field = field


class Bound(NamedTuple):
    """One end of a range: its instant in µs since 1970, and how it is told."""

    at_us: int
    text: str
    day: int


class Range(NamedTuple):
    """The instants start ≤ at < end."""

    start: Bound
    end: Bound


class UsageAnswer(NamedTuple):
    """The answer, narrowed to `where`: `rows` are the most expensive first, or in order of time; `total` is their sum.

    `prices`: versions of the price book. `newest_us`: when the ledger's newest call was.
    """

    range: Range
    where: Where
    rows: tuple[ReportRow, ...]
    total: Figures
    coverage: Coverage
    prices: tuple[str, ...] = ()
    newest_us: int | None = None


def range_of(start: str, end: str, calendar: Calendar, now_us: int) -> Range:
    """Return the range of two texts, either of them empty; BadTime."""
    today = calendar.day_of(now_us)
    if not start and not end:
        return _of_days(month_of(today), calendar)
    last = _bound("end", end, calendar, is_end=True) if end else _day_bound(today, calendar, is_end=True)
    first = _bound("start", start, calendar) if start else _day_bound(month_of(last.day).first, calendar)
    if first.at_us >= last.at_us:
        raise BadTime("end", f"({last.text}) is not after start ({first.text})")
    return Range(first, last)


def used(ledger: Ledger, by: tuple[str, ...], where: Where, range_: Range, sight: Sight = EVERYTHING) -> UsageAnswer:
    """Return what was used, as far as somebody may see it; NotFound where they ask for what is not theirs."""
    calendar = Calendar(ledger.zone)
    with reading(ledger) as books:
        own = seen(books, where, sight)
        asked = SumQuery(rows_.asked_groups(by), own.where, *_days(range_, calendar))
        answer = books.sums(asked)
        runs = books.runs_not_metered(range_.start.at_us, range_.end.at_us, own.tokens)
        lost_us = books.lost_before_us(range_.start.at_us)
        prices, newest_us = versions(books, answer), books.newest_us() if own.is_whole else None
        coverage = with_unread(books, asked, rows_.coverage_of(answer.cells, asked.by, runs, lost_us))
    groups = rows_.grouped(answer.cells, by)
    rows = rows_.rows_of(groups, by, calendar)
    return UsageAnswer(range_, own.said, tuple(rows), rows_.total_of(groups.values()), coverage, prices, newest_us)


def _days(range_: Range, calendar: Calendar) -> tuple[int, int, Calendar, tuple[int, int] | None]:
    start_us, end_us = range_.start.at_us, range_.end.at_us
    first, end = calendar.day_of(start_us), calendar.day_of(end_us - 1) + 1
    is_whole = calendar.start_us(first) == start_us and calendar.start_us(end) == end_us
    return first, end, calendar, None if is_whole else (start_us, end_us)


def _of_days(span: DayRange, calendar: Calendar) -> Range:
    return Range(_day_bound(span.first, calendar), _day_bound(span.last, calendar, is_end=True))


def _day_bound(day: int, calendar: Calendar, *, is_end: bool = False) -> Bound:
    return Bound(calendar.start_us(day + is_end), date_of(day).isoformat(), day)


def _bound(name: str, text: str, calendar: Calendar, *, is_end: bool = False) -> Bound:
    """Return what somebody wrote; a plus sign that an address turned into a space is put back."""
    text = _LOST_PLUS.sub(r"\1+\2", text.strip())
    try:
        if _DAY.fullmatch(text):
            found = date.fromisoformat(text)
            if _FIRST_YEAR <= found.year <= _LAST_YEAR:
                return _day_bound(number_of(found), calendar, is_end=is_end)
        elif _TIME.fullmatch(text):
            at_us = _instant_us(datetime.fromisoformat(text), calendar)
            day = calendar.day_of(at_us - is_end)
            if _FIRST_YEAR <= date_of(day).year <= _LAST_YEAR:
                return Bound(at_us, _told(at_us), day)
    except (ValueError, OverflowError):
        pass
    raise BadTime(name, f"({ascii(text[:40])[1:-1]}) is neither a date nor a time from {_FIRST_YEAR} on")


def _instant_us(moment: datetime, calendar: Calendar) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=calendar.zone)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _told(at_us: int) -> str:
    fraction = f".{at_us % 1_000_000:06d}Z" if at_us % 1_000_000 else "Z"
    return rfc3339(at_us // 1_000_000).removesuffix("Z") + fraction
