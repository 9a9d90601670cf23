"""A number that nobody reads makes a lower bound at every route that is metered, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aikeys.ledger.calls import UNPRICED
from aikeys.ledger.listing import newest_calls
from tests.gateway.in_process import Running, gateway
from tests.spending.conftest import FakeProvider, answer, stream

SAID = [{"role": "user", "content": "hi"}]
CHAT = {
    "id": "c",
    "model": "gpt-4.1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "tiles": 3},
}
CHUNKS = (
    {"id": "c", "model": "gpt-4.1", "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]},
    {"id": "c", "model": "gpt-4.1", "choices": [], "usage": CHAT["usage"]},
    b"[DONE]",
)
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 5, "server_tool_use": {"tiles": 3}},
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "status": "completed",
    "model": "gpt-4.1",
    "output": [{"type": "tiles_call"}],
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}
CONTENT = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP", "groundingMetadata": {"n": 3}}
    ],
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    "modelVersion": "gemini-2.5-flash",
}
ROUTES = [
    ("/v1/chat/completions", {"model": "openai/gpt-4.1", "messages": SAID}, answer(200, CHAT), "usage.tiles"),
    (
        "/v1/chat/completions",
        {"model": "openai/gpt-4.1", "messages": SAID, "stream": True},
        stream(*CHUNKS),
        "usage.tiles",
    ),
    (
        "/v1/chat/completions",
        {"model": "anthropic/claude-haiku-4-5", "messages": SAID},
        answer(200, MESSAGE),
        "usage.server_tool_use.tiles",
    ),
    (
        "/v1/chat/completions",
        {"model": "gemini/gemini-2.5-flash", "messages": SAID},
        answer(200, CONTENT),
        "groundingMetadata.n",
    ),
    ("/openai/v1/chat/completions", {"model": "gpt-4.1", "messages": SAID}, answer(200, CHAT), "usage.tiles"),
    (
        "/openai/v1/chat/completions",
        {"model": "gpt-4.1", "messages": SAID, "stream": True},
        stream(*CHUNKS),
        "usage.tiles",
    ),
    ("/openai/v1/responses", {"model": "gpt-4.1", "input": "hi"}, answer(200, RESPONSE), "output.tiles_call"),
    (
        "/openai/v1/responses",
        {"model": "gpt-4.1", "input": "hi", "stream": True},
        stream({"type": "response.completed", "response": RESPONSE}),
        "output.tiles_call",
    ),
    (
        "/anthropic/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": SAID},
        answer(200, MESSAGE),
        "usage.server_tool_use.tiles",
    ),
    (
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        answer(200, CONTENT),
        "groundingMetadata.n",
    ),
    (
        "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        stream(CONTENT),
        "groundingMetadata.n",
    ),
]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def test_every_metered_route_names_what_nobody_read(tmp_path: Path, provider: FakeProvider) -> None:
    keys = {"openai": provider.url + "/v1", "anthropic": provider.url, "gemini": provider.url}
    provider.plays = [play for _, _, play, _ in ROUTES]

    async def run() -> list[tuple[str, dict[str, int]]]:
        found = []
        async with gateway(tmp_path / "home", keys) as running, aiohttp.ClientSession() as session:
            for path, body, _, _ in ROUTES:
                found.append(await _booked(running, session, path, body))
        return found

    wanted = [(UNPRICED, {name: 1 if name.startswith("output.") else 3}) for _, _, _, name in ROUTES]
    assert asyncio.run(run()) == wanted


async def _booked(
    running: Running, session: aiohttp.ClientSession, path: str, body: dict[str, Any]
) -> tuple[str, dict[str, int]]:
    headers = {**running.headers, "content-type": "application/json"}
    async with session.post(running.url + path, data=json.dumps(body), headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        await reply.read()
    with running.state.ledger.reading() as connection:
        call = newest_calls(connection, running.state.ledger, 1)[-1].call
    return call.cost_source, dict(call.unpriced)
