"""A gateway on loopback with a real vault and ledger, and a client to ask it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientSession, web

from aikeys import config
from aikeys.budgets.booking import book
from aikeys.gateway.app import make_app
from aikeys.gateway.http.connections import Runner
from aikeys.gateway.settings import Settings
from aikeys.gateway.state import Knowledge, WorkerState
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.vault.opening import place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.tokens.issuing import Issued
from aikeys.vault.unlock import key_file, methods
from tests.vault.conftest import Home
from tests.vault.tokens_at_hand import Office


class Told(NamedTuple):
    """What the gateway answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Client(NamedTuple):
    """Asks with a token, or without."""

    session: ClientSession
    url: str
    state: WorkerState
    said: list[str]

    async def ask(self, method: str, path: str, token: Issued | str | None = None, body: Any = None) -> Told:
        text = token.text if isinstance(token, Issued) else token
        headers = {"authorization": f"Bearer {text}"} if text else {}
        data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        async with self.session.request(method, self.url + path, headers=headers, data=data) as answer:
            return Told(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.text())

    async def get(self, path: str, token: Issued | str | None = None) -> Told:
        return await self.ask("GET", path, token)


Talk = Callable[[Client], Awaitable[None]]


def make_office(folder: Path, *keys: str) -> Office:
    """Return a home with a vault that a key file opens, and these keys."""
    key, key_path = os.urandom(32), folder / "unlock.key"
    key_file.create(str(key_path), key)
    home = Home(place_of(str(folder / "home")), key_path, key)
    make_vault(home.place, [methods.NewMethod(methods.KEY_FILE, str(key_path), key)])
    for name in keys:
        home.add(name, f"sk-{name}")
    return Office(home)


@asynccontextmanager
async def serving(office: Office, **settings: Any) -> AsyncIterator[Client]:
    """Serve a home as long as the block lasts."""
    place = office.home.place
    chosen = config.load(place.home)
    providers = catalogue.load(chosen.providers)
    knowledge = Knowledge(chosen, providers, Book(place.home, chosen.prices, chosen.aliases, providers))
    said: list[str] = []
    state = WorkerState(place, office.gateway(), Settings(**settings), knowledge, said.append)
    runner = Runner(make_app(state, lambda *_: None), state.settings, said.append)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with ClientSession() as session:
            yield Client(session, f"http://127.0.0.1:{port}", state, said)
    finally:
        await runner.cleanup()
        await state.close()
    assert not said, said


def talk_to(office: Office, talk: Talk, **settings: Any) -> None:
    """Run a conversation with a gateway on a home."""

    async def whole() -> None:
        async with serving(office, **settings) as client:
            try:
                await talk(client)
            except AssertionError as failure:
                raise AssertionError(f"{failure}; the gateway said: {client.said}") from failure

    asyncio.run(whole())


def record(office: Office, *calls: Call) -> None:
    """Put calls into the ledger of a home."""
    ledger = office.home.place.ledger.open()
    with ledger.writing() as writer:
        for call in calls:
            book(writer, call, Calendar(ledger.zone))
    ledger.close()
