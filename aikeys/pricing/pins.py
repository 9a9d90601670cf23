"""Pins of models (pure): names that a vendor makes from a listed one by a date or a number behind it.

`claude-opus-5-20261103` and `gpt-5-2025-08-07` are pins by date, `gemini-2.5-flash-001` is one by number. A date that
is no day, or is after tomorrow, is no pin. All names are as `names.spelled` returns them: dates are eight digits.
"""

from __future__ import annotations

import re
from datetime import date

from aikeys import clock

_DAY_US = 86_400 * 1_000_000
_BY_DATE = re.compile(r"(.+)-(\d{4})(\d\d)(\d\d)", re.ASCII)
_BY_NUMBER = re.compile(r"(.+)-(0\d\d)", re.ASCII)
_ENDING = re.compile(r"(-(\d{2,8}|latest|preview|beta|exp))+", re.ASCII)


def may_be(model: str) -> bool:
    """Tell whether a name may end in a date or number: whether it is a pin depends on the day."""
    return model[-1:].isdigit()


def today() -> int:
    """Return the number of today, in UTC, since 1970."""
    return clock.now_us() // _DAY_US


def start_us(day: int) -> int:
    """Return the instant at which a day starts."""
    return day * _DAY_US


def family_of(spelled: str, on: int) -> str:
    """Return the name in front of a pin, "" where there is none on that day."""
    if number := _BY_NUMBER.fullmatch(spelled):
        return number[1] if number[2] != "000" else ""
    pinned = _BY_DATE.fullmatch(spelled)
    if pinned is None:
        return ""
    try:
        day = date(int(pinned[2]), int(pinned[3]), int(pinned[4]))
    except ValueError:
        return ""
    return pinned[1] if day.toordinal() - date(1970, 1, 1).toordinal() <= on + 1 else ""


def is_member(name: str, family: str) -> bool:
    """Tell whether a listed name is that family, or one of its versions."""
    return name == family or (name.startswith(family) and _ENDING.fullmatch(name, len(family)) is not None)
