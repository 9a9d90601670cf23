"""A report counts for the whole reply only with its end or after it; a reply that is none is an error in any format."""

from __future__ import annotations

import json

import pytest
from wire_samples import dialect, sse

from aikeys.providers.wire.anthropic_messages import MessageStream
from aikeys.providers.wire.gemini_generate import GenerateStream
from aikeys.providers.wire.openai_chat import ChatStream
from aikeys.providers.wire.openai_responses import ResponsesStream
from aikeys.providers.wire.protocols import PROTOCOLS
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import ApiError, Reply, StreamEnd

START = {
    "type": "message_start",
    "message": {"id": "i", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
WORDS = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "many words"}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
STOP = {"type": "message_stop"}
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
USED = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def ended(stream: Stream, *values: object) -> StreamEnd:
    stream.feed(sse(*values))
    stream.close()
    return stream.end()


def said(text: str = "", **more: object) -> dict[str, object]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], **more}


def candidate(text: str, finish: str = "", **usage: int) -> dict[str, object]:
    inner = {"content": {"parts": [{"text": text}]}} | ({"finishReason": finish} if finish else {})
    return {"candidates": [inner], "modelVersion": "m", "usageMetadata": usage}


@pytest.mark.parametrize(
    ("values", "is_reported"),
    [
        ((START, WORDS, BUSY), False),
        ((START, BUSY), False),
        ((START, WORDS, {**DELTA, "delta": {}}, WORDS, BUSY), False),
        ((START, WORDS, DELTA, BUSY), True),
        ((START, WORDS, {**DELTA, "usage": {"input_tokens": 5}}, STOP), False),
        ((START, WORDS, {**DELTA, "usage": {}}, STOP), False),
        ((START, WORDS, DELTA, STOP), True),
    ],
)
def test_what_a_message_announces_is_no_report(values: tuple[object, ...], is_reported: bool) -> None:
    found = ended(MessageStream(dialect("anthropic")), *values)
    assert (found.reported, found.refused) == (is_reported, False)


def test_a_state_in_the_middle_of_a_stream_that_broke_is_no_report() -> None:
    broke = {"error": {"message": "busy", "code": 502}}
    chat = ended(ChatStream(dialect("openai")), said("a", usage=USED), said("b" * 900), broke)
    assert not chat.reported
    gemini = ended(GenerateStream(dialect("gemini")), candidate("a", promptTokenCount=5), candidate("b" * 9), broke)
    assert not gemini.reported


@pytest.mark.parametrize("beside", [{"usage": USED}, {}])
def test_usage_beside_an_error_or_after_it_is_reported(beside: dict[str, object]) -> None:
    error = {"error": {"message": "busy"}, **beside}
    rest = () if beside else ({"id": "c", "choices": [], "usage": USED},)
    assert ended(ChatStream(dialect("openai")), said("a"), error, *rest).reported
    failed = {"type": "response.failed", "response": {"error": {"code": "server_error"}, "usage": {
        "input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}}  # fmt: skip
    assert ended(ResponsesStream(dialect("openai")), failed).reported


def test_a_report_that_leaves_a_field_out_does_not_erase_an_earlier_one() -> None:
    first = {**USED, "prompt_tokens_details": {"cached_tokens": 4}, "cost": 0.5}
    found = ended(
        ChatStream(dialect("openrouter")), said("a", usage=first), said("b", usage={**USED, "completion_tokens": 9}),
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens_details": None}}, "[DONE]",
    )  # fmt: skip
    assert found.reported
    assert found.reply.metered.billed_pusd == 5 * 10**11
    assert found.reply.usage is not None
    assert (found.reply.usage.cache_read, found.reply.usage.output) == (4, 9)
    gemini = ended(
        GenerateStream(dialect("gemini")), candidate("a", promptTokenCount=5, candidatesTokenCount=7),
        candidate("b", "STOP", promptTokenCount=5),
    ).reply.usage  # fmt: skip
    assert gemini is not None
    assert gemini.output == 7


@pytest.mark.parametrize(
    ("stream", "first"),
    [
        (ChatStream, {"id": "c", "model": "m", "error": {"code": 429, "message": "busy"}, "choices": []}),
        (ChatStream, {"choices": [{"delta": {}, "error": {"code": 429, "message": "busy"}}]}),
        (MessageStream, {"type": "error", "error": {"type": "rate_limit_error", "message": "busy"}}),
        (GenerateStream, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "busy"}}),
        (ResponsesStream, {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "busy"}}),
    ],
)
def test_an_error_before_anything_of_a_reply_is_a_refusal(stream: type[Stream], first: dict[str, object]) -> None:
    name = {MessageStream: "anthropic", GenerateStream: "gemini"}.get(stream, "openai")
    found = ended(stream(dialect(name)), first)
    assert (found.refused, found.reported) == (True, False)
    assert found.error is not None
    assert found.error.kind == "rate_limited"


