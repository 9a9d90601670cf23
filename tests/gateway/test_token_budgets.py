"""A token is worth what it was issued with: a budget that was removed or raised since refuses its calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.terms import TOTAL, Terms
from aikeys.budgets.who import TOKEN, Who
from aikeys.ledger.store import Writer
from aikeys.money import parse_usd
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import Running, gateway

NOBODY = {"openai": "http://127.0.0.1:9/v1"}
BODY = {"model": "openai/gpt-4.1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}


def remove(writer: Writer, token: str) -> None:
    remove_budget(writer, f"token:{token}")


def raise_it(writer: Writer, token: str) -> None:
    set_budget(writer, Who(TOKEN, token), Terms(parse_usd("50"), TOTAL))


def only_warn(writer: Writer, token: str) -> None:
    set_budget(writer, Who(TOKEN, token), Terms(parse_usd("5"), TOTAL, "warn"))


def lower(writer: Writer, token: str) -> None:
    set_budget(writer, Who(TOKEN, token), Terms(parse_usd("4"), TOTAL))


@pytest.mark.parametrize(
    ("change", "status"), [(None, 502), (lower, 502), (remove, 422), (raise_it, 422), (only_warn, 422)]
)
def test_the_budget_of_a_token_can_be_lowered_and_nothing_else(tmp_path: Path, change: object, status: int) -> None:
    async def ask(running: Running) -> int:
        async with aiohttp.ClientSession() as session:
            url = f"{running.url}/v1/chat/completions"
            async with session.post(url, json=BODY, headers=running.headers) as answer:
                await answer.read()
                return answer.status

    async def run() -> int:
        token_request = TokenRequest(scopes=("chat:write",), budget_pusd=parse_usd("5"))
        async with gateway(tmp_path / "home", NOBODY, token_request) as running:
            token = running.state.admit(running.token).shown_id
            if callable(change):
                with running.place.ledger.open().writing() as writer:
                    change(writer, token)
            return await ask(running)

    assert asyncio.run(run()) == status
