"""Words around numbers (pure)."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return `1 key`, `2 keys`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
