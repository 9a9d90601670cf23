"""Models that stand in, on every route: who answers, what each costs, and never after a byte has reached the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from aikeys import config
from aikeys.ledger import listing
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import gateway
from tests.gateway.test_further_names import GENERATED, MESSAGE, SAID
from tests.spending.conftest import REPLY, WHOLE_STREAM, FakeProvider, Play, answer, chunk, stream

OVERLOADED = answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
BUSY = answer(503, {"error": {"message": "busy", "type": "server_error"}})
RESPONSE = {
    "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [],
    "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30},
}  # fmt: skip
FALLBACKS = {
    "anthropic/claude-sonnet-4-5": ("minimax/MiniMax-M2",),
    "anthropic/claude-haiku-4-5": ("deepseek/deepseek-chat",),
    "gemini/gemini-2.5-pro": ("gemini/gemini-2.5-flash",),
    "gemini/gemini-2.5-flash": ("openai/gpt-4o-mini",),
    "openai/gpt-4o": ("openai/gpt-4o-mini",),
    "openai/gpt-4.1": ("groq/llama-3.3-70b-versatile", "anthropic/claude-haiku-4-5"),
    "openai/text-embedding-3-small": ("openai/text-embedding-3-large", "azure-openai/text-embedding-3-small"),
    "azure-openai/mine": ("openai/gpt-4o",),
}
BASES = {
    "openai": "/v1",
    "anthropic": "",
    "minimax": "/anthropic",
    "deepseek": "",
    "gemini": "",
    "groq": "",
    "azure-openai": "",
}
CONFIG = config.EMPTY._replace(fallbacks=FALLBACKS)
ERROR_EVENT = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
STARTED = {
    "type": "message_start",
    "message": {**MESSAGE, "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
SAYS = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "he"}}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
ENDS = (
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}},
    {"type": "message_stop"},
)


class Heard(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    entries: list[tuple[str, str, int]]
    """Model, status and cost of every call."""


class Providers(dict[str, FakeProvider]):
    """One provider on loopback for each name."""


@pytest.fixture
def providers() -> Iterator[Providers]:
    found = Providers({name: FakeProvider() for name in BASES})
    yield found
    for each in found.values():
        each.close()


def heard(
    folder: Path, providers: Providers, path: str, body: dict[str, Any], settings: config.Config = CONFIG, **limits: Any
) -> Heard:
    async def run() -> Heard:
        bases = {name: providers[name].url + end for name, end in BASES.items()}
        scopes = TokenRequest(scopes=("chat:write", "embeddings:write"), **limits)
        async with gateway(folder / "home", bases, scopes, settings) as running, aiohttp.ClientSession() as session:
            async with session.post(running.url + path, headers=running.headers, json=body) as reply:
                try:
                    data = await reply.read()
                except aiohttp.ClientPayloadError:
                    data = b"cut"
            fields = {name.lower(): value for name, value in reply.headers.items()}
            with closing(running.place.ledger) as ledger, ledger.open().reading() as connection:
                calls = [each.call for each in listing.calls(connection, ledger)]
            entries = [(each.context.model, each.status, each.cost_pusd) for each in calls]
            return Heard(reply.status, fields, data, entries)

    return asyncio.run(run())


CASES: tuple[tuple[str, dict[str, Any], dict[str, Play], str, str], ...] = (
    ("/v1/messages", {**SAID, "model": "claude-sonnet-4-5"}, {"anthropic": OVERLOADED, "minimax": answer(200, MESSAGE)}, "minimax/MiniMax-M2", "/anthropic/v1/messages"),
    ("/messages", {**SAID, "model": "claude-haiku-4-5"}, {"anthropic": OVERLOADED, "deepseek": answer(200, MESSAGE)}, "deepseek/deepseek-chat", "/anthropic/v1/messages"),
    ("/v1/responses", {"model": "openai/gpt-4.1", "input": "hi"}, {"openai": BUSY, "groq": answer(200, RESPONSE)}, "groq/llama-3.3-70b-versatile", "/openai/v1/responses"),
    ("/openai/v1/responses", {"model": "gpt-4.1", "input": "hi"}, {"openai": BUSY, "groq": answer(200, RESPONSE)}, "groq/llama-3.3-70b-versatile", "/openai/v1/responses"),
    ("/openai/v1/chat/completions", {**SAID, "model": "gpt-4.1"}, {"openai": BUSY, "groq": answer(200, REPLY)}, "groq/llama-3.3-70b-versatile", "/openai/v1/chat/completions"),
    ("/v1/chat/completions", {**SAID, "model": "openai/gpt-4.1"}, {"openai": BUSY, "groq": BUSY, "anthropic": answer(200, MESSAGE)}, "anthropic/claude-haiku-4-5", "/v1/messages"),
    ("/openai/deployments/mine/chat/completions?api-version=1", {**SAID, "model": "mine"}, {"azure-openai": BUSY, "openai": answer(200, REPLY)}, "openai/gpt-4o", "/v1/chat/completions"),
    ("/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "hi"}, {"openai": BUSY, "azure-openai": answer(200, {"data": [], "model": "x", "usage": {"prompt_tokens": 1, "total_tokens": 1}})}, "azure-openai/text-embedding-3-small", "/openai/v1/embeddings"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[each[0] for each in CASES])
def test_a_stand_in_that_takes_the_format_answers_and_is_named(
    tmp_path: Path, providers: Providers, case: tuple[str, dict[str, Any], dict[str, Play], str, str]
) -> None:
    path, body, plays, who, arrives = case
    for name, play in plays.items():
        providers[name].plays[:] = [play]
    found = heard(tmp_path, providers, path, body)
    assert (found.status, found.headers["x-aikeys-model"]) == (200, who), found
    last = providers[who.partition("/")[0]].seen[-1]
    assert last.path == arrives
    assert last.body["model"] == who.partition("/")[2]
    assert [entry[0] for entry in found.entries][-1] == who
    assert [entry[1] for entry in found.entries][-1] == "ok"
    assert len(found.entries) == len(plays)  # each call is an entry of its own
    assert [name for name in providers if providers[name].seen and name not in plays] == []


def test_on_geminis_route_the_path_names_the_stand_in_and_who_does_not_take_the_format_is_not_asked(
    tmp_path: Path, providers: Providers
) -> None:
    providers["gemini"].plays[:] = [BUSY, answer(200, GENERATED)]
    path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    found = heard(tmp_path, providers, path, {"contents": [{"parts": [{"text": "hi"}]}]})
    assert found.headers["x-aikeys-model"] == "gemini/gemini-2.5-flash"
    assert providers["gemini"].seen[1].path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    providers["gemini"].plays[:] = [BUSY]
    again = heard(tmp_path / "2", providers, path.replace("pro", "flash"), {"contents": []})
    assert (again.status, providers["openai"].seen) == (503, [])


TOO_LONG = (
    answer(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
    answer(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "input length and `max_tokens` exceed context limit: 199000 + 9 > 200000"}}),
    answer(413, {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
)  # fmt: skip


@pytest.mark.parametrize("play", TOO_LONG, ids=["too long", "with its cap", "413"])
def test_a_context_that_is_too_long_goes_to_who_takes_more_and_a_wrong_request_to_nobody(
    tmp_path: Path, providers: Providers, play: Play
) -> None:
    providers["anthropic"].plays[:] = [play]
    providers["minimax"].plays[:] = [answer(200, MESSAGE)]
    found = heard(tmp_path, providers, "/v1/messages", {**SAID, "model": "claude-sonnet-4-5"})
    assert found.headers["x-aikeys-model"] == "minimax/MiniMax-M2"
    assert found.entries[0][2] == 0
    wrong = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: roles must alternate"}}
    providers["anthropic"].plays[:] = [answer(400, wrong)]
    again = heard(tmp_path / "2", providers, "/v1/messages", {**SAID, "model": "claude-sonnet-4-5"})
    assert (again.status, json.loads(again.body)) == (400, wrong)
    assert len(providers["minimax"].seen) == 1


@pytest.mark.parametrize(
    "first",
    [stream(ERROR_EVENT), stream(STARTED, BLOCK, ERROR_EVENT), stream(STARTED, {"type": "ping"}, cut_after=120)],
)
def test_a_stream_that_fails_before_it_says_anything_is_answered_by_a_stand_in(
    tmp_path: Path, providers: Providers, first: Play
) -> None:
    providers["anthropic"].plays[:] = [first]
    providers["minimax"].plays[:] = [stream(STARTED, BLOCK, SAYS, *ENDS)]
    found = heard(tmp_path, providers, "/v1/messages", {**SAID, "model": "claude-sonnet-4-5", "stream": True})
    assert (found.status, found.headers["x-aikeys-model"]) == (200, "minimax/MiniMax-M2")
    assert found.body.count(b"event: message_start") == 1  # not a byte of the first
    assert b"Overloaded" not in found.body
    assert [entry[0] for entry in found.entries] == ["anthropic/claude-sonnet-4-5", "minimax/MiniMax-M2"]


def test_after_a_byte_reached_the_client_nobody_else_is_asked(tmp_path: Path, providers: Providers) -> None:
    providers["anthropic"].plays[:] = [stream(STARTED, BLOCK, SAYS, ERROR_EVENT)]
    found = heard(tmp_path, providers, "/v1/messages", {**SAID, "model": "claude-sonnet-4-5", "stream": True})
    assert found.headers["x-aikeys-model"] == "anthropic/claude-sonnet-4-5"
    assert b"Overloaded" in found.body
    assert providers["minimax"].seen == []


def test_where_no_stand_in_can_be_asked_the_first_stream_is_answered_as_it_came(
    tmp_path: Path, providers: Providers
) -> None:
    providers["anthropic"].plays[:] = [stream(STARTED, ERROR_EVENT)]
    for name, models in (("scope", ("anthropic/*",)), ("none", ())):
        settings = CONFIG if models else config.EMPTY
        body = {**SAID, "model": "claude-sonnet-4-5", "stream": True}
        found = heard(tmp_path / name, providers, "/v1/messages", body, settings, models=models)
        assert found.status == 200
        assert b"message_start" in found.body
        assert b"Overloaded" in found.body
        assert found.headers["content-type"] == "text/event-stream"
    assert providers["minimax"].seen == []


def test_each_is_reserved_in_the_same_budget_and_one_that_does_not_fit_is_passed_over(
    tmp_path: Path, providers: Providers
) -> None:
    providers["openai"].plays[:] = [BUSY]
    big = [{"role": "user", "content": "word " * 2000}]
    body = {"model": "openai/gpt-4o", "messages": big, "max_tokens": 300}
    found = heard(tmp_path, providers, "/v1/chat/completions", body, budget_pusd=10**11)
    assert [entry[0] for entry in found.entries] == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    dear = config.EMPTY._replace(fallbacks={"openai/gpt-4o-mini": ("openai/gpt-4o",)})
    body["model"] = "openai/gpt-4o-mini"
    found = heard(tmp_path / "2", providers, "/v1/chat/completions", body, dear, budget_pusd=9 * 10**9)
    assert [entry[0] for entry in found.entries] == ["openai/gpt-4o-mini"]
    assert found.status == 503  # what the one that was asked said


def test_a_stream_in_openais_words_waits_for_its_first_piece_too(tmp_path: Path, providers: Providers) -> None:
    providers["openai"].plays[:] = [stream({"error": {"message": "busy", "type": "server_error"}})]
    providers["groq"].plays[:] = [stream(*WHOLE_STREAM)]
    body = {**SAID, "model": "openai/gpt-4.1", "stream": True}
    found = heard(tmp_path, providers, "/v1/chat/completions", body)
    assert found.headers["x-aikeys-model"] == "groq/llama-3.3-70b-versatile"
    assert b"Hel" in found.body
    assert b"busy" not in found.body
    providers["openai"].plays[:] = [stream(chunk("He"), {"error": {"message": "busy", "type": "server_error"}})]
    again = heard(tmp_path / "2", providers, "/v1/chat/completions", body)
    assert again.headers["x-aikeys-model"] == "openai/gpt-4.1"
    assert len(providers["groq"].seen) == 1


EMPTY = (
    stream({"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 0}}, b"[DONE]"),
    stream(
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "error": {"message": "busy", "code": 503}}]}
    ),
    answer(200, {"error": {"message": "Provider returned error", "code": 503}}),
    stream(b"[DONE]"),
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/chat/completions"])
@pytest.mark.parametrize("play", EMPTY, ids=["no choices", "an error in a choice", "an error in one piece", "nothing"])
def test_a_good_status_without_an_answer_is_none(tmp_path: Path, providers: Providers, play: Play, path: str) -> None:
    providers["openai"].plays[:] = [play]
    providers["groq"].plays[:] = [stream(*WHOLE_STREAM)]
    model = "openai/gpt-4.1" if path.startswith("/v1") else "gpt-4.1"
    found = heard(tmp_path, providers, path, {**SAID, "model": model, "stream": True})
    assert found.headers["x-aikeys-model"] == "groq/llama-3.3-70b-versatile", found
    assert b"Hel" in found.body
