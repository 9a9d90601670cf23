"""Instants as people write them (pure): 30d, 12h, 2026-11-01, yesterday, 2026-11-01T10:00:00Z."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar, number_of

_AGO = re.compile(r"([1-9]\d{0,4})([mhdw])", re.ASCII)
_UNIT_US = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 7 * 86_400_000_000}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_start_us(text: str, option: str, calendar: Calendar) -> int:
    """Return the instant a day such as 2026-11-01 begins in the ledger's zone; UsageError for anything else."""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not 1971 <= day.year <= 9000:
        raise UsageError(f"{option} {text[:40]!r} is not a date", f"write {option} 2026-11-01")
    return calendar.start_us(number_of(day))


def since_us(text: str, calendar: Calendar, now_us: int) -> int:
    """Return the instant that --since names; UsageError for what is none or lies in the future."""
    found = _instant(text, calendar, now_us)
    if found > now_us:
        raise UsageError(
            f"--since {text} lies in the future", "write a day that has begun, or 30d for the last 30 days"
        )
    return found


def _instant(text: str, calendar: Calendar, now_us: int) -> int:
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, now_us - int(ago[1]) * _UNIT_US[ago[2]])
    if text in ("today", "yesterday"):
        return calendar.start_us(calendar.day_of(now_us) - (text == "yesterday"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is not None:
        return (moment - _EPOCH) // timedelta(microseconds=1)
    if not _DAY.fullmatch(text):
        raise UsageError(
            f"--since {text[:40]!r} is not a time", "write --since 30d, 2026-11-01 or 2026-11-01T10:00:00Z"
        )
    return day_start_us(text, "--since", calendar)
