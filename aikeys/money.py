"""Money (pure): integers of pico-USD (10⁻¹² USD). Decimal text exists only where a person or a file is read or written.

A list price of p USD per million tokens is exactly p·10⁶ pico-USD a token, so no product and no sum ever rounds.
"""

from __future__ import annotations

import re

from aikeys.errors import UsageError

PUSD_PER_USD = 10**12
_DECIMALS = 12
_AMOUNT = re.compile(r"(-?)\$?(\d{1,15})(?:\.(\d{1,12}))?", re.ASCII)
_HALF_BITS = 32


def parse_usd(text: str) -> int:
    """Return an amount such as `5`, `0.25` or `$12.50` in pico-USD; UsageError for anything else, also below zero."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match[1]:
        raise UsageError(
            f"{text!r} is not an amount in USD", "write a plain number such as 5 or 0.25, with at most 12 decimals"
        )
    return int(match[2]) * PUSD_PER_USD + int((match[3] or "").ljust(_DECIMALS, "0"))


def read_usd(text: str) -> int:
    """Return in pico-USD what `usd_text` wrote, below zero too; UsageError for anything else."""
    return -parse_usd(text[1:]) if text.startswith("-") else parse_usd(text)


def usd_text(pusd: int) -> str:
    """Return the exact amount as a decimal string with at least two decimals: `5.00`, `0.001234`, `-0.10`."""
    whole, rest = divmod(abs(pusd), PUSD_PER_USD)
    decimals = f"{rest:012d}".rstrip("0").ljust(2, "0")
    return f"{'-' if pusd < 0 else ''}{whole}.{decimals}"


def shown_usd(pusd: int) -> str:
    """Return an amount for a person: `$12.35`, below a dollar four decimals, `<$0.0001` where those would be zero."""
    sign, size = ("-", -pusd) if pusd < 0 else ("", pusd)
    if size == 0:
        return "$0.00"
    decimals = 2 if size >= PUSD_PER_USD else 4
    unit = 10 ** (_DECIMALS - decimals)
    rounded = (size + unit // 2) // unit
    if rounded == 0:
        return f"{sign}<$0.0001"
    whole, rest = divmod(rounded, 10**decimals)
    return f"{sign}${whole:,}.{rest:0{decimals}d}"


def least_usd(pusd: int) -> str:
    """Return an amount that is only a lower bound, for a person: `≥ $12.35`; never rounded down to nothing."""
    shown = shown_usd(pusd)
    return f"≥ ${usd_text(pusd)}" if "<" in shown else f"≥ {shown}"


def about_usd(pusd: int) -> str:
    """Return an amount of a budget that is soft, for a person: `≈ $12.35`."""
    return f"≈ {shown_usd(pusd)}"


def halves(pusd: int) -> tuple[int, int]:
    """Split an amount in two integers that SQLite can sum without overflow: pusd = high · 2³² + low."""
    return pusd >> _HALF_BITS, pusd & ((1 << _HALF_BITS) - 1)


def joined(high: int, low: int) -> int:
    """Put together what `halves` split, or sums of such halves."""
    return (high << _HALF_BITS) + low
