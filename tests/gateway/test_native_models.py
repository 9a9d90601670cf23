"""A provider's own route takes that provider's models: another's name is refused, and its prompt goes to nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.pricing.book import Book
from aikeys.pricing.names import ELSEWHERE
from aikeys.providers import catalogue
from aikeys.spending.names import ModelNames, OfAnother, SpendingKey
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import Running, gateway
from tests.spending.conftest import FakeProvider

KNOWN = catalogue.load()
BOOK = Book("/nonexistent", {}, {}, KNOWN)
HELD = [SpendingKey(name, name, f"https://{name}.example", is_default=True) for name in KNOWN]
WORK = SpendingKey("Work", "gemini", "https://gemini.example")
SPARE = SpendingKey("spare", "anthropic", "https://anthropic.example/spare")
NAMES = ModelNames(
    [*HELD, WORK, SPARE], KNOWN, BOOK, {"fast": "gemini/gemini-2.5-flash", "calm": "anthropic/claude-opus-4-1"}
)
MAKERS = (
    "openai",
    "anthropic",
    "gemini",
    "mistral",
    "deepseek",
    "xai",
    "cohere",
    "moonshot",
    "minimax",
    "azure-openai",
)
PREFIXES = (*KNOWN, *ELSEWHERE, "Work", "work", "fast", "claude", "GEMINI", "Google")


def _is_of(prefix: str, provider: str) -> bool:
    lower = prefix.lower()
    other = {"work": "gemini", "fast": "gemini", "claude": "anthropic", "spare": "anthropic"}
    return other.get(lower, ELSEWHERE.get(lower, lower)) == provider


@given(st.sampled_from(MAKERS), st.sampled_from(PREFIXES), st.sampled_from(["", "/", "models/"]), st.booleans())
def test_no_name_of_another_provider_is_a_makers_own(provider: str, prefix: str, before: str, twice: bool) -> None:
    text = f"{before}{provider + '/' if twice else ''}{prefix}/a-model"
    if _is_of(prefix, provider):
        assert NAMES.at(provider, text).provider.name == provider
        return
    with pytest.raises(OfAnother):
        NAMES.at(provider, text)


SPELLINGS = ("openai%2Fgpt-4o", "OpenAI%2fgpt-4o", "openai%252Fgpt-4o", "\uff4f\uff50enai/gpt-4o", "openai\uff0fgpt-4o")


@pytest.mark.parametrize("text", SPELLINGS)
def test_another_spelling_of_another_providers_name_is_that_name(text: str) -> None:
    with pytest.raises(OfAnother):
        NAMES.at("anthropic", text)
    assert NAMES.at("openai", text).model == "gpt-4o"


@pytest.mark.parametrize(
    ("provider", "text", "sent"),
    [
        ("openrouter", "anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("openrouter", "openrouter/openai/gpt-5", "openai/gpt-5"),
        ("openrouter", "a-new-maker/m", "a-new-maker/m"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("groq", "openai/gpt-oss-999b", "openai/gpt-oss-999b"),
        ("perplexity", "anthropic/claude-opus-4-5", "anthropic/claude-opus-4-5"),
        ("vercel", "xai/grok-4", "xai/grok-4"),
        ("fireworks", "accounts/fireworks/models/x", "accounts/fireworks/models/x"),
        ("openai", "openai/gpt-4.1", "gpt-4.1"),
        ("openai", "ft:gpt-4o:acme::1", "ft:gpt-4o:acme::1"),
        ("anthropic", "spare/claude-opus-4-1", "claude-opus-4-1"),
        ("anthropic", "claude", "claude-sonnet-5-5"),
        ("anthropic", "calm", "claude-opus-4-1"),
        ("azure-openai", "gpt4", "gpt4"),  # a deployment may be called like an alias
        ("azure-openai", "eu/gpt-4o-2024-08-06", "eu/gpt-4o-2024-08-06"),
        ("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini", "google/gemini-2.5-flash", "gemini-2.5-flash"),
        ("mistral", "some/thing", "some/thing"),
    ],
)
def test_a_providers_own_names_stay(provider: str, text: str, sent: str) -> None:
    assert NAMES.at(provider, text).model == sent


def test_a_key_in_front_is_the_key_that_is_asked() -> None:
    assert NAMES.at("anthropic", "spare/claude-opus-4-1").key.name == "spare"
    assert NAMES.at("anthropic", "claude-opus-4-1").key.name == "anthropic"


@pytest.mark.parametrize(("provider", "text"), [("groq", "gemini/gemini-2.5-flash"), ("openai", "fast")])
def test_a_name_that_only_looks_like_a_resellers_and_a_bare_alias_are_refused(provider: str, text: str) -> None:
    with pytest.raises(OfAnother):
        NAMES.at(provider, text)


def test_who_lists_models_of_other_makers_is_marked_as_a_reseller_or_serves_those_it_lists() -> None:
    for name, provider in KNOWN.items():
        for model in BOOK.models(name):
            if "/" in model and not model.startswith(f"{name}/"):
                assert NAMES.at(name, model).model == model, (name, model, provider.resells)


class Heard(NamedTuple):
    status: int
    body: Any


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def heard(
    tmp_path: Path, provider: FakeProvider, asked: list[tuple[str, str, Any]], *scopes: str, keys: tuple[str, ...] = ()
) -> list[Heard]:
    async def run() -> list[Heard]:
        bases = {"openai": "/v1", "groq": "", "gemini": "", "anthropic": "", "work@gemini": ""}
        token_request = TokenRequest(scopes=("chat:write", "chat:read", "embeddings:write", *scopes), keys=keys)
        home = {name: provider.url + end for name, end in bases.items()}
        async with gateway(tmp_path / "home", home, token_request) as running, aiohttp.ClientSession() as session:
            return [await _ask(running, session, *one) for one in asked]

    return asyncio.run(run())


async def _ask(running: Running, session: aiohttp.ClientSession, method: str, path: str, body: Any) -> Heard:
    fields: dict[str, Any] = {"data": body} if isinstance(body, bytes | aiohttp.FormData) else {"json": body}
    async with session.request(method, running.url + path, headers=running.headers, **fields) as answer:
        return Heard(answer.status, json.loads(await answer.read()))


MESSAGES = [{"role": "user", "content": "hi"}]


def body(model: str) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, "max_tokens": 9}


ROUTES = [
    ("POST", "/v1/messages", body("gemini/gemini-2.5-flash")),
    ("POST", "/v1/messages", body("work/gemini-2.5-flash")),
    ("POST", "/v1/messages/count_tokens", body("openai/gpt-4.1")),
    ("POST", "/anthropic/v1/messages", body("google/gemini-2.5-flash")),
    ("POST", "/openai/v1/chat/completions", body("anthropic/claude-sonnet-4-5")),
    ("POST", "/openai/v1/responses", {"model": "gemini/gemini-2.5-flash", "input": "hi"}),
    ("POST", "/openai/v1/embeddings", {"model": "gemini/text-embedding-004", "input": "hi"}),
    ("POST", "/openai/v1/moderations", {"model": "mistral/mistral-moderation", "input": "hi"}),
    ("GET", "/openai/v1/models/anthropic/claude-sonnet-4-5", None),
    ("POST", "/groq/openai/v1/chat/completions", body("anthropic/claude-sonnet-4-5")),
    ("POST", "/v1beta/models/anthropic/claude-sonnet-4-5:generateContent", {"contents": []}),
    ("POST", "/v1/models/openai/gpt-4.1:streamGenerateContent", {"contents": []}),
    ("POST", "/v1beta/models/openai/gpt-4.1:countTokens", {"contents": []}),
    ("POST", "/openai/v1/audio/speech", {"model": "gemini/tts", "input": "hi"}),
    (
        "POST",
        "/openai/v1/audio/transcriptions",
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngroq/w\r\n--b',
    ),
]


CLAUDE = b"anthropic/claude-haiku-4-5"


def part(head: bytes, held: bytes = CLAUDE) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + held + b"\r\n"


FILE = part(b'name="file"; filename="x"', b"name=" * 2000 + b"\r\nContent-Disposition: x")
FORMS = [
    *(
        FILE + part(head) + FILE + b"--b--"
        for head in (
            b'name="model"', b"name=model", b'name="model"; x=y', b"name='model'", b'NAME="model" ', b'name="mod\\el"',
            b"name*=utf-8''model", b'name = "model"', b'filename="a"; name="model"', b'name="model"\r\nX-A: b',
        )
    ),
    part(b'name="model"', b"whisper-1") + part(b'name="model"'),
]  # fmt: skip
DOCUMENTS = [
    b'{"model":"%s"}' % CLAUDE, b'\xef\xbb\xbf{"model":"%s"}' % CLAUDE, b" " * 5000 + b'{"model":"%s"}' % CLAUDE,
    b'[{"model":"%s"}]' % CLAUDE, b'{"session":{"model":"%s"}}' % CLAUDE, b'{"requests":[{"model":"%s"}]}' % CLAUDE,
    b'{"model":"a","model":"%s"}' % CLAUDE, b'{"model":"%s","x":NaN}' % CLAUDE, ('{"model":"x"}').encode("utf-16"),
]  # fmt: skip


def test_a_body_that_is_passed_on_is_looked_through_as_its_reader_might(tmp_path: Path, provider: FakeProvider) -> None:
    async def run() -> list[tuple[int, bytes]]:
        kinds = {"multipart/form-data; boundary=b": FORMS, "application/json": DOCUMENTS}
        kinds["application/x-www-form-urlencoded"] = [
            b"a=b&model=anthropic%2Fclaude-haiku-4-5",
            b"model=x&model=" + CLAUDE,
        ]
        token_request = TokenRequest(scopes=("chat:write", "native:all"))
        found = []
        async with gateway(tmp_path / "home", {"openai": provider.url + "/v1"}, token_request) as running:
            for kind, bodies in kinds.items():
                found += [(await _status(running, "/openai/v1/audio/x", kind, each), each) for each in bodies]
            model = "?model=" + CLAUDE.decode()
            found.append((await _status(running, "/openai/v1/realtime/x" + model, "application/json", b"{}"), b"query"))
            assert await _status(running, "/openai/v1/realtime/x", "application/json", b'{"model":"gpt-4o"}') == 200
        return found

    assert [each for each in asyncio.run(run()) if each[0] != 400] == []
    assert len(provider.seen) == 1


async def _status(running: Running, path: str, kind: str, data: bytes) -> int:
    headers = {**running.headers, "content-type": kind}
    async with (
        aiohttp.ClientSession() as session,
        session.post(running.url + path, headers=headers, data=data) as answer,
    ):
        return answer.status


def test_no_route_sends_a_prompt_to_another_provider_than_its_model_names(
    tmp_path: Path, provider: FakeProvider
) -> None:
    found = heard(tmp_path, provider, ROUTES, "native:all")
    assert [(one[1], each.status) for one, each in zip(ROUTES, found, strict=True)] == [(one[1], 400) for one in ROUTES]
    assert provider.seen == []
    assert "/v1beta/models/gemini-2.5-flash:generateContent" in found[0].body["error"]["message"]
    assert found[0].body["type"] == "error"  # in the shape of its route
    assert "/v1/messages" in found[4].body["error"]["message"]


def test_what_is_the_providers_own_goes_on_under_its_own_name(tmp_path: Path, provider: FakeProvider) -> None:
    asked = [
        ("POST", "/v1/messages", body("anthropic/claude-sonnet-4-5")),
        ("POST", "/v1/messages/count_tokens", body("anthropic/claude-sonnet-4-5")),
        ("POST", "/v1beta/models/work/gemini-2.5-flash:countTokens", {"contents": []}),
        ("POST", "/groq/openai/v1/chat/completions", body("openai/gpt-oss-120b")),
        ("POST", "/openai/v1/audio/speech", {"model": "tts-1", "input": "hi"}),
    ]
    found = heard(tmp_path, provider, asked, "native:all")
    assert not [each for each in found if b"aikeys" in json.dumps(each.body).encode()], found
    assert [(one.path, one.body.get("model")) for one in provider.seen] == [
        ("/v1/messages", "claude-sonnet-4-5"),
        ("/v1/messages/count_tokens", "claude-sonnet-4-5"),
        ("/v1beta/models/gemini-2.5-flash:countTokens", None),
        ("/openai/v1/chat/completions", "openai/gpt-oss-120b"),
        ("/v1/audio/speech", "tts-1"),
    ]
    assert provider.seen[2].headers["x-goog-api-key"] == "sk-of-the-test"
