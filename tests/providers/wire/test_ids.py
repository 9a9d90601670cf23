"""Both ids of a reply: the request's from its head, the reply's own from its body or the first event that names it."""

from __future__ import annotations

import json

import pytest

from aikeys.providers import catalogue
from aikeys.providers.wire.protocols import PROTOCOLS
from aikeys.providers.wire.values import Reply

KNOWN = catalogue.load()
IDS = {"request-id": "req-1"}
CHAT = {"id": "own-1", "model": "m", "choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}
MESSAGE = {
    "id": "own-1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "ok"}],
}
RESPONSE = {"id": "own-1", "object": "response", "status": "completed", "model": "m", "output": []}
GENERATED = {"responseId": "own-1", "modelVersion": "m", "candidates": [{"content": {"parts": [{"text": "ok"}]}}]}
COHERE = {"id": "own-1", "message": {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}}
CASES = {
    "openai_chat": ("openai", CHAT, {"id": "own-1", "choices": [{"index": 0, "delta": {"content": "o"}}]}),
    "openai_completions": ("openai", {**CHAT, "choices": [{"text": "ok"}]}, {"id": "own-1", "choices": [{"text": "o"}]}),
    "openai_responses": ("openai", RESPONSE, {"type": "response.created", "response": RESPONSE}),
    "openai_compactions": ("openai", {**RESPONSE, "object": "response.compaction"}, {"type": "response.created", "response": RESPONSE}),
    "openai_embeddings": ("openai", {"id": "own-1", "data": [{"embedding": [1]}], "model": "m"}, None),
    "anthropic_messages": ("anthropic", MESSAGE, {"type": "message_start", "message": MESSAGE}),
    "gemini_generate": ("gemini", GENERATED, GENERATED),
    "cohere_chat": ("cohere", COHERE, {"type": "message-start", "id": "own-1"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_whole_reply_has_both(name: str) -> None:
    provider, body, _ = CASES[name]
    found = PROTOCOLS[name].decode(200, IDS, json.dumps(body).encode(), KNOWN[provider].dialect())
    assert isinstance(found, Reply)
    assert (found.request_id, found.message_id) == ("req-1", "own-1")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_a_stream_has_its_own_from_the_first_event_on_also_where_it_is_cut(name: str) -> None:
    provider, _, event = CASES[name]
    stream = PROTOCOLS[name].stream(KNOWN[provider].dialect())
    stream.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    found = stream.end()
    assert (found.complete, found.reply.message_id) == (False, "own-1")


def test_every_format_is_in_the_table() -> None:
    assert set(PROTOCOLS) - set(CASES) == {"gemini_embeddings", "cohere_embeddings"}  # read as OpenAI's are
