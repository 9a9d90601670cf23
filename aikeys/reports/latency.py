"""Durations of calls (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from aikeys.ledger.questions import Keys
from aikeys.reports.rows import keys_of
from aikeys.reports.values import Percentiles

Durations = Mapping[Keys, Mapping[int, int]]


def grouped(found: Durations, by: tuple[str, ...]) -> dict[Keys, dict[int, int]]:
    """Add the counts up by `by`."""
    groups: dict[Keys, dict[int, int]] = {}
    for keys, counts in found.items():
        group = groups.setdefault(keys_of(keys, by), {})
        for took_ms, count in counts.items():
            group[took_ms] = group.get(took_ms, 0) + count
    return groups


def percentiles(counts: Mapping[int, int]) -> Percentiles | None:
    """Return the nearest-rank percentiles of counts by milliseconds; None where there are none."""
    total = sum(counts.values())
    if not total:
        return None
    wanted = [-(-total * share // 100) for share in (50, 95, 99)]
    found: list[int] = []
    passed = 0
    for took_ms in sorted(counts):
        passed += counts[took_ms]
        while len(found) < len(wanted) and passed >= wanted[len(found)]:
            found.append(took_ms)
    return Percentiles(total, *found)
