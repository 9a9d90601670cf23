"""Recorded chats have the same bound as a client's own body and as our request, and none below what they cost."""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

from aikeys.errors import AikeysError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.formats.openai_requests import chat_request
from aikeys.pricing.book import Book
from aikeys.pricing.bounds import MESSAGE_TOKENS
from aikeys.providers import catalogue
from aikeys.providers.wire.exact_json import Table, read_table
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.order import Address, Native, Order, PassedOn, Translated, encoded
from aikeys.spending.plan import Circumstances, Plan
from tests.providers.wire.recorded_exchanges import needs_recorded
from tests.spending.recorded_bounds import NOON_US, SENT_US, Judged, judged_records

WHEN = Circumstances(NOON_US, SENT_US)


class Both(NamedTuple):
    """A recorded chat planned at both doors. `ours` None: it cannot be said in our values."""

    judged: Judged
    body: Table
    theirs: Plan
    ours: Plan | None


def planned(order: Order, target: Target) -> Plan | None:
    try:
        return order.plan(target, WHEN)
    except AikeysError:
        return None


@cache
def chats() -> tuple[Both, ...]:
    known, found = catalogue.load(), []
    book = Book("", {}, {}, known)
    for judged in judged_records():
        record = judged.record
        provider = known.get(record["provider"])
        if record["endpoint"] != "chat" or provider is None or not judged.cost_pusd:
            continue
        if provider.protocol not in ("openai", "azure"):  # a gateway says it in their own words
            continue
        body = read_table(str(record["request"]["body"]).encode())
        model = record["model"] or str(body.get("model", ""))
        target = Target(
            SpendingKey("key", provider.name, "https://api.example/v1"),
            provider,
            model,
            book.find(provider.name, model),
        )
        theirs = planned(
            PassedOn(Native("openai_chat", body, body.get("stream") is True), Address("POST", "/x")), target
        )
        try:
            asked = chat_request(dict(body)).request
        except InvalidRequest:
            asked = None
        ours = planned(Translated(asked), target) if asked is not None else None
        if theirs is not None:
            found.append(Both(judged, body, theirs, ours))
    return tuple(found)


def size(body: Table) -> int:
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode())


@needs_recorded
def test_a_recorded_chat_has_the_same_bound_at_both_doors_but_for_how_it_is_written() -> None:
    """We leave out what says nothing (null, stream false) and join parts of text: so many bytes it may differ."""
    compared, wrong = 0, []
    for judged, body, theirs, ours in chats():
        if ours is None:
            continue
        compared += 1
        bytes_apart = abs(size(body) - size(read_table(encoded(ours).body)))
        messages_apart = theirs.bounds.messages - ours.bounds.messages
        text_apart = abs(theirs.bounds.text_tokens - ours.bounds.text_tokens)
        same_text = {"text_tokens": 0, "messages": 0}
        if (
            theirs.bounds._replace(**same_text) != ours.bounds._replace(**same_text)
            or text_apart > bytes_apart
            or messages_apart < 0
            or abs(theirs.worst.input_tokens - ours.worst.input_tokens) > bytes_apart + messages_apart * MESSAGE_TOKENS
            or (theirs.worst.output_tokens, theirs.open_ends) != (ours.worst.output_tokens, ours.open_ends)
        ):
            wrong.append((judged.record["id"], theirs.bounds, ours.bounds))
    assert not wrong
    assert compared > 100


@needs_recorded
def test_no_recorded_chat_cost_more_than_its_bound_at_either_door() -> None:
    plans = [(each.judged, plan) for each in chats() for plan in (each.theirs, each.ours) if plan is not None]
    wrong = [
        (judged.record["id"], plan.worst.cost_pusd, judged.cost_pusd)
        for judged, plan in plans
        if not plan.open_ends and plan.worst.cost_pusd < (judged.cost_pusd or 0)
    ]
    assert not wrong
    assert len(plans) > 200
