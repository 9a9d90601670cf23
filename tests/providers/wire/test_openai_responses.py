"""OpenAI responses: what goes out, what comes back, and the stream."""

from __future__ import annotations

import json

import pytest
from wire_samples import HELLO, NUMBER, PIXEL, TALK, WEATHER, dialect, drained, ended, sent, sse, with_options

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.openai_responses import ResponsesStream, decode, encode
from aikeys.providers.wire.values import (
    ApiError,
    Failed,
    File,
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

OPENAI = dialect("openai")
USAGE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}


def response(*output: object, status: str = "completed", **more: object) -> dict[str, object]:
    return {"id": "resp-1", "model": "gpt-x", "status": status, "output": list(output), "usage": USAGE, **more}


def test_a_whole_conversation_goes_out_and_nothing_is_stored() -> None:
    body = sent(encode(TALK, OPENAI))
    assert body["store"] is False
    assert body["max_output_tokens"] == 99
    assert body["input"] == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "be brief"}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "weather here?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K", "detail": "auto"},
            ],
        },
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"town":"Bonn"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
    ]
    assert body["tools"][0]["name"] == "weather"  # type: ignore[index]


def test_options_a_schema_and_files_go_out() -> None:
    parts = (File("application/pdf", b"%PDF", "a.pdf"), Image("image/png", PIXEL))
    request = with_options(temperature=0.1, top_p=0.2, effort="high")._replace(
        schema=NUMBER, stream=True, messages=(Message("user", parts),)
    )
    body = sent(encode(request, OPENAI))
    assert body["reasoning"] == {"effort": "high"}
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "number", "schema": dict(NUMBER.schema), "strict": True}
    }
    assert (body["temperature"], body["top_p"], body["stream"]) == (0.1, 0.2, True)
    assert body["input"][0]["content"][0]["filename"] == "a.pdf"  # type: ignore[index]


@pytest.mark.parametrize("option", [{"stop": ("a",)}, {"seed": 1}, {"n": 2}])
def test_what_this_api_does_not_have_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(BadUsage, match=r"OpenAI \(responses\) does not take"):
        encode(with_options(**option), OPENAI)


def test_a_provider_without_this_api_says_so() -> None:
    with pytest.raises(BadUsage, match="Mistral has no responses API"):
        encode(HELLO, dialect("mistral"))


def test_a_reply_is_read() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    found = decode(200, {}, json.dumps(response(thought, MESSAGE, CALL)).encode(), OPENAI)
    assert isinstance(found, Reply)
    assert (found.text, found.reasoning, found.finish, found.message_id) == ("hi", "hm", "tool_calls", "resp-1")
    assert found.tool_calls == (ToolCall("c1", "weather", "{}"),)
    assert found.usage == Usage(9, output=3)


def test_an_incomplete_reply_says_why_and_a_failed_one_is_an_error_with_its_usage() -> None:
    short = response(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    found = decode(200, {}, json.dumps(short).encode(), OPENAI)
    assert isinstance(found, Reply)
    assert found.finish == "length"
    failed = response(status="failed", error={"code": "server_error", "message": "boom"})
    error = decode(200, {}, json.dumps(failed).encode(), OPENAI)
    assert isinstance(error, ApiError)
    assert (error.kind, error.message, error.metered.usage) == ("server", "boom", Usage(9, output=3))


def test_a_stream_yields_its_events_in_order() -> None:
    data = sse(
        {"type": "response.created", "response": response(status="in_progress", usage=None)},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "hi"},
        {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"},
        {"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{}"},
        {"type": "response.completed", "response": response(MESSAGE, CALL)},
        event=True,
    )
    stream = ResponsesStream(OPENAI)
    stream.feed(data)
    *events, seen, last = drained(stream)
    assert events == [
        Started("gpt-x", "resp-1"),
        ReasoningPiece("hm"),
        TextPiece("hi"),
        ToolCallPiece(2, "c1", "weather"),
        ToolCallPiece(2, arguments="{}"),
    ]
    assert isinstance(seen, UsageSeen)
    assert last == Finished("tool_calls")
    end = stream.end()
    assert end.complete
    assert end.reply.usage == Usage(9, output=3)
    assert end.reply.tool_calls == (ToolCall("c1", "weather", "{}"),)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow down"},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow down"}},
        {
            "type": "response.failed",
            "response": response(status="failed", error={"code": "rate_limit_exceeded", "message": "slow down"}),
        },
    ],
)
def test_an_error_in_the_stream_is_an_event(frame: dict[str, object]) -> None:
    stream = ResponsesStream(OPENAI)
    stream.feed(sse(frame, event=True))
    failed = drained(stream)[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.kind, failed.error.message) == ("rate_limited", "slow down")
    assert not stream.end().complete


def test_a_failed_response_keeps_what_it_used() -> None:
    failed = {"type": "response.failed", "response": response(status="failed", error={"message": "boom"})}
    assert ended(ResponsesStream(OPENAI), sse(failed)).reply.usage == Usage(9, output=3)


def test_a_cut_stream_knows_its_text_and_no_usage() -> None:
    end = ended(ResponsesStream(OPENAI), sse({"type": "response.output_text.delta", "delta": "hi"}), closed=False)
    assert (end.complete, end.reply.text, end.reply.usage, end.text_bytes) == (False, "hi", None, 2)


def test_what_the_gateway_is_asked_for_goes_out_in_the_words_of_responses() -> None:
    request = with_options(parallel_tools=False, json_object=True)._replace(tools=(WEATHER._replace(strict=True),))
    body = sent(encode(request, OPENAI))
    assert body["parallel_tool_calls"] is False
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["tools"][0]["strict"] is True  # type: ignore[index]
