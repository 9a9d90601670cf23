"""An aggregator is told the most that a token may cost: what was reserved, or what the client asked for."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from aikeys.providers import catalogue
from aikeys.spending.names import SpendingKey
from aikeys.spending.native.bodies import NativeRequest, bounds_of_body
from aikeys.spending.native.price_caps import with_price_cap
from tests.spending.conftest import FakeProvider, Purse
from tests.spending.recorded_bounds import NOON_US, SENT_US

MODEL = "openrouter/deepseek/deepseek-chat-v3.1"
OURS = {"prompt": Decimal("0.5"), "completion": Decimal(2)}


def purse_with_openrouter(purse: Purse, provider: FakeProvider) -> Purse:
    purse.held.append(SpendingKey("openrouter", "openrouter", provider.url + "/api/v1"))
    purse.prices = {MODEL: {"input": Decimal("0.25"), "output": 1}}
    return purse


def test_under_a_budget_the_host_may_cost_what_was_reserved(purse: Purse, provider: FakeProvider) -> None:
    purse = purse_with_openrouter(purse, provider)
    purse.budget("team:support", "1")
    purse.ask(model=MODEL)
    assert provider.seen[0].body["provider"] == {"max_price": {"prompt": 0.25, "completion": 1.0}}


def test_without_a_budget_nothing_is_added(purse: Purse, provider: FakeProvider) -> None:
    purse_with_openrouter(purse, provider).ask(model=MODEL)
    assert "provider" not in provider.seen[0].body


@pytest.mark.parametrize(
    ("theirs", "sent"),
    [
        ({}, {"prompt": 0.5, "completion": 2}),
        ({"order": ["a"], "max_price": {"prompt": "0.1"}}, {"prompt": 0.1, "completion": 2}),
        ({"max_price": {"prompt": 9, "completion": 9, "image": 1}}, {"prompt": 0.5, "completion": 2, "image": 1}),
    ],
)
def test_the_lower_of_two_counts(theirs: dict[str, object], sent: dict[str, float]) -> None:
    body = with_price_cap({"model": "m", "provider": theirs}, OURS)
    routing = json.loads(json.dumps(body["provider"], default=float))
    assert routing == {**theirs, "max_price": sent}


@pytest.mark.parametrize(
    ("name", "routing", "unmetered"),
    [
        ("openrouter", {"order": ["a"], "allow_fallbacks": False, "sort": {"by": "price"}}, ()),
        ("openrouter", {"max_price": {"prompt": "cheap"}}, ("provider.max_price.prompt",)),
        ("openrouter", {"max_price": {"prompt": -1}}, ("provider.max_price.prompt",)),
        ("openrouter", {"max_price": "1"}, ("provider.max_price",)),
        ("openrouter", {"quality_tier": 1}, ("provider.quality_tier",)),
        ("openrouter", "dearest", ("provider",)),
        ("openai", {"order": ["a"]}, ("provider",)),
    ],
)
def test_a_clients_own_routing_is_metered_where_it_is_capped(
    name: str, routing: object, unmetered: tuple[str, ...]
) -> None:
    body = {"model": "m", "messages": [], "provider": routing}
    native = NativeRequest("openai_chat", catalogue.load()[name].dialect(), "m", body)
    assert bounds_of_body(native, None, NOON_US, SENT_US).unmetered == unmetered
