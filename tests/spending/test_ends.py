"""How a call is booked when its stream breaks by an error, and when a good status brings no reply."""

from __future__ import annotations

from typing import Any

import pytest

from aikeys.errors import AikeysError, ProviderRefused, RateLimited
from aikeys.ledger.calls import COMPUTED, ESTIMATED, WORST_CASE
from aikeys.money import parse_usd
from aikeys.pricing.bounds import Bounds
from aikeys.pricing.values import Price, Rate, Tariff
from aikeys.pricing.worst_case import worst_case
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import Metered, Options, Request
from aikeys.spending.bill import AttemptUse, bill
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.plan import Plan
from tests.spending.conftest import REPLY, USAGE, USAGE_PUSD, FakeProvider, Purse, answer, chunk, stream
from tests.spending.recorded_bounds import NOON_US, SENT_US

MODEL = "anthropic/claude-sonnet-4-5"
CAPPED = Options(max_tokens=20_000)
START = {
    "type": "message_start",
    "message": {"id": "i", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 5000, "output_tokens": 1}},
}
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def failure(purse: Purse, model: str = "openai/gpt-4.1", **how: Any) -> AikeysError | None:
    return purse.ask(model=model, **how).last.received.failure


def words(size: int) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * size}}


def test_a_message_that_breaks_by_an_error_costs_its_worst_case_under_a_budget(
    purse: Purse, other: FakeProvider
) -> None:
    purse.budget("team:support", "1")
    other.plays = [stream(START, words(10_000), BUSY)] * 5
    assert isinstance(failure(purse, model=MODEL, stream=True, options=CAPPED), ProviderRefused)
    (call,) = purse.calls()
    assert (call.cost_source, call.status) == (WORST_CASE, "overloaded")
    assert call.cost_pusd >= parse_usd("0.3")  # 20,000 tokens at 15 USD a million


def test_without_a_budget_it_costs_what_came(purse: Purse, other: FakeProvider) -> None:
    other.plays = [stream(START, words(10_000), BUSY)]
    assert isinstance(failure(purse, model=MODEL, stream=True, options=CAPPED), ProviderRefused)
    (call,) = purse.calls()
    assert (call.cost_source, call.usage.input, call.usage.output) == (ESTIMATED, 5000, 12_500)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 429, "message": "busy"}},
        {"choices": [{"error": {"code": 429, "message": "busy"}, "message": {"content": ""}}]},
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_with_a_good_status_costs_nothing_and_is_told_by_its_code(
    purse: Purse, provider: FakeProvider, body: dict[str, object], streamed: bool
) -> None:
    purse.budget("team:support", "1")
    provider.plays = [stream(body, b"[DONE]") if streamed else answer(200, body)] * 3
    refused = failure(purse, stream=streamed)
    assert isinstance(refused, RateLimited)
    assert refused.exit_status == 32
    assert {(call.cost_pusd, call.cost_source, call.status) for call in purse.calls()} == {
        (0, COMPUTED, "rate_limited")
    }
    assert purse.open_reservations() == 0


def test_an_error_costs_the_usage_that_it_reports(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, {"error": {"code": 400, "message": "x"}, "usage": USAGE})]
    refused = failure(purse)
    assert refused is not None
    assert refused.exit_status == 30
    assert [(call.cost_pusd, call.cost_source) for call in purse.calls()] == [(USAGE_PUSD, COMPUTED)]


def test_half_a_reply_beside_an_error_may_have_cost_its_worst_case(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("team:support", "1")
    half = {"choices": [{"error": {"code": 502, "message": "x"}, "message": {"content": "half"}}]}
    provider.plays = [answer(200, half), stream(chunk("half"), {"error": {"code": 502, "message": "x"}})]
    for streamed in (False, True):
        assert isinstance(failure(purse, stream=streamed), ProviderRefused)
    assert [call.cost_source for call in purse.calls()] == [WORST_CASE, WORST_CASE]


@pytest.mark.parametrize("first", [{**REPLY, "choices": []}, {"error": {"code": 503, "message": "busy"}}])
def test_a_stand_in_is_asked_where_no_reply_came(
    purse: Purse, provider: FakeProvider, other: FakeProvider, first: dict[str, object]
) -> None:
    purse.fallbacks = {"openai/gpt-4.1": ("openai-2/gpt-4.1",)}
    provider.plays = [answer(200, first)] * 3
    assert purse.ask().last.received.reply.text == "Hello"
    assert [call.context.key for call in purse.calls()][-1] == "openai-2"
    assert len(other.seen) == 1


def test_a_stream_without_any_choice_is_no_reply(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("team:support", "1")
    provider.plays = [stream({"id": "c", "model": "gpt-4.1", "choices": []}, b"[DONE]")] * 3
    refused = failure(purse, stream=True)
    assert refused is not None
    assert "holds no choice" in refused.message
    assert {call.cost_pusd for call in purse.calls()} == {0}


def test_a_model_that_searches_by_itself_without_saying_so_has_searched(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("team:support", "10")
    provider.plays = [answer(200, {**REPLY, "model": "gpt-4o-search-preview"})]
    purse.ask(model="openai/gpt-4o-search-preview", options=Options(max_tokens=50))
    (call,) = purse.calls()
    assert dict(call.usage.other)["web_searches"] == 1
    assert call.cost_pusd >= parse_usd("0.01")


@pytest.mark.parametrize(
    ("protocol", "told", "booked"),
    [
        ("openai_chat", (), 3),
        ("openai_chat", (("web_searches", 1),), 1),
        ("anthropic_messages", (), 0),
        ("openai_responses", (), 0),
        ("gemini_generate", (), 0),
    ],
)
def test_a_reserved_fee_has_happened_unless_the_reply_lists_such_things(
    protocol: str, told: tuple[tuple[str, int], ...], booked: int
) -> None:
    provider = catalogue.load()["openai"]
    target = Target(SpendingKey("key", "openai", "https://api.example/v1"), provider, "m", None)
    price = Price("openai", "m", (Tariff({"input": Rate(1, 1), "output": Rate(1, 1), "web_searches": Rate(100, 1)}),))
    bounds = Bounds(100, NOON_US, SENT_US, max_output=50, units=(("web_searches", 3),))
    plan = Plan(
        target, provider.dialect(), Request("m", ()), price, True, bounds, worst_case(price, bounds), 0,
        is_limited=True, protocol=protocol,
    )  # fmt: skip
    used = AttemptUse(True, True, Metered(Usage(input=10, output=5, other=told)))
    made = bill(plan, used, NOON_US, lambda _model: None)
    assert (made.cost_pusd, made.source) == (15 + 100 * booked, COMPUTED)
    refused = used._replace(may_cost=False)
    assert bill(plan, refused, NOON_US, lambda _model: None).cost_pusd == 15 + 100 * dict(told).get("web_searches", 0)
