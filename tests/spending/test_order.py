"""A body that is passed on is written anew only where its cap is another one, or might be passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aikeys.errors import CannotDecide, UsageError
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.providers.wire.exact_json import read_table
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Message, Options, Request, Text
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.order import Address, Native, PassedOn, Translated
from aikeys.spending.plan import Circumstances, lowered

NOW_US = 1_795_435_200_000_000


def test_a_lowered_cap_goes_out_and_not_the_body_that_was_checked_before(tmp_path: Path) -> None:
    known = catalogue.load()
    model = "gpt-4o-mini"
    found = Book(str(tmp_path), {}, {}, known).find("openai", model)
    target = Target(SpendingKey("openai", "openai", "https://api.openai.example/v1"), known["openai"], model, found)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5000}
    order = PassedOn(Native("openai_chat", body), Address("POST", "/chat/completions"))
    made = order.plan(target, Circumstances(NOW_US, NOW_US + 10**9, 10**12))
    checked = order.outgoing(made)
    assert order.outgoing(made).body is checked.body
    less = lowered(made, made.worst.cost_pusd - made.worst.output_pusd // 2)
    assert less.cap < 5000
    assert less.cap in json.loads(order.outgoing(less).body).values()
    assert 5000 not in json.loads(order.outgoing(less).body).values()
    assert json.loads(order.outgoing(made).body) == json.loads(checked.body)


@pytest.mark.parametrize("provider", ["openai", "mistral"])
def test_under_a_limit_a_cap_goes_out_under_the_providers_own_name_alone(tmp_path: Path, provider: str) -> None:
    order, target = passed_on(tmp_path, provider, max_tokens=50, max_completion_tokens=50)
    own = target.provider.dialect().cap
    sent = json.loads(order.outgoing(order.plan(target, limited())).body)
    assert {name: value for name, value in sent.items() if name.startswith("max_")} == {own: 50}
    order, target = passed_on(tmp_path, provider, max_tokens=50)
    sent = json.loads(order.outgoing(order.plan(target, limited())).body)
    assert {name: value for name, value in sent.items() if name.startswith("max_")} == {own: 50}


@pytest.mark.parametrize("provider", ["openai", "mistral"])
def test_two_caps_that_differ_are_refused_under_a_limit_and_go_as_they_came_without_one(
    tmp_path: Path, provider: str
) -> None:
    order, target = passed_on(tmp_path, provider, max_tokens=5, max_completion_tokens=64_000)
    with pytest.raises(CannotDecide, match="max_tokens beside another max_completion_tokens"):
        order.plan(target, limited())
    made = order.plan(target, Circumstances(NOW_US, NOW_US + 10**9))
    sent = json.loads(order.outgoing(made).body)
    assert (sent["max_tokens"], sent["max_completion_tokens"]) == (5, 64_000)


def test_a_cap_under_a_name_that_the_provider_may_pass_over_is_replaced_under_a_limit(tmp_path: Path) -> None:
    order, target = passed_on(tmp_path, "mistral", max_completion_tokens=10**6)
    made = order.plan(target, limited())
    sent = json.loads(order.outgoing(made).body)
    assert (sent.get("max_completion_tokens"), sent["max_tokens"]) == (None, made.cap)


@pytest.mark.parametrize("background", [True, "true", 1])
def test_what_is_only_queued_has_no_plan_with_a_limit_or_without(tmp_path: Path, background: object) -> None:
    _, target = passed_on(tmp_path, "openai")
    order = PassedOn(
        Native("openai_responses", {"input": "hi", "background": background}), Address("POST", "/responses")
    )
    for circumstances in (limited(), Circumstances(NOW_US, NOW_US + 10**9)):
        with pytest.raises(UsageError, match="background is set"):
            order.plan(target, circumstances)


def limited() -> Circumstances:
    return Circumstances(NOW_US, NOW_US + 10**9, 10**12)


def passed_on(folder: Path, provider: str, **caps: int) -> tuple[PassedOn, Target]:
    known = catalogue.load()
    model = {"openai": "gpt-4o-mini", "mistral": "mistral-large-latest"}[provider]
    found = Book(str(folder), {}, {}, known).find(provider, model)
    target = Target(SpendingKey(provider, provider, "https://api.provider.example/v1"), known[provider], model, found)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **caps}
    return PassedOn(Native("openai_chat", body), Address("POST", "/chat/completions")), target


@pytest.mark.parametrize("name", sorted(catalogue.load()))
def test_the_same_call_has_the_same_bound_as_our_request_and_as_a_clients_body(name: str, tmp_path: Path) -> None:
    known = catalogue.load()
    if known[name].protocol == "none" or not known[name].dialect().chat:
        return
    dialect = known[name].dialect()
    prices = {f"{name}/m": {"input": "1", "output": "2"}}
    found = Book(str(tmp_path), prices, {}, known).find(name, "m")
    target = Target(SpendingKey(name, name, "https://api.example/v1"), known[name], "m", found)
    when = Circumstances(NOW_US, NOW_US + 10**9)
    request = Request("m", (Message("user", (Text("What is this?"),)),), options=Options(max_tokens=500))
    ours = Translated(request).plan(target, when)
    protocol = protocol_of(dialect)
    body = read_table(protocol.encode(request, dialect).body)
    theirs = PassedOn(Native(protocol.name, body), Address("POST", "/x")).plan(target, when)
    assert ours.worst == theirs.worst
    assert (ours.cost, ours.cap, ours.open_ends) == (theirs.cost, theirs.cap, theirs.open_ends)


@pytest.mark.parametrize(
    ("protocol", "provider", "field", "inner"),
    [
        ("gemini_generate", "gemini", "generationConfig", "responseSchema"),
        ("gemini_generate", "gemini", "generation_config", "response_schema"),
        ("gemini_generate", "gemini", "generation_config", "responseJsonSchema"),
        ("anthropic_messages", "anthropic", "output_format", "schema"),
        ("anthropic_messages", "anthropic", "output_config", "format"),
    ],
)
def test_no_counter_is_asked_about_a_body_with_a_schema(protocol: str, provider: str, field: str, inner: str) -> None:
    dialect = catalogue.load()[provider].dialect()
    for value, countable in (({}, True), ({field: {inner: {"type": "object"}}}, False)):
        order = PassedOn(Native(protocol, {"messages": [], **value}), Address("POST", "/x"))
        assert order.is_countable(dialect) is countable
