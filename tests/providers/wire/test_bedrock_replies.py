"""Replies of Bedrock: Amazon's event stream, Converse and InvokeModel."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode

import pytest
from wire_samples import dialect, drained, ended

from aikeys.providers.usage import Usage
from aikeys.providers.wire.bedrock import ConverseStream, EventStream, InvokeStream, decode
from aikeys.providers.wire.values import ApiError, Finished, Reply, TextPiece, ToolCallPiece, Unreadable, UsageSeen

BEDROCK = dialect("bedrock")
USAGE = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()


def frame(event: str, value: object, kind: str = "event") -> bytes:
    name = ":event-type" if kind == "event" else ":exception-type"
    headers = header(name, event) + header(":message-type", kind) + b"\x04flag\x00"
    payload = json.dumps(value).encode()
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    start = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
    return start + zlib.crc32(start).to_bytes(4, "big")


def invoked(value: object) -> bytes:
    return frame("chunk", {"bytes": b64encode(json.dumps(value).encode()).decode()})


CONVERSED = (
    frame("messageStart", {"role": "assistant"})
    + frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}})
    + frame("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "c1", "name": "weather"}}})
    + frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}})
    + frame("messageStop", {"stopReason": "tool_use"})
    + frame("metadata", {"usage": USAGE})
)


def test_converse_streams_its_events() -> None:
    stream = ConverseStream(BEDROCK)
    stream.feed(CONVERSED)
    assert [event for event in drained(stream) if not isinstance(event, UsageSeen)] == [
        TextPiece("hi"),
        ToolCallPiece(1, "c1", "weather"),
        ToolCallPiece(1, arguments="{}"),
        Finished("tool_calls"),
    ]
    end = stream.end()
    assert (end.complete, end.reply.usage) == (True, Usage(9, output=3))


def test_any_split_gives_the_same_events_and_a_cut_gives_none_of_a_half_frame() -> None:
    whole = ConverseStream(BEDROCK)
    whole.feed(CONVERSED)
    events = drained(whole)
    for size in (1, 5, 13, 100):
        stream, found = ConverseStream(BEDROCK), []
        for start in range(0, len(CONVERSED), size):
            stream.feed(CONVERSED[start : start + size])
            found += drained(stream)
        assert found == events
    cut = ended(ConverseStream(BEDROCK), CONVERSED[:-1], closed=False)
    assert (cut.complete, cut.reply.usage) == (False, None)


@pytest.mark.parametrize("position", [1, 9, 20, -1, -10])
def test_a_damaged_frame_is_unreadable(position: int) -> None:
    data = bytearray(frame("messageStart", {"role": "assistant"}))
    data[position] ^= 0x41
    cutter = EventStream()
    cutter.feed(bytes(data))
    with pytest.raises(Unreadable):
        cutter.next()


def test_an_exception_in_the_stream_is_an_error() -> None:
    end = ended(ConverseStream(BEDROCK), frame("throttlingException", {"message": "slow down"}, "exception"))
    assert end.error is not None
    assert end.error.message == "slow down"


def test_invoke_reads_claude_and_of_others_the_metrics() -> None:
    metrics = {"inputTokenCount": 9, "outputTokenCount": 3}
    start = {"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 8, "output_tokens": 1}}}
    said = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
    last = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
    end = ended(InvokeStream(BEDROCK), invoked(start) + invoked(said) + invoked(last))
    assert (end.complete, end.reply.text, end.reply.usage) == (True, "hi", Usage(8, output=1))
    other = {"outputText": "hi", "amazon-bedrock-invocationMetrics": metrics}
    assert ended(InvokeStream(BEDROCK), invoked(other)).reply.usage == Usage(9, output=3)


@pytest.mark.parametrize(
    ("body", "headers", "usage"),
    [
        ({"output": {"message": {"content": [{"text": "hi"}]}}, "usage": USAGE}, {}, Usage(9, output=3)),
        ({"usage": {"input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 3}}, {}, Usage(9, 5, output=3)),
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}, {}, Usage(9, output=3)),
        (
            {"generation": "hi"},
            {"x-amzn-bedrock-input-token-count": "9", "x-amzn-bedrock-output-token-count": "3"},
            Usage(9, output=3),
        ),
        ({"embedding": [0.1]}, {"x-amzn-bedrock-input-token-count": "9"}, Usage(9)),
        ({"generation": "hi"}, {"x-amzn-bedrock-input-token-count": "-9"}, None),
        ({"generation": "hi"}, {}, None),
    ],
)
def test_whole_replies_count_in_the_models_own_shape_or_by_their_headers(
    body: object, headers: dict[str, str], usage: Usage | None
) -> None:
    reply = decode(200, headers, json.dumps(body).encode(), BEDROCK)
    assert isinstance(reply, Reply)
    assert reply.usage == usage


def test_an_error_is_an_error() -> None:
    error = decode(403, {"x-amzn-requestid": "r"}, b'{"message": "expired"}', BEDROCK)
    assert isinstance(error, ApiError)
    assert (error.kind, error.message, error.request_id) == ("permission", "expired", "r")
