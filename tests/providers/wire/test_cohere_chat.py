"""Cohere v2 chat: what goes out, what comes back, and the streams of v2 and v1."""

from __future__ import annotations

import json

import pytest
from wire_samples import HELLO, NUMBER, TALK, WEATHER, dialect, drained, ended, sent, sse, with_options

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.cohere_chat import CohereStream, decode, encode
from aikeys.providers.wire.values import (
    ApiError,
    Finished,
    Image,
    Message,
    ReasoningPiece,
    Reply,
    Started,
    TextPiece,
    ToolCall,
    ToolCallPiece,
    UsageSeen,
)

COHERE = dialect("cohere")
USAGE = {"billed_units": {"input_tokens": 25, "output_tokens": 9}, "tokens": {"input_tokens": 91, "output_tokens": 11}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def piece(kind: str, message: object) -> dict[str, object]:
    return {"type": kind, "index": 0, "delta": {"message": message}}


def test_a_whole_conversation_goes_out() -> None:
    body = sent(encode(TALK, COHERE))
    assert body["max_tokens"] == 99
    assert body["stream"] is False
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]  # type: ignore[attr-defined]
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "rain"}  # type: ignore[index]
    assert body["tools"][0]["function"]["name"] == "weather"  # type: ignore[index]


def test_options_and_a_schema_go_out_in_coheres_words() -> None:
    body = sent(encode(with_options(top_p=0.1, stop=("a",), seed=3)._replace(schema=NUMBER), COHERE))
    assert (body["p"], body["stop_sequences"], body["seed"]) == (0.1, ["a"], 3)
    assert body["response_format"] == {"type": "json_object", "schema": dict(NUMBER.schema)}
    body = sent(encode(with_options(tool_choice="required")._replace(tools=(WEATHER,)), COHERE))
    assert body["tool_choice"] == "REQUIRED"
    with pytest.raises(BadUsage, match="one tool by name"):
        encode(with_options(tool_choice="weather")._replace(tools=(WEATHER,)), COHERE)


def test_a_reply_is_read() -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]
    body = {
        "id": "x",
        "message": {"content": content, "tool_calls": [CALL]},
        "finish_reason": "TOOL_CALL",
        "usage": USAGE,
    }
    reply = decode(200, {}, json.dumps(body).encode(), COHERE)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.finish, reply.message_id) == ("hi", "hm", "tool_calls", "x")
    assert reply.tool_calls == (ToolCall("c1", "weather", "{}"),)
    assert reply.usage == Usage(25, output=9)


def test_an_error_is_an_error() -> None:
    error = decode(429, {}, b'{"id": "x", "message": "slow down"}', COHERE)
    assert isinstance(error, ApiError)
    assert (error.kind, error.message) == ("rate_limited", "slow down")


def test_a_stream_yields_its_events_in_order() -> None:
    data = sse(
        {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}},
        piece("content-delta", {"content": {"thinking": "hm"}}),
        piece("content-delta", {"content": {"text": "hi"}}),
        piece("tool-call-start", {"tool_calls": {**CALL, "function": {"name": "weather", "arguments": ""}}}),
        piece("tool-call-delta", {"tool_calls": {"function": {"arguments": "{}"}}}),
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}},
        event=True,
    )
    stream = CohereStream(COHERE)
    stream.feed(data)
    assert [event for event in drained(stream) if not isinstance(event, UsageSeen)] == [
        Started("", "x"),
        ReasoningPiece("hm"),
        TextPiece("hi"),
        ToolCallPiece(0, "c1", "weather"),
        ToolCallPiece(0, arguments="{}"),
        Finished("tool_calls"),
    ]
    end = stream.end()
    assert end.complete
    assert end.reply.usage == Usage(25, output=9)


def test_a_stream_that_ends_in_an_error_is_not_complete() -> None:
    data = sse({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "boom", "usage": USAGE}})
    end = ended(CohereStream(COHERE), data)
    assert not end.complete
    assert end.error is not None
    assert end.error.message == "boom"
    assert end.reply.usage == Usage(25, output=9)


def test_a_stream_can_be_asked_for() -> None:
    assert sent(encode(HELLO._replace(stream=True), COHERE))["stream"] is True


def test_what_the_gateway_is_asked_for_goes_out_in_coheres_words() -> None:
    image = Image("image/png", b"p", detail="low")
    request = with_options(json_object=True, frequency_penalty=0.5, presence_penalty=0.25)
    request = request._replace(tools=(WEATHER, WEATHER._replace(strict=True)), messages=(Message("user", (image,)),))
    body = sent(encode(request, COHERE))
    assert body["response_format"] == {"type": "json_object"}
    assert (body["frequency_penalty"], body["presence_penalty"], body["strict_tools"]) == (0.5, 0.25, True)
    assert body["messages"][0]["content"][0]["image_url"]["detail"] == "low"  # type: ignore[index]
    assert "strict_tools" not in sent(encode(with_options()._replace(tools=(WEATHER,)), COHERE))
