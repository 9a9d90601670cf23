"""Replies and streams of every provider become what OpenAI's clients read; the openai package is the judge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from aikeys.gateway.formats.openai_replies import ChunkWriter, Heading, completion, heading, usage_of, written
from aikeys.providers.catalogue import load
from aikeys.providers.usage import Usage
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import (
    Event,
    Failed,
    Finished,
    Metered,
    ReasoningPiece,
    Reply,
    Started,
    StreamEnd,
    TextPiece,
    ToolCall,
    ToolCallPiece,
    UsageSeen,
)
from tests.gateway.openai_sdk import client
from tests.providers.wire import recorded_exchanges as recorded

HEAD = heading(bytes(range(12)), 1_700_000_000, "openai/gpt-4.1")
USED = Usage(input=100, cache_read=60, cache_write_5m=10, output=20, reasoning=5)


def chunks(data: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a stream that ends as it should."""
    frames = data.decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2]]


def stream(events: Iterable[Event], finish: str = "stop", usage: Usage | None = None, **how: bool) -> list[Any]:
    writer = ChunkWriter(HEAD, **how)
    return chunks(b"".join(writer.event(event) for event in events) + writer.end(finish, usage))


def deltas(found: list[dict[str, Any]]) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in found if chunk["choices"]]


def test_a_reply_is_a_chat_completion() -> None:
    reply = Reply("hi", "hm", finish="length", metered=Metered(USED), model="claude-x", choices=("hi",))
    assert completion(reply, HEAD) == {
        "id": "chatcmpl-000102030405060708090a0b",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "claude-x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi", "refusal": None, "reasoning_content": "hm"},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


def test_tool_calls_stand_beside_no_content_and_carry_geminis_mark() -> None:
    calls = (ToolCall("toolu_1", "now", ""), ToolCall("call_0", "weather", '{"a":1}', "mark"))
    (choice,) = completion(Reply(tool_calls=calls, finish="tool_calls"), HEAD)["choices"]  # type: ignore[misc]
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "toolu_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        {
            "id": "call_000102030405060708090a0b_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"a":1}'},
            "extra_content": {"google": {"thought_signature": "mark"}},
        },
    ]


def test_usage_that_is_unknown_is_left_out_and_zero_is_zero() -> None:
    assert "usage" not in completion(Reply("hi"), HEAD)
    found = completion(Reply("hi", metered=Metered(Usage())), HEAD)["usage"]
    assert found == usage_of(Usage())
    assert found["total_tokens"] == 0  # type: ignore[index]
    sounds = usage_of(Usage(input=9, output=9, other=(("input_audio_tokens", 4), ("output_audio_tokens", 3))))
    assert sounds["prompt_tokens_details"] == {"cached_tokens": 0, "audio_tokens": 4}
    assert sounds["completion_tokens_details"] == {"reasoning_tokens": 0, "audio_tokens": 3}


def test_every_choice_is_a_choice() -> None:
    found = completion(Reply("a", choices=("a", "b"), finish="stop"), HEAD)["choices"]
    assert [(each["index"], each["message"]["content"]) for each in found] == [(0, "a"), (1, "b")]  # type: ignore[union-attr,index]


@pytest.mark.parametrize(
    ("reason", "calls", "finish"),
    [
        ("stop", (), "stop"),
        ("content_filter", (), "content_filter"),
        ("pause_turn", (), "stop"),
        ("", (), "stop"),
        ("", (ToolCall("a", "b", "{}"),), "tool_calls"),
        ("stop", (ToolCall("a", "b", "{}"),), "stop"),
    ],
)
def test_the_finish_is_one_of_openais_words(reason: str, calls: tuple[ToolCall, ...], finish: str) -> None:
    (choice,) = completion(Reply(tool_calls=calls, finish=reason), HEAD)["choices"]  # type: ignore[misc]
    assert choice["finish_reason"] == finish


def test_a_stream_opens_with_the_role_and_ends_with_finish_usage_and_done() -> None:
    events = [Started("claude-x", "msg_1"), ReasoningPiece("hm"), TextPiece("h"), TextPiece("i"), Finished("stop")]
    found = stream([*events, UsageSeen(Metered(USED))], "stop", USED, includes_usage=True)
    assert deltas(found) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"content": "h"},
        {"content": "i"},
        {},
    ]
    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in found} == {
        ("chatcmpl-000102030405060708090a0b", 1_700_000_000, "claude-x", "chat.completion.chunk")
    }
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in found[:-1]]
    assert reasons == [None, None, None, None, "stop"]
    assert [chunk["usage"] for chunk in found[:-1]] == [None] * 5
    assert (found[-1]["choices"], found[-1]["usage"]) == ([], usage_of(USED))


def test_usage_comes_only_where_it_was_asked_for_and_is_known() -> None:
    assert not any("usage" in chunk for chunk in stream([TextPiece("a")], "stop", USED))
    assert [chunk["usage"] for chunk in stream([TextPiece("a")], "stop", None, includes_usage=True)] == [None] * 3


