"""What a month will cost."""

from __future__ import annotations

import statistics
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from aikeys.reports.forecast import forecast, quartile
from aikeys.reports.values import Forecast

USD = 10**12


def test_it_is_the_month_to_date_and_the_median_of_the_last_days_for_every_day_to_come() -> None:
    recent = [
        0,
        0,
        1 * USD,
        2 * USD,
        2 * USD,
        2 * USD,
        3 * USD,
        3 * USD,
        3 * USD,
        4 * USD,
        4 * USD,
        90 * USD,
        0,
        2 * USD,
    ]
    found = forecast(40 * USD, recent, 7)
    assert found == Forecast(40 * USD + 7 * 2 * USD, 40 * USD + 7 * USD * 5 // 4, 40 * USD + 7 * 3 * USD, 14)


def test_one_dear_day_does_not_move_it() -> None:
    calm, spiked = forecast(0, [USD] * 14, 10), forecast(0, [USD] * 13 + [1000 * USD], 10)
    assert calm == spiked


def test_the_last_day_of_a_month_is_what_was_spent() -> None:
    assert forecast(5, [100] * 14, 0) == Forecast(5, 5, 5, 14)


def test_without_a_whole_day_there_is_none() -> None:
    assert forecast(5, [], 20) is None


@given(st.lists(st.integers(-(10**20), 10**20), min_size=2, max_size=20))
def test_quartiles_are_those_of_the_statistics_module_rounded_down(values: list[int]) -> None:
    exact = statistics.quantiles([Fraction(value) for value in values], n=4, method="inclusive")
    assert [quartile(sorted(values), which) for which in (1, 2, 3)] == [each.__floor__() for each in exact]
