"""The reserver of the budgets from the tasks of an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reserver import Patience, ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who
from aikeys.gateway.reserver import LoopReserver, reserve
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.budgets.conftest import call_of, request_of

Talk = Callable[[LoopReserver], Coroutine[Any, Any, None]]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(str(tmp_path)).open_or_create(b"L" * 16)
    with made.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(parse_usd("10")))
    return made


def run(ledger: Ledger, talk: Talk) -> None:
    async def whole() -> None:
        rounds = SqliteRounds(os.path.dirname(ledger.path))
        reserver = LoopReserver(rounds, asyncio.get_running_loop(), ReserverSetup(Patience(60)))
        try:
            await talk(reserver)
        finally:
            await asyncio.to_thread(reserver.close)

    asyncio.run(whole())
    verify(ledger)
    verify_budgets(ledger)
    ledger.close()


def test_sixty_four_tasks_share_a_budget_for_ten_calls(ledger: Ledger) -> None:
    went: list[int] = []

    async def one(reserver: LoopReserver, number: int) -> None:
        try:
            reservation = await reserve(reserver, request_of("1", "1", user=f"u{number}"))
        except BudgetExceeded:
            return
        await reserver.settle(reservation, call_of(reservation.context, "1"))
        went.append(number)

    async def talk(reserver: LoopReserver) -> None:
        await asyncio.gather(*(one(reserver, number) for number in range(64)))

    run(ledger, talk)
    assert len(went) == 10


def test_a_task_that_is_cancelled_leaves_the_queue(ledger: Ledger) -> None:
    async def talk(reserver: LoopReserver) -> None:
        await reserve(reserver, request_of("5"))
        front = asyncio.create_task(reserve(reserver, request_of("8", "8")))
        await asyncio.sleep(0)  # it has asked
        behind = asyncio.create_task(reserve(reserver, request_of("5", "5")))
        await asyncio.sleep(0)
        front.cancel()
        assert (await asyncio.wait_for(behind, 20)).pusd == parse_usd("5")
        assert front.cancelled()

    run(ledger, talk)


def test_what_is_reserved_for_a_cancelled_task_is_given_back(ledger: Ledger) -> None:
    async def talk(reserver: LoopReserver) -> None:
        for _ in range(20):
            task = asyncio.create_task(reserve(reserver, request_of("10", "10")))
            await asyncio.sleep(0)
            task.cancel()
        assert (await asyncio.wait_for(reserve(reserver, request_of("10", "10")), 20)).pusd == parse_usd("10")

    run(ledger, talk)


def test_what_is_granted_in_the_turn_in_which_its_task_is_cancelled_is_given_back(ledger: Ledger) -> None:
    class Cancelling(LoopReserver):
        """Cancels a task between its grant and its next step, as a gateway that stops does."""

        task: asyncio.Task[Any] | None = None

        def reserve(self, *args: Any, **kwargs: Any) -> Any:
            ticket = super().reserve(*args, **kwargs)
            if self.task is not None:
                ticket.add_done_callback(lambda _done: self.task and self.task.cancel())
            return ticket

    async def talk() -> None:
        reserver = Cancelling(
            SqliteRounds(os.path.dirname(ledger.path)), asyncio.get_running_loop(), ReserverSetup(Patience(60))
        )
        try:
            reserver.task = task = asyncio.create_task(reserve(reserver, request_of("10", "10")))
            await asyncio.wait({task})
            assert task.cancelled()
            reserver.task = None
            assert (await asyncio.wait_for(reserve(reserver, request_of("10", "10")), 20)).pusd == parse_usd("10")
        finally:
            await asyncio.to_thread(reserver.close)

    asyncio.run(talk())
    ledger.close()


def test_a_settle_whose_task_is_cancelled_is_written(ledger: Ledger) -> None:
    async def talk(reserver: LoopReserver) -> None:
        reservation = await reserve(reserver, request_of("4"))

        async def settle() -> None:
            await reserver.settle(reservation, call_of(reservation.context, "3"))

        task = asyncio.create_task(settle())
        await asyncio.sleep(0)
        task.cancel()
        await reserver.act(lambda _writer: None)

    run(ledger, talk)
    with ledger.reading() as connection:
        assert connection.execute("SELECT cost_pusd FROM call").fetchall() == [(parse_usd("3"),)]
        assert connection.execute("SELECT count(*) FROM reservation").fetchone() == (0,)
    ledger.close()