def test_tool_calls_are_numbered_as_they_begin_and_never_without_arguments() -> None:
    events = [
        ToolCallPiece(2, "toolu_1", "weather"),
        ToolCallPiece(2, arguments=""),
        ToolCallPiece(2, "toolu_1", "weather", '{"a"'),  # some repeat id and name
        ToolCallPiece(5, "toolu_2", "now"),
        ToolCallPiece(2, arguments=":1}"),
        ToolCallPiece(9, "", "later", '{"b":2}', "mark"),
    ]
    calls = [delta["tool_calls"][0] for delta in deltas(stream(events, "tool_calls")) if "tool_calls" in delta]
    assert calls == [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "now", "arguments": ""}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {
            "index": 2,
            "id": "call_000102030405060708090a0b_2",
            "type": "function",
            "function": {"name": "later", "arguments": '{"b":2}'},
            "extra_content": {"google": {"thought_signature": "mark"}},
        },
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_every_choice_of_a_stream_opens_and_finishes() -> None:
    found = stream([TextPiece("b", 1), TextPiece("a", 0)])
    said = [(each["choices"][0]["index"], each["choices"][0]["delta"]) for each in found]
    role = {"role": "assistant", "content": ""}
    assert said == [(0, role), (1, role), (1, {"content": "b"}), (0, {"content": "a"}), (0, {}), (1, {})]


def test_a_stream_of_nothing_still_opens_and_finishes() -> None:
    assert deltas(stream([], "length")) == [{"role": "assistant", "content": ""}, {}]
    assert stream([], "length")[0]["model"] == "openai/gpt-4.1"


def test_an_error_in_a_stream_is_the_last_thing_of_it() -> None:
    from aikeys.providers.wire.values import ApiError

    writer = ChunkWriter(HEAD)
    assert writer.event(Failed(ApiError("server", "boom"))) == b""
    assert writer.failed(b'{"error":{}}') == b'data: {"error":{}}\n\n'


def test_halves_of_a_character_join_at_the_client() -> None:
    found = deltas(stream([TextPiece("\ud83d"), TextPiece("\ude00"), TextPiece("ä\n€")]))
    assert "".join(each.get("content", "") for each in found).encode("utf-16", "surrogatepass").decode("utf-16") == (
        "😀ä\n€"
    )
    assert written({"a": "ä"}) == '{"a":"ä"}'.encode()


def test_a_reply_that_came_at_once_streams_like_any_other() -> None:
    calls = (ToolCall("toolu_1", "weather", "{}", "mark"),)
    reply = Reply("hi", "hm", calls, "tool_calls", model="m-1", choices=("hi", "ho"))
    writer = ChunkWriter(HEAD)
    found = chunks(writer.whole(reply) + writer.end(reply.finish, None))
    said = [each for each in deltas(found) if each and "role" not in each]
    assert said[:3] == [{"reasoning_content": "hm"}, {"content": "hi"}, {"content": "ho"}]
    assert said[3]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "mark"}}
    assert found[0]["model"] == "m-1"


# What providers really said


def streamed(decoder: Stream, body: bytes, *, includes_usage: bool = True) -> tuple[bytes, StreamEnd]:
    """Return a provider's stream as the gateway would hand it on, read in small pieces, and what it was."""
    writer = ChunkWriter(HEAD, includes_usage=includes_usage)
    found = []
    for position in range(0, len(body), 700):
        decoder.feed(body[position : position + 700])
        while (event := decoder.next()) is not None:
            found.append(writer.event(event))
    decoder.close()
    while (event := decoder.next()) is not None:
        found.append(writer.event(event))
    ended = decoder.end()
    return b"".join(found) + writer.end(ended.reply.finish, ended.reply.usage), ended


def through_the_sdk(body: bytes, kind: str) -> Any:
    """Return what openai-python makes of a reply's bytes: the completion, joined from its chunks."""
    with client(lambda _request: (200, {"content-type": kind}, body)) as openai:
        if kind == "application/json":
            return openai.chat.completions.create(model="m", messages=[])
        from openai.lib.streaming.chat import ChatCompletionStreamState

        joined = ChatCompletionStreamState()
        for chunk in openai.chat.completions.create(model="m", messages=[], stream=True):
            joined.handle_chunk(chunk)
        return joined.current_completion_snapshot


def agree(found: Any, reply: Reply) -> None:
    """Compare what the SDK understood with what the provider's own stream said."""
    message = found.choices[0].message
    assert (message.content or "") == reply.text
    assert getattr(message, "reasoning_content", "") in (reply.reasoning, None)
    calls = message.tool_calls or []
    assert [each.function.name for each in calls] == [each.name for each in reply.tool_calls]
    for mine, theirs in zip(calls, reply.tool_calls, strict=True):
        assert json.loads(mine.function.arguments) == json.loads(theirs.arguments or "{}")
        assert mine.id
    assert len({each.id for each in calls}) == len(calls)
    if reply.usage is None:
        assert found.usage is None
    else:
        assert found.usage.prompt_tokens == reply.usage.input
        assert found.usage.completion_tokens == reply.usage.output
        assert found.usage.completion_tokens_details.reasoning_tokens == reply.usage.reasoning
        assert found.usage.prompt_tokens_details.cached_tokens == reply.usage.cache_read


