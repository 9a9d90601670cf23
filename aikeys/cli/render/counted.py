"""A number and what it counts (pure)."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return `1 key`, `1,200 keys`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
