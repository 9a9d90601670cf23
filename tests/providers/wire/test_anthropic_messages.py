"""Anthropic messages: what goes out, what comes back, and the stream with its cumulative usage."""

from __future__ import annotations

import json

import pytest
from wire_samples import NUMBER, PIXEL, TALK, WEATHER, dialect, drained, ended, sent, sse, with_options

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.anthropic_messages import MessageStream, decode, encode
from aikeys.providers.wire.values import (
    ApiError,
    Failed,
    File,
    Finished,
    Image,
    Message,
    Options,
    ReasoningPiece,
    Reply,
    Started,
    TextPiece,
    ToolCall,
    ToolCallPiece,
    ToolResult,
    UsageSeen,
)

CLAUDE = dialect("anthropic")
START = {
    "type": "message_start",
    "message": {
        "id": "msg-1",
        "model": "claude-x",
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
            "output_tokens": 1,
        },
    },
}
STOP = {"type": "message_stop"}


def delta(kind: str, index: int = 0, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def usage_of(**usage: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def test_a_whole_conversation_goes_out() -> None:
    outgoing = encode(TALK, CLAUDE)
    assert dict(outgoing.headers)["anthropic-version"] == "2023-06-01"
    assert sent(outgoing) == {
        "model": "m",
        "max_tokens": 99,
        "system": "be brief",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "weather here?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"town": "Bonn"}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}]},
        ],
        "tools": [
            {"name": "weather", "description": "the weather of a town", "input_schema": dict(WEATHER.parameters)}
        ],
    }


def test_options_and_a_schema_go_out() -> None:
    body = sent(encode(with_options(temperature=0.5, top_p=0.1, stop=("a",), effort="low"), CLAUDE))
    assert (body["temperature"], body["top_p"], body["stop_sequences"]) == (0.5, 0.1, ["a"])
    assert body["output_config"] == {"effort": "low"}
    body = sent(encode(with_options(effort="none")._replace(schema=NUMBER, stream=True), CLAUDE))
    assert body["thinking"] == {"type": "disabled"}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": dict(NUMBER.schema)}}
    assert body["stream"] is True
    with pytest.raises(BadUsage, match="no reasoning effort minimal"):
        encode(with_options(effort="minimal"), CLAUDE)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ("weather", {"type": "tool", "name": "weather"}),
    ],
)
def test_a_choice_of_tools_goes_out(wanted: str, said: object) -> None:
    assert sent(encode(with_options(tool_choice=wanted)._replace(tools=(WEATHER,)), CLAUDE))["tool_choice"] == said


def test_documents_addresses_and_failed_tools_go_out() -> None:
    parts = (
        File("application/pdf", b"%PDF", "a.pdf"),
        Image(url="https://e.example/i.png"),
        ToolResult("c", "t", "x", failed=True),
    )
    content = sent(encode(with_options()._replace(messages=(Message("user", parts),)), CLAUDE))["messages"][0][
        "content"
    ]  # type: ignore[index]
    assert content[0]["type"] == "document"
    assert content[1] == {"type": "image", "source": {"type": "url", "url": "https://e.example/i.png"}}
    assert content[2]["is_error"] is True
    with pytest.raises(BadUsage, match="application/zip"):
        encode(with_options()._replace(messages=(Message("user", (File("application/zip", b"PK"),)),)), CLAUDE)
    with pytest.raises(BadUsage, match="system prompt can only be text"):
        encode(with_options()._replace(messages=(Message("system", (Image("image/png", PIXEL),)),)), CLAUDE)


def test_a_reply_is_read() -> None:
    body = {
        "id": "msg-1",
        "type": "message",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"town": "Bonn"}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 9, "output_tokens": 3, "speed": "fast"},
    }
    reply = decode(200, {"request-id": "req-1"}, json.dumps(body).encode(), CLAUDE)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.finish, reply.request_id) == ("hi", "hm", "tool_calls", "req-1")
    assert reply.tool_calls == (ToolCall("c1", "weather", '{"town":"Bonn"}'),)
    assert reply.usage == Usage(9, output=3)
    assert reply.metered.service == (("speed", "fast"),)


