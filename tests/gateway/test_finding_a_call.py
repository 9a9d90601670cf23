"""A call is found by the id its client got and by the provider's, for who may see it, and by nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aikeys.tokens.token_request import TokenRequest
from aikeys.vault.tokens.issuing import issue
from tests.gateway.in_process import gateway
from tests.gateway.test_further_names import MESSAGE, SAID
from tests.gateway.test_stand_ins import BLOCK, ENDS, SAYS, STARTED
from tests.spending.conftest import FakeProvider, answer, stream

SCOPES = ("chat:write", "usage:own")


@pytest.mark.parametrize("streams", [False, True])
def test_both_doors_find_it_by_the_clients_id_and_the_providers(tmp_path: Path, *, streams: bool) -> None:
    play = stream(STARTED, BLOCK, SAYS, *ENDS) if streams else answer(200, MESSAGE, request_id="req_9")
    provider = FakeProvider([play])
    theirs = {"message_id": "msg_1"} if streams else {"request_id": "req_9", "message_id": "msg_1"}

    async def run() -> None:
        async with (
            gateway(tmp_path, {"anthropic": provider.url}, TokenRequest(scopes=SCOPES)) as running,
            aiohttp.ClientSession() as session,
        ):
            other = issue(running.place, running.opened, TokenRequest(scopes=SCOPES)).text
            reader = issue(running.place, running.opened, TokenRequest(scopes=("usage:read",))).text
            body = {**SAID, "model": "claude-haiku-4-5", "stream": streams}
            async with session.post(running.url + "/v1/messages", headers=running.headers, json=body) as reply:
                ours = reply.headers["x-aikeys-request-id"]
                await reply.read()

            async def ask(which: str, token: str) -> tuple[int, Any]:
                headers = {"authorization": f"Bearer {token}"}
                url = running.url + "/v1/log"
                async with session.get(url, headers=headers, params={"id": which}) as found:
                    return found.status, json.loads(await found.read())

            for which in (ours, *theirs.values()):
                for token in (running.token, reader):
                    status, found = await ask(which, token)
                    assert (status, found["schema"]) == (200, "aikeys.call/1")
                    assert found["call"]["aikeys_request_id"] == ours
                    assert {name: found["call"][name] for name in theirs} == theirs
                assert (await ask(which, other))[0] == 404  # as one that never was
            assert (await ask("msg_never", reader))[0] == 404
            assert (await ask("1", running.token))[0] == 404  # a number tells how many calls others made

    try:
        asyncio.run(run())
    finally:
        provider.close()
