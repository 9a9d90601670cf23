"""A field at any depth of a request is metered, free by list, or undecided under a budget."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from aikeys.pricing.values import Price
from aikeys.providers import catalogue
from aikeys.providers.wire.values import Json
from aikeys.spending.native import bodies, paths
from aikeys.spending.native.bodies import NativeRequest, bounds_of_body
from aikeys.spending.native.paths import camel, places
from tests.providers.wire.recorded_exchanges import needs_recorded, records
from tests.spending.recorded_bounds import NOON_US, SENT_US, native_of

STRANGE = "modeOfTomorrow"


def unmetered(native: NativeRequest) -> tuple[str, ...]:
    return bounds_of_body(native, Price(native.dialect.provider, native.model), NOON_US, SENT_US).unmetered


def native(protocol: str, provider: str, **body: object) -> NativeRequest:
    return NativeRequest(protocol, catalogue.load()[provider].dialect(), "m", {"model": "m", **body})


@pytest.mark.parametrize(
    ("protocol", "provider", "body", "path"),
    [
        ("openai_responses", "openai", {"input": "a", "reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ("openai_responses", "openai", {"input": "a", "text": {"speed": 2}}, "text.speed"),
        ("openai_chat", "openai", {"messages": [], "reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ("openai_chat", "openai", {"messages": [], "stream_options": {"x": [{"y": 1}]}}, "stream_options.x"),
        ("openai_chat", "openai", {"messages": [], "temperature": {"y": 1}}, "temperature.y"),
        ("anthropic_messages", "anthropic", {"messages": [], "thinking": {"mode": 1}}, "thinking.mode"),
        ("anthropic_messages", "anthropic", {"messages": [], "output_config": {"a": 0}}, "output_config.a"),
        ("gemini_generate", "gemini", {"contents": [], "generation_config": {"thinking_config": {"thinking_mode": 1}}},
         "generationConfig.thinkingConfig.thinkingMode"),
        ("gemini_generate", "gemini", {"contents": [{"parts": [{"inline_data": {"x_y": 1}}]}]},
         "contents.parts.inlineData.xY"),
        ("cohere_chat", "cohere", {"messages": [], "thinking": {"mode": 1}}, "thinking.mode"),
        ("openai_embeddings", "openai", {"input": [{"x": 1}]}, "input.x"),
    ],
)  # fmt: skip
def test_a_nested_field_that_is_not_listed_is_undecided(
    protocol: str, provider: str, body: dict[str, object], path: str
) -> None:
    assert path in unmetered(native(protocol, provider, **body))


def test_what_a_schema_or_an_argument_holds_is_text() -> None:
    schema = {"type": "object", "properties": {"mode": {"type": "string"}}, STRANGE: {"mode": 1}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    assert unmetered(native("openai_chat", "openai", messages=[], tools=tools, metadata={"a": {"b": 1}})) == ()
    blocks = [{"type": "tool_use", "id": "i", "name": "f", "input": schema}]
    messages = [{"role": "assistant", "content": blocks}]
    tool = {"name": "f", "input_schema": schema}
    assert unmetered(native("anthropic_messages", "anthropic", messages=messages, tools=[tool])) == ()


def test_a_field_that_is_named_above_is_named_once() -> None:
    assert unmetered(native("openai_chat", "openai", messages=[], plugins=[{"id": "web"}])) == ("plugins",)


def test_a_body_nested_beyond_any_use_is_undecided() -> None:
    deep: Json = [{"type": "text", "text": "a"}]
    for _ in range(60):
        deep = [{"type": "tool_result", "tool_use_id": "i", "content": deep}]
    assert unmetered(native("anthropic_messages", "anthropic", messages=[{"role": "user", "content": deep}]))


@needs_recorded
def test_a_strange_field_anywhere_in_a_recorded_request_is_undecided_or_stands_where_all_is_text() -> None:
    seen = tried = 0
    for record in records():
        made = native_of(record)
        if made is None or unmetered(made):
            continue
        seen += 1
        for path in list(objects(made.body)):
            if is_text(made.protocol, path):
                continue
            body = copy.deepcopy(dict(made.body))
            target: Json = body
            for step in path:
                target = target[step]  # type: ignore[index]
            assert isinstance(target, dict)
            target[STRANGE] = 1
            tried += 1
            assert unmetered(made._replace(body=body)), (made.protocol, path)
    assert seen > 50
    assert tried > seen


def objects(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all objects, at most two of a list."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from objects(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:2]):
            yield from objects(inner, (*path, number))


def is_text(protocol: str, path: tuple[str | int, ...]) -> bool:
    place = places(protocol)
    for step in (each for each in path if isinstance(each, str)):
        name = camel(step) if protocol.startswith("gemini") else step
        found = place.below.get(name)
        if found is None:
            return False
        place = found
        if place.is_free:
            return True
    return False


def test_every_body_that_is_read_has_a_list_of_its_fields() -> None:
    assert set(paths._LISTS) == set(bodies._READERS)
    assert all(paths.places(protocol).names or paths.places(protocol).below for protocol in bodies._READERS)
