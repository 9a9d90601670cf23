"""OpenAI chat: what goes out, what comes back, and the stream."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from wire_samples import HELLO, NUMBER, PIXEL, TALK, WEATHER, dialect, drained, ended, sent, sse, with_options

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.openai_chat import ChatStream, decode, encode
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
    Text,
    TextPiece,
    Tool,
    ToolCall,
    ToolCallPiece,
    Unreadable,
    UsageSeen,
)

OPENAI = dialect("openai")
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def chunk(delta: object = None, finish: str | None = None, **more: object) -> dict[str, object]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "chat-1", "model": "gpt-x", "choices": choices, **more}


def reply(value: object, provider: str = "openai", status: int = 200) -> Reply | ApiError:
    return decode(status, {"x-request-id": "req-1"}, json.dumps(value).encode(), dialect(provider))


def test_a_whole_conversation_goes_out() -> None:
    assert sent(encode(TALK, OPENAI)) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "weather here?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"town":"Bonn"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ],
        "max_completion_tokens": 99,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "the weather of a town",
                    "parameters": dict(WEATHER.parameters),
                },
            }
        ],
    }


def test_every_option_goes_out_and_only_what_was_given() -> None:
    body = sent(encode(with_options(temperature=0.5, top_p=0.9, stop=("a",), seed=0, n=2, effort="low"), OPENAI))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a"],
        "seed": 0,
        "n": 2,
        "reasoning_effort": "low",
    }
    assert sent(encode(HELLO, OPENAI)).keys() == {"model", "messages"}


def test_a_schema_and_a_choice_of_tools_go_out() -> None:
    body = sent(encode(HELLO._replace(schema=NUMBER), OPENAI))
    shape = {"name": "number", "schema": dict(NUMBER.schema), "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": shape}
    chosen = with_options(tool_choice="weather")._replace(tools=(Tool("weather", "", {}),))
    body = sent(encode(chosen, OPENAI))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def test_files_recordings_and_addresses_go_out() -> None:
    parts = (
        File("application/pdf", b"%PDF", "a.pdf"),
        File("audio/wav", b"RIFF"),
        Image(url="https://e.example/i.png"),
    )
    content = sent(encode(HELLO._replace(messages=(Message("user", parts),)), OPENAI))["messages"][0]["content"]  # type: ignore[index]
    assert content == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://e.example/i.png"}},
    ]
    with pytest.raises(BadUsage, match="audio/flac"):
        encode(HELLO._replace(messages=(Message("user", (File("audio/flac", b"f"),)),)), OPENAI)


def test_text_goes_out_as_utf_8_and_half_a_character_is_refused() -> None:
    body = encode(HELLO._replace(messages=(Message("user", (Text("häß 🙂"),)),)), OPENAI).body
    assert "häß 🙂".encode() in body
    with pytest.raises(BadUsage, match="half a character"):
        encode(HELLO._replace(messages=(Message("user", (Text("\ud83d"),)),)), OPENAI)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_write_is_refused(number: float) -> None:
    with pytest.raises(BadUsage, match="number"):
        encode(with_options(temperature=number), OPENAI)


def test_a_reply_is_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Bonn"}'}}
    message = {"role": "assistant", "content": "hi", "reasoning_content": "hm", "tool_calls": [call]}
    choices = [{"message": message, "finish_reason": "tool_calls"}, {"message": {"content": "ho"}}]
    found = reply({"id": "chat-1", "model": "gpt-x", "choices": choices, "usage": USAGE})
    assert isinstance(found, Reply)
    assert found.metered.raw == USAGE
    assert found._replace(metered=Reply().metered) == Reply(
        text="hi",
        reasoning="hm",
        tool_calls=(ToolCall("c1", "weather", '{"town": "Bonn"}'),),
        finish="tool_calls",
        model="gpt-x",
        request_id="req-1",
        message_id="chat-1",
        choices=("hi", "ho"),
    )
    assert found.usage == Usage(9, output=3)


def test_a_refusal_and_thoughts_in_parts_are_read() -> None:
    found = reply({"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]})
    assert isinstance(found, Reply)
    assert (found.text, found.usage) == ("no", None)
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hi"}]
    found = reply({"choices": [{"message": {"content": parts}, "finish_reason": "length"}]}, "mistral")
    assert isinstance(found, Reply)
    assert (found.text, found.reasoning, found.finish) == ("hi", "hm", "length")


def test_an_error_with_status_200_is_an_error_and_keeps_its_usage() -> None:
    found = reply({"error": {"message": "upstream died", "code": 502}, "usage": USAGE})
    assert isinstance(found, ApiError)
    assert (found.kind, found.message, found.request_id) == ("server", "upstream died", "req-1")
    assert found.metered.usage == Usage(9, output=3)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b"null", b"{", b'{"a": NaN}', b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}"]
)
def test_a_reply_that_is_not_json_is_unreadable_and_not_repeated(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(200, {}, data, OPENAI)
    assert caught.value.exit_status == 30
    assert "html" not in caught.value.message


def test_a_stream_yields_its_events_in_order() -> None:
    data = sse(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning": "hm"}),
        chunk({"content": "hé"}),
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls", usage=None),
        chunk(usage=USAGE),
        done=True,
    )
    stream = ChatStream(OPENAI)
    stream.feed(data)
    *events, last = drained(stream)
    assert events == [
        Started("gpt-x", "chat-1"),
        ReasoningPiece("hm"),
        TextPiece("hé"),
        ToolCallPiece(0, "c1", "weather"),
        ToolCallPiece(0, arguments="{}"),
        Finished("tool_calls"),
    ]
    assert isinstance(last, UsageSeen)
    end = stream.end()
    assert end.complete
    assert end.text_bytes == len("hm") + len("hé".encode()) + len("weather") + len("{}")
    assert end.reply.tool_calls == (ToolCall("c1", "weather", "{}"),)
    assert (end.reply.text, end.reply.reasoning, end.reply.finish) == ("hé", "hm", "tool_calls")
    assert end.reply.usage == Usage(9, output=3)


def test_a_relay_keeps_no_text_but_its_length() -> None:
    stream = ChatStream(OPENAI, keeps_text=False)
    end = ended(stream, sse(chunk({"content": "hello"}), chunk({}, "stop"), done=True))
    assert (end.reply.text, end.text_bytes, end.complete) == ("", 5, True)


def test_usage_that_every_chunk_reports_is_not_summed() -> None:
    reports = [chunk({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": n}) for n in range(1, 6)]
    end = ended(ChatStream(dialect("perplexity")), sse(*reports, chunk({}, "stop")))
    assert end.reply.usage == Usage(9, output=5)


def test_a_report_of_null_replaces_nothing() -> None:
    end = ended(ChatStream(OPENAI), sse(chunk(usage=USAGE), chunk({}, "stop", usage=None), chunk(usage={}), done=True))
    assert end.reply.usage == Usage(9, output=3)


def test_an_explicit_zero_in_a_stream_is_a_report() -> None:
    zero = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    assert ended(ChatStream(OPENAI), sse(chunk({}, "stop"), chunk(usage=zero), done=True)).reply.usage == Usage(9)


def test_a_stated_cost_of_a_stream_is_exact() -> None:
    frame = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.000123456789012}}\n\n'
    metered = ended(ChatStream(dialect("openrouter")), frame).reply.metered
    assert metered.billed_pusd == 123_456_790  # rounded up
    assert metered.raw is not None
    assert metered.raw["cost"] == Decimal("0.000123456789012")


def test_an_error_in_the_middle_is_an_event_and_what_was_used_stays() -> None:
    data = sse(chunk({"content": "hel"}), chunk(usage=USAGE), {"error": {"message": "overloaded", "code": 503}})
    stream = ChatStream(OPENAI)
    stream.feed(data)
    assert isinstance(drained(stream)[-1], Failed)
    end = stream.end()
    assert not end.complete
    assert end.error is not None
    assert (end.error.kind, end.error.message) == ("overloaded", "overloaded")
    assert (end.reply.text, end.reply.usage) == ("hel", Usage(9, output=3))


def test_an_event_named_error_is_an_error() -> None:
    end = ended(ChatStream(OPENAI), b'event: error\ndata: {"message": "boom"}\n\n')
    assert end.error is not None
    assert end.error.message == "boom"


def test_a_cut_before_the_usage_is_not_complete_and_its_usage_unknown() -> None:
    end = ended(ChatStream(OPENAI), sse(chunk({"content": "hi"}), chunk({}, "stop")), closed=False)
    assert (end.complete, end.reply.usage, end.reply.text) == (False, None, "hi")


def test_a_stream_that_closes_without_done_is_complete_once_the_model_stopped() -> None:
    assert ended(ChatStream(OPENAI), sse(chunk({"content": "hi"}), chunk({}, "stop"))).complete
    assert not ended(ChatStream(OPENAI), sse(chunk({"content": "hi"}))).complete


def test_a_last_frame_without_its_blank_line_counts() -> None:
    data = sse(chunk({}, "stop"), chunk(usage=USAGE)).rstrip(b"\n")
    assert ended(ChatStream(OPENAI), data).reply.usage == Usage(9, output=3)
    assert ended(ChatStream(OPENAI), data, closed=False).reply.usage == Usage(9, output=3)
    assert ended(ChatStream(OPENAI), data[:-2], closed=False).reply.usage is None


def test_a_frame_that_is_not_json_is_unreadable_for_ever_and_the_usage_so_far_stays() -> None:
    stream = ChatStream(OPENAI)
    stream.feed(sse(chunk(usage=USAGE)) + b"data: {oops\n\n" + sse(chunk({"content": "later"})))
    assert isinstance(stream.next(), Started)
    assert isinstance(stream.next(), UsageSeen)
    for _ in range(2):
        with pytest.raises(Unreadable):
            stream.next()
    end = stream.end()
    assert (end.complete, end.reply.usage, end.reply.text) == (False, Usage(9, output=3), "")


def test_nothing_after_done_is_read() -> None:
    end = ended(ChatStream(OPENAI), sse(chunk({"content": "a"}), done=True) + b"data: {oops\n\n")
    assert (end.complete, end.reply.text) == (True, "a")


def test_several_choices_are_kept_apart() -> None:
    deltas = [{"index": i, "delta": {"content": f"c{i}"}} for i in (1, 0, 1)]
    end = ended(ChatStream(OPENAI), sse(*({"choices": [each]} for each in deltas), done=True))
    assert end.reply.choices == ("c0", "c1c1")
    assert end.reply.text == "c0"


def test_what_the_gateway_is_asked_for_goes_out_in_openais_words() -> None:
    image = Image("image/png", PIXEL, detail="low")
    request = with_options(parallel_tools=False, json_object=True, frequency_penalty=0.5, presence_penalty=-1.0)
    request = request._replace(
        tools=(WEATHER._replace(strict=True),), messages=(Message("user", (image,), name="ana"),)
    )
    body = sent(encode(request, OPENAI))
    assert body["parallel_tool_calls"] is False
    assert body["response_format"] == {"type": "json_object"}
    assert (body["frequency_penalty"], body["presence_penalty"]) == (0.5, -1.0)
    assert body["tools"][0]["function"]["strict"] is True  # type: ignore[index]
    assert body["messages"][0]["name"] == "ana"  # type: ignore[index]
    assert body["messages"][0]["content"][0]["image_url"]["detail"] == "low"  # type: ignore[index]
    loose = sent(encode(HELLO._replace(schema=NUMBER._replace(strict=False, description="one")), OPENAI))
    shape = {"name": "number", "schema": dict(NUMBER.schema), "strict": False, "description": "one"}
    assert loose["response_format"] == {"type": "json_schema", "json_schema": shape}
