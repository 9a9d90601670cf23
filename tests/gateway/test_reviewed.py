"""What a review of the gateway found, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from aikeys.gateway.http.admission import address_of
from aikeys.gateway.routes.stored_objects import named_in
from aikeys.gateway.settings import Settings
from aikeys.spending.targets import stand_ins
from aikeys.tokens.token_request import TokenRequest
from tests.gateway import process
from tests.gateway.in_process import gateway
from tests.gateway.process import House

NOBODY = {"openai": "http://127.0.0.1:9/v1"}
CHAT = {"model": "openai/gpt-4.1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}


def asked(tmp_path: Path, method: str, path: str, body: Any = None, *, with_token: bool = True) -> tuple[int, str]:
    async def run() -> tuple[int, str]:
        token_request = TokenRequest(scopes=("chat:write", "chat:read"))
        async with gateway(tmp_path / "home", NOBODY, token_request) as running, aiohttp.ClientSession() as session:
            headers = running.headers if with_token else {}
            async with session.request(method, running.url + path, json=body, headers=headers) as answer:
                return answer.status, await answer.text()

    return asyncio.run(run())


@pytest.mark.parametrize("model", ["openai/" + "x" * 300, "openai/gpt\u0000", "openai/\u001b[31m"])
def test_a_models_name_is_short_and_readable(tmp_path: Path, model: str) -> None:
    status, text = asked(tmp_path, "POST", "/v1/chat/completions", {**CHAT, "model": model})
    assert (status, len(text) < 500) == (400, True)


def test_a_model_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert asked(tmp_path, "GET", "/v1/models/nope")[0] == 404


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/usage", "/healthz", "/v1/chat/completions"])
def test_a_method_that_is_not_served_is_405_without_a_token(tmp_path: Path, path: str) -> None:
    assert asked(tmp_path, "PUT", path, {}, with_token=False)[0] == 405


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_file", "file_id": "file-other"},
        {"type": "item_reference", "id": "msg_other"},
    ],
)
def test_an_object_of_somebody_else_is_not_reached_by_any_name(tmp_path: Path, part: dict[str, str]) -> None:
    body = {"model": "openai/gpt-4.1", "input": [{"role": "user", "content": [part]}, part]}
    assert asked(tmp_path, "POST", "/v1/responses", body)[0] == 404


def test_every_way_to_name_an_object_is_known() -> None:
    body = {
        "previous_response_id": "a", "conversation": {"id": "b"}, "prompt": {"id": "c"}, "container": "d",
        "tools": [{"type": "file_search", "vector_store_ids": ["e", "f"]}],
        "messages": [{"role": "assistant", "audio": {"id": "g"}}, {"content": [{"file": {"file_id": "h"}}]}],
        "cachedContent": "i",
        "contents": [{"parts": [{"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/j"}}]}],
    }  # fmt: skip
    found = named_in(body)
    assert {*"abcdefghi"} <= set(found)
    assert any(name.endswith("/j") for name in found)
    assert named_in(CHAT) == ()


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["10.0.0.1", "8.8.8.8"], "8.8.8.8"),
        (["10.0.0.1, 8.8.8.8"], "8.8.8.8"),
        (["8.8.8.8", "no address"], "127.0.0.1"),
        (["\udcff"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_behind_a_proxy_only_what_the_proxy_wrote_last_counts(lines: list[str], address: str) -> None:
    request: Any = SimpleNamespace(
        headers=CIMultiDict([("x-forwarded-for", line) for line in lines]), remote="127.0.0.1"
    )
    state: Any = SimpleNamespace(settings=Settings(is_behind_proxy=True))
    assert address_of(request, state) == address


def test_a_stand_in_that_the_token_does_not_reach_is_passed_over(tmp_path: Path) -> None:
    async def run() -> None:
        async with gateway(tmp_path / "home", NOBODY) as running:
            names = running.state.names
            first = names.resolve("openai/gpt-4.1")
            others = {"openai": ("anthropic/claude-sonnet-4-5", "openai/gpt-4o")}
            found = stand_ins(names, first, "openai/gpt-4.1", others, lenient=True)
            assert [str(each) for each in found] == ["openai/gpt-4o"]

    asyncio.run(run())


def test_declared_tags_have_their_own_totals_once_a_gateway_serves(house: House) -> None:
    (Path(house.place.home) / "config.toml").write_text('[tags]\nrollup = ["ticket"]\n')
    with process.gateway(house):
        assert house.rows("SELECT name FROM rolled_tag") == [("ticket",)]


@pytest.mark.parametrize(("body", "is_noted"), [({"store": True}, True), ({}, False)])
def test_a_chat_that_is_stored_belongs_to_who_made_it(house: House, body: dict[str, bool], is_noted: bool) -> None:
    issued = house.issue()
    with process.gateway(house) as running:

        async def ask(client: process.Client) -> None:
            headers = {"authorization": f"Bearer {issued.text}"}
            url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, json={**CHAT, **body}, headers=headers) as answer,
            ):
                assert answer.status == 200

        process.talk(running, ask)
        noted = house.rows("SELECT provider, token FROM kept_object")
    assert noted == ([("openai", issued.claims.shown_id)] if is_noted else [])
