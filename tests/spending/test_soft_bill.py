"""Unknown ends of calls under a soft budget: what the provider broke off is estimated, all else stays at the worst."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import ESTIMATE, Terms
from aikeys.budgets.who import limited_who
from aikeys.ledger.calls import COMPUTED, ESTIMATED, WORST_CASE, Call
from aikeys.ledger.store import Ledger
from aikeys.money import parse_usd
from aikeys.pricing.bounds import Bounds, Media, ways_of_serving
from aikeys.pricing.values import Price, Rate, Tariff, Variant
from aikeys.pricing.worst_case import worst_case
from aikeys.providers import catalogue
from aikeys.providers.transport import HttpxTransport, Timeouts
from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import (
    Event,
    Metered,
    ModelUsage,
    Options,
    Request,
    TextPiece,
    Unreadable,
)
from aikeys.spending import call as calls
from aikeys.spending.bill import AttemptUse, Bill, bill
from aikeys.spending.exchange import Exchange
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.plan import Plan
from aikeys.spending.soft_bill import soft_bill
from tests.providers.wire.recorded_exchanges import decoded, dialect, is_stream, needs_recorded, records
from tests.spending.conftest import (
    USAGE,
    WHOLE_STREAM,
    FakeProvider,
    Play,
    Purse,
    Seen,
    answer,
    chunk,
    stream,
)
from tests.spending.recorded_bounds import NOON_US, SENT_US

LISTED, HIDDEN = "openai/gpt-4.1", "openai/gpt-5"
CLAUDE = "anthropic/claude-sonnet-4-5"
CAPPED = Options(max_tokens=20_000)
START = {
    "type": "message_start",
    "message": {"id": "i", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 5000, "output_tokens": 1}},
}
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
REFUSED = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
HALF = (chunk("word " * 100), chunk("word " * 100))
IN_PUSD, OUT_PUSD = 2_000_000, 8_000_000  # gpt-4.1


def soft(purse: Purse, who: str = "team:support", usd: str = "100") -> None:
    other = Ledger(str(purse.folder)).open()
    with other.writing() as writer:
        set_budget(writer, limited_who(who), Terms(parse_usd(usd), when_unknown=ESTIMATE))
    other.close()


def words(size: int) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * size}}


def cut(*values: object) -> Play:
    """Send these events whole, and break the connection."""
    return stream(*values, stall=_now())


def _now() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def ended(*values: object) -> Play:
    """Send these events, and end the body properly before the stream is over."""
    return stream(*values)


def booked(purse: Purse, model: str = LISTED, **how: Any) -> Call:
    purse.ask(model=model, stream=how.pop("stream", True), options=how.pop("options", CAPPED), **how)
    return purse.calls()[-1]


BREAKS: dict[str, Play] = {
    "cut": cut(*HALF),
    "ended in the middle": ended(*HALF),
    "an error event": ended(*HALF, {"error": {"code": 502, "message": "x"}}),
    "an error event, then cut": cut(*HALF, {"error": {"type": "server_error", "message": "x"}}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_the_provider_broke_off_is_estimated_and_what_may_be_missing_is_kept(
    purse: Purse, provider: FakeProvider, name: str
) -> None:
    soft(purse)
    provider.plays = [BREAKS[name]]
    call = booked(purse)
    assert (call.cost_source, call.usage.output) == (ESTIMATED, 250)
    assert call.cost_pusd == call.usage.input * IN_PUSD + 250 * OUT_PUSD
    assert call.doubt_pusd >= 19_000 * OUT_PUSD
    assert purse.open_reservations() == 0


def test_the_sum_of_estimate_and_doubt_is_the_worst_case(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [cut(*HALF)]
    purse.budget("team:support", "100")
    at_worst = booked(purse)
    soft(purse)
    estimate = booked(purse)
    assert (at_worst.cost_source, at_worst.doubt_pusd) == (WORST_CASE, 0)
    assert estimate.cost_pusd + estimate.doubt_pusd == at_worst.cost_pusd


def test_a_stream_that_stalls_is_estimated(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    going_on = threading.Event()
    provider.plays = [stream(*HALF, stall=going_on)]
    call = booked(purse)
    going_on.set()
    assert (call.cost_source, call.status, call.usage.output) == (ESTIMATED, "timeout", 250)


def test_the_larger_of_reported_and_estimated_counts(purse: Purse, other: FakeProvider) -> None:
    soft(purse)
    more = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 15_000}}
    other.plays = [ended(START, words(10_000), BUSY), ended(START, words(10), more, BUSY)]
    found = [booked(purse, CLAUDE), booked(purse, CLAUDE)]
    assert [(call.cost_source, call.usage.input, call.usage.output) for call in found] == [
        (ESTIMATED, 5000, 12_500),
        (ESTIMATED, 5000, 15_000),
    ]
    assert [call.status for call in found] == ["overloaded"] * 2


WORST: dict[str, tuple[str, Options, Play]] = {
    "a model that may reason unseen": (HIDDEN, CAPPED, cut(*HALF)),
    "a reply from a model that may": (LISTED, CAPPED, cut({**chunk("x"), "model": "gpt-5"})),
    "an error that the request brings about": (
        LISTED, CAPPED, ended(*HALF, {"error": {"type": "invalid_request_error", "message": "x"}})
    ),
    "a refusal in the middle": (CLAUDE, CAPPED, ended(START, words(9), REFUSED)),
    "reasoning that was asked for": (
        CLAUDE, Options(max_tokens=20_000, effort="low"), ended(START, words(9), BUSY)
    ),
    "reasoning that was reported": (
        LISTED, CAPPED,
        cut(*HALF, {**chunk("x"), "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}}),
    ),
    "a number that nobody reads": (LISTED, CAPPED, cut(*HALF, {**chunk("x"), "usage": {**USAGE, "new_tokens": 4}})),
    "a stream before its first event": (LISTED, CAPPED, cut()),
    "no usage at a proper end": (LISTED, CAPPED, stream(*WHOLE_STREAM[:3], b"[DONE]")),
    "what cannot be read": (LISTED, CAPPED, stream(*HALF, b"{not json")),
}  # fmt: skip


@pytest.mark.parametrize("name", WORST)
def test_what_may_be_hidden_or_the_request_brought_about_stays_at_the_worst_case(
    purse: Purse, provider: FakeProvider, other: FakeProvider, name: str
) -> None:
    soft(purse, usd="1000")
    model, options, play = WORST[name]
    provider.plays = other.plays = [play]
    call = booked(purse, model, options=options)
    assert (call.cost_source, call.doubt_pusd) == (WORST_CASE, 0)


def test_a_whole_reply_that_breaks_shows_nothing_of_what_it_cost(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)

    def half(connection: socket.socket, seen: Seen) -> None:
        del seen
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")

    provider.plays = [half]
    assert booked(purse, stream=False).cost_source == WORST_CASE


def test_a_limit_of_ours_on_the_whole_is_not_the_providers_doing(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    purse.timeouts = Timeouts(connect_s=2, first_byte_s=2, between_s=2, total_s=0.4)
    going_on = threading.Event()
    provider.plays = [stream(*HALF, stall=going_on)]
    call = booked(purse)
    going_on.set()
    assert (call.cost_source, call.status) == (WORST_CASE, "timeout")


def test_a_reply_that_is_too_large_for_us_is_not_either(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    purse.transport = HttpxTransport(largest_reply_bytes=500)
    provider.plays = [cut(*HALF)]
    call = booked(purse)
    assert (call.cost_source, call.status) == (WORST_CASE, "too_large")


def leaving(how: Callable[[], None]) -> Callable[[Event], None]:
    def sink(event: Event) -> None:
        if isinstance(event, TextPiece):
            how()

    return sink


def gone() -> None:
    raise BrokenPipeError


def test_a_reader_that_left_leaves_the_worst_case(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    provider.plays = [cut(*HALF)]
    with pytest.raises(BrokenPipeError):
        purse.ask(model=LISTED, stream=True, options=CAPPED, sink=leaving(gone))
    (call,) = purse.calls()
    assert (call.cost_source, call.doubt_pusd) == (WORST_CASE, 0)


def test_whoever_stops_it_leaves_the_worst_case(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    provider.plays = [cut(*HALF)]
    with suppress(KeyboardInterrupt):
        purse.ask(model=LISTED, stream=True, options=CAPPED, sink=leaving(purse.interruption.on_signal))
    (call,) = purse.calls()
    assert (call.cost_source, call.doubt_pusd) == (WORST_CASE, 0)


def test_a_reader_that_makes_the_provider_wait_leaves_the_worst_case(
    purse: Purse, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft(purse)
    monkeypatch.setattr(calls, "_MOST_HELD_UP_S", 0.0)
    provider.plays = [cut(*HALF)]
    assert booked(purse).cost_source == WORST_CASE


OPENAI = catalogue.load()["openai"]
FAST = Variant((("speed", "fast"),), Tariff({"input": Rate(5, 1), "output": Rate(5, 1)}))
PRICE = Price(
    "openai", "gpt-4.1", (Tariff({"input": Rate(1, 1), "output": Rate(1, 1)}),), (FAST,), context_window=10_000
)
BOUNDS = Bounds(400, NOON_US, SENT_US, max_output=5000)
CAME = AttemptUse(True, text_bytes=40)
REPORTED = CAME._replace(metered=Metered(Usage(input=70, output=3)))


def plan_of(bounds: Bounds, price: Price = PRICE) -> Plan:
    target = Target(SpendingKey("key", "openai", "https://api.example/v1"), OPENAI, "gpt-4.1", None)
    return Plan(
        target, OPENAI.dialect(), Request("gpt-4.1", ()), price, True, bounds, worst_case(price, bounds), 0,
        is_limited=True,
    )  # fmt: skip


def estimate(bounds: Bounds, used: AttemptUse = CAME, price: Price = PRICE, protocol: str = "") -> Bill | None:
    made = plan_of(bounds, price)._replace(protocol=protocol)
    return soft_bill(made, used, NOON_US, lambda _: price, bill(made, used, NOON_US, lambda _: price))


@pytest.mark.parametrize(("asked", "cost_pusd"), [({}, 110), ({"speed": "fast"}, 550)])
def test_a_dear_tier_that_was_asked_for_is_estimated_at_its_rates(asked: dict[str, str], cost_pusd: int) -> None:
    found = estimate(BOUNDS._replace(services=ways_of_serving(PRICE, asked)))
    assert found is not None
    assert (found.cost_pusd, found.source) == (cost_pusd, ESTIMATED)


UNSEEN: dict[str, tuple[Bounds, AttemptUse]] = {
    "runs at the provider": (BOUNDS._replace(iterations=2), REPORTED),
    "tools at the provider": (BOUNDS._replace(units=(("requests", 1),)), REPORTED),
    "images or sound": (BOUNDS._replace(output_modalities=("audio",)), REPORTED),
    "texts of which the best is sent": (BOUNDS._replace(choices=3), REPORTED),
    "another model beside": (
        BOUNDS, REPORTED._replace(metered=REPORTED.metered._replace(others=(ModelUsage("x", Usage(output=1)),)))
    ),
    "a field that nobody read": (BOUNDS, REPORTED._replace(metered=REPORTED.metered._replace(unread=(("x", 1),)))),
    "an input that is only named": (BOUNDS._replace(referenced=True), CAME),
    "a document of unknown length": (BOUNDS._replace(media=(Media("document"),)), CAME),
    "a cache that is written": (BOUNDS._replace(cache_write="5m"), CAME),
    "no less than the worst case": (BOUNDS._replace(text_tokens=0), CAME._replace(text_bytes=10**9)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSEEN)
def test_there_is_no_estimate_of_what_nobody_saw(name: str) -> None:
    price = PRICE._replace(variants=())
    bounds, used = UNSEEN[name]
    assert estimate(BOUNDS, used._replace(metered=Metered(), text_bytes=40), price) is not None
    protocol = "openai_completions" if bounds.choices > 1 else ""
    if name == "no less than the worst case":
        used = used._replace(metered=Metered(Usage(input=10**6, output=0)))
    assert estimate(bounds, used, price, protocol) is None


@pytest.mark.parametrize(
    "bounds",
    [
        BOUNDS._replace(referenced=True),
        BOUNDS._replace(media=(Media("document"),)),
        BOUNDS._replace(cache_write="5m"),
        BOUNDS._replace(media=(Media("image"),)),
    ],
    ids=str,
)
def test_an_input_that_was_reported_hides_nothing(bounds: Bounds) -> None:
    found = estimate(bounds, REPORTED)
    assert found is not None
    assert (found.usage.input, found.usage.output, found.cost_pusd) == (70, 10, 80)


def test_what_somebody_cut_off_is_not_the_providers_doing_whatever_came_before() -> None:
    data = b"".join(
        b"data: " + json.dumps(each).encode() + b"\n\n" for each in (*HALF, {"error": {"code": 502, "message": "x"}})
    )
    for by_upstream in (False, True):
        exchange = Exchange(plan_of(BOUNDS)._replace(request=Request("gpt-4.1", (), stream=True)))
        exchange.head(200, {"content-type": "text/event-stream"})
        exchange.feed(data)
        exchange.cut("cancelled", Unreadable("x"), by_upstream=by_upstream)
        assert exchange.received().by_upstream is by_upstream


def test_two_budgets_of_which_one_says_worst_book_the_worst(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    purse.budget("org", "100")
    provider.plays = [cut(*HALF)]
    assert booked(purse).cost_source == WORST_CASE


def test_beyond_a_fifth_of_the_limit_it_is_the_worst_case_again(purse: Purse, provider: FakeProvider) -> None:
    soft(purse, usd="2")
    provider.plays = [cut(*HALF)]
    found = [booked(purse, options=Options(max_tokens=10_000)) for _ in range(5)]
    kept = sum(call.doubt_pusd for call in found)
    assert [call.cost_source for call in found] == sorted(
        (call.cost_source for call in found), key=(ESTIMATED, WORST_CASE).index
    )
    assert {ESTIMATED, WORST_CASE} == {call.cost_source for call in found}
    assert kept * 5 <= parse_usd("2") < (kept + found[0].doubt_pusd) * 5


def test_a_budget_made_soft_while_the_call_is_under_way_lets_it_be_estimated(
    purse: Purse, provider: FakeProvider
) -> None:
    purse.budget("team:support", "100")

    def turned(connection: socket.socket, seen: Seen) -> None:
        soft(purse)
        cut(*HALF)(connection, seen)

    provider.plays = [turned]
    assert booked(purse).cost_source == ESTIMATED


def test_a_limit_of_the_callers_own_alone_stays_at_the_worst_case(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [cut(*HALF)]
    assert booked(purse, max_cost="5").cost_source == WORST_CASE


def test_what_is_told_of_the_call_is_what_was_booked(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    provider.plays = [cut(*HALF)]
    spent = purse.ask(model=LISTED, stream=True, options=CAPPED)
    (call,) = purse.calls()
    assert (spent.last.bill.cost_pusd, spent.last.bill.source) == (call.cost_pusd, ESTIMATED)
    assert spent.last.left_pusd == parse_usd("100") - call.cost_pusd


def test_a_whole_stream_is_booked_as_ever(purse: Purse, provider: FakeProvider) -> None:
    soft(purse)
    provider.plays = [stream(*WHOLE_STREAM), answer(200)]
    assert booked(purse).cost_source == COMPUTED


@needs_recorded
def test_no_recorded_model_of_the_list_reasons_unless_the_request_says_so() -> None:
    words_of_reasoning = ('"thinking', '"reasoning', '"effort', '"output_config')
    seen, wrong = 0, []
    for record in records():
        if not is_stream(record) or any(word in (record["request"].get("body") or "") for word in words_of_reasoning):
            continue
        found = decoded(record)
        usage = getattr(found, "reply", found).metered.usage
        if usage is None or not dialect(record["provider"]).is_shown(record["model"] or ""):
            continue
        seen += 1
        if usage.reasoning:
            wrong.append((record["id"], record["model"], usage.reasoning))
    assert seen > 20
    assert not wrong
