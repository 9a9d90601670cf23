"""What is unusual: the measured rule (3 × median, modified z > 3.5, +$1), case by case."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.alerts import anomalies
from aikeys.alerts.anomalies import ALL, Finding, Spend, SpendLabels, TokenPace, is_unusual, runs_away
from aikeys.money import PUSD_PER_USD, parse_usd

STEADY = ["10"] * 20
BURSTY = ["2", "9", "3", "14", "5", "1", "8", "4", "6", "11"]
OPENAI = SpendLabels("openai", "openai/gpt-4.1", "support", "atlas", "ana")
CLAUDE = SpendLabels("anthropic", "anthropic/claude-sonnet-4.5", "search", "", "ben")


def usd(*texts: str) -> list[int]:
    return [parse_usd(text) for text in texts]


@pytest.mark.parametrize(
    ("today", "before", "unusual", "why"),
    [
        ("30", STEADY, True, "three times a steady day, to the cent"),
        ("29.99", STEADY, False, "just below three times"),
        ("11.10", STEADY, False, "a dollar more, but not three times"),
        ("50", [*STEADY, "1000"], True, "a spike before it does not mask it"),
        ("100", [*STEADY[:10], "100", "100", "100"], True, "nor do three"),
        ("50", ["10"] * 5, True, "five active days are enough"),
        ("50", ["10"] * 4, False, "four are not"),
        ("50", [*["10"] * 4, *["0"] * 20], False, "days without spending are not active days"),
        ("50", [*["10"] * 5, *["0"] * 20], True, "and do not lower the median"),
        ("1.30", ["0.30"] * 10, True, "a dollar over the median"),
        ("1.29", ["0.30"] * 10, False, "ninety-nine cents over it"),
        ("25", BURSTY, True, "five times the median of a bursty developer, spread of the days and all"),
        ("16.50", BURSTY, False, "three times, but within the spread: z is 2.1"),
        ("50", [], False, "nothing is known yet"),
        ("50", ["0"] * 30, False, "a zero baseline never alerts"),
        ("0", STEADY, False, "a day without spending"),
        ("9300000", ["3000000"] * 6, True, "millions of dollars, beyond 64 bits of pico-USD"),
    ],
)
def test_a_day_is_unusual(today: str, before: list[str], unusual: bool, why: str) -> None:
    assert is_unusual(parse_usd(today), usd(*before)) is unusual, why


def test_a_refund_is_no_active_day() -> None:
    assert not is_unusual(parse_usd("50"), [*usd(*["10"] * 4), -parse_usd("3")])


@given(
    st.integers(0, 10**16),
    st.lists(st.integers(0, 10**15), max_size=30),
)
def test_the_rule_is_the_one_with_fractions(today: int, before: list[int]) -> None:
    from fractions import Fraction

    active = [Fraction(pusd) for pusd in before if pusd > 0]
    wanted = False
    if len(active) >= 5:
        middle = median(active)
        mad = median([abs(pusd - middle) for pusd in active])
        rise = today - middle
        scored = rise > 0 if mad == 0 else Fraction("0.6745") * rise / mad > Fraction("3.5")
        wanted = today >= 3 * middle and rise >= PUSD_PER_USD and scored
    assert is_unusual(today, before) is wanted


def days(amounts: list[str], spender: SpendLabels = OPENAI, end: int = 100) -> list[Spend]:
    """Return spending on the days up to and with `end`."""
    first = end - len(amounts) + 1
    return [Spend(first + at, spender, parse_usd(text)) for at, text in enumerate(amounts)]


def test_each_scope_is_looked_at_and_names_who_spent_most() -> None:
    spending = [
        *days([*["10"] * 10, "45"]),
        *days([*["10"] * 10, "12"], CLAUDE),
        *days(["5"], OPENAI._replace(user="eve")),
    ]
    assert anomalies.find(spending, 100) == [
        Finding(ALL, 100, *usd("62", "20"), OPENAI, parse_usd("45")),
        Finding("key:openai", 100, *usd("50", "10"), OPENAI, parse_usd("45")),
        Finding("model:openai/gpt-4.1", 100, *usd("50", "10"), OPENAI, parse_usd("45")),
    ]


def test_a_key_can_be_unusual_where_everything_together_is_not() -> None:
    spending = [*days([*["10"] * 10, "45"]), *days(["1000"] * 11, CLAUDE)]
    assert [found.scope for found in anomalies.find(spending, 100)] == ["key:openai", "model:openai/gpt-4.1"]


def test_what_is_older_than_four_weeks_or_later_than_the_day_does_not_count() -> None:
    old = days(["10"] * 10, end=71)
    assert anomalies.find([*old, *days(["50"])], 100) == []
    late = days(["1000"] * 10, end=110)
    found = anomalies.find([*days([*["10"] * 6, "50"]), *late], 100)[0]
    assert (found.spent_pusd, found.median_pusd) == (parse_usd("50"), parse_usd("10"))


def test_a_call_without_key_and_model_counts_for_everything_only() -> None:
    nobody = SpendLabels("", "", "", "", "")
    assert [found.scope for found in anomalies.find(days([*["10"] * 6, "50"], nobody), 100)] == [ALL]


@pytest.mark.parametrize(
    ("five_minutes", "hour", "limit", "away"),
    [
        ("0.51", "6", "20", True),
        ("0.50", "6", "20", False),
        ("0.51", "1", "20", False),
        ("0.51", "1.01", "20", True),
        ("2", "6", "100", False),
        ("2.01", "6", "100", True),
        ("2.01", "5", "100", False),
        ("0.51", "0.51", "0", True),
        ("0", "0", "0", False),
    ],
)
def test_a_token_runs_away(five_minutes: str, hour: str, limit: str, away: bool) -> None:
    assert runs_away(TokenPace("t", *usd(five_minutes, hour, limit))) is away


def test_the_day_itself_is_no_part_of_what_is_usual() -> None:
    assert anomalies.find(days([*["10"] * 4, "50"]), 100) == []
    found = anomalies.find(days([*["10", "20"] * 3, "90"]), 100)[0]
    assert found.median_pusd == parse_usd("15")
