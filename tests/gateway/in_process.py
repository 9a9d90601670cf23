"""A gateway in this process, on loopback, before the recorded providers: its own vault, ledger and token."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from aikeys import clock, config, sealing
from aikeys.gateway.app import make_app
from aikeys.gateway.settings import Settings
from aikeys.gateway.state import Knowledge, WorkerState
from aikeys.ledger.store import Act
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.secret import Secret
from aikeys.spending.names import Target
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault import changes
from aikeys.vault.format import Content
from aikeys.vault.opening import Opened, Place, place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.tokens.admission import Holder
from aikeys.vault.tokens.issuing import issue
from aikeys.vault.unlock.methods import NewMethod
from aikeys.vault.writing import write


class OneKey(WorkerState):
    """Opens whatever the test says in the place of any key."""

    secret = "sk-of-the-test"

    def secret_of(self, holder: Holder, target: Target) -> Secret:
        super().secret_of(holder, target)
        return Secret(self.secret.encode())


class Running:
    """A gateway that serves: where, with which token, and its parts."""

    def __init__(self, url: str, token: str, state: OneKey, place: Place, opened: Opened) -> None:
        self.url = url
        self.token = token
        self.state = state
        self.place = place
        self.opened = opened

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def make_home(folder: Path, keys: Mapping[str, str]) -> tuple[Place, Opened]:
    """Make a vault with one key a provider, at these base URLs; `work@gemini` is a key `work` of Gemini."""
    place = place_of(str(folder))
    opened = make_vault(place, [NewMethod("passphrase", "", b"of the test", sealing.CHEAPEST)])
    for written, base_url in keys.items():
        name, _, provider = written.partition("@")
        provider = provider or name
        content = Content(f"sk-{name}".encode(), (), (), "", (), ())
        new = changes.NewKey(name, provider, "", base_url, "", False, 0, 0, content)

        def add(vault: Opened, new: changes.NewKey = new) -> Opened:
            return changes.add_key(vault, new, clock.now_s(), os.urandom)

        opened = write(place, opened, Act("add", name), add).opened
    return place, opened


@asynccontextmanager
async def gateway(
    folder: Path,
    keys: Mapping[str, str],
    token_request: TokenRequest | None = None,
    settings: config.Config = config.EMPTY,
) -> AsyncIterator[Running]:
    """Serve until the block ends."""
    place, opened = make_home(folder, keys)
    token = issue(
        place, opened, token_request or TokenRequest(kind="app", scopes=("chat:write", "chat:read", "embeddings:write"))
    ).text
    known = catalogue.load(settings.providers)
    knowledge = Knowledge(settings, known, Book(place.home, settings.prices, {}, known))
    said: list[str] = []
    state = OneKey(place, opened.gateway_key(), Settings(), knowledge, said.append)
    runner = web.AppRunner(make_app(state, lambda *_: None), access_log=None)
    await runner.setup()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    try:
        yield Running(f"http://127.0.0.1:{sock.getsockname()[1]}", token, state, place, opened)
    finally:
        await runner.cleanup()
        await state.close()
    assert not [line for line in said if "error" in line], said
