"""The cost of a usage: exact sums, cliffs, dates, hours, ways of serving, and what stays unpriced."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.pricing import reading
from aikeys.pricing.cost import cost, unpriced
from aikeys.pricing.units import UNITS, cells
from aikeys.pricing.values import Price, PriceLine
from aikeys.providers.usage import Usage

NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
HOUR_US = 3_600_000_000
M = 1_000_000


def price(**row: object) -> Price:
    return reading.price({"id": "m", **row}, "p", "bundled", "2026-11-23")


PLAIN = price(rates={"input": "1.25", "cache_read": "0.125", "output": 10})


def test_a_token_costs_its_list_price_exactly() -> None:
    priced = cost(PLAIN, Usage(input=3, cache_read=1, output=5, reasoning=2), at_us=NOON_US)
    assert priced.lines == (
        PriceLine("input", 2, 2_500_000),
        PriceLine("cache_read", 1, 125_000),
        PriceLine("output", 3, 30_000_000),
        PriceLine("reasoning", 2, 20_000_000),
    )
    assert priced.cost_pusd == 52_625_000
    assert priced.is_complete
    assert priced.reference == "p/m@2026-11-23:bundled"


def test_nothing_used_costs_nothing() -> None:
    assert cost(PLAIN, Usage(), at_us=NOON_US).cost_pusd == 0


def test_a_tier_is_a_cliff() -> None:
    tiered = price(rates={"input": [3, 200_000, 6], "output": [15, 200_000, "22.5"]})
    below = cost(tiered, Usage(input=200_000, output=1), at_us=NOON_US).cost_pusd
    above = cost(tiered, Usage(input=200_001, output=1), at_us=NOON_US).cost_pusd
    assert below == 200_000 * 3 * M + 15 * M
    assert above == 200_001 * 6 * M + 22_500_000


def test_the_cached_tokens_count_for_the_tier() -> None:
    tiered = price(rates={"input": [3, 100, 6], "cache_read": ["0.3", 100, "0.6"]})
    assert cost(tiered, Usage(input=101, cache_read=101), at_us=NOON_US).cost_pusd == 101 * 600_000


def test_the_newest_price_that_is_valid_applies() -> None:
    dated = price(rates={"input": 4}, later=[{"from": "2026-08-21", "rates": {"input": 3}}])
    change_us = 1_787_270_400_000_000  # 2026-08-21T00:00:00Z
    assert cost(dated, Usage(input=1), at_us=change_us - 1).cost_pusd == 4 * M
    assert cost(dated, Usage(input=1), at_us=change_us).cost_pusd == 3 * M


@pytest.mark.parametrize(("hour", "usd"), [(0, 1), (1, 2), (3, 2), (4, 1), (12, 1)])
def test_a_price_can_depend_on_the_hour(hour: int, usd: int) -> None:
    hourly = price(rates={"input": 1}, later=[{"hours": ["01:00", "04:00"], "rates": {"input": 2}}])
    midnight_us = NOON_US - 12 * HOUR_US
    assert cost(hourly, Usage(input=1), at_us=midnight_us + hour * HOUR_US).cost_pusd == usd * M


def test_hours_run_over_midnight() -> None:
    nightly = price(rates={"input": 1}, later=[{"hours": ["22:00", "02:00"], "rates": {"input": 2}}])
    at = [NOON_US + hours * HOUR_US for hours in (9, 10, 13, 14)]
    assert [cost(nightly, Usage(input=1), at_us=each).cost_pusd // M for each in at] == [1, 2, 2, 1]


def test_a_way_of_serving_has_its_own_rates() -> None:
    served = price(
        rates={"input": 4, "output": 8, "web_searches": 10},
        variants=[{"when": {"service_tier": "flex"}, "rates": {"input": 2, "output": 4}}],
    )
    usage = Usage(input=1, output=1, other=(("web_searches", 1),))
    assert cost(served, usage, at_us=NOON_US, service={"service_tier": "flex"}).cost_pusd == 6 * M + 10_000_000_000
    assert cost(served, usage, at_us=NOON_US, service={"service_tier": "default"}).cost_pusd == 12 * M + 10_000_000_000


def test_a_dearer_way_of_serving_without_rates_is_unpriced() -> None:
    priced = cost(PLAIN, Usage(input=1), at_us=NOON_US, service={"service_tier": "priority"})
    assert priced.unpriced == (("service_tier:priority", 1),)
    assert cost(PLAIN, Usage(input=1), at_us=NOON_US, service={"service_tier": "flex"}).is_complete


def test_a_unit_without_a_rate_is_unpriced_and_never_free() -> None:
    priced = cost(PLAIN, Usage(input=1, other=(("web_searches", 5), ("moon_rocks", 2))), at_us=NOON_US)
    assert priced.unpriced == (("web_searches", 5), ("moon_rocks", 2))
    assert priced.cost_pusd == 1_250_000


def test_audio_at_the_rate_of_text_is_charged_and_told() -> None:
    priced = cost(PLAIN, Usage(input=10, other=(("input_audio_tokens", 4),)), at_us=NOON_US)
    assert priced.cost_pusd == 10 * 1_250_000
    assert priced.unpriced == (("input_audio_tokens", 4),)


def test_images_at_the_rate_of_text_are_priced() -> None:
    priced = cost(PLAIN, Usage(input=10, other=(("input_image_tokens", 4),)), at_us=NOON_US)
    assert (priced.cost_pusd, priced.is_complete) == (12_500_000, True)


def test_a_cache_write_without_a_rate_is_told() -> None:
    priced = cost(PLAIN, Usage(input=10, cache_write_1h=4), at_us=NOON_US)
    assert (priced.cost_pusd, priced.unpriced) == (12_500_000, (("cache_write_1h", 4),))


def test_a_model_without_rates_prices_nothing() -> None:
    priced = cost(price(), Usage(input=3, output=2), at_us=NOON_US)
    assert (priced.cost_pusd, priced.unpriced) == (0, (("input", 3), ("output", 2)))
    assert unpriced(Usage(input=3), "p/m").unpriced == (("input", 3),)


def test_a_free_model_is_complete_at_zero() -> None:
    priced = cost(price(free=True), Usage(input=3), at_us=NOON_US)
    assert (priced.cost_pusd, priced.is_complete) == (0, True)
    assert not price().is_known
    assert price(free=True).is_known


def test_a_request_fee_is_charged_once() -> None:
    assert cost(price(rates={"input": 1, "requests": 5}), Usage(input=1), at_us=NOON_US).cost_pusd == 5_001_000_000


def test_a_minimum_is_billed() -> None:
    whisper = price(rates={"audio_seconds": "0.36"}, minimums={"audio_seconds": 10})
    costs = [cost(whisper, Usage(other=(("audio_seconds", s),)), at_us=NOON_US).cost_pusd for s in (0, 1, 10, 11)]
    assert costs == [0, 1_000_000_000, 1_000_000_000, 1_100_000_000]


def test_a_repeating_fraction_is_rounded_up_once() -> None:
    hourly = price(rates={"audio_seconds": "0.111", "input": "0.08333333333333334"})
    usage = Usage(input=7, other=(("audio_seconds", 1),))
    priced = cost(hourly, usage, at_us=NOON_US)
    exact = Decimal("0.111") * 10**12 / 3600 + Decimal("0.08333333333333334") * 7 * 10**6
    assert priced.cost_pusd == int(exact.to_integral_value(ROUND_CEILING))
    assert sum(line.cost_pusd for line in priced.lines) == priced.cost_pusd


def test_parts_that_exceed_their_whole_are_all_charged() -> None:
    assert cells(Usage(input=5, cache_read=4, cache_write_5m=3)) == [("cache_read", 4), ("cache_write_5m", 3)]


counts = st.integers(0, 10**9)
units = st.sampled_from([*UNITS, "moon_rocks"])
usages = st.builds(
    Usage,
    counts,
    counts,
    counts,
    counts,
    counts,
    counts,
    st.dictionaries(units, counts).map(lambda d: tuple(d.items())),
)


@given(usages)
def test_any_report_is_priced_without_failing_and_its_lines_add_up(usage: Usage) -> None:
    priced = cost(PLAIN, usage, at_us=NOON_US)
    assert sum(line.cost_pusd for line in priced.lines) == priced.cost_pusd >= 0
    told = {line.unit for line in priced.lines} | {unit for unit, _ in priced.unpriced}
    used = {unit for unit, _ in cells(usage)}
    if "input_audio_tokens" in used:  # audio is charged once
        used.discard("input_audio_seconds")
    assert used <= told
