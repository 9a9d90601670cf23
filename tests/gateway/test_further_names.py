"""The table of routes: what each SDK sends arrives where its provider takes it, and is metered by its format."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from aikeys import config
from aikeys.gateway.http.admission import shape_of
from aikeys.gateway.http.error_bodies import anthropic_body, google_body, openai_body
from aikeys.gateway.routes.request_headers import with_affinity
from aikeys.ledger import listing
from aikeys.providers import catalogue
from aikeys.providers.native_routes import anthropics_base, match
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import gateway
from tests.spending.conftest import REPLY, FakeProvider, answer

KNOWN = catalogue.load()
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn", "usage": {"input_tokens": 100, "output_tokens": 10},
}  # fmt: skip
GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110},
}
COMPACTED = {
    "id": "resp_1", "object": "response.compaction", "created_at": 1, "output": [{"id": "c", "type": "compaction"}],
    "usage": {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110},
}  # fmt: skip
BASES = {
    "openai": "/v1", "anthropic": "", "gemini": "", "azure-openai": "", "deepseek": "", "moonshot": "/v1",
    "zhipu": "/api/paas/v4", "minimax": "/anthropic", "xai": "/v1",
}  # fmt: skip
SAID = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
CLAUDE, GPT, FLASH = {**SAID, "model": "claude-haiku-4-5"}, {**SAID, "model": "gpt-4o-mini"}, {"contents": []}
TABLE: tuple[tuple[str, Any, str, Any], ...] = (
    ("/messages", CLAUDE, "/v1/messages", MESSAGE),
    ("/messages?beta=true", CLAUDE, "/v1/messages?beta=true", MESSAGE),
    ("/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent", FLASH, "/v1beta/models/gemini-2.5-flash:generateContent", GENERATED),
    ("/v1beta1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse", FLASH, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GENERATED),
    ("/azure-openai/openai/deployments/mine/chat/completions?api-version=2024-10-21", GPT, "/openai/deployments/mine/chat/completions?api-version=2024-10-21", REPLY),
    ("/openai/deployments/mine/chat/completions?api-version=2024-10-21", GPT, "/openai/deployments/mine/chat/completions?api-version=2024-10-21", REPLY),
    ("/openai/deployments/openai/completions?api-version=1", {"model": "x", "prompt": "hi"}, "/openai/deployments/openai/completions?api-version=1", REPLY),
    ("/openai/responses/compact?api-version=preview", {"model": "gpt-5", "input": "hi"}, "/openai/responses/compact?api-version=preview", COMPACTED),
    ("/models/chat/completions?api-version=2024-05-01-preview", {**SAID, "model": "grok-3"}, "/models/chat/completions?api-version=2024-05-01-preview", REPLY),
    ("/azure-openai/models/chat/completions", {**SAID, "model": "grok-3"}, "/models/chat/completions", REPLY),
    ("/v1/responses/compact", {"model": "openai/gpt-5", "input": "hi"}, "/v1/responses/compact", COMPACTED),
    ("/responses/compact", {"model": "openai/gpt-5", "input": "hi"}, "/v1/responses/compact", COMPACTED),
    ("/openai/v1/responses/compact", {"model": "gpt-5", "input": "hi"}, "/v1/responses/compact", COMPACTED),
    ("/openai/responses/compact", {"model": "gpt-5", "input": "hi"}, "/v1/responses/compact", COMPACTED),
    ("/deepseek/chat/completions", {**SAID, "model": "deepseek-chat"}, "/chat/completions", REPLY),
    ("/deepseek/v1/chat/completions", {**SAID, "model": "deepseek-chat"}, "/chat/completions", REPLY),
    ("/deepseek/anthropic/v1/messages", {**SAID, "model": "deepseek-chat"}, "/anthropic/v1/messages", MESSAGE),
    ("/deepseek/v1/messages?beta=true", {**SAID, "model": "deepseek-chat"}, "/anthropic/v1/messages?beta=true", MESSAGE),
    ("/moonshot/anthropic/v1/messages", {**SAID, "model": "kimi-k2-0905-preview"}, "/anthropic/v1/messages", MESSAGE),
    ("/zhipu/api/anthropic/v1/messages", {**SAID, "model": "glm-4.6"}, "/api/anthropic/v1/messages", MESSAGE),
    ("/zhipu/anthropic/v1/messages", {**SAID, "model": "glm-4.6"}, "/api/anthropic/v1/messages", MESSAGE),
    ("/minimax/v1/messages", {**SAID, "model": "MiniMax-M2"}, "/anthropic/v1/messages", MESSAGE),
    ("/minimax/anthropic/v1/messages", {**SAID, "model": "MiniMax-M2"}, "/anthropic/v1/messages", MESSAGE),
)  # fmt: skip
REFUSED = (
    ("/openai/deployments/a/b/chat/completions?api-version=1", GPT),
    ("/openai/deployments/mine/extensions/chat/completions?api-version=1", GPT),
    ("/openai/deployments/mine/images/generations?api-version=1", GPT),
    ("/moonshot/v1/anthropic/v1/messages", {**SAID, "model": "kimi-k2"}),
    ("/deepseek/x/v1/messages", {**SAID, "model": "deepseek-chat"}),
    ("/xai/anthropic/v1/messages", {**SAID, "model": "grok-4"}),
    ("/deepseek/anthropic/v1/messages/count_tokens", {**SAID, "model": "deepseek-chat"}),
    ("/deepseek/anthropic/chat/completions", {**SAID, "model": "deepseek-chat"}),
    ("/deepseek/v1/v1/chat/completions", {**SAID, "model": "deepseek-chat"}),
)


async def _asked(tmp_path: Path, provider: FakeProvider, asked: list[tuple[str, Any]], **fields: str) -> list[Any]:
    bases = {name: provider.url + end for name, end in BASES.items()}
    scopes = TokenRequest(scopes=("chat:write", "chat:read", "embeddings:write"))
    async with gateway(tmp_path / "home", bases, scopes) as running, aiohttp.ClientSession() as session:
        found = []
        for path, body in asked:
            headers = {**running.headers, **fields}
            async with session.post(running.url + path, headers=headers, json=body) as reply:
                found.append((reply.status, dict(reply.headers), json.loads(await reply.read())))
        return found


def test_every_name_arrives_where_its_provider_takes_it_and_says_what_it_cost(tmp_path: Path) -> None:
    provider = FakeProvider([answer(200, reply) for *_, reply in TABLE])
    try:
        found = asyncio.run(_asked(tmp_path, provider, [(path, body) for path, body, *_ in TABLE]))
    finally:
        provider.close()
    assert [(path, status) for (path, *_), (status, *_) in zip(TABLE, found, strict=True)] == [
        (path, 200) for path, *_ in TABLE
    ]
    assert [seen.path for seen in provider.seen] == [arrives for _, _, arrives, _ in TABLE]
    for (path, *_), (_, headers, _) in zip(TABLE, found, strict=True):
        assert "x-aikeys-model" in {name.lower() for name in headers}, path
    by_path = {path: seen for (path, *_), seen in zip(TABLE, provider.seen, strict=True)}
    named = by_path["/openai/deployments/mine/chat/completions?api-version=2024-10-21"]
    assert named.body["model"] == "mine"  # as its path says: nobody bills another one
    assert (named.headers["api-key"], "authorization" in named.headers) == ("sk-of-the-test", False)
    common = by_path["/azure-openai/models/chat/completions"]
    assert common.headers["extra-parameters"] == "pass-through"
    format_at_deepseek = by_path["/deepseek/anthropic/v1/messages"]
    assert format_at_deepseek.headers["authorization"] == "Bearer sk-of-the-test"
    assert format_at_deepseek.headers["anthropic-version"] == "2023-06-01"


def test_what_only_looks_like_one_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    provider = FakeProvider()
    try:
        found = asyncio.run(_asked(tmp_path, provider, list(REFUSED)))
    finally:
        provider.close()
    assert [status for status, *_ in found] == [403] * len(REFUSED)
    assert provider.seen == []


def test_a_hint_of_the_cache_goes_to_its_own_provider_alone_and_once(tmp_path: Path) -> None:
    provider = FakeProvider()
    chats = [
        ("/xai/v1/chat/completions", {**SAID, "model": "grok-4"}),
        ("/v1/chat/completions", {**SAID, "model": "xai/grok-4"}),
        ("/openai/v1/chat/completions", GPT),
    ]
    try:
        asyncio.run(_asked(tmp_path, provider, chats, **{"x-grok-conv-id": "c-1"}))
        asyncio.run(_asked(tmp_path / "2", provider, chats[:1], **{"x-grok-conv-id": "c" * 300}))
    finally:
        provider.close()
    assert [seen.headers.get("x-grok-conv-id") for seen in provider.seen] == ["c-1", "c-1", None, None]


@pytest.mark.parametrize(
    ("name", "base_url", "lies"),
    [
        ("deepseek", "https://api.deepseek.com", "https://api.deepseek.com/anthropic"),
        ("deepseek", "https://api.deepseek.com/v1", "https://api.deepseek.com/anthropic"),
        ("deepseek", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic"),
        ("moonshot", "https://api.moonshot.cn/v1", "https://api.moonshot.cn/anthropic"),
        ("moonshot", "https://api.kimi.com/coding/v1", "https://api.kimi.com/coding"),
        ("zhipu", "https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/anthropic"),
        ("zhipu", "https://api.z.ai/api/coding/paas/v4", "https://api.z.ai/api/anthropic"),
        ("moonshot", "https://proxy.example", "https://proxy.example/anthropic"),
        ("openai", "https://api.openai.com/v1", ""),
    ],
)
def test_anthropics_format_lies_at_the_host_of_the_keys_own_base_url(name: str, base_url: str, lies: str) -> None:
    assert anthropics_base(KNOWN[name], base_url) == lies
    found = match(KNOWN[name], base_url, "POST", "/v1/messages")
    assert (found.base_url if found is not None else "") == lies


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/messages", anthropic_body),
        ("/messages/count_tokens", anthropic_body),
        ("/deepseek/anthropic/v1/messages", anthropic_body),
        ("/minimax/v1/messages", anthropic_body),
        ("/anthropic/v1/models", anthropic_body),
        ("/v1beta1/publishers/google/models/x:generateContent", google_body),
        ("/v1beta/models/x:generateContent", google_body),
        ("/openai/v1/chat/completions/c/messages", openai_body),
        ("/models/chat/completions", openai_body),
        ("/openai/deployments/messages/chat/completions", openai_body),
    ],
)
def test_an_error_has_the_shape_of_its_format(path: str, shape: Any) -> None:
    assert shape_of(path) is shape


LIKE = {
    "azure-openai/mine": {"like": "openai/gpt-4o-mini"},
    "azure-openai/grok-3": {"input": 3, "output": 15},
}
BOUNDED: tuple[tuple[str, dict[str, Any], dict[str, Any], str], ...] = (
    ("/openai/deployments/mine/chat/completions?api-version=1", {"messages": SAID["messages"]}, REPLY, "max_completion_tokens"),
    ("/models/chat/completions", {"messages": SAID["messages"], "model": "grok-3"}, REPLY, "max_tokens"),
    ("/deepseek/anthropic/v1/messages", {**SAID, "model": "deepseek-chat"}, MESSAGE, "max_tokens"),
    ("/v1/responses/compact", {"model": "openai/gpt-5", "input": "hi"}, COMPACTED, ""),
)  # fmt: skip


@pytest.mark.parametrize(("path", "body", "reply", "cap"), BOUNDED, ids=[each[0] for each in BOUNDED])
def test_a_budget_bounds_each_by_the_cap_that_its_route_obeys(
    tmp_path: Path, path: str, body: dict[str, Any], reply: dict[str, Any], cap: str
) -> None:
    provider = FakeProvider([answer(200, reply)])

    async def run() -> tuple[int, dict[str, Any], int]:
        bases = {name: provider.url + end for name, end in BASES.items()}
        settings = config.EMPTY._replace(prices=LIKE)
        limited = TokenRequest(scopes=("chat:write",), budget_pusd=10**13)
        async with gateway(tmp_path, bases, limited, settings) as running, aiohttp.ClientSession() as session:
            async with session.post(running.url + path, headers=running.headers, json=body) as found:
                told = await found.read()
                assert found.status == 200, told
            with closing(running.place.ledger) as ledger, ledger.open().reading() as connection:
                (call,) = [each.call for each in listing.calls(connection, ledger)]
            return found.status, dict(provider.seen[0].body), call.cost_pusd

    try:
        _, sent, cost_pusd = asyncio.run(run())
    finally:
        provider.close()
    caps = {name for name in sent if name.startswith("max_")}
    assert caps == ({cap} if cap else set())
    assert cost_pusd > 0


def test_a_hint_that_stands_there_twice_is_not_passed_on() -> None:
    fields = CIMultiDict([("x-grok-conv-id", "a"), ("X-Grok-Conv-Id", "b")])
    assert with_affinity((), make_mocked_request("POST", "/x", fields), KNOWN["xai"]) == ()
    once = make_mocked_request("POST", "/x", CIMultiDict([("X-Grok-Conv-Id", "b"), ("x-affinity", "c")]))
    assert with_affinity((), once, KNOWN["xai"]) == (("x-grok-conv-id", "b"),)
    for odd in ("\u00e4", "a\tb", "a" * 257):
        request = make_mocked_request("POST", "/x", CIMultiDict([("x-grok-conv-id", odd)]))
        assert with_affinity((), request, KNOWN["xai"]) == ()
