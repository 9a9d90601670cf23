"""A chat request becomes values: everything is carried, known to be harmless, or refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.formats.openai_requests import ChatRequest, chat_request
from aikeys.providers.catalogue import load
from aikeys.providers.wire import exact_json
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Message, Options, Request, Schema, Text, Tool

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    },
}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}
EVERY_FIELD: dict[str, Any] = {
    "model": "openai/gpt-4.1",
    "messages": HELLO,
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "number", "description": "one", "schema": NUMBER, "strict": True},
    },
    "temperature": 0.5,
    "top_p": 0.25,
    "stop": ["END"],
    "seed": 7,
    "max_completion_tokens": 99,
    "reasoning_effort": "low",
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "stream": True,
    "stream_options": {"include_usage": True},
    "metadata": {"team_id": "support", "job": "7"},
    "priority": 3,
    "user": "ana",
}


def asked(**fields: object) -> ChatRequest:
    return chat_request({"model": "openai/gpt-4.1", "messages": HELLO, **fields})


def refused(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert caught.value.http_status == 400
    return caught.value


def test_every_field_that_we_know_arrives() -> None:
    parameters = {"type": "object", "properties": {"town": {"type": "string"}}}
    assert chat_request(EVERY_FIELD) == ChatRequest(
        Request(
            "openai/gpt-4.1",
            (Message("user", (Text("hello"),)),),
            (Tool("weather", "of a town", parameters),),
            Schema(NUMBER, "number", "one", strict=True),
            Options(
                max_tokens=99,
                temperature=0.5,
                top_p=0.25,
                stop=("END",),
                seed=7,
                effort="low",
                tool_choice="weather",
                parallel_tools=False,
                frequency_penalty=0.5,
                presence_penalty=-0.5,
            ),
            stream=True,
        ),
        includes_usage=True,
        metadata={"team_id": "support", "job": "7"},
        priority=3,
        user="ana",
    )


def test_what_arrives_goes_out_to_openai_as_it_came() -> None:
    dialect = load()["openai"].dialect()
    found = chat_request(EVERY_FIELD).request
    body = json.loads(protocol_of(dialect).encode(found, dialect).body)
    ours = ("metadata", "priority", "user")
    assert body == {name: value for name, value in EVERY_FIELD.items() if name not in ours}


def test_null_is_the_same_as_absent() -> None:
    names = {*EVERY_FIELD, "logprobs", "functions", "audio", "unheard_of"} - {"model", "messages"}
    assert asked(**dict.fromkeys(names)) == asked()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", False),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("modalities", ["text"]),
        ("verbosity", "medium"),
        ("logit_bias", {}),
        ("safety_identifier", "x"),
        ("prompt_cache_key", "x"),
        ("n", 1),
        ("frequency_penalty", 0),
        ("response_format", {"type": "text"}),
        ("stream_options", {"include_obfuscation": False}),
        ("tool_choice", "auto"),
        ("tool_choice", "none"),
        ("parallel_tool_calls", False),
        ("tools", []),
    ],
)
def test_a_harmless_field_changes_nothing(name: str, value: object) -> None:
    assert asked(**{name: value}) == asked()


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("store", True, "store"),
        ("logprobs", True, "logprobs"),
        ("service_tier", "flex", "service_tier"),
        ("modalities", ["text", "audio"], "modalities"),
        ("audio", {"voice": "x"}, "audio"),
        ("prediction", {"type": "content"}, "prediction"),
        ("web_search_options", {}, "web_search_options"),
        ("functions", [], "functions"),
        ("top_k", 3, "top_k"),
        ("unheard_of", 1, "unheard_of"),
        ("temperature", "warm", "temperature"),
        ("temperature", True, "temperature"),
        ("temperature", 10**400, "temperature"),
        ("seed", 1.5, "seed"),
        ("seed", 1 << 63, "seed"),
        ("n", 0, "n"),
        ("max_tokens", 0, "max_tokens"),
        ("max_tokens", True, "max_tokens"),
        ("stop", ["a", 1], "stop"),
        ("stop", "", "stop"),
        ("stream", "yes", "stream"),
        ("reasoning_effort", "huge", "reasoning_effort"),
        ("priority", 11, "priority"),
        ("metadata", {"a": 1}, "metadata.a"),
        ("metadata", {"a" * 65: "b"}, "metadata"),
        ("metadata", ["a"], "metadata"),
        ("tool_choice", "required", "tool_choice"),
        ("tool_choice", {}, "tool_choice"),
        ("tools", [{"type": "web_search"}], "tools[0].type"),
        ("tools", [{"type": "function"}], "tools[0].function"),
        ("tools", [{"type": "function", "function": {"name": "a", "parameters": []}}], "tools[0].function.parameters"),
        ("tools", [{**TOOL, "cache_control": {}}], "tools[0].cache_control.type"),
        ("response_format", {"type": "grammar"}, "response_format.type"),
        ("response_format", {"type": "json_schema"}, "response_format.json_schema"),
        ("response_format", {"type": "json_schema", "json_schema": {}}, "response_format.json_schema.schema"),
        ("stream_options", {"include": 1}, "stream_options.include"),
        ("messages", [], "messages"),
        ("messages", "hello", "messages"),
        ("messages", ["hello"], "messages[0]"),
        ("model", "", "model"),
        ("model", 4, "model"),
        ("user", "\ud800", "user"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_name(name: str, value: object, field: str) -> None:
    error = refused(**{name: value})
    assert error.field == field
    assert error.message.startswith(f"{field} ")


def test_a_field_beside_tools_that_makes_no_sense_is_refused() -> None:
    assert refused(tools=[TOOL], n=2).field == "n"
    assert refused(tools=[TOOL], tool_choice="maybe").field == "tool_choice"
    chosen = {"type": "function", "function": {"name": "other"}}
    assert refused(tools=[TOOL], tool_choice=chosen).field == "tool_choice.function.name"
    allowed = {"type": "allowed_tools", "allowed_tools": {}}
    assert refused(tools=[TOOL], tool_choice=allowed).field == "tool_choice.type"


def test_the_refusal_names_the_route_that_passes_everything_on() -> None:
    assert "/openai/v1/chat/completions" in refused(logprobs=True).hint


def test_both_names_of_the_cap_are_one_and_may_not_differ() -> None:
    assert asked(max_tokens=5).request.options.max_tokens == 5
    assert asked(max_tokens=5, max_completion_tokens=5).request.options.max_tokens == 5
    assert refused(max_tokens=5, max_completion_tokens=6).field == "max_tokens"


def test_json_of_any_shape_and_a_loose_schema() -> None:
    assert asked(response_format={"type": "json_object"}).request.options.json_object
    found = asked(response_format={"type": "json_schema", "json_schema": {"schema": NUMBER}}).request.schema
    assert found == Schema(NUMBER, strict=False)


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    (tool,) = asked(tools=[bare]).request.tools
    assert tool == Tool("now", "", {"type": "object", "properties": {}}, strict=True)


def test_usage_is_for_streams_only() -> None:
    assert not asked(stream_options={"include_usage": True}).includes_usage
    assert asked(stream=True, stream_options={"include_usage": True}).includes_usage
    assert not asked(stream=True).includes_usage


def test_a_schema_without_end_is_refused_before_anything_walks_through_it() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(5000):
        inner["a"] = {}
        inner = inner["a"]
    error = refused(tools=[{"type": "function", "function": {"name": "a", "parameters": deep}}])
    assert error.field == "tools[0].function.parameters"


@pytest.mark.parametrize("body", [None, [], "x", 1, {}])
def test_a_body_that_is_no_request_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest):
        chat_request(body)


def test_an_error_never_repeats_a_value_and_shows_a_strange_name_harmlessly() -> None:
    assert "sk-CANARY" not in refused(temperature="sk-CANARY-1").message
    error = refused(**{"a\x1b[31m\n" + "b" * 500: 1})
    assert error.message.isprintable()
    assert len(error.message) < 120


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.sampled_from(
    [*["user", "tool", "text", "auto", "json_object", "data:image/png;base64,aGk=", "https://a.b/c", "{}"], ""]
)
INNER = st.sampled_from(
    [*["role", "content", "type", "text", "image_url", "url", "tool_calls", "id", "function", "name"], "description"]
)
SHAPED = st.recursive(
    JSON | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(EVERY_FIELD)) | st.text(max_size=9), SHAPED, max_size=2) | JSON)
@example({"model": "a", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:,"}}]}]})
def test_no_body_makes_the_reader_raise_anything_but_its_own_error(body: object) -> None:
    whole = {**EVERY_FIELD, **body} if isinstance(body, dict) else body
    try:
        found = chat_request(whole)
    except InvalidRequest:
        return
    assert found.request.messages


def test_no_value_of_another_type_in_a_rich_body_makes_the_reader_raise_anything_but_its_own_error() -> None:
    from random import Random

    dice = Random(5)
    audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}}
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    call["extra_content"] = {"google": {"thought_signature": "mark"}}
    rich = {
        **EVERY_FIELD,
        "messages": [
            {"role": "developer", "content": "brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, image, audio, file], "name": "ana"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "rain"}]},
        ],
    }
    assert len(chat_request(rich).request.messages) == 4
    outcomes = set()
    for _ in range(5000):
        try:
            chat_request(swapped(json.loads(json.dumps(rich)), dice))
        except InvalidRequest as error:
            outcomes.add(error.field)
    assert len(outcomes) > 60


def swapped(value: Any, dice: Any) -> object:
    """Return a value with one of its inner values replaced by one of another type."""
    others: list[Any] = [-1, 1.5, "x", [], {}, True, [1], {"a": 1}, 10**400, 0, [None], [[]], float("nan"), ""]
    holder = value
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = dice.choice(keys)
        if not isinstance(holder[key], dict | list) or not holder[key] or dice.random() < 0.2:
            holder[key] = dice.choice(others)
            return value
        holder = holder[key]


TEXTS = st.text(max_size=8)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": WORDS})}),
)
CALLS = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abc"),
        "function": st.fixed_dictionaries({"name": st.just("weather"), "arguments": TEXTS | st.just('{"a":1.5}')}),
    }
)
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system"]), "content": TEXTS | st.lists(PARTS, min_size=1)}
    ),
    st.fixed_dictionaries({"role": st.just("assistant"), "tool_calls": st.lists(CALLS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": st.sampled_from("abc"), "content": TEXTS}),
)
SPOKEN = [load()[name].dialect() for name in ("openai", "anthropic", "gemini", "cohere", "groq")]


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_messages_that_are_taken_can_be_written_or_are_refused_for_every_protocol(messages: list[object]) -> None:
    try:
        request = asked(messages=messages, max_tokens=9).request
    except InvalidRequest:
        return
    for spoken in SPOKEN:
        try:
            outgoing = protocol_of(spoken).encode(request, spoken)
        except UsageError:
            event(f"refused by {spoken.title}")
            continue
        event(f"written for {spoken.title}")
        exact_json.read_table(outgoing.body)
