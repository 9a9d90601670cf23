"""Whatever a provider does, there is one entry for each attempt, and it says what is known of its cost."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from aikeys.errors import NetworkFailed, ProviderRefused, RateLimited
from aikeys.ledger.calls import BILLED, COMPUTED, ESTIMATED, UNPRICED, WORST_CASE
from aikeys.money import parse_usd
from aikeys.providers.wire.values import Options
from aikeys.secret import Secret
from tests.spending.conftest import (
    REPLY,
    USAGE_PUSD,
    WHOLE_STREAM,
    FakeProvider,
    Purse,
    answer,
    chunk,
    collecting,
    stream,
)


def refusal(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, **more}}


def test_a_reply_costs_its_usage_to_the_pico_dollar(purse: Purse, provider: FakeProvider) -> None:
    spent = purse.ask()
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source, call.status) == (USAGE_PUSD, COMPUTED, "ok")
    assert (call.usage.input, call.usage.output) == (10, 20)
    assert call.context.model == "openai/gpt-4.1"
    assert call.context.answered == "gpt-4.1-2025-04-14"
    assert call.context.key == "openai"
    assert call.context.labels.team == "support"
    assert "input=2000000/1" in call.context.price
    assert len(call.request_digest) == len(call.reply_digest) == 32
    assert spent.last.received.reply.text == "Hello"
    assert purse.open_reservations() == 0
    assert provider.seen[0].headers["authorization"] == f"Bearer {purse.secret.reveal().decode()}"


def test_a_stream_comes_as_it_is_sent_and_asks_for_its_usage(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [stream(*WHOLE_STREAM)]
    texts, sink = collecting()
    purse.ask(stream=True, sink=sink)
    (call,) = purse.calls()
    assert "".join(texts) == "Hello"
    assert (call.cost_pusd, call.cost_source) == (USAGE_PUSD, COMPUTED)
    assert call.first_token_ms is not None
    assert provider.seen[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/event-stream; charset=utf-8"])
def test_a_stream_is_known_by_how_it_begins(purse: Purse, provider: FakeProvider, kind: str) -> None:
    body = b"".join(b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in WHOLE_STREAM)
    provider.plays = [answer(200, body, content_type=kind)]
    assert purse.ask(stream=True).last.received.reply.text == "Hello"
    assert purse.calls()[0].cost_pusd == USAGE_PUSD


def test_a_whole_reply_to_a_request_for_a_stream_is_read(purse: Purse) -> None:
    texts, sink = collecting()
    spent = purse.ask(stream=True, sink=sink)
    assert (spent.last.received.reply.text, texts) == ("Hello", [])
    assert purse.calls()[0].cost_pusd == USAGE_PUSD


def test_what_the_provider_says_it_charges_counts(purse: Purse, provider: FakeProvider) -> None:
    purse.held.append(purse.held[0]._replace(name="openrouter", provider="openrouter"))
    body = {**REPLY, "usage": {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.000123456789}}
    provider.plays = [answer(200, json.dumps(body).encode())]
    purse.ask(model="openrouter/openai/gpt-4.1")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (123_456_789, BILLED)


def test_a_reported_zero_is_zero(purse: Purse, provider: FakeProvider) -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    provider.plays = [answer(200, {**REPLY, "usage": zero})]
    purse.ask()
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (0, COMPUTED)


def by_bytes(provider: FakeProvider) -> int:
    """Return how many tokens the input is taken for that was sent last."""
    return -(-len(json.dumps(provider.seen[-1].body, separators=(",", ":"))) // 4)


def test_a_reply_without_usage_is_estimated_by_its_bytes(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, {**REPLY, "usage": None})]
    purse.ask("Say hello")  # four bytes of what was sent are a token, the 5 of "Hello" are 2
    (call,) = purse.calls()
    assert (call.usage.input, call.usage.output) == (by_bytes(provider), 2)
    assert (call.cost_pusd, call.cost_source) == (by_bytes(provider) * 2_000_000 + 2 * 8_000_000, ESTIMATED)


def test_an_estimate_stays_within_the_cap(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, {**REPLY, "usage": None})]
    purse.ask(options=Options(max_tokens=1))
    assert purse.calls()[0].usage.output == 1


def test_without_usage_a_budget_counts_the_worst_case(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("team:support", "10")
    provider.plays = [answer(200, {**REPLY, "usage": None})]
    spent = purse.ask(options=Options(max_tokens=100))
    (call,) = purse.calls()
    assert call.cost_source == WORST_CASE
    assert call.cost_pusd == spent.last.plan.worst.cost_pusd > 100 * 8_000_000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_costs_nothing_and_is_recorded(purse: Purse, provider: FakeProvider, status: int) -> None:
    provider.plays = [answer(status, refusal("no"))]
    spent = purse.ask()
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (0, COMPUTED)
    assert call.status not in ("ok", "")
    assert isinstance(spent.last.received.failure, ProviderRefused)
    assert len(provider.seen) == 1
    assert purse.open_reservations() == 0


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_provider_that_fails_is_asked_again_and_every_attempt_is_recorded_at_no_cost(
    purse: Purse, provider: FakeProvider, status: int
) -> None:
    provider.plays = [answer(status, refusal("broken")), answer(200, REPLY)]
    assert purse.ask().last.received.failure is None
    failed, answered = purse.calls()
    assert (failed.cost_pusd, failed.cost_source) == (0, COMPUTED)
    assert (failed.status == "ok", answered.status) == (False, "ok")
    assert len(purse.slept) == 1
    assert purse.open_reservations() == 0


def test_a_connection_that_was_never_made_costs_nothing(purse: Purse, provider: FakeProvider) -> None:
    provider.close()
    spent = purse.ask()
    assert [call.status for call in purse.calls()] == ["not_sent"] * 3  # tried again: nothing was sent
    assert {call.cost_pusd for call in purse.calls()} == {0}
    assert isinstance(spent.last.received.failure, NetworkFailed)
    assert len(purse.slept) == 2
    provider.__post_init__()


def test_a_cut_stream_is_estimated_by_what_came(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [stream(*WHOLE_STREAM, cut_after=230)]  # both pieces of text, and then nothing
    texts, sink = collecting()
    spent = purse.ask(stream=True, sink=sink)
    (call,) = purse.calls()
    assert "".join(texts) == "Hello"
    assert (call.status, call.cost_source) == ("broken", ESTIMATED)
    assert (call.usage.input, call.usage.output) == (by_bytes(provider), 2)
    assert isinstance(spent.last.received.failure, NetworkFailed)
    assert len(provider.seen) == 1  # never again once a reply began


def test_a_cut_stream_counts_as_the_worst_case_under_a_budget(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "10")
    provider.plays = [stream(*WHOLE_STREAM, cut_after=230)]
    spent = purse.ask(stream=True)
    (call,) = purse.calls()
    assert (call.cost_source, call.cost_pusd) == (WORST_CASE, spent.last.plan.worst.cost_pusd)


def test_reported_input_takes_the_place_of_its_part_of_the_worst_case(purse: Purse, other: FakeProvider) -> None:
    purse.budget("org", "10")
    start = {
        "type": "message_start",
        "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 7, "output_tokens": 1}},
    }
    other.plays = [stream(start)]
    spent = purse.ask(model="anthropic/claude-sonnet-4-5", stream=True, options=Options(max_tokens=100))
    (call,) = purse.calls()
    assert call.cost_source == WORST_CASE
    assert call.cost_pusd == 7 * 3_000_000 + spent.last.plan.worst.output_pusd
    assert call.usage.input == 7


def test_a_stream_that_just_ends_is_no_whole_reply(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [stream(chunk("Hel"))]
    spent = purse.ask(stream=True)
    (call,) = purse.calls()
    assert (call.status, call.cost_source) == ("broken", ESTIMATED)
    assert isinstance(spent.last.received.failure, ProviderRefused)


@pytest.mark.parametrize("body", [b"<html>oops", b'{"choices": [{"mess', b"", b"[]"])
def test_nonsense_is_an_estimate_and_a_failure(purse: Purse, provider: FakeProvider, body: bytes) -> None:
    provider.plays = [answer(200, body)]
    spent = purse.ask()
    (call,) = purse.calls()
    assert (call.status, call.cost_source) == ("unreadable", ESTIMATED)
    assert call.cost_pusd >= 3 * 2_000_000
    assert isinstance(spent.last.received.failure, ProviderRefused)


def test_a_provider_that_never_answers_is_an_estimate(purse: Purse, provider: FakeProvider) -> None:
    silence = threading.Event()
    provider.plays = [lambda _connection, _seen: (silence.wait(20), None)[1]]
    spent = purse.ask()
    silence.set()
    (call,) = purse.calls()
    assert (call.status, call.cost_source, call.cost_pusd) == ("timeout", ESTIMATED, by_bytes(provider) * 2_000_000)
    assert isinstance(spent.last.received.failure, NetworkFailed)


def test_a_stream_that_stalls_is_given_up(purse: Purse, provider: FakeProvider) -> None:
    stalled = threading.Event()
    provider.plays = [stream(chunk("Hello"), stall=stalled)]
    purse.ask(stream=True)
    stalled.set()
    (call,) = purse.calls()
    assert (call.status, call.usage.output) == ("timeout", 2)


def test_a_reply_that_trickles_ends_at_the_total_time(purse: Purse, provider: FakeProvider) -> None:
    purse.timeouts = purse.timeouts._replace(total_s=0.5)
    over = threading.Event()

    def trickle(connection: socket.socket, _seen: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b": still here\n\n")

    provider.plays = [trickle]
    purse.ask(stream=True)
    over.set()
    assert purse.calls()[0].status == "timeout"


def test_a_closed_connection_without_an_answer_is_not_asked_again(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [lambda connection, _seen: connection.close()]
    purse.ask()
    (call,) = purse.calls()
    assert (call.status, call.cost_source) == ("broken", ESTIMATED)
    assert len(provider.seen) == 1


def test_a_model_without_a_price_goes_through_and_is_called_unpriced(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, {**REPLY, "model": "brand-new"})]
    purse.ask(model="openai/brand-new")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (0, UNPRICED)
    assert dict(call.unpriced) == {"input": 10, "output": 20}


def test_a_name_without_a_price_costs_what_the_model_that_answered_costs(purse: Purse) -> None:
    purse.ask(model="openai/our-deployment")
    (call,) = purse.calls()
    assert (call.cost_pusd, call.cost_source) == (USAGE_PUSD, COMPUTED)
    assert call.context.price.startswith("openai/gpt-4.1@")


def test_an_error_in_a_stream_is_a_failure_with_an_entry(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [stream(chunk("Hel"), refusal("overloaded", type="overloaded_error"))]
    spent = purse.ask(stream=True)
    (call,) = purse.calls()
    assert (call.status, call.cost_source) == ("overloaded", ESTIMATED)
    assert spent.last.received.failure is not None


def test_rate_limited_is_asked_again_after_the_time_it_names(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(429, refusal("slow down"), retry_after="2"), answer(200, REPLY)]
    spent = purse.ask()
    assert [call.status for call in purse.calls()] == ["rate_limited", "ok"]
    assert [call.cost_pusd for call in purse.calls()] == [0, USAGE_PUSD]
    assert len(spent.calls) == 2
    assert 2 <= purse.slept[0] < 2.5


def test_rate_limited_for_long_is_not_waited_for(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(429, refusal("slow down"), retry_after="3600")]
    spent = purse.ask()
    assert len(provider.seen) == 1
    assert isinstance(spent.last.received.failure, RateLimited)
    assert "3600 seconds" in spent.last.received.failure.hint


def test_overloaded_is_asked_three_times_at_most(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(503, refusal("busy"))]
    purse.ask()
    assert len(provider.seen) == len(purse.calls()) == 3
    assert purse.slept[0] < purse.slept[1]


def test_no_credit_is_not_asked_again(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(429, refusal("no credit", code="insufficient_quota"))]
    purse.ask()
    assert len(provider.seen) == 1


def test_a_stand_in_answers_and_both_are_recorded(purse: Purse, provider: FakeProvider, other: FakeProvider) -> None:
    purse.fallbacks = {"openai/gpt-4.1": ("openai-2",)}
    provider.plays = [answer(401, refusal("no such key"))]
    spent = purse.ask()
    found = [(call.context.key, call.status) for call in purse.calls()]
    assert found == [("openai", "authentication"), ("openai-2", "ok")]
    assert spent.last.received.failure is None
    assert len(provider.seen) == len(other.seen) == 1


def test_a_wrong_request_goes_nowhere_else(purse: Purse, provider: FakeProvider, other: FakeProvider) -> None:
    purse.fallbacks = {"openai": ("openai-2",)}
    provider.plays = [answer(400, refusal("bad"))]
    purse.ask()
    assert not other.seen


def test_nothing_goes_elsewhere_once_a_reply_began(purse: Purse, provider: FakeProvider, other: FakeProvider) -> None:
    purse.fallbacks = {"openai": ("openai-2",)}
    provider.plays = [stream(*WHOLE_STREAM, cut_after=230)]
    purse.ask(stream=True)
    assert not other.seen


def test_a_stream_that_fails_before_it_says_anything_goes_elsewhere(
    purse: Purse, provider: FakeProvider, other: FakeProvider
) -> None:
    purse.fallbacks = {"openai": ("openai-2",)}
    provider.plays = [stream(refusal("down", code="server_error"))]
    other.plays = [stream(*WHOLE_STREAM)]
    found, sink = collecting()
    purse.ask(stream=True, sink=sink)
    assert "".join(found) == "Hello"
    assert [call.context.key for call in purse.calls()][-1] == "openai-2"


def test_the_key_never_follows_a_redirect(purse: Purse, provider: FakeProvider, other: FakeProvider) -> None:
    provider.plays = [answer(307, b"", location=other.url + "/v1/chat/completions")]
    spent = purse.ask()
    (call,) = purse.calls()
    assert not other.seen
    assert (call.status, call.cost_pusd) == ("redirected", 0)
    assert isinstance(spent.last.received.failure, ProviderRefused)


def test_a_key_that_the_provider_repeats_is_not_repeated_by_us(purse: Purse, provider: FakeProvider) -> None:
    key = purse.secret.reveal().decode()
    provider.plays = [answer(401, refusal(f"bad key <{key}> given"))]
    failure = purse.ask().last.received.failure
    assert failure is not None
    assert key not in f"{failure} {failure.message} {failure.args} {failure.hint}"


def test_a_key_of_a_shape_that_nobody_knows_is_not_repeated_either(purse: Purse, provider: FakeProvider) -> None:
    purse.secret = Secret(b"correcthorse")
    provider.plays = [answer(400, refusal("correcthorse is not a key of ours"))]
    failure = purse.ask().last.received.failure
    assert failure is not None
    assert failure.message == "OpenAI: ‹secret› is not a key of ours"
    assert "correcthorse" not in str(failure)


def test_what_a_provider_calls_itself_cannot_spoil_the_ledger(purse: Purse, provider: FakeProvider) -> None:
    name = json.loads('"gpt\\ud800\\n\\u001b[31m" ') + "x" * 10_000
    provider.plays = [answer(200, {**REPLY, "model": name, "id": name})]
    purse.ask()
    (call,) = purse.calls()
    assert call.context.answered.startswith("gpt[31mxxx")
    assert len(call.context.answered) <= 100
    assert len(call.request_id) <= 100
    assert call.cost_pusd == USAGE_PUSD


def test_counts_beyond_all_measure_do_not_lose_the_entry(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, {**REPLY, "usage": {"prompt_tokens": 10**12, "completion_tokens": 10**12}})]
    purse.ask()
    assert purse.calls()[0].cost_pusd > 0
    provider.plays = [answer(200, {**REPLY, "usage": {"prompt_tokens": -5, "completion_tokens": 10**40}})]
    purse.ask()
    assert len(purse.calls()) == 2


def test_a_call_counts_for_its_budget(purse: Purse) -> None:
    purse.budget("team:support", "1")
    purse.ask(options=Options(max_tokens=100))
    with purse.ledger.reading() as connection:
        row = connection.execute("SELECT spent, reserved FROM counter WHERE who = 'team:support'").fetchone()
    assert row == (str(USAGE_PUSD), "0")
    assert parse_usd("1") > USAGE_PUSD
