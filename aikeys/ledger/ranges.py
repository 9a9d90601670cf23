"""Ranges of time as people write them (pure), one grammar for every command and route: report, log, audit, export.

| word | as a beginning | as an end |
|---|---|---|
| 2026-11-01 | that day | that day, too |
| today, yesterday | that day | that day, too |
| 30d, 4w | 30 whole days with today; in a list of entries 30 × 24 hours before now | likewise |
| 12h, 90m | that long before now | likewise |
| 2026-11-01T10:00:00Z | that instant | up to it |
| last-month | that month alone, unless an end is given | - |

Days are numbers (ledger/calendar.py) of one time zone. A range is typed inclusive and kept half open.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from aikeys.clock import duration_s
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar, date_of, number_of, period_end, period_start

_OLDEST, _NEWEST = number_of(date(1971, 1, 1)), number_of(date(9000, 12, 31))
_AGO = re.compile(r"[1-9]\d{0,4}[mhdw]", re.ASCII)
_DAY_US = 86_400_000_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d\d", re.ASCII)
_LAST_MONTH = "last-month"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_END_US = 1 << 62
_HINT = "write {0} 30d, 12h, yesterday, 2026-11-01 or 2026-11-01T10:00:00Z"


class RangeWords(NamedTuple):
    """The words about time of a command line or an address; None where it said nothing."""

    month: str | None = None
    since: str | None = None
    until: str | None = None


class DayRange(NamedTuple):
    """The days first ≤ day < end; `between` narrows them down to the instants start ≤ at < end, in µs since 1970."""

    first: int
    end: int
    between: tuple[int, int] | None = None

    @property
    def last(self) -> int:
        return self.end - 1


class _Moment(NamedTuple):
    """A day, and where no whole day is meant the instant within it."""

    day: int
    at_us: int | None = None


def span_of(words: RangeWords, calendar: Calendar, now_us: int) -> DayRange:
    """Return the days asked for: this month by default; UsageError for what is no range or lies in the future."""
    today = calendar.day_of(now_us)
    month = _month_asked(words, today)
    if month is not None:
        return month
    if words.since is None and words.until is None:
        return month_of(today)
    last = _Moment(today) if words.until is None else _moment(words.until, "--until", calendar, now_us)
    first = _Moment(period_start("month", last.day))
    if words.since is not None:
        first = _moment(words.since, "--since", calendar, now_us)
    start_us, end_us = _start_us(first, calendar), _end_us(last, calendar)
    if start_us >= end_us and start_us <= now_us:
        raise UsageError(
            f"the range ends ({_told(last)}) before it begins ({_told(first)})", "put the earlier time in --since"
        )
    option, said = ("--since", first) if words.since is not None else ("--until", last)
    _refuse_future(start_us, now_us, _told(first) if words.since is not None else _told(said), option, today)
    if first.at_us is None and last.at_us is None:
        return DayRange(first.day, last.day + 1)
    return DayRange(calendar.day_of(start_us), calendar.day_of(end_us - 1) + 1, (start_us, end_us))


def instants_of(words: RangeWords, calendar: Calendar, now_us: int) -> tuple[int, int]:
    """Return the instants start ≤ at < end of a list of entries, in µs since 1970: all by default; UsageError."""
    month = _month_asked(words, calendar.day_of(now_us))
    if month is not None:
        return calendar.start_us(month.first), calendar.start_us(month.end)
    start_us, end_us = 0, _END_US
    if words.until is not None:
        end_us = _end_us(_moment(words.until, "--until", calendar, now_us, is_exact=True), calendar)
    if words.since is not None:
        first = _moment(words.since, "--since", calendar, now_us, is_exact=True)
        start_us = _start_us(first, calendar)
        _refuse_future(start_us, now_us, words.since, "--since", calendar.day_of(now_us))
    if start_us >= end_us:
        raise UsageError(f"--until {words.until} is before --since {words.since}", "put the earlier time in --since")
    return start_us, end_us


def day_start_us(text: str, option: str, calendar: Calendar) -> int:
    """Return the instant a day such as 2026-11-01 begins in the ledger's zone; UsageError for anything else."""
    day = _day_of(text)
    if day is None:
        raise UsageError(f"{option} {_shown(text)} is not a date", f"write {option} 2026-11-01")
    return calendar.start_us(day)


