"""A good status with an error: chat completions tell its own status, a native route passes it on as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import gateway
from tests.spending.conftest import FakeProvider, answer

CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def asked(tmp_path: Path, provider: FakeProvider, path: str, model: str) -> tuple[int, bytes]:
    import asyncio

    async def run() -> tuple[int, bytes]:
        keys = {"openai": f"{provider.url}/v1", "anthropic": provider.url}
        async with (
            gateway(tmp_path / "home", keys, TokenRequest(scopes=("chat:write",))) as running,
            aiohttp.ClientSession() as session,
            session.post(running.url + path, json={**CHAT, "model": model}, headers=running.headers) as reply,
        ):
            return reply.status, await reply.read()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "model", "error", "status"),
    [
        ("/v1/chat/completions", "openai/gpt-4.1", {"error": {"code": 404, "message": "x"}}, 404),
        ("/v1/chat/completions", "openai/gpt-4.1", {"choices": []}, 502),
        ("/v1/chat/completions", "anthropic/claude-sonnet-4-5", {"type": "error", "error": {"code": 413}}, 413),
    ],
)
def test_chat_completions_tell_the_status_of_the_error(
    tmp_path: Path, provider: FakeProvider, path: str, model: str, error: dict[str, object], status: int
) -> None:
    provider.plays = [answer(200, error)] * 3
    assert asked(tmp_path, provider, path, model)[0] == status


@pytest.mark.parametrize("code", [401, 404, 503])
@pytest.mark.parametrize(
    ("path", "model"), [("/openai/v1/chat/completions", "gpt-4.1"), ("/v1/messages", "claude-sonnet-4-5")]
)
def test_a_native_route_passes_it_on_as_it_came(
    tmp_path: Path, provider: FakeProvider, path: str, model: str, code: int
) -> None:
    error = {"error": {"code": code, "message": "x"}, "type": "error"}
    provider.plays = [answer(200, error)] * 3
    assert asked(tmp_path, provider, path, model) == (200, json.dumps(error).encode())
