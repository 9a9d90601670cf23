"""Budgets set, removed and raised while 64 calls without a cap are under way: kept, or the act names who is too early."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from aikeys import config
from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.counters import PeriodRun, made_counter, span_of
from aikeys.budgets.late import Late, late
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who
from aikeys.clock import now_us
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.gateway.in_process import Running, gateway

LISTED, UNKNOWN = "openai/gpt-4.1", "openai/brand-new"
SETTINGS = config.EMPTY._replace(prices={UNKNOWN: {"input": 1, "output": 2}})
MOST_TOKENS, MOST_PUSD = 32768, 32768 * 8_000_000 + 8 * 2_000_000
OF_UNKNOWN_PUSD = 32768 * 2_000_000 + 8 * 1_000_000
"""What an answer costs: the most that the listed model can write, and as much of the other."""
OPEN, OF_UNKNOWN = 64, 8


class Upstream:
    """Answers when it is let, and then with as much as the model can write, or what the request allows."""

    def __init__(self) -> None:
        self.arrived = asyncio.Semaphore(0)
        self.let = asyncio.Semaphore(0)
        self.caps: list[int | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        cap = body.get("max_completion_tokens")
        self.caps.append(cap)
        self.arrived.release()
        await self.let.acquire()
        usage = {"prompt_tokens": 8, "completion_tokens": min(MOST_TOKENS, cap or MOST_TOKENS), "total_tokens": 0}
        choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        return web.json_response({"id": "c", "model": body["model"], "choices": [choice], "usage": usage})


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[Upstream, str]]:
    made, app = Upstream(), web.Application()
    app.router.add_post("/v1/chat/completions", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


class Books:
    """Another process's view: it sets budgets, and reads what stands."""

    def __init__(self, running: Running) -> None:
        self.ledger: Ledger = running.place.ledger.open()
        self.day = Calendar(self.ledger.zone).day_of(now_us())
        self.span: PeriodRun = span_of("month", self.day)

    def set(self, usd: str) -> list[Late]:
        with self.ledger.writing() as writer:
            budget = set_budget(writer, parse_who("org"), Terms(parse_usd(usd), alerts=()))
            found = late(writer.connection, budget, self.day)
            if found:
                ((detail,),) = writer.connection.execute(
                    "SELECT detail FROM entry WHERE act = 'budget late' ORDER BY id DESC LIMIT 1"
                ).fetchall()
                assert all(call.id in detail for call in found[0].calls)
        return found

    def remove(self) -> None:
        with self.ledger.writing() as writer:
            remove_budget(writer, "org")

    def used_pusd(self) -> int:
        with self.ledger.reading() as connection:
            counter = made_counter(connection, "org", self.span)
        return counter.spent_pusd + counter.reserved_pusd


async def watch(books: Books, limit_pusd: int, over: asyncio.Event) -> int:
    """Look as often as there is time; return how often."""
    looked = 0
    while not over.is_set():
        assert books.used_pusd() <= limit_pusd
        looked += 1
        await asyncio.sleep(0.001)
    return looked


async def ask(session: aiohttp.ClientSession, url: str, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    async with session.post(f"{url}/v1/chat/completions", json=body) as told:
        await told.read()
        return told.status


def test_budgets_come_and_go_while_calls_are_open(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            upstream() as (provider, address),
            gateway(tmp_path / "home", {"openai": address}, settings=SETTINGS) as running,
            aiohttp.ClientSession(headers=running.headers, connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            books = Books(running)
            models = [UNKNOWN if number < OF_UNKNOWN else LISTED for number in range(OPEN)]
            calls = [asyncio.create_task(ask(session, running.url, model)) for model in models]
            for _ in range(OPEN):
                await provider.arrived.acquire()
            assert provider.caps == [None] * OPEN
            _acts(books)
            limit_pusd = parse_usd("30") + OF_UNKNOWN * OF_UNKNOWN_PUSD  # the named ones come on top
            over = asyncio.Event()
            watching = asyncio.create_task(watch(books, limit_pusd, over))
            more = [asyncio.create_task(ask(session, running.url, LISTED)) for _ in range(OPEN)]
            for _ in range(2 * OPEN):
                provider.let.release()
            statuses = await asyncio.gather(*calls, *more)
            over.set()
            assert await watching > 3
            assert statuses[:OPEN] == [200] * OPEN
            assert set(statuses[OPEN:]) == {200, 402}
            assert (OPEN - OF_UNKNOWN) * MOST_PUSD <= books.used_pusd() <= limit_pusd
            verify(books.ledger)
            verify_budgets(books.ledger)
            books.ledger.close()

    asyncio.run(run())


def _acts(books: Books) -> None:
    """Set, remove and raise; only what nothing bounds is named where the rest fits."""
    ((_, _, beyond, unbounded),) = books.set("1")
    assert (len(beyond), len(unbounded)) == (OPEN - OF_UNKNOWN, OF_UNKNOWN)
    assert {call.model for call in unbounded} == {UNKNOWN}
    ((_, _, beyond, unbounded),) = books.set("20")
    assert (len(beyond), len(unbounded)) == (OPEN - OF_UNKNOWN, OF_UNKNOWN)
    books.remove()
    ((_, _, beyond, unbounded),) = books.set("30")
    assert (len(beyond), len(unbounded)) == (0, OF_UNKNOWN)
