"""Days of a report (pure): from what was typed and today's date in the report's zone.

Days are numbers (ledger/calendar.py). A range is typed inclusive and kept half open: first ≤ day < end.
"""

from datetime import date
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.ledger.calendar import date_of, number_of, period_end, period_start

_DAYS = {"d": 1, "w": 7}
_OLDEST = number_of(date(1971, 1, 1))  # a day more than a year before the first instant a zone can be asked about
_MOST_DIGITS = 5
_HINT = "write --since 30d, --since 2026-11-01 or --since last-month"


class DayRange(NamedTuple):
    """The days first ≤ day < end."""

    first: int
    end: int

    @property
    def last(self) -> int:
        return self.end - 1


class RangeWords(NamedTuple):
    """What the command line said about time; None where it said nothing."""

    month: str | None = None
    since: str | None = None
    until: str | None = None


def span_of(typed: RangeWords, today: int) -> DayRange:
    """Return the days asked for: this month by default; UsageError for what is no range or lies in the future."""
    if typed.month is not None:
        if typed.since is not None or typed.until is not None:
            raise UsageError(
                "--month says the range alone", "leave out --since and --until, or use them without --month"
            )
        return _not_ahead(_month(typed.month), today, f"the month {typed.month}", "write --month 2026-10")
    if typed.since is None and typed.until is None:
        return month_of(today)
    last = today if typed.until is None else _day(typed.until, "--until")
    first = period_start("month", last) if typed.since is None else _since(typed.since, today)
    if first > last and first <= today:
        raise UsageError(
            f"the range ends ({date_of(last)}) before it begins ({date_of(first)})", "put the earlier date in --since"
        )
    hint = _HINT if typed.since is not None else f"write --until {date_of(today)}, or an earlier date"
    return _not_ahead(DayRange(first, last + 1), today, str(date_of(first)), hint)


def month_of(day: int) -> DayRange:
    """Return the month a day is in."""
    first = period_start("month", day)
    end = period_end("month", first)
    return DayRange(first, first + 31 if end is None else end)


def before(span: DayRange, today: int) -> DayRange:
    """Return the days to compare with: the month before a month (as far as this one has come), else as many days."""
    if span == month_of(span.first):
        previous = month_of(span.first - 1)
        if today < span.last:
            return DayRange(previous.first, min(previous.first + today - span.first + 1, previous.end))
        return previous
    return DayRange(span.first - (span.end - span.first), span.first)


def _not_ahead(span: DayRange, today: int, what: str, hint: str) -> DayRange:
    if span.first > today:
        raise UsageError(f"{what} lies in the future: today is {date_of(today)}", hint)
    return span


def _since(text: str, today: int) -> int:
    count, unit = text[:-1], text[-1:]
    if unit in _DAYS and _are_digits(count) and len(count) <= _MOST_DIGITS and int(count):
        return max(_OLDEST, today - int(count) * _DAYS[unit] + 1)
    if text == "last-month":
        return month_of(period_start("month", today) - 1).first
    return _day(text, "--since")


def _month(text: str) -> DayRange:
    year, month = text[:4], text[5:]
    if text[4:5] == "-" and _are_digits(year, month) and len(month) == len("MM"):
        return month_of(_number(text, "--month", "2026-10", "-01"))
    raise UsageError(f"--month {_shown(text)} is not a month", "write --month 2026-10")


def _day(text: str, option: str) -> int:
    year, month, day = text[:4], text[5:7], text[8:]
    if text[4:5] == text[7:8] == "-" and _are_digits(year, month, day) and len(day) == len("DD"):
        return _number(text, option, "2026-11-01")
    raise UsageError(
        f"{option} {_shown(text)} is not a date", _HINT if option == "--since" else f"write {option} 2026-11-01"
    )


def _number(text: str, option: str, example: str, rest: str = "") -> int:
    try:
        day = number_of(date.fromisoformat(text + rest))
    except ValueError:
        raise UsageError(f"{option} {text} is not in the calendar", f"write {option} {example}") from None
    if not _OLDEST <= day <= number_of(date(9998, 12, 31)):
        raise UsageError(f"{option} {text} is out of range", "write a year from 1971 on")
    return day


def _are_digits(*texts: str) -> bool:
    return all(text.isascii() and text.isdigit() for text in texts)


def _shown(text: str) -> str:
    return ascii(text[:40])
