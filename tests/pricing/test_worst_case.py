"""The worst case is a true upper bound, and says so where it cannot be one."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.pricing import book, reading
from aikeys.pricing.bounds import Bounds, Media, text_tokens, ways_of_serving
from aikeys.pricing.cost import cost
from aikeys.pricing.values import Price, Service
from aikeys.pricing.worst_case import WorstCase, worst_case
from aikeys.providers.usage import Usage

NOON_US = 1_795_435_200_000_000
HOUR_US = 3_600_000_000
M = 1_000_000


def price(**row: object) -> Price:
    return reading.price({"id": "m", **row}, "openai", "bundled", "2026-11-23")


def bounds(text: int = 100, **more: object) -> Bounds:
    return Bounds(text, NOON_US, NOON_US + HOUR_US, **more)  # type: ignore[arg-type]


PLAIN = price(rates={"input": 1, "cache_read": "0.1", "output": 10}, context=10_000, output=1000)
FIXED = 1024 + 16


def test_text_with_a_cap() -> None:
    worst = worst_case(PLAIN, bounds(max_output=50))
    assert (worst.input_tokens, worst.output_tokens) == (100 + FIXED, 50)
    assert worst.cost_pusd == (100 + FIXED) * M + 50 * 10 * M
    assert worst.undecided == ()


def test_the_context_window_caps_the_input() -> None:
    assert worst_case(PLAIN, bounds(10**9)).input_tokens == 10_000


def test_a_window_below_a_tier_is_no_cap() -> None:
    tiered = price(rates={"input": [1, 10_000, 2], "output": 1}, context=10_000, output=10)
    assert worst_case(tiered, bounds(10**6)).input_tokens == 10**6 + FIXED


def test_what_is_only_referenced_counts_as_the_whole_window_for_every_iteration() -> None:
    assert worst_case(PLAIN, bounds(referenced=True)).input_tokens == 10_000
    assert worst_case(PLAIN, bounds(iterations=5)).input_tokens == 50_000


def test_without_a_cap_the_model_s_maximum_counts_for_every_choice() -> None:
    assert worst_case(PLAIN, bounds(choices=3)).output_tokens == 3000


def test_a_cap_that_leaves_reasoning_out_is_none() -> None:
    assert worst_case(PLAIN, bounds(max_output=5, cap_covers_reasoning=False)).output_tokens == 1000


def test_the_dearest_hour_within_the_time_counts() -> None:
    hourly = price(
        rates={"input": 1, "output": 1}, later=[{"hours": ["12:30", "12:40"], "rates": {"input": 7, "output": 9}}]
    )
    worst = worst_case(hourly, bounds(max_output=1))
    assert worst.cost_pusd == (100 + FIXED) * 7 * M + 9 * M
    assert worst_case(hourly, bounds(max_output=1)._replace(until_us=NOON_US)).cost_pusd == (101 + FIXED) * M


def test_the_dearest_way_of_serving_counts_where_any_could_apply() -> None:
    row = {"rates": {"input": 1, "output": 1}, "variants": [{"when": {"speed": "fast"}, "rates": {"output": 6}}]}
    assert worst_case(price(**row), bounds(max_output=1, services=())).output_rate == (6 * M, 1)
    assert worst_case(price(**row), bounds(max_output=1)).output_rate == (M, 1)


def test_automatic_cache_writes_count_where_the_price_lists_them() -> None:
    row = {"rates": {"input": 4, "cache_write_5m": 5, "cache_write_1h": 8, "output": 1}}
    costs = [worst_case(price(**row), bounds(cache_write=each)).cost_pusd for each in ("none", "auto", "5m", "1h")]
    assert [each // (100 + FIXED) // M for each in costs] == [4, 5, 5, 8]
    assert worst_case(PLAIN, bounds(cache_write="5m")).undecided == ("no rate for cache_write_5m",)


def test_rates_are_compared_as_fractions() -> None:
    fractions = price(rates={"input": "0.3", "cache_read": "0.08333333333333334", "output": 1})
    assert worst_case(fractions, bounds(max_output=1)).cost_pusd == (100 + FIXED) * 300_000 + M


def test_the_dearest_tier_that_the_input_could_reach_counts() -> None:
    tiered = price(rates={"input": [1, 1200, 3, 5000, 2], "output": [1, 1200, 4]}, context=10_000)
    costs = [worst_case(tiered, bounds(text, max_output=1)).cost_pusd // M for text in (160, 161, 8000)]
    assert costs == [1200 + 1, 1201 * 3 + 4, (8000 + FIXED) * 3 + 4]


def test_media_count_their_documented_caps_or_the_window() -> None:
    images = worst_case(PLAIN._replace(context_window=10**6), bounds(media=(Media("image", 2),)))
    assert images.input_tokens == 100 + FIXED + 2 * 48_169
    assert worst_case(PLAIN, bounds(media=(Media("document"),))).input_tokens == 10_000
    audio = worst_case(PLAIN, bounds(media=(Media("audio_second", 3),)))
    assert "no rate for input_audio_tokens" in audio.undecided


def test_further_units_count_at_their_most() -> None:
    searching = price(rates={"input": 1, "output": 1, "web_searches": 10})
    without = worst_case(searching, bounds(max_output=1)).cost_pusd
    worst = worst_case(searching, bounds(max_output=1, units=(("web_searches", 5),)))
    assert worst.cost_pusd - without == 50_000_000_000
    assert worst_case(PLAIN, bounds(units=(("web_searches", 5),))).undecided == ("no rate for web_searches",)


def test_what_cannot_be_bounded_is_said() -> None:
    unknown = price(rates={"input": 1, "output": 1})
    assert worst_case(unknown, bounds()).undecided == ("the maximum output is unknown",)
    assert worst_case(unknown, bounds(max_output=1, referenced=True)).undecided == ("the context window is unknown",)
    assert worst_case(price(), bounds(max_output=1)).undecided == ("no price is known",)
    priority = bounds(max_output=1, services=({"service_tier": "priority"},))
    assert worst_case(unknown, priority).undecided == ("no rate for service_tier:priority",)


def test_a_free_model_costs_nothing_at_worst() -> None:
    assert worst_case(price(free=True), bounds()) == WorstCase(0, 100 + FIXED, 0, (0, 1), 1)


@given(
    st.integers(1, 10**6),
    st.integers(-3, 3),
    st.integers(1, 3),
    st.sampled_from([10, "0.08333333333333334", "0.0000003", 0]),
)
def test_the_largest_cap_is_the_largest_that_fits(near: int, more: int, choices: int, output: object) -> None:
    model = price(rates={"input": "0.3", "output": output}, output=10**6)
    available = worst_case(model, bounds(choices=choices, max_output=near)).cost_pusd + more
    cap = worst_case(model, bounds(choices=choices)).largest_cap(available)
    if cap:
        assert worst_case(model, bounds(choices=choices, max_output=cap)).cost_pusd <= available
    if cap < 10**6:
        assert worst_case(model, bounds(choices=choices, max_output=cap + 1)).cost_pusd >= available


@given(st.text())
def test_text_is_bounded_by_its_longest_form(text: str) -> None:
    bound = text_tokens([text])
    assert bound >= len(text.encode("utf-8", "surrogatepass"))
    assert bound >= len(unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass"))


def test_a_ligature_that_grows_when_normalised_counts_as_grown() -> None:
    assert text_tokens(["\ufdfa"]) == len(unicodedata.normalize("NFKC", "\ufdfa").encode()) == 33


SHELVES = [book._bundled(provider) for provider in book.bundled_providers()]
MODELS = [(model_index, row) for model_index in SHELVES for row in model_index.rows if row.get("rates")]
MODALITIES = ("audio", "image", "video")
OUTPUTS = ("audio", "image", "video")


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(MODELS), st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 3), st.randoms())
def test_no_usage_within_the_bounds_costs_more(
    model: tuple[book._PriceTable, dict[str, object]], text: int, cap: int, choices: int, dice: random.Random
) -> None:
    price = model[0].price(model[1])
    services: list[Service] = [{}, *(dict(variant.when) for variant in price.variants)]
    asked = bounds(
        text,
        max_output=cap,
        choices=choices,
        cap_covers_reasoning=dice.random() < 0.7,
        cache_write=dice.choice(("auto", "5m", "1h")),
        services=tuple(services),
        referenced=dice.random() < 0.3,
        output_modalities=OUTPUTS,
        media=tuple(
            Media(kind, dice.randrange(9)) for kind in ("image", "audio_second", "video_second") if dice.random() < 0.5
        ),
        units=tuple(
            (name, dice.randrange(50))
            for name in ("web_searches", "storage_searches", "audio_seconds", "input_document_pages")
        ),
    )
    asked = asked._replace(until_us=NOON_US + dice.randrange(60) * HOUR_US)
    worst = worst_case(price, asked)
    for _ in range(8):
        usage = within(asked, worst, price, dice)
        at_us = dice.choice((asked.from_us, asked.until_us, dice.randint(asked.from_us, asked.until_us)))
        used = cost(price, usage, at_us=at_us, service=dice.choice(services))
        assert used.cost_pusd <= worst.cost_pusd
        if not worst.undecided:
            assert set(used.unpriced) <= {
                (unit, count) for unit, count in used.unpriced if unit.startswith("cache_write")
            }


def within(asked: Bounds, worst: WorstCase, price: Price, dice: random.Random) -> Usage:
    """A consistent report of at most the bounded counts; writes only where they could happen."""

    def part(most: int) -> int:
        return dice.choice((0, most, dice.randint(0, most)))

    total = part(worst.input_tokens)
    left = total - (read := part(total))
    lists_writes = any("cache_write_5m" in tariff.rates for tariff in price.tariffs)
    write_5m = part(left) if asked.cache_write != "auto" or lists_writes else 0
    left -= write_5m
    write_1h = part(left) if asked.cache_write == "1h" else 0
    left -= write_1h
    output = part(worst.output_tokens)
    rest = output - (reasoning := part(output))
    other = {unit: part(most) for unit, most in asked.units}
    modalities = {media.modality for media in asked.media}
    for modality in sorted(modalities):
        other[f"input_{modality}_tokens"] = part(left)
        left -= other[f"input_{modality}_tokens"]
    for modality in asked.output_modalities:
        other[f"output_{modality}_tokens"] = part(rest)
        rest -= other[f"output_{modality}_tokens"]
    return Usage(total, read, write_5m, write_1h, output, reasoning, tuple(other.items()))


@pytest.mark.parametrize(
    "name", ["openai/gpt-5", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro", "deepseek/deepseek-v4-pro"]
)
def test_the_well_known_models_can_be_bounded(name: str) -> None:
    provider, model = name.split("/")
    found = book.Book("/nonexistent", {}, {}, {}).find(provider, model)
    assert found is not None
    assert worst_case(found.price, bounds(max_output=100)).undecided == ()


def test_what_was_found_at_one_time_is_not_taken_for_another() -> None:
    """Rates are looked up once while they do not change; asked in any order, each instant has its own."""
    changing = price(rates={"output": 1}, later=[{"from": "2026-11-26", "rates": {"output": 3}}])
    nightly = price(rates={"output": 1}, later=[{"hours": ["01:00", "04:00"], "rates": {"output": 5}}])
    day_us = 24 * HOUR_US
    for _ in range(2):
        for day, rate in ((0, 1), (4, 3), (0, 1)):
            start = NOON_US + day * day_us
            asked = Bounds(0, start, start + HOUR_US, max_output=7)
            assert worst_case(changing, asked).output_pusd == 7 * rate * M
        assert worst_case(changing, Bounds(0, NOON_US, NOON_US + 4 * day_us, max_output=7)).output_pusd == 7 * 3 * M
        for hour, rate in ((0, 1), (14, 5), (0, 1), (13, 5)):
            start = NOON_US + hour * HOUR_US
            asked = Bounds(0, start, start + HOUR_US // 2, max_output=7)
            assert worst_case(nightly, asked).output_pusd == 7 * rate * M


def test_ways_of_serving_have_rates_of_their_own_in_whatever_order_they_are_asked() -> None:
    served = price(rates={"output": 1}, variants=[{"when": {"speed": "fast"}, "rates": {"output": 6}}])
    for asked, rate in (({}, 1), ({"speed": "fast"}, 6), ({"speed": "slow"}, 1), ({}, 1)):
        ways = ways_of_serving(served, asked)
        assert worst_case(served, bounds(0, max_output=7, services=ways)).output_pusd == 7 * rate * M
