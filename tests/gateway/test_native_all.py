"""What is on no list: passed on for a token with native:all, to the address an SDK means, as an entry without a price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.gateway.process import SECRET, Gateway, House, gateway


@pytest.fixture
def running(house: House) -> Iterator[Gateway]:
    house.add_key("groq", SECRET, "groq", f"http://127.0.0.1:{house.provider.port}")
    house.add_key("together", SECRET, "together", f"http://127.0.0.1:{house.provider.port}")
    with gateway(house) as made:
        yield made


def ask(running: Gateway, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    try:
        with urlopen(Request(running.url + path, data, headers, method=method), timeout=20) as reply:  # noqa: S310
            return reply.status, json.load(reply)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/openai/v1/files", "/v1/files"),
        ("/openai/files", "/v1/files"),
        ("/openai/v1/files?limit=2", "/v1/files?limit=2"),
        ("/groq/openai/v1/batches", "/openai/v1/batches"),
        ("/together/v1/files", "/files"),
    ],
)
def test_it_arrives_where_the_sdk_would_have_sent_it(running: Gateway, path: str, arrives: str) -> None:
    token = running.house.issue("chat:write", "native:all").text
    assert ask(running, "GET", path, token)[0] == 200
    assert [one.path for one in running.house.provider.served] == [arrives]
    assert [(each.source, each.status) for each in running.house.entries()] == [("unpriced", "ok")]


def test_a_key_whose_base_url_has_no_version_takes_the_paths_of_its_providers_sdk(running: Gateway) -> None:
    token = running.house.issue("chat:write", "chat:read").text
    body = {"model": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "messages": [{"role": "user", "content": "hi"}]}
    assert ask(running, "POST", "/together/v1/chat/completions", token, body)[0] == 200
    assert [one.path for one in running.house.provider.served] == ["/chat/completions"]


def test_without_a_model_nobody_can_tell_the_cost_so_it_takes_native_all_and_no_budget(running: Gateway) -> None:
    house, body = running.house, {"prompt": {"id": "pmpt_123"}, "input": "hi"}
    plain, all_ = house.issue("chat:write").text, house.issue("chat:write", "native:all")
    status, told = ask(running, "POST", "/openai/v1/responses", plain, body)
    assert (status, "model is missing" in told["error"]["message"]) == (400, True)
    assert ask(running, "POST", "/openai/v1/responses", all_.text, body)[0] == 200
    assert [(one.path, one.json) for one in house.provider.served] == [("/v1/responses", body)]
    assert [(each.source, each.status) for each in house.entries()] == [("unpriced", "ok")]
    house.budget("org", 10**12)
    assert ask(running, "POST", "/openai/v1/responses", all_.text, body)[0] == 403
    assert len(house.provider.served) == 1


def test_a_token_for_some_models_uses_nothing_that_may_be_any(running: Gateway) -> None:
    token = running.house.issue("chat:write", "native:all", models=("openai/gpt-4.1",)).text
    for path, body in (("/openai/v1/audio/speech", {"model": "tts-1-hd"}), ("/openai/v1/responses", {"input": "hi"})):
        assert ask(running, "POST", path, token, body)[0] == 403
    assert running.house.provider.served == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/openai/v1/embeddings"])
def test_embeddings_have_no_output_so_a_budget_bounds_them_by_their_input(running: Gateway, path: str) -> None:
    running.house.budget("org", 10**12)
    token = running.house.issue("embeddings:write").text
    model = "text-embedding-3-small" if "/openai/" in path else "openai/text-embedding-3-small"
    assert ask(running, "POST", path, token, {"model": model, "input": ["a", "b"]})[0] == 200
    assert [one.json for one in running.house.provider.served] == [
        {"model": "text-embedding-3-small", "input": ["a", "b"]}
    ]
