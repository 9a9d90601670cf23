"""How long calls took."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikeys.reports.latency import grouped, percentiles
from aikeys.reports.values import Percentiles


def test_percentiles_are_times_that_were_measured() -> None:
    assert percentiles(dict.fromkeys(range(1, 101), 1)) == Percentiles(100, 50, 95, 99)
    assert percentiles({7: 1}) == Percentiles(1, 7, 7, 7)
    assert percentiles({10: 98, 5000: 2}) == Percentiles(100, 10, 10, 5000)
    assert percentiles({}) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_percentiles_are_the_nearest_ranks(times: list[int]) -> None:
    counts = {took: times.count(took) for took in times}
    ordered = sorted(times)
    expected = [ordered[-(-len(times) * share // 100) - 1] for share in (50, 95, 99)]
    assert percentiles(counts) == Percentiles(len(times), *expected)


def test_days_are_put_together_as_weeks() -> None:
    monday = 20_731  # 2026-10-05
    found = {("m", monday): {5: 1}, ("m", monday + 6): {5: 2, 9: 1}, ("m", monday + 7): {5: 1}}
    assert grouped(found, ("model", "week")) == {("m", monday): {5: 3, 9: 1}, ("m", monday + 7): {5: 1}}
