"""What multiplies a price, at the end of a call: regions, tiers, pins, deployments, stated costs."""

from __future__ import annotations

from typing import Any

import pytest

from aikeys.errors import CannotDecide
from aikeys.ledger.calls import BILLED, COMPUTED, UNPRICED
from aikeys.spending.names import SpendingKey
from tests.spending.conftest import REPLY, USAGE, USAGE_PUSD, FakeProvider, Purse, answer


def replied(model: str, **usage: object) -> dict[str, Any]:
    return {**REPLY, "model": model, "usage": {**USAGE, **usage}}


def anthropic(**usage: object) -> dict[str, Any]:
    counts = {"input_tokens": 1000, "output_tokens": 100, **usage}
    return {
        "id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "usage": counts,
        "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("geo", "pusd", "source"),
    [
        ("us", 4_950_000_000, COMPUTED),
        ("global", 4_500_000_000, COMPUTED),
        ("not_available", 4_500_000_000, COMPUTED),
        ("moon", 4_500_000_000, UNPRICED),
    ],
)
def test_where_the_data_stayed_decides(purse: Purse, other: FakeProvider, geo: str, pusd: int, source: str) -> None:
    other.plays = [answer(200, anthropic(inference_geo=geo))]
    purse.ask(model="anthropic/claude-sonnet-4-6")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (pusd, source)


def test_an_unknown_region_costs_under_a_budget_what_the_dearest_does(purse: Purse, other: FakeProvider) -> None:
    other.plays = [answer(200, anthropic(inference_geo="moon"))]
    purse.budget("org", "1")
    purse.ask(model="anthropic/claude-sonnet-4-6")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (4_950_000_000, UNPRICED)


@pytest.mark.parametrize(
    ("answered", "source"), [("gpt-4.1-2025-04-14", COMPUTED), ("gpt-4.1-2026-11-11", UNPRICED), ("", UNPRICED)]
)
def test_a_pin_is_computed_only_where_the_reply_s_model_is_listed(
    purse: Purse, provider: FakeProvider, answered: str, source: str
) -> None:
    provider.plays = [answer(200, replied(answered))]
    purse.budget("org", "1")
    spent = purse.ask(model="openai/gpt-4.1-2026-11-11")
    (call,) = purse.calls()
    assert call.cost_source == source
    assert call.cost_pusd == USAGE_PUSD <= spent.last.plan.worst.cost_pusd
    named = [] if source == COMPUTED else [("model:gpt-4.1-2026-11-11", 1)]
    assert list(spent.last.bill.unpriced) == named


def test_a_deployment_needs_a_line_in_config_toml_under_a_budget(purse: Purse, other: FakeProvider) -> None:
    purse.held.append(SpendingKey("azure-openai", "azure-openai", other.url))
    other.plays = [answer(200, replied("gpt-4.1-2025-04-14"))]
    purse.ask(model="azure-openai/gpt-4.1")
    assert purse.calls()[-1].cost_source == COMPUTED  # the reply tells what it is
    purse.budget("org", "1")
    with pytest.raises(CannotDecide) as refused:
        purse.ask(model="azure-openai/gpt-4.1")
    assert '[prices."azure-openai/gpt-4.1"] with like = "openai/MODEL"' in refused.value.hint
    purse.prices["azure-openai/gpt-4.1"] = {"like": "openai/gpt-4.1"}
    purse.ask(model="azure-openai/gpt-4.1")
    assert len(purse.calls()) == 2


def test_what_deepinfra_says_a_call_cost_is_what_it_cost(purse: Purse, other: FakeProvider) -> None:
    purse.held.append(SpendingKey("deepinfra", "deepinfra", other.url))
    other.plays = [answer(200, replied("m", estimated_cost=0.000123))]
    purse.ask(model="deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (123_000_000, BILLED)
