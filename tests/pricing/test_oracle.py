"""Every bundled price against genai-prices: the same usage costs the same, to the pico-dollar.

genai-prices is in the test extra only. Where we differ on purpose, the table says so, one by one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

import pytest

from aikeys.pricing import book, names, snapshot
from aikeys.pricing.cost import cost
from aikeys.pricing.units import UNITS
from aikeys.pricing.values import Price
from aikeys.providers.usage import Usage

oracle = pytest.importorskip("genai_prices.data", reason="genai-prices is not installed (test extra)")
from genai_prices import types  # noqa: E402

DIFFERENT_PRICES = {
    ("deepseek", "deepseek-chat"): "still has the prices and hours of February 2025; LiteLLM's are used",
    ("deepseek", "deepseek-reasoner"): "still has the prices and hours of February 2025; LiteLLM's are used",
}
DIFFERENT_NAMES = {
    ("mistral", "mistral-large-latest"): "means Mistral Large 3 since December 2025, there still Large 2",
}
NOT_SERVED = {("gemini", "claude-"): "Vertex sells them, Gemini's API does not have them"}
DIFFERENT_RULES = {  # dots and dashes are the same here: `claude-opus-5.5*` is a rule there, `claude-opus-5-5*` is not
    ("anthropic", "claude-haiku-5-5-foo"),
    ("anthropic", "claude-opus-5-5-foo"),
    ("anthropic", "claude-sonnet-5-5-foo"),
}
EMPTY_THERE = "a price of nothing costs nothing there; here it is unpriced unless the id ends in :free"
ROUNDS = 12
THEIRS = {ours: theirs for theirs, ours in names.ELSEWHERE.items() if theirs != "z-ai"}
PROVIDERS = {provider.id: provider for provider in oracle.providers}
OURS = [name for name in book.bundled_providers() if THEIRS.get(name, name) in PROVIDERS]
INPUT_PARTS = ("input_audio_tokens", "input_image_tokens", "input_video_tokens")
READ_PARTS = ("cache_audio_read_tokens", "cache_image_read_tokens", "cache_video_read_tokens")
OUTPUT_PARTS = ("output_audio_tokens", "output_image_tokens", "output_video_tokens", "output_citation_tokens")
UNKNOWN_THERE = ("maps_searches",)
APART = [
    name
    for name, unit in UNITS.items()
    if not unit.wider and name not in ("input", "output", "requests", *UNKNOWN_THERE)
]
FURTHER = {"audio_seconds": "input_audio_seconds", "input_document_pages": "input_annotated_document_pages"}


def shelf_rows(provider: str) -> list[tuple[Mapping[str, Any], Price]]:
    model_index = book._bundled(provider)
    return [(row, model_index.price(row)) for row in model_index.rows]


def their_models(provider: str) -> dict[str, Any]:
    return {
        model.id: model
        for model in PROVIDERS[THEIRS.get(provider, provider)].models
        if not any(provider == of and model.id.startswith(beginning) for of, beginning in NOT_SERVED)
    }


def usages(price: Price, dice: random.Random) -> Iterator[Usage]:
    """Around every tier's edge, and anywhere."""
    edges = {step.above for tariff in price.tariffs for rate in tariff.rates.values() for step in rate.steps}
    totals = [total for edge in sorted(edges) for total in (edge - 1, edge, edge + 1, edge + 2)]
    totals += [0, 1, *(dice.randrange(1, 10 ** dice.randrange(1, 8)) for _ in range(ROUNDS))]
    for total in totals:
        yield usage_of(total, dice)


def usage_of(total: int, dice: random.Random) -> Usage:
    """Parts that do not overlap, as providers report them."""
    left, other = total, {}

    def some(most: int) -> int:
        return dice.choice((0, most, dice.randint(0, most), dice.randint(0, most)))

    read = some(left)
    left -= read
    write_5m = some(left)
    left -= write_5m
    write_1h = some(left)
    left -= write_1h
    unread = read
    for whole, part in zip(INPUT_PARTS, READ_PARTS, strict=True):
        other[part] = some(unread)
        unread -= other[part]
        plain = some(left)
        left -= plain
        other[whole] = plain + other[part]
    output = dice.randrange(10 ** dice.randrange(1, 7))
    reasoning = some(output)
    rest = output - reasoning
    for part in OUTPUT_PARTS:
        other[part] = some(rest)
        rest -= other[part]
    for name in APART:
        other[name] = dice.choice((0, 0, 1, 7, dice.randrange(100_000)))
        if name in FURTHER:
            other[FURTHER[name]] = some(other[name])
    return Usage(total, read, write_5m, write_1h, output, reasoning, tuple(sorted(other.items())))


def as_theirs(usage: Usage) -> Any:
    return types.Usage(
        input_tokens=usage.input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
        output_reasoning_tokens=usage.reasoning,
        **dict(usage.other),
    )


def instants(price: Price, dice: random.Random) -> list[int]:
    """Before, at and after every change, and at any time."""
    tariffs = [*price.tariffs, *(variant.tariff for variant in price.variants)]
    dates = {edge for tariff in tariffs if tariff.starts_us for edge in (tariff.starts_us - 1, tariff.starts_us)}
    day_us = 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000
    hours = {day_us + second * 1_000_000 for tariff in tariffs for second in (tariff.from_s, tariff.until_s) if second}
    anywhere = [dice.randrange(1_600_000_000, 1_900_000_000) * 1_000_000 for _ in range(2)]
    return [*sorted(dates), *sorted(hour + step for hour in hours for step in (-1, 0)), *anywhere]


