"""A body of many megabytes keeps nobody else waiting for long, and its reply costs what it says."""

from __future__ import annotations

import asyncio
import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aikeys.providers.wire.exact_json import read_table
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import Running, gateway

VECTORS, NUMBERS = 700, 2048
TOKENS = 2_500_000
MOST_WAITING_S = 0.7
"""Read in one step these bodies stop the loop for 1.4 to 2.5 seconds on an idle machine, and for 0.1 to 0.25 in many.

On a busy one the limit is what reading such a body alone takes there, a third of a step or less.
"""
SPENDS = TokenRequest(kind="app", scopes=("chat:write", "embeddings:write"))


class Provider:
    """Answers embeddings with as many vectors as a test wants, and keeps the bodies that it got."""

    def __init__(self) -> None:
        self.vectors = 1
        self.sizes: list[int] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.sizes.append(len(await request.read()))
        row = json.dumps([0.0123456789 + number / 7 for number in range(NUMBERS)])
        rows = ",".join(f'{{"object":"embedding","index":{index},"embedding":{row}}}' for index in range(self.vectors))
        text = f'{{"object":"list","data":[{rows}],"model":"text-embedding-3-small","usage":{{"prompt_tokens":7}}}}'
        return web.Response(text=text, content_type="application/json")


async def _longest_wait_s(running: Running, session: aiohttp.ClientSession, done: asyncio.Event) -> float:
    worst_s, last_s = 0.0, time.monotonic()
    while not done.is_set():
        async with session.get(f"{running.url}/healthz") as answer:
            assert answer.status == 200
        await asyncio.sleep(0.01)
        last_s, before_s = time.monotonic(), last_s
        worst_s = max(worst_s, last_s - before_s)
    return worst_s


@pytest.mark.parametrize("where", ["request", "reply"])
def test_a_body_of_many_megabytes_keeps_nobody_waiting(tmp_path: Path, where: str) -> None:
    async def whole() -> None:
        provider = Provider()
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/embeddings", provider.serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            async with gateway(tmp_path, {"openai": base_url}, SPENDS) as running:
                await _asked(running, provider, where)
        finally:
            await runner.cleanup()

    asyncio.run(whole())


def _reading_s() -> float:
    """Return how long a body like these takes to be read, now and here."""
    data = json.dumps({"input": [number % 90_000 for number in range(TOKENS)]}).encode()
    started_s = time.monotonic()
    read_table(data)
    return time.monotonic() - started_s


async def _asked(running: Running, provider: Provider, where: str) -> None:
    body: dict[str, Any] = {"model": "openai/text-embedding-3-small", "input": "a"}
    if where == "request":
        body["input"] = [number % 90_000 for number in range(TOKENS)]
    else:
        provider.vectors = VECTORS
    data = json.dumps(body).encode()
    done = asyncio.Event()
    before_s = _reading_s()
    async with aiohttp.ClientSession(headers=running.headers) as session:
        waiting = asyncio.create_task(_longest_wait_s(running, session, done))
        async with session.post(f"{running.url}/v1/embeddings", data=BytesIO(data)) as answer:
            found = await answer.read()
            assert answer.status == 200, found[:300]
            assert answer.headers["x-aikeys-cost-usd"] == "0.00000014"
        done.set()
        longest_s = await waiting
    assert longest_s < max(MOST_WAITING_S, min(before_s, _reading_s()))
    assert found.count(b'"embedding":[') == provider.vectors
