"""Which of a request's credentials counts: the one that is a token of aikeys; two different ones are refused."""

from __future__ import annotations

import asyncio
from itertools import permutations
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.in_process import Running, gateway

PLACES = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


def fields(*given: tuple[str, str]) -> list[tuple[str, str]]:
    return [(name, f"Bearer {text}" if name == "authorization" else text) for name, text in given]


async def status(running: Running, given: list[tuple[str, str]], path: str = "/v1/models") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(running.url + path, headers=given) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, await answer.text()


@pytest.fixture
def nobody() -> dict[str, str]:
    return {"openai": "http://127.0.0.1:9/v1"}


def test_a_token_counts_wherever_it_stands_and_whatever_stands_beside_it(
    tmp_path: Path, nobody: dict[str, str]
) -> None:
    async def run() -> None:
        async with gateway(tmp_path / "home", nobody) as running:
            other, ours = "sk-of-the-client-0123456789", running.token
            for first, second in permutations(PLACES, 2):
                assert (await status(running, fields((first, other), (second, ours))))[0] == 200, (first, second)
                assert (await status(running, fields((first, ours), (second, ours))))[0] == 200, (first, second)
                assert (await status(running, fields((first, other), (second, other))))[0] == 401, (first, second)
            basic = [("authorization", "Basic dTpw"), ("x-api-key", ours)]
            assert (await status(running, basic))[0] == 200

    asyncio.run(run())


def test_two_different_tokens_are_refused_whichever_would_do(tmp_path: Path, nobody: dict[str, str]) -> None:
    async def run() -> None:
        async with gateway(tmp_path / "home", nobody) as running:
            ours = running.token
            another = ours[:-1] + ("a" if ours[-1] != "a" else "b")
            pairs = [fields((first, ours), (second, another)) for first, second in permutations(PLACES, 2)]
            pairs += [[(name, ours), (name, another)] for name in PLACES[1:]]
            pairs += [fields(("authorization", ours), ("authorization", another))]
            pairs += [[("authorization", another), *fields((name, ours))] for name in PLACES]
            pairs += [[("authorization", f"Token {another}"), ("x-api-key", ours)]]
            for given in pairs:
                code, text = await status(running, given)
                assert (code, "two different tokens" in text) == (401, True), given
                assert ours not in text
                assert another not in text
            code, text = await status(running, fields(("x-api-key", ours)), f"/v1/models?key={another}")
            assert (code, "two different tokens" in text) == (401, True)
            assert (await status(running, [], f"/v1/models?key={ours}"))[0] == 401
            gemini = f"/v1beta/models?key={another}"
            assert (await status(running, fields(("x-goog-api-key", ours)), gemini))[0] == 401

    asyncio.run(run())
