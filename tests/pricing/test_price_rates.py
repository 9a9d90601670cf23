"""Multipliers: regions, and tiers that list less than the standard rates do."""

from __future__ import annotations

import pytest

from aikeys.pricing import book, reading
from aikeys.pricing.bounds import Bounds, ways_of_serving
from aikeys.pricing.cost import cost, rates_at
from aikeys.pricing.values import Price, Service
from aikeys.pricing.worst_case import worst_case
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage

NOON_US = 1_795_435_200_000_000
M = 1_000_000


def price(**row: object) -> Price:
    return reading.price({"id": "m", "context": 10_000, "output": 1000, **row}, "openai", "bundled", "2026-12-01")


def pusd(made: Price, usage: Usage, **service: str) -> int:
    return cost(made, usage, at_us=NOON_US, service=service).cost_pusd


REGIONAL = price(rates={"input": 1, "output": 10, "web_searches": 10}, residency={"us": "1.1", "eu": 1})


def test_a_region_multiplies_every_token_and_no_fee() -> None:
    used = Usage(input=10, output=10, other=(("web_searches", 1),))
    assert pusd(REGIONAL, used) == 110 * M + 10_000 * M
    assert pusd(REGIONAL, used, residency="us") == 121 * M + 10_000 * M
    assert pusd(REGIONAL, used, residency="eu") == 110 * M + 10_000 * M


def test_a_region_that_is_not_listed_makes_the_cost_a_lower_bound() -> None:
    found = cost(REGIONAL, Usage(input=10), at_us=NOON_US, service={"residency": "moon"})
    assert found.unpriced == (("residency:moon", 1),)


def test_the_worst_case_holds_the_dearest_region_without_a_word_in_the_request() -> None:
    bounds = Bounds(100, NOON_US, NOON_US, max_output=10, services=ways_of_serving(REGIONAL))
    standard = bounds._replace(services=({},))
    assert worst_case(REGIONAL, bounds).cost_pusd * 10 == worst_case(REGIONAL, standard).cost_pusd * 11


@pytest.mark.parametrize("factor", ["0.9", 0, 11, "-1", "x"])
def test_a_factor_is_from_one_to_ten(factor: object) -> None:
    with pytest.raises(ValueError, match="residency"):
        price(rates={"input": 1}, residency={"us": factor})


TIERED = price(
    rates={"input": 1, "cache_read": "0.1", "output": 10, "reasoning": 10, "input_audio_tokens": 3},
    variants=[
        {"when": {"service_tier": "priority"}, "rates": {"input": 2, "output": 20}},
        {"when": {"service_tier": "flex"}, "rates": {"input": "0.5", "output": 5}},
        {"when": {"speed": "fast"}, "rates": {"output": 30, "reasoning": 12}},
    ],
)


def test_a_tier_s_wider_rate_covers_the_narrower_standard_one() -> None:
    thought = Usage(output=10, reasoning=10)
    assert pusd(TIERED, thought, service_tier="priority") == 200 * M
    assert pusd(TIERED, thought, service_tier="flex") == 50 * M
    assert pusd(TIERED, thought, speed="fast") == 120 * M  # the tier lists it


def test_a_standard_rate_that_is_dearer_than_a_tier_s_wider_one_stays() -> None:
    rates, _ = rates_at(TIERED, NOON_US, {"service_tier": "flex"})
    assert rates["input_audio_tokens"].pusd == 3 * M
    assert rates_at(TIERED, NOON_US, {"service_tier": "priority"})[0]["input_audio_tokens"].pusd == 3 * M


def test_a_cache_rises_with_its_tokens_and_never_falls() -> None:
    cached = Usage(input=10, cache_read=10)
    assert pusd(TIERED, cached, service_tier="priority") == 2 * M
    assert pusd(TIERED, cached, service_tier="flex") == 1 * M


@pytest.mark.parametrize("asked", [{"service_tier": "ultra"}, {"speed": "warp"}, {"residency": "moon"}])
def test_a_way_of_serving_that_was_asked_for_and_has_no_rate_is_undecided(asked: Service) -> None:
    bounds = Bounds(100, NOON_US, NOON_US, max_output=10, services=ways_of_serving(TIERED, asked))
    ((name, value),) = asked.items()
    assert worst_case(TIERED, bounds).undecided == (f"no rate for {name}:{value}",)


@pytest.mark.parametrize("asked", [{"service_tier": "auto"}, {"service_tier": "flex"}, {"service_tier": "priority"}])
def test_a_way_of_serving_that_is_listed_or_never_dearer_is_decided(asked: Service) -> None:
    bounds = Bounds(100, NOON_US, NOON_US, max_output=10, services=ways_of_serving(TIERED, asked))
    assert worst_case(TIERED, bounds).undecided == ()
    assert worst_case(TIERED, bounds).output_pusd >= 10 * 20 * M  # an account may serve by priority without a word


def test_the_host_of_an_address_says_the_region() -> None:
    known = book.Book("", {}, {}, catalogue.load())
    plain = known.find("openai", "gpt-5.4", "https://api.openai.com/v1")
    there = known.find("openai", "gpt-5.4", "https://eu.api.openai.com/v1")
    nowhere = known.find("openai", "gpt-5.4", "https://moon.api.openai.com/v1")
    elsewhere = known.find("openai", "gpt-5.4", "https://eu.api.openai.com.example.com/v1")
    assert plain is not None
    assert there is not None
    assert nowhere is not None
    assert elsewhere is not None
    used = Usage(input=100, output=100)
    assert pusd(there.price, used) * 10 == pusd(plain.price, used) * 11
    assert there.is_certain
    assert not nowhere.is_bound
    assert pusd(elsewhere.price, used) == pusd(plain.price, used)


def test_models_of_anthropic_since_4_6_have_a_factor_and_older_ones_none() -> None:
    known = book.Book("", {}, {}, catalogue.load())
    for model in known.models("anthropic"):
        found = known.find("anthropic", model)
        assert found is not None
        assert "us" in dict(found.price.residency), model
    used = Usage(input=100_000, output=10_000)
    for model, factor in (("claude-sonnet-4-6", 11), ("claude-sonnet-4-5", 10)):
        found = known.find("anthropic", model)
        assert found is not None
        assert pusd(found.price, used, residency="us") * 10 == pusd(found.price, used) * factor
