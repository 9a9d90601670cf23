"""Every decoder keeps the contract: chunks change nothing, damage raises its own error, a cut knows what came before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import dialect, drained, sse

from aikeys.providers.wire.anthropic_messages import MessageStream
from aikeys.providers.wire.cohere_chat import CohereStream
from aikeys.providers.wire.gemini_generate import GenerateStream
from aikeys.providers.wire.openai_chat import ChatStream
from aikeys.providers.wire.openai_responses import ResponsesStream
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import Event, Failed, Finished, StreamEnd, TextPiece, Unreadable, UsageSeen

_CALL = {"id": "c", "function": {"name": "f", "arguments": '{"a": "ü"}'}}
_COHERE = {"billed_units": {"input_tokens": 5, "output_tokens": 7}}
_MESSAGE: tuple[object, ...] = (
    {"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hü"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
)


_CHAT = (
    {"id": "i", "model": "m", "choices": [{"index": 0, "delta": {"content": "hü", "reasoning": "hm"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **_CALL}]}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}},
)
_RESPONSE = {"model": "m", "status": "completed", "usage": {"input_tokens": 5, "output_tokens": 7}}
_CANDIDATE = {"content": {"parts": [{"text": "hü"}]}, "finishReason": "STOP"}

STREAMS: dict[str, tuple[Callable[[], Stream], bytes]] = {
    "chat": (lambda: ChatStream(dialect("openai")), b": hello\n\n" + sse(*_CHAT, done=True)),
    "chat, CRLF": (lambda: ChatStream(dialect("openai")), sse(*_CHAT, done=True).replace(b"\n", b"\r\n")),
    "responses": (
        lambda: ResponsesStream(dialect("openai")),
        sse(
            {"type": "response.output_text.delta", "delta": "hü"},
            {"type": "response.completed", "response": _RESPONSE},
            event=True,
        ),
    ),
    "anthropic": (lambda: MessageStream(dialect("anthropic")), sse(*_MESSAGE, event=True)),
    "gemini": (
        lambda: GenerateStream(dialect("gemini")),
        sse({"candidates": [_CANDIDATE], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7}}),
    ),
    "cohere": (
        lambda: CohereStream(dialect("cohere")),
        sse(
            {"type": "content-delta", "delta": {"message": {"content": {"text": "hü"}}}},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE}},
            event=True,
        ),
    ),
}


def decoded(make: Callable[[], Stream], *chunks: bytes) -> tuple[list[Event], StreamEnd]:
    stream = make()
    events = []
    for chunk in chunks:
        stream.feed(chunk)
        events += drained(stream)
    stream.close()
    return events + drained(stream), stream.end()


@pytest.mark.parametrize("name", STREAMS)
def test_a_whole_stream_has_its_text_its_end_and_its_usage(name: str) -> None:
    make, data = STREAMS[name]
    events, end = decoded(make, data)
    assert end.complete
    assert end.error is None
    assert end.reply.usage is not None
    assert end.reply.usage.output in (3, 7)
    assert any(isinstance(event, TextPiece) for event in events)
    assert any(isinstance(event, UsageSeen) for event in events)
    assert [type(event) for event in events].count(Finished) == 1


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 900), max_size=60))
def test_any_split_of_the_bytes_gives_the_same_events(name: str, cuts: list[int]) -> None:
    make, data = STREAMS[name]
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    assert decoded(make, *(data[a:b] for a, b in pairwise(edges))) == decoded(make, data)


@pytest.mark.parametrize("name", STREAMS)
def test_one_byte_at_a_time_gives_the_same_events(name: str) -> None:
    make, data = STREAMS[name]
    assert decoded(make, *(data[at : at + 1] for at in range(len(data)))) == decoded(make, data)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=60)
@given(
    damage=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=6),
    end=st.integers(0, 900),
)
def test_damaged_bytes_raise_the_decoders_own_error_or_none(name: str, damage: list[tuple[int, int]], end: int) -> None:
    make, data = STREAMS[name]
    bytes_ = bytearray(data)
    for at, value in damage:
        bytes_[at % len(bytes_)] = value
    stream = make()
    stream.feed(bytes(bytes_[: max(1, end)]))
    with suppress(Unreadable):
        while (event := stream.next()) is not None:
            if isinstance(event, Failed):
                assert event.error.message
    stream.close()
    known = stream.end()
    assert known == stream.end()
    usage = known.reply.usage
    assert usage is None or all(count >= 0 for count in usage[:6])


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_before_the_last_frame_is_never_complete(name: str) -> None:
    make, data = STREAMS[name]
    stream = make()
    stream.feed(data[: len(data) // 2])
    end = stream.end()
    assert not end.complete
    assert "hü".startswith(end.reply.text) or end.reply.text == "hi"