def test_an_error_is_an_error_whatever_the_status() -> None:
    body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req-2"}'
    for status in (200, 529):
        error = decode(status, {}, body, CLAUDE)
        assert isinstance(error, ApiError)
        assert (error.kind, error.message) == ("overloaded", "busy")


def test_a_stream_yields_its_events_in_order() -> None:
    data = sse(
        START,
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        delta("thinking_delta", thinking="hm"),
        delta("signature_delta", signature="x"),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        delta("text_delta", 1, text="hi"),
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "c1", "name": "weather"},
        },
        delta("input_json_delta", 2, partial_json="{}"),
        usage_of(output_tokens=40),
        STOP,
        event=True,
    )
    stream = MessageStream(CLAUDE)
    stream.feed(data)
    events = [event for event in drained(stream) if not isinstance(event, UsageSeen)]
    assert events == [
        Started("claude-x", "msg-1"),
        ReasoningPiece("hm"),
        TextPiece("hi"),
        ToolCallPiece(2, "c1", "weather"),
        ToolCallPiece(2, arguments="{}"),
        Finished("stop"),
    ]
    end = stream.end()
    assert end.complete
    assert end.reply.usage == Usage(160, 100, 20, 30, 40)
    assert end.reply.tool_calls == (ToolCall("c1", "weather", "{}"),)


@pytest.mark.parametrize(
    "last",
    [
        {"output_tokens": 40},
        {"output_tokens": 40, "input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
        {"output_tokens": 40, "input_tokens": None, "cache_read_input_tokens": None},
        {"output_tokens": 40, "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50},
    ],
    ids=["only the output", "zeros", "nulls", "everything again"],
)
def test_a_last_report_neither_wipes_nor_doubles_the_first(last: dict[str, object]) -> None:
    end = ended(MessageStream(CLAUDE), sse(START, usage_of(output_tokens=7), usage_of(**last), STOP))
    assert end.reply.usage == Usage(160, 100, 20, 30, 40)


def test_a_server_that_reports_its_input_at_the_end_is_believed() -> None:
    start = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 0, "output_tokens": 0}}}
    end = ended(MessageStream(CLAUDE), sse(start, usage_of(input_tokens=33, output_tokens=5), STOP))
    assert end.reply.usage == Usage(33, output=5)


def test_a_cut_stream_knows_its_input() -> None:
    end = ended(MessageStream(CLAUDE), sse(START, delta("text_delta", text="hi")), closed=False)
    assert not end.complete
    assert end.reply.usage == Usage(160, 100, 20, 30, 1)
    assert end.text_bytes == 2


def test_an_error_in_the_middle_is_one_event_and_what_was_used_stays() -> None:
    stream = MessageStream(CLAUDE)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    stream.feed(sse(START, delta("text_delta", text="hi"), error, event=True))
    assert [type(event) for event in drained(stream)].count(Failed) == 1
    end = stream.end()
    assert end.error is not None
    assert end.error.kind == "overloaded"
    assert end.reply.usage is not None
    assert end.reply.usage.input == 160


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ("", {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("weather", {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_tool_call_in_a_reply_goes_out_in_the_choice_of_tools(asked: str, choice: object) -> None:
    request = with_options(tool_choice=asked, parallel_tools=False)._replace(tools=(WEATHER._replace(strict=True),))
    body = sent(encode(request, CLAUDE))
    assert body["tool_choice"] == choice
    assert body["tools"][0]["strict"] is True  # type: ignore[index]
    assert "tool_choice" not in sent(encode(request._replace(options=Options(9, parallel_tools=True)), CLAUDE))


@pytest.mark.parametrize("arguments", ["{", "[1]", "\ud800"])
def test_arguments_of_a_tool_that_are_no_object_are_the_callers_mistake(arguments: str) -> None:
    message = Message("assistant", (ToolCall("call_9", "weather", arguments),))
    with pytest.raises(BadUsage, match="the tool call call_9"):
        encode(with_options()._replace(messages=(message,)), CLAUDE)
