"""The demo's provider: one key, exact usage, streamed or not, and a webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from aikeys.cli.demo.provider import REPLY, DemoProvider, usage_of

_KEY = "a-key"
_ASKED = {"model": "gpt-4.1", "max_tokens": 20, "messages": [{"role": "user", "content": "x" * 40}]}
_USAGE = {"prompt_tokens": 18, "completion_tokens": 20, "total_tokens": 38}


@pytest.fixture
def provider() -> Iterator[DemoProvider]:
    with DemoProvider(_KEY) as found:
        yield found


def post(provider: DemoProvider, path: str, body: object, **headers: str) -> str:
    given = {"authorization": f"Bearer {_KEY}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = Request(provider.url + path, json.dumps(body).encode(), given)  # noqa: S310  loopback
    with build_opener(ProxyHandler({})).open(request, timeout=20) as reply:
        return reply.read().decode()


def test_a_chat_has_its_reply_and_usage_and_is_counted(provider: DemoProvider) -> None:
    reply = json.loads(post(provider, "/v1/chat/completions", _ASKED))
    assert reply["choices"][0]["message"]["content"] == REPLY
    assert reply["usage"] == _USAGE
    assert provider.answered == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream_carries_its_usage_where_it_was_asked_for(provider: DemoProvider, wanted: bool) -> None:
    asked = _ASKED | {"stream": True, "stream_options": {"include_usage": wanted}}
    *events, done = post(provider, "/v1/chat/completions", asked).strip().split("\n\n")
    assert done == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert text == REPLY
    assert [chunk["usage"] for chunk in chunks if "usage" in chunk] == [_USAGE] * wanted


@pytest.mark.parametrize("headers", [{"authorization": "Bearer aik_token"}, {"x_api_key": "aik_token"}])
def test_any_credential_but_its_key_is_refused(provider: DemoProvider, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPError) as refused:
        post(provider, "/v1/chat/completions", _ASKED, **headers)
    assert refused.value.code == 401
    refused.value.close()
    assert provider.answered == 0


def test_an_alert_is_taken_with_its_subject(provider: DemoProvider) -> None:
    post(provider, "/alerts", {"subject": "80 % reached"})
    assert provider.has_alert.is_set()
    assert provider.subjects == ["80 % reached"]


def test_a_reply_is_never_longer_than_its_most() -> None:
    assert usage_of({"messages": [], "max_completion_tokens": 9000})["completion_tokens"] == 150