def expected_pusd(model: Any, usage: Usage, at_us: int, service: Mapping[str, str]) -> int:
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)
    provider = next(each for each in PROVIDERS.values() if any(model is other for other in each.models))
    with localcontext() as exact:
        exact.prec = 60
        priced = model.calc_price(as_theirs(usage), provider, genai_request_timestamp=at, price_context=service)
        pusd = (priced.total_price * 10**12).quantize(Decimal("1e-20"))  # a price an hour is a repeating decimal there
        return int(pusd.to_integral_value(ROUND_CEILING))


def without_fees_they_lack(price: Price, model: Any) -> Price:
    """Fees of searches that only LiteLLM lists: to the oracle they are free."""
    theirs = model.prices if isinstance(model.prices, list) else [model]
    known = {unit for each in theirs for unit, value in each.prices.__dict__.items() if value is not None}
    lacking = {"web_searches", "maps_searches"} - {unit.removesuffix("_kcount") for unit in known}
    return price._replace(
        tariffs=tuple(
            tariff._replace(rates={unit: rate for unit, rate in tariff.rates.items() if unit not in lacking})
            for tariff in price.tariffs
        )
    )


def differences(provider: str) -> Iterator[str]:
    theirs = their_models(provider)
    for row, price in shelf_rows(provider):
        model = theirs.get(str(row["id"]))
        if model is None:
            continue
        priced = without_fees_they_lack(price, model)
        dice = random.Random(f"{provider}/{price.model}")
        services = [{}, *({**variant.when} for variant in model.price_variants or ())]
        times = instants(price, dice)
        for position, usage in enumerate(usages(price, dice)):
            at_us = times[position % len(times)]
            for service in services:
                ours = cost(priced, usage, at_us=at_us, service=service).cost_pusd
                if ours != expected_pusd(model, usage, at_us, service):
                    yield price.model


@pytest.mark.parametrize("provider", OURS)
def test_every_model_costs_what_the_oracle_says(provider: str) -> None:
    listed = {model for of, model in DIFFERENT_PRICES if of == provider}
    assert set(differences(provider)) == listed


@pytest.mark.parametrize("provider", OURS)
def test_every_model_of_the_oracle_is_here(provider: str) -> None:
    ids = {price.model for _, price in shelf_rows(provider)}
    assert set(their_models(provider)) <= ids
    more = {price.model for row, price in shelf_rows(provider) if row.get("source") == "litellm"}
    listed = {model for of, model in DIFFERENT_PRICES if of == provider}
    assert ids - more == set(their_models(provider)) - listed


@pytest.mark.parametrize("provider", OURS)
def test_every_name_of_the_oracle_means_the_same_model(provider: str) -> None:
    theirs = PROVIDERS[THEIRS.get(provider, provider)]
    model_index = book._bundled(provider)
    for model in their_models(provider).values():
        for name in exact_names(model.match):
            found = theirs.find_model(name)
            row = model_index.exact(names.spelled(name))
            assert row is not None, name
            if (provider, name) in DIFFERENT_NAMES:
                assert row["id"] != found.id
            elif row["id"] != found.id:  # two ids of one spelling, or a rule that stands before the name there
                ours, other = (
                    model_index.price(row),
                    model_index.price(next(each for each in model_index.rows if each["id"] == found.id)),
                )
                assert (ours.tariffs, name) == (other.tariffs, name)


@pytest.mark.parametrize("provider", OURS)
def test_every_rule_of_thumb_finds_the_same_model(provider: str) -> None:
    theirs = PROVIDERS[THEIRS.get(provider, provider)]
    model_index = book._bundled(provider)
    for model in their_models(provider).values():
        name = f"{model.id}-foo"
        expected = theirs.find_model(name)
        found = model_index.by_rule(names.spelled(name))
        if (provider, name) in DIFFERENT_RULES:
            assert (expected, found and found[1]) == (None, False)
        else:
            assert (found and found[0]["id"]) == (expected and expected.id), name


def test_what_is_empty_there_is_unpriced_here_unless_it_is_free() -> None:
    for provider in OURS:
        for _, price in shelf_rows(provider):
            if not any(tariff.rates for tariff in price.tariffs):
                assert price.free == price.model.endswith(":free"), EMPTY_THERE
                priced = cost(price, Usage(input=5, output=5), at_us=0)
                assert priced.cost_pusd == 0
                assert priced.is_complete == price.free


def test_models_the_oracle_lacks_come_from_the_other_source() -> None:
    for provider in book.bundled_providers():
        theirs = their_models(provider) if provider in OURS else {}
        for row, price in shelf_rows(provider):
            if price.model not in theirs:
                assert row.get("source") == "litellm"
                assert price.is_known


def test_the_files_say_where_they_come_from() -> None:
    for provider in book.bundled_providers():
        with open(f"{book._DATA}/{provider}.json", encoding="utf-8") as file:
            document = snapshot.parse(file.read(), provider)
        assert document["provider"] == provider
        assert all("(MIT)" in source for source in document["sources"])  # type: ignore[attr-defined]


def exact_names(clause: Any) -> Iterator[str]:
    if hasattr(clause, "equals"):
        yield clause.equals
    for part in getattr(clause, "or_", ()):
        yield from exact_names(part)
