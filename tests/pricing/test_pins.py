"""A version of a listed model, by date or number, is bounded by the dearest of its family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aikeys.pricing import book, names, pins
from aikeys.pricing.bounds import Bounds, ways_of_serving
from aikeys.pricing.rates import dearest, is_lower, standard
from aikeys.pricing.values import Price
from aikeys.pricing.worst_case import worst_case
from aikeys.providers import catalogue

NOON_US = 1_795_435_200_000_000
DAY = NOON_US // 86_400_000_000
DATA = Path(book.__file__).parent / "data"


@pytest.fixture
def bundled() -> book.Book:
    return book.Book("", {}, {}, catalogue.load())


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("m-20261103", "m"),
        ("m-001", "m"),
        ("m-099", "m"),
        ("m-000", ""),
        ("m-100", ""),
        ("m-20261301", ""),
        ("m-20260230", ""),
        ("m-0613", ""),
        ("m-1", ""),
        ("m-x20261103x", ""),
        ("20261103", ""),
    ],
)
def test_a_pin_is_a_day_or_a_number_below_a_hundred(name: str, family: str) -> None:
    assert pins.family_of(name, DAY) == family


def test_a_day_after_tomorrow_is_no_pin() -> None:
    assert [pins.family_of(f"m-202611{day}", DAY) for day in (23, 24, 25)] == ["m", "m", ""]  # the 23rd is today


def test_an_unlisted_pin_costs_at_most_what_the_dearest_of_its_family_does(bundled: book.Book) -> None:
    found = bundled.find("openai", "gpt-4o-2024-08-07")
    older = bundled.find("openai", "gpt-4o-2024-05-13")
    assert found is not None
    assert older is not None
    assert (found.is_certain, found.is_pin, found.is_bound) == (False, True, True)
    assert older.is_certain
    for unit, rate in older.price.tariffs[0].rates.items():
        assert not is_lower(found.price.tariffs[0].rates[unit], rate)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openrouter", "openai/gpt-5-2026-10-10"),  # no maker
        ("groq", "openai/gpt-oss-120b-001"),
        ("openai", "gpt-5-2099-10-10"),
        ("openai", "gpt-9-2026-10-10"),
        ("openai", "gpt-5-100"),
    ],
)
def test_what_is_no_pin_has_no_bound(bundled: book.Book, provider: str, model: str) -> None:
    found = bundled.find(provider, model)
    assert found is None or not found.is_bound


def test_a_deployment_of_azure_is_bound_by_what_config_toml_says_of_it() -> None:
    own = {"azure-openai/gpt-4o": {"like": "openai/gpt-5"}}
    known = book.Book("", own, {}, catalogue.load())
    named, other = known.find("azure-openai", "gpt-4o"), known.find("azure-openai", "gpt-4o-mini")
    answered = known.find("azure-openai", "gpt-4o-mini-2024-07-18", is_reply=True)
    assert named is not None
    assert other is not None
    assert answered is not None
    assert (named.is_certain, named.price.model) == (True, "gpt-5")
    assert not other.is_bound
    assert answered.is_certain


def _pinned() -> list[tuple[str, str]]:
    documents = [(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(DATA.glob("*.json"))]
    return [
        (provider, name.replace("########", "20260101"))
        for provider, document in documents
        for row in document["models"]
        for name in (row["id"], *row.get("names", ()))
        if not names.is_rule(name) and pins.family_of(names.spelled(name.replace("#", "0")), 10**6)
    ]


def test_every_pinned_name_of_the_book_is_bounded_at_its_own_rate_and_by_its_family(bundled: book.Book) -> None:
    """Also where it counts as a member of its family only."""
    listed = _pinned()
    assert len(listed) > 300
    for provider, name in listed:
        own = bundled.find(provider, name, is_reply=True)
        assert own is not None
        assert own.is_certain
        family = pins.family_of(names.spelled(name), 10**6)
        spare = bundled.find(provider, f"{family}-002", is_reply=True)
        if spare is None or not spare.is_pin or not own.price.is_known:
            continue
        for unit, rate in own.price.tariffs[-1].rates.items():
            assert not is_lower(spare.price.tariffs[0].rates[unit], rate), (provider, name, unit)
        assert _bound(spare.price) >= _bound(own.price), (provider, name)


def _bound(price: Price) -> int:
    bounds = Bounds(300_000, NOON_US, NOON_US, max_output=1000, services=ways_of_serving(price), units=())
    return worst_case(price._replace(context_window=0), bounds).cost_pusd


def test_the_dearest_of_several_prices_is_below_none(bundled: book.Book) -> None:
    several = [
        found.price
        for model in ("gpt-4.1", "gpt-5", "gpt-5.4", "o3")
        if (found := bundled.find("openai", model)) is not None
    ]
    top = dearest(several, NOON_US)
    for price in several:
        for rates in standard(price, NOON_US):
            for unit, rate in rates.items():
                assert not is_lower(top.tariffs[0].rates[unit], rate)
        assert _bound(top) >= _bound(price)
