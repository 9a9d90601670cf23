"""The one place that reads the clock, and durations in words. Everything else takes the time as an argument."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVEN: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_DIGITS = 6


def duration_s(text: str) -> int | None:
    """Return a duration such as 30m, 24h, 90d or 12w in seconds; None where the text is no duration."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit()) or unit not in _UNITS_S or len(number) > _MOST_DIGITS:
        return None
    return int(number) * _UNITS_S[unit]


def now_s() -> int:
    """Return the current time in whole seconds since 1970 (UTC)."""
    return int(time.time())


def now_us() -> int:
    """Return the current time in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


def even_us() -> int:
    """Return microseconds of a clock that nobody sets, counted from no known start; it goes on during sleep."""
    if _EVEN is None:
        return time.monotonic_ns() // 1000
    return time.clock_gettime_ns(_EVEN) // 1000


def local_zone(environ: Mapping[str, str]) -> str:
    """Return this machine's time zone by its IANA name: TZ, else where /etc/localtime leads, else UTC."""
    from zoneinfo import available_timezones

    name = environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    if name.removeprefix("Etc/") in ("UTC", "UCT", "Universal", "Zulu"):
        return "UTC"
    return name if name in available_timezones() and not name.startswith(("posix/", "right/")) else "UTC"


def rfc3339(at_s: float) -> str:
    """Return a time in seconds since 1970 as RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
