"""A token that ends while its call waits for a budget or a limit per minute: nothing is sent, nothing is held."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aikeys.budgets.reservations import Reservation
from aikeys.gateway import reserver as reservers
from aikeys.ledger import listing
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault.tokens import revoking
from tests.gateway.in_process import Running, gateway
from tests.gateway.test_token_budgets import BODY, NOBODY


async def ask(running: Running) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session:
        url = f"{running.url}/v1/chat/completions"
        async with session.post(url, json=BODY, headers=running.headers) as answer:
            return answer.status, await answer.text(), answer.headers["x-aikeys-request-id"]


def ids(running: Running) -> list[str]:
    """Return what the entries of calls are known by."""
    with closing(running.place.ledger.open()) as ledger, ledger.reading() as connection:
        return [listing.request_id_of(each.call) for each in listing.newest_calls(connection, ledger, 10)]


def held_and_booked(running: Running) -> tuple[int, list[tuple[str, int]]]:
    """Return how many reservations are open, and of each call how it ended and what it cost."""
    with closing(running.place.ledger.open()) as ledger, ledger.reading() as connection:
        held = connection.execute("SELECT count(*) FROM reservation").fetchone()[0]
        calls = [each.call for each in listing.newest_calls(connection, ledger, 10)]
    return held, [(call.status, call.cost_pusd) for call in calls]


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_token_revoked_while_its_call_waits_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_revoked: bool
) -> None:
    reserve = reservers.reserve

    async def run() -> tuple[int, str]:
        async with gateway(tmp_path / "home", NOBODY, TokenRequest(scopes=("chat:write",))) as running:
            token_id = running.state.admit(running.token).claims.id

            async def slowly(*given: Any) -> Reservation:
                reserved = await reserve(*given)
                if is_revoked:
                    await asyncio.to_thread(revoking.revoke, running.place, [token_id])
                return reserved

            monkeypatch.setattr(reservers, "reserve", slowly)
            status, said, request_id = await ask(running)
            assert held_and_booked(running) == (0, [("not_sent", 0)])
            assert ids(running) == [request_id]
        return status, said

    status, said = asyncio.run(run())
    assert status == (401 if is_revoked else 502), said
    assert ("was revoked" in said) == is_revoked


def test_a_token_for_a_single_use_is_good_for_the_call_that_used_it(tmp_path: Path) -> None:
    async def run() -> list[int]:
        async with gateway(tmp_path / "home", NOBODY, TokenRequest(scopes=("chat:write",), is_once=True)) as running:
            return [(await ask(running))[0] for _ in range(2)]

    assert asyncio.run(run()) == [502, 401]
