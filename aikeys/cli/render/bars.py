"""Bars and sparklines out of block characters, for a terminal (pure)."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def bar(part: int, whole: int, width: int) -> str:
    """Return a bar of at most `width` signs; what is not zero shows at least a hair."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(1, min(part, whole) * width * 8 // whole)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[int]) -> str:
    """Return one sign a value, the largest the highest; a blank for nothing."""
    largest = max(values, default=0)
    if largest <= 0:
        return " " * len(values)
    return "".join(" " if value <= 0 else _HEIGHTS[min(value * 8 // largest, 7)] for value in values)