def month_of(day: int) -> DayRange:
    """Return the month a day is in."""
    first = period_start("month", day)
    end = period_end("month", first)
    return DayRange(first, first + 31 if end is None else end)


def before(span: DayRange, today: int, calendar: Calendar) -> DayRange:
    """Return the time to compare with: the month before a month (as far as this one has come), else as much time."""
    if span.between is not None:
        start_us, end_us = span.between
        start_us, end_us = max(0, start_us - (end_us - start_us)), start_us
        return DayRange(calendar.day_of(start_us), calendar.day_of(end_us - 1) + 1, (start_us, end_us))
    if span == month_of(span.first):
        previous = month_of(span.first - 1)
        if today < span.last:
            return DayRange(previous.first, min(previous.first + today - span.first + 1, previous.end))
        return previous
    return DayRange(span.first - (span.end - span.first), span.first)


def _month_asked(words: RangeWords, today: int) -> DayRange | None:
    """Return the month that the words mean alone, None where they mean no month."""
    if words.month is not None:
        if words.since is not None or words.until is not None:
            raise UsageError(
                "--month says the range alone", "leave out --since and --until, or use them without --month"
            )
        if words.month == "last":
            return month_of(period_start("month", today) - 1)
        day = _day_of(f"{words.month}-01") if _MONTH.fullmatch(words.month) else None
        if day is None:
            raise UsageError(f"--month {_shown(words.month)} is not a month", "write --month 2026-10, or --month last")
        if day > today:
            raise UsageError(
                f"the month {words.month} lies in the future: today is {date_of(today)}", "write --month 2026-10"
            )
        return month_of(day)
    if words.since == _LAST_MONTH and words.until is None:
        return month_of(period_start("month", today) - 1)
    return None


def _moment(text: str, option: str, calendar: Calendar, now_us: int, *, is_exact: bool = False) -> _Moment:
    """Read one word; with `is_exact` days ago are counted in hours from now."""
    today = calendar.day_of(now_us)
    ago_us = (duration_s(text) or 0) * _SECOND_US if _AGO.fullmatch(text) else 0
    if ago_us and text[-1] in "dw" and not is_exact:
        return _Moment(max(_OLDEST, today - ago_us // _DAY_US + 1))
    if ago_us:
        at_us = max(0, (now_us - ago_us) // _SECOND_US * _SECOND_US)
        return _Moment(calendar.day_of(at_us), at_us)
    if text in ("today", "yesterday"):
        return _Moment(today - (text == "yesterday"))
    if text == _LAST_MONTH and option == "--since":
        return _Moment(month_of(period_start("month", today) - 1).first)
    instant_us = _instant_us(text)
    if instant_us is not None:
        return _Moment(calendar.day_of(instant_us), instant_us)
    day = _day_of(text)
    if day is None:
        raise UsageError(f"{option} {_shown(text)} is not a time", _HINT.format(option))
    return _Moment(day)


def _instant_us(text: str) -> int | None:
    """Return the instant that a time of RFC 3339 names; None for what is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    at_us = (moment - _EPOCH) // timedelta(microseconds=1)
    return at_us if _OLDEST * _DAY_US <= at_us <= _NEWEST * _DAY_US else None


def _day_of(text: str) -> int | None:
    try:
        day = number_of(date.fromisoformat(text)) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
    return day if day is not None and _OLDEST <= day <= _NEWEST else None


def _start_us(moment: _Moment, calendar: Calendar) -> int:
    return calendar.start_us(moment.day) if moment.at_us is None else moment.at_us


def _end_us(moment: _Moment, calendar: Calendar) -> int:
    return calendar.start_us(moment.day + 1) if moment.at_us is None else moment.at_us


def _refuse_future(start_us: int, now_us: int, what: str, option: str, today: int) -> None:
    if start_us > now_us:
        raise UsageError(f"{option} {what} lies in the future: today is {date_of(today)}", _HINT.format(option))


def _told(moment: _Moment) -> str:
    if moment.at_us is None:
        return str(date_of(moment.day))
    return f"{datetime.fromtimestamp(moment.at_us // _SECOND_US, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _shown(text: str) -> str:
    return ascii(text[:40])
