"""What a provider says of our key or of a request is told so that no SDK asks three times where that cannot help."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import gateway
from tests.spending.conftest import FakeProvider, answer

CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
ASKED: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", {**CHAT, "model": "openai/gpt-4.1"}),
    ("POST", "/v1/chat/completions", {**CHAT, "model": "openai/gpt-4.1", "stream": True}),
    ("POST", "/v1/chat/completions", {**CHAT, "model": "anthropic/claude-sonnet-4-5"}),
    ("POST", "/v1/responses", {"model": "openai/gpt-4.1", "input": "hi"}),
    ("POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "hi"}),
    ("POST", "/v1/messages", {**CHAT, "model": "claude-sonnet-4-5"}),
    ("POST", "/v1/messages/count_tokens", {**CHAT, "model": "claude-sonnet-4-5"}),
    ("POST", "/v1beta/models/gemini-2.5-flash:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
    ("GET", "/openai/v1/models", None),
    ("POST", "/openai/v1/moderations", {"model": "omni-moderation-latest", "input": "hi"}),
    ("GET", "/openai/v1/files", None),
]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def told(tmp_path: Path, provider: FakeProvider) -> list[tuple[int, str]]:
    async def run() -> list[tuple[int, str]]:
        token_request = TokenRequest(scopes=("chat:write", "chat:read", "embeddings:write", "native:all"))
        keys = {"openai": f"{provider.url}/v1", "anthropic": provider.url, "gemini": provider.url}
        async with gateway(tmp_path / "home", keys, token_request) as running, aiohttp.ClientSession() as session:
            found = []
            for method, path, body in ASKED:
                async with session.request(method, running.url + path, json=body, headers=running.headers) as reply:
                    found.append((reply.status, reply.headers.get("x-should-retry", "")))
            return found

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "body", "heard"),
    [
        (401, b'{"error": {"message": "Incorrect API key"}}', (502, "false")),
        (403, b'{"error": {"message": "not for this project"}}', (502, "false")),
        (402, b'{"error": {"message": "no credit"}}', (502, "false")),
        (429, b'{"error": {"code": "insufficient_quota", "message": "no credit"}}', (502, "false")),
        (307, b"", (502, "false")),
        (404, b'{"error": {"message": "no such model", "code": "model_not_found"}}', (404, "false")),
        (409, b'{"error": {"message": "try again"}}', (409, "")),
    ],
)
def test_what_a_provider_refuses_for_good_is_not_asked_again(
    tmp_path: Path, provider: FakeProvider, status: int, body: bytes, heard: tuple[int, str]
) -> None:
    provider.plays = [answer(status, body, location="https://elsewhere.example")]
    expected = heard
    for one, found in zip(ASKED, told(tmp_path, provider), strict=True):
        translated = one[1] == "/v1/chat/completions" and "anthropic" in str(one[2])
        assert found == ((400, "false") if status == 409 and translated else expected), one


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_what_may_pass_is_left_to_the_sdk(tmp_path: Path, provider: FakeProvider, status: int) -> None:
    provider.plays = [answer(status, b'{"error": {"message": "busy"}}')]
    assert {advice for _, advice in told(tmp_path, provider)} == {""}


def test_a_providers_own_advice_is_handed_on(tmp_path: Path, provider: FakeProvider) -> None:
    provider.plays = [answer(400, b'{"error": {"message": "odd"}}', **{"x-should-retry": "true"})]
    assert "true" in {advice for _, advice in told(tmp_path, provider)}
