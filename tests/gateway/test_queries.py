"""Parameters of an address: of a listed route only known ones go on, so none can hide what a call used."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from aiohttp.test_utils import make_mocked_request

from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http.queries import query_of
from aikeys.providers.native_routes import NativeRoute
from tests.gateway.process import SECRET, Gateway, House, gateway
from tests.gateway.test_native_all import ask

METERED = NativeRoute("POST", "/x", "chat:write", "gemini_generate")
LIST = NativeRoute("GET", "/x", "chat:read")
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


def query(text: str, protocol: str = "gemini", route: NativeRoute | None = METERED) -> str:
    return query_of(make_mocked_request("POST", f"/x?{text}"), protocol, route)


@pytest.mark.parametrize(
    ("protocol", "text", "goes_on"),
    [
        ("gemini", "alt=sse", "?alt=sse"),
        ("gemini", "key=aik_x&alt=sse&key=aik_y", "?alt=sse"),
        ("gemini", "key=aik_x", ""),
        ("anthropic", "beta=true", "?beta=true"),
        ("azure", "api-version=2024-05-01-preview", "?api-version=2024-05-01-preview"),
        ("openai", "", ""),
    ],
)
def test_what_sdks_send_goes_on_and_our_token_does_not(protocol: str, text: str, goes_on: str) -> None:
    assert query(text, protocol) == goes_on


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        ("gemini", "fields=candidates"),
        ("gemini", "alt=sse&%66ields=candidates"),
        ("gemini", "$fields=candidates"),
        ("gemini", "access_token=ya29.x"),
        ("gemini", "alt=media"),
        ("gemini", "alt=sse;fields=candidates"),
        ("gemini", "alt=sse%26fields=candidates"),
        ("gemini", "alt=sse&alt=json"),
        ("gemini", "alt=sse%0A"),
        ("gemini", "fields"),
        ("gemini", "Key=x"),
        ("anthropic", "beta=false"),
        ("anthropic", "alt=sse"),
        ("azure", "api-version=1&api-version=2"),
        ("azure", "api-version=../x"),
        ("openai", "limit=3"),
        ("openai", "include[]=usage"),
    ],
)
def test_on_a_metered_route_nothing_else_does(protocol: str, text: str) -> None:
    with pytest.raises(InvalidRequest):
        query(text, protocol)


def test_what_is_free_to_read_can_be_paged_through() -> None:
    paged = "limit=2&after=a&order=asc&include[]=x&include[]=y"
    assert unquote(query(paged, "openai", LIST)) == f"?{paged}"
    assert query("pageSize=2&pageToken=t", "gemini", LIST) == "?pageSize=2&pageToken=t"
    with pytest.raises(InvalidRequest, match="fields"):
        query("limit=2&fields=x", "openai", LIST)


def test_what_is_not_listed_takes_everything_but_credentials() -> None:
    assert query("purpose=x&fields=y", "openai", None) == "?purpose=x&fields=y"
    for name in ("access_token", "Api_Key", "oauth_token"):
        with pytest.raises(InvalidRequest, match="credential"):
            query(f"a=1&{name}=secret", "gemini", None)


@pytest.fixture
def running(house: House) -> Iterator[Gateway]:
    for name in ("gemini", "anthropic"):
        house.add_key(name, SECRET, name, f"http://127.0.0.1:{house.provider.port}")
    with gateway(house) as made:
        yield made


def test_nothing_is_sent_where_a_parameter_could_hide_the_usage(running: Gateway) -> None:
    house, token = running.house, running.house.issue("chat:write", "chat:read", "native:all").text
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    for path in (f"{GENERATE}?fields=candidates", f"/gemini{GENERATE}?alt=sse&access_token=x"):
        status, told = ask(running, "POST", path, token, body)
        assert (status, "is not a parameter" in told["error"]["message"]) == (400, True)
    message = {"model": "claude-sonnet-4-5", **CHAT}
    assert ask(running, "POST", "/v1/messages/count_tokens?fields=x", token, message)[0] == 400
    assert ask(running, "GET", "/v1beta/models?fields=x", token)[0] == 400
    assert ask(running, "GET", "/openai/v1/files?api_key=x", token)[0] == 400
    assert house.provider.served == []
    assert house.reserved == 0
    ask(running, "POST", f"{GENERATE}?alt=json&key={token}", token, body)
    ask(running, "POST", "/v1/messages?beta=true", token, message)
    assert ask(running, "GET", "/v1beta/models?pageSize=2", token)[0] == 200
    assert [one.path for one in house.provider.served] == [
        f"{GENERATE}?alt=json", "/v1/messages?beta=true", "/v1beta/models?pageSize=2",
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_in_the_background_is_refused_because_nobody_learns_what_it_cost(
    running: Gateway, *, stream: bool
) -> None:
    house, body = running.house, {"input": "hi", "background": True, "stream": stream}
    plain, all_ = house.issue("chat:write").text, house.issue("chat:write", "native:all").text
    for path, model in (("/v1/responses", "openai/gpt-4.1"), ("/openai/v1/responses", "gpt-4.1")):
        status, told = ask(running, "POST", path, plain, {"model": model, **body})
        assert (status, told["error"]["message"].startswith("background is set")) == (400, True)
    assert ask(running, "POST", "/v1/responses", all_, {"model": "openai/gpt-4.1", **body})[0] == 400
    assert house.provider.served == []
    assert house.entries() == []


def test_with_native_all_and_no_budget_it_goes_and_stays_unpriced(running: Gateway) -> None:
    house, body = running.house, {"model": "gpt-4.1", "input": "hi", "background": True}
    token = house.issue("chat:write", "native:all").text
    assert ask(running, "POST", "/openai/v1/responses", token, body)[0] == 200
    assert [one.json for one in house.provider.served] == [body]
    assert [(each.source, each.status) for each in house.entries()] == [("unpriced", "ok")]
    house.budget("org", 10**12)
    assert ask(running, "POST", "/openai/v1/responses", token, body)[0] == 403
    assert ask(running, "POST", "/openai/v1/responses", token, {**body, "background": False})[0] == 422
    assert len(house.provider.served) == 1
