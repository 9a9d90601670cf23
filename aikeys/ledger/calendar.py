"""Days, weeks and months of a zone (pure). A day is a number: days since 1970-01-01 on the calendar of the zone.

A day lasts from its first midnight to the next day's: every instant belongs to one day, also where clocks change.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aikeys.errors import Damaged, UsageError
from aikeys.storage import descriptors

HOUR_US = 3_600_000_000
EPOCH = date(1970, 1, 1)


class Calendar:
    """The days of a ledger's zone. Remembers the day it was asked for last. Raises Damaged for what is no zone."""

    def __init__(self, zone: str) -> None:
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            descriptors.require_one()
            raise Damaged(
                f"the ledger's time zone {zone!r} is not known here",
                "put an unchanged copy back; a system without time zone data needs: pip install tzdata",
            ) from None
        self._known = (0, 0, 0)  # first instant, the one after the last, day: exchanged as one, also between threads

    def day_of(self, at_us: int) -> int:
        """Return the day of an instant in microseconds since 1970 (UTC)."""
        first_us, end_us, day = self._known
        if not first_us <= at_us < end_us:
            local = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(self.zone).date()
            day = number_of(local)
            if at_us < self.start_us(day):
                day -= 1
            elif at_us >= self.start_us(day + 1):
                day += 1
            self._known = self.start_us(day), self.start_us(day + 1), day
        return day

    def start_us(self, day: int) -> int:
        """Return the instant a day begins, in microseconds since 1970 (UTC)."""
        midnight = datetime.combine(date_of(day), datetime.min.time(), self.zone)
        return int(midnight.timestamp()) * 1_000_000


def typed_calendar(zone: str) -> Calendar:
    """Return the days of a zone that somebody typed; UsageError for what is none."""
    try:
        return Calendar(zone)
    except Damaged:
        raise UsageError(f"{zone!r} is not a time zone", "write it as Europe/Berlin or UTC") from None


def date_of(day: int) -> date:
    """Return a day as a date; Damaged where no calendar has it."""
    try:
        return EPOCH + timedelta(days=day)
    except OverflowError:
        raise Damaged(
            f"the ledger counts something on day {day}, which no calendar has", "see: aikeys ledger verify"
        ) from None


def number_of(day: date) -> int:
    """Return a date as a day."""
    return (day - EPOCH).days


def period_start(period: str, day: int) -> int:
    """Return the first day of the day, week (from Monday), month or `total` that a day is in."""
    match period:
        case "day":
            return day
        case "week":
            return day - date_of(day).weekday()
        case "month":
            return day - date_of(day).day + 1
        case "total":
            return 0
    raise ValueError(period)


def period_end(period: str, start: int) -> int | None:
    """Return the first day after a period that begins at `start`; None for `total`."""
    match period:
        case "day":
            return start + 1
        case "week":
            return start + 7
        case "month":
            first = date_of(start)
            return number_of(date(first.year + first.month // 12, first.month % 12 + 1, 1))
        case "total":
            return None
    raise ValueError(period)
