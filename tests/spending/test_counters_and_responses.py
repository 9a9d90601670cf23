"""A provider's free counter saves a call from a refusal; models of the responses API are asked there."""

from __future__ import annotations

import pytest

from aikeys.budgets.refusals import BudgetExceeded
from aikeys.providers.wire.values import Options
from aikeys.spending.names import SpendingKey
from tests.spending.conftest import FakeProvider, Play, Purse, answer

TEXT = "word " * 4000
SHORT = Options(max_tokens=300)
ANSWERED = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 4010, "output_tokens": 5},
}
GEMINI_ANSWERED = {
    "candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4010, "candidatesTokenCount": 5, "totalTokenCount": 4015},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "o1-pro-2025-03-19",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30},
}


def ask_with_little(purse: Purse, model: str = "anthropic/claude-sonnet-4-5") -> None:
    purse.budget("org", "0.03")  # 20,000 bytes cost more at 3 or 3.75 USD for a million, 4,300 tokens do not
    purse.ask(TEXT, model, options=SHORT)


def test_the_counter_is_asked_before_a_budget_refuses(purse: Purse, other: FakeProvider) -> None:
    other.plays = [answer(200, {"input_tokens": 4010}), answer(200, ANSWERED)]
    ask_with_little(purse)
    question, call = other.seen
    assert (question.path, call.path) == ("/v1/messages/count_tokens", "/v1/messages")
    assert question.body.keys() <= {"model", "messages", "system", "tools", "tool_choice", "thinking"}
    assert question.body["messages"] == call.body["messages"]
    assert question.headers["x-api-key"] == purse.secret.reveal().decode()
    (entry,) = purse.calls()
    assert (entry.cost_source, entry.cost_pusd) == ("computed", 4010 * 3_000_000 + 5 * 15_000_000)


def test_the_counter_is_not_asked_where_the_money_is_there(purse: Purse, other: FakeProvider) -> None:
    other.plays = [answer(200, ANSWERED)]
    purse.budget("org", "10")
    purse.ask(TEXT, "anthropic/claude-sonnet-4-5", options=SHORT)
    assert [seen.path for seen in other.seen] == ["/v1/messages"]


@pytest.mark.parametrize(
    "play",
    [
        answer(200, {"input_tokens": 400_000}),
        answer(200, {"input_tokens": "4010"}),
        answer(200, {"input_tokens": True}),
        answer(200, {"input_tokens": -1}),
        answer(200, b"<html>"),
        answer(429, b""),
        answer(302, b"", location="http://127.0.0.1:9/"),
    ],
)
def test_a_counter_that_does_not_help_leaves_the_refusal(purse: Purse, other: FakeProvider, play: Play) -> None:
    other.plays = [play]
    with pytest.raises(BudgetExceeded):
        ask_with_little(purse)
    assert len(other.seen) == 1
    assert purse.open_reservations() == 0
    assert not purse.calls()


def test_gemini_counts_the_whole_request(purse: Purse, other: FakeProvider) -> None:
    purse.held.append(SpendingKey("gemini", "gemini", other.url))
    other.plays = [answer(200, {"totalTokens": 4010}), answer(200, GEMINI_ANSWERED)]
    purse.budget("org", "0.02")
    purse.ask(TEXT, "gemini/gemini-2.5-pro", options=SHORT)
    question, call = other.seen
    assert question.path == "/v1beta/models/gemini-2.5-pro:countTokens"
    assert question.body["generateContentRequest"] == {"model": "models/gemini-2.5-pro", **call.body}


def test_a_provider_without_a_free_counter_is_not_asked(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "0.02")
    with pytest.raises(BudgetExceeded):
        purse.ask(TEXT, options=SHORT)
    assert not provider.seen


@pytest.mark.parametrize("model", ["o1-pro", "gpt-5.3-codex", "gpt-5-pro", "o3-deep-research", "codex-mini"])
def test_models_of_the_responses_api_are_asked_there(purse: Purse, provider: FakeProvider, model: str) -> None:
    provider.plays = [answer(200, RESPONSE)]
    spent = purse.ask(model=f"openai/{model}", options=SHORT)
    assert provider.seen[0].path == "/v1/responses"
    assert provider.seen[0].body["max_output_tokens"] == 300
    assert provider.seen[0].body["store"] is False
    assert (spent.last.received.reply.text, purse.calls()[0].usage.output) == ("Hello", 20)


def test_other_models_stay_where_they_were(purse: Purse, provider: FakeProvider) -> None:
    purse.ask(model="openai/gpt-5")
    assert provider.seen[0].path == "/v1/chat/completions"