ERRORS: list[tuple[str, str, dict[str, object], str, bool]] = [
    ("openai_chat", "openrouter", {"error": {"code": 429, "message": "x"}, "user_id": "u"}, "rate_limited", False),
    ("openai_chat", "openrouter", {"error": {"code": "429", "message": "x"}}, "rate_limited", False),
    ("openai_chat", "openai", {"choices": [{"error": {"code": 503, "message": "x"}, "message": {"content": ""}}]},
     "overloaded", False),
    ("openai_chat", "openai", {"choices": [{"finish_reason": "error", "message": {"content": "half"}}]},
     "server", True),
    ("openai_chat", "openai", {"error": {"message": "x"}, "choices": [{"message": {"content": "half"}}]},
     "server", True),
    ("openai_chat", "openai", {"choices": []}, "server", False),
    ("openai_chat", "openai", {}, "server", False),
    ("openai_completions", "openai", {"choices": [], "error": {"code": 404}}, "not_found", False),
    ("openai_responses", "openai", {"status": "failed", "output": []}, "server", False),
    ("openai_responses", "openai", {"error": {"code": "rate_limit_exceeded"}, "output": []}, "rate_limited", False),
    ("anthropic_messages", "anthropic", {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded", False),
    ("anthropic_messages", "anthropic", {"error": {"code": 529}, "content": []}, "overloaded", False),
    ("gemini_generate", "gemini", {"error": {"code": 503, "status": "UNAVAILABLE"}}, "overloaded", False),
    ("cohere_chat", "cohere", {"id": "i", "message": "internal server error"}, "server", False),
    ("cohere_chat", "cohere", {"finish_reason": "ERROR", "message": {"content": []}}, "server", False),
    ("openai_embeddings", "openai", {"error": {"code": 429}}, "rate_limited", False),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "name", "body", "kind", "began"), ERRORS)
def test_a_good_status_with_an_error_is_an_error(
    protocol: str, name: str, body: dict[str, object], kind: str, began: bool
) -> None:
    found = PROTOCOLS[protocol].decode(200, {}, json.dumps(body).encode(), dialect(name))
    assert isinstance(found, ApiError)
    assert (found.kind, found.began) == (kind, began)


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai_chat", {"error": None, "choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}),
        ("openai_chat", {"choices": [{"error": {"code": 1}, "message": {}}, {"message": {"content": "b"}}]}),
        ("anthropic_messages", {"type": "message", "content": [], "stop_reason": "end_turn"}),
        ("openai_responses", {"status": "completed", "error": None, "output": []}),
        ("gemini_generate", {"promptFeedback": {"blockReason": "SAFETY"}}),
    ],
)
def test_an_empty_reply_is_a_reply(protocol: str, body: dict[str, object]) -> None:
    name = {"anthropic_messages": "anthropic", "gemini_generate": "gemini"}.get(protocol, "openai")
    assert isinstance(PROTOCOLS[protocol].decode(200, {}, json.dumps(body).encode(), dialect(name)), Reply)
