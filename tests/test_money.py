"""Amounts survive the way from text to pico-USD and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys import money
from aikeys.errors import UsageError


@given(st.integers(min_value=0, max_value=10**26))
def test_text_and_pico_usd_are_the_same_amount(pusd: int) -> None:
    assert money.parse_usd(money.usd_text(pusd)) == pusd


@given(st.lists(st.integers(min_value=-(2**70), max_value=2**70)))
def test_halves_sum_to_the_whole(amounts: list[int]) -> None:
    halves = [money.halves(amount) for amount in amounts]
    assert money.joined(sum(high for high, _ in halves), sum(low for _, low in halves)) == sum(amounts)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e3", "", "1.0000000000001", "1,5", "٣", "0x10", "1 2", "1_000"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        money.parse_usd(text)


@pytest.mark.parametrize(
    ("pusd", "shown"),
    [
        (0, "$0.00"),
        (1, "<$0.0001"),
        (123_400_000_000, "$0.1234"),
        (12_345_000_000_000, "$12.35"),
        (-1_500_000_000_000, "-$1.50"),
        (9_300_000 * money.PUSD_PER_USD, "$9,300,000.00"),
        (10**12 - 1, "$1.0000"),
    ],
)
def test_amounts_are_shown_short(pusd: int, shown: str) -> None:
    assert money.shown_usd(pusd) == shown


def test_exact_text_keeps_two_decimals() -> None:
    assert [money.usd_text(amount) for amount in (5 * 10**12, 1_234_000_000, -(10**11))] == [
        "5.00",
        "0.001234",
        "-0.10",
    ]


@pytest.mark.parametrize(
    ("pusd", "shown"), [(0, "≥ $0.00"), (1, "≥ $0.000000000001"), (12_345_000_000_000, "≥ $12.35")]
)
def test_a_lower_bound_is_never_rounded_to_nothing(pusd: int, shown: str) -> None:
    assert money.least_usd(pusd) == shown
