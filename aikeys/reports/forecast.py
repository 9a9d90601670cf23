"""Forecast of a month from what it has cost so far (pure, exact integers).

The cost of the month to date, and for every day to come the median of the last 14 whole days, idle ones included: one
dear day does not move it. The range takes their first and third quartile instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.reports.values import Forecast

DAYS = 14


def forecast(to_date_pusd: int, recent_pusd: Sequence[int], days_to_come: int) -> Forecast | None:
    """Return the forecast; `recent_pusd` are the costs of the last whole days. None without any."""
    if not recent_pusd:
        return None
    ordered = sorted(recent_pusd)
    low, middle, high = (quartile(ordered, which) for which in (1, 2, 3))
    return Forecast(
        to_date_pusd + days_to_come * middle,
        to_date_pusd + days_to_come * low,
        to_date_pusd + days_to_come * high,
        len(ordered),
    )


def quartile(ordered: Sequence[int], which: int) -> int:
    """Return a quartile (1, 2, 3) of sorted values, between two of them in proportion, rounded down."""
    at, quarters = divmod((len(ordered) - 1) * which, 4)
    below = ordered[at]
    return below if not quarters else below + (ordered[at + 1] - below) * quarters // 4