@recorded.needs_recorded
def test_the_openai_sdk_understands_every_recorded_stream_and_its_tool_calls() -> None:
    pytest.importorskip("openai")
    seen: Counter[str] = Counter()
    for record in recorded.records():
        if not recorded.is_stream(record) or record["endpoint"] in ("converse", "invoke"):
            continue
        if record["body_kind"] == "json-array":
            continue
        data, ended = streamed(recorded.stream_of(record), recorded.body_of(record))
        if not ended.complete:
            continue
        agree(through_the_sdk(data, "text/event-stream"), ended.reply)
        seen[record["endpoint"]] += 1
        if ended.reply.tool_calls:
            seen[f"{record['endpoint']} with tools"] += 1
    print(dict(seen))
    wanted = {"messages": 20, "generateContent": 20, "cohere-chat": 3, "chat": 50}
    wanted |= {"messages with tools": 3, "generateContent with tools": 2, "cohere-chat with tools": 1}
    assert {name: count for name, count in wanted.items() if seen[name] < count} == {}


@recorded.needs_recorded
def test_the_openai_sdk_understands_every_recorded_reply() -> None:
    pytest.importorskip("openai")
    seen: Counter[str] = Counter()
    for record in recorded.records():
        if recorded.is_stream(record) or record["endpoint"] not in (
            "chat",
            "messages",
            "generateContent",
            "cohere-chat",
        ):
            continue
        reply = recorded.decoded(record)
        if not isinstance(reply, Reply):
            continue
        agree(through_the_sdk(written(completion(reply, HEAD)), "application/json"), reply)
        seen[record["endpoint"]] += 1
    print(dict(seen))
    assert min(seen.values()) >= 5


CLAUDE = [
    {"type": "message_start", "message": {"id": "m", "model": "claude-x", "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "let me see"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"town":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"Bonn"}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 30}},
    {"type": "message_stop"},
]  # fmt: skip
GEMINI = [
    {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": "let me see"}]}, "index": 0}], "modelVersion": "gemini-x"},
    {
        "candidates": [{"content": {"parts": [
            {"functionCall": {"name": "now", "args": {}}, "thoughtSignature": "mark"},
            {"functionCall": {"name": "weather", "args": {"town": "Bonn"}}},
        ]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 30, "totalTokenCount": 39},
    },
]  # fmt: skip
COHERE = [
    {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "hm"}}},
    {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "now_1", "type": "function", "function": {"name": "now", "arguments": ""}}}}},
    {"type": "tool-call-start", "index": 1, "delta": {"message": {"tool_calls": {"id": "w_1", "type": "function", "function": {"name": "weather", "arguments": ""}}}}},
    {"type": "tool-call-delta", "index": 1, "delta": {"message": {"tool_calls": {"function": {"arguments": '{"town":"Bonn"}'}}}}},
    {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {"billed_units": {"input_tokens": 9, "output_tokens": 30}}}},
]  # fmt: skip


@pytest.mark.parametrize(("name", "frames"), [("anthropic", CLAUDE), ("gemini", GEMINI), ("cohere", COHERE)])
def test_the_openai_sdk_joins_the_tool_calls_of_every_protocol(name: str, frames: list[Any]) -> None:
    dialect = load()[name].dialect()
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames).encode()
    data, ended = streamed(protocol_of(dialect).stream(dialect), body)
    assert ended.complete
    found = through_the_sdk(data, "text/event-stream")
    agree(found, ended.reply)
    calls = found.choices[0].message.tool_calls
    assert [(each.function.name, json.loads(each.function.arguments)) for each in calls] == [
        ("now", {}),
        ("weather", {"town": "Bonn"}),
    ]
    assert found.choices[0].finish_reason == "tool_calls"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (9, 30)


def test_the_openai_sdk_raises_the_error_of_a_stream() -> None:
    openai = pytest.importorskip("openai")
    from aikeys.errors import NetworkFailed
    from aikeys.gateway.http.error_bodies import openai_body, told

    writer = ChunkWriter(HEAD)
    data = writer.event(TextPiece("h")) + writer.failed(openai_body(told(NetworkFailed("the connection broke"))))
    with pytest.raises(openai.APIError, match="the connection broke"):
        through_the_sdk(data, "text/event-stream")


def test_a_heading_is_ours() -> None:
    assert heading(b"\x01" * 12, 5, "m") == Heading("chatcmpl-" + "01" * 12, 5, "m")
