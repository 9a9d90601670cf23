"""One home, and what it is asked through: itself, and a gateway that serves it in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from aikeys import clock
from aikeys.cli import authority, terminal
from aikeys.ledger.calls import Call, Context, Labels, Usage
from aikeys.remote.client import Gateway
from aikeys.secret import Secret
from aikeys.vault.tokens.issuing import Issued
from tests.conftest import clean_environment
from tests.gateway.process import House, house_at
from tests.gateway.serving import record, serving
from tests.remote.machines import EVERYTHING
from tests.vault.tokens_at_hand import Office

HERE, THERE = "this machine", "a gateway"
_Port = TypeVar("_Port")


class Both(NamedTuple):
    """A home with its provider, the gateway that serves it, and the token that is used there."""

    house: House
    url: str
    token: Issued

    @property
    def gateway(self) -> Gateway:
        return Gateway(self.url, Secret(self.token.text.encode()))


class Pick(NamedTuple):
    """Makes the port of the one place or of the other."""

    place: str
    gateway: Gateway

    def __call__(self, here: Callable[[], _Port], there: Callable[[Gateway], _Port]) -> _Port:
        return here() if self.place == HERE else there(self.gateway)


@contextmanager
def served(office: Office) -> Iterator[str]:
    """Serve a home from a thread; the gateway says nothing it should not."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop, urls, failures = asyncio.Event(), list[str](), list[BaseException]()

    async def whole() -> None:
        async with serving(office) as client:
            urls.append(client.url)
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(whole())
        except BaseException as failure:  # noqa: BLE001  raised again below
            failures.append(failure)
        started.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield urls[0] if urls else ""
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
        if failures:
            raise failures[0]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with house_at(tmp_path_factory.mktemp("both")) as house:
        now_us = clock.now_us()
        for number, team in enumerate(("support", "ads", "support")):
            labels = Labels(team=team, project="bot")
            context = Context(labels, "", "openai", "openai", "openai/gpt-4.1", door="prompt")
            at_us = now_us - (10 - number) * 1_000_000
            usage = Usage(input=100 + number, output=10)
            record(house.office, Call(at_us, at_us + 500_000, context, usage, cost_pusd=280_000_000, latency_ms=500))
        house.budget("org", 100 * 10**12)
        house.budget("team:support", 10**6)
        token = house.issue(*EVERYTHING, name="elsewhere")
        with served(house.office) as url:
            yield Both(house, url, token)


@pytest.fixture(params=[HERE, THERE])
def pick(request: pytest.FixtureRequest, both: Both, at_home: None) -> Pick:
    """Choose a place; every test of a contract runs once for each."""
    return Pick(request.param, both.gateway)


@pytest.fixture
def at_home(both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the owner of the home, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    clean = clean_environment(tmp_path)
    for name in ("AIKEYS_TOKEN", "AIKEYS_GATEWAY", "AIKEYS_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", clean["HOME"])
    monkeypatch.setenv("AIKEYS_HOME", both.house.place.home)
    monkeypatch.setenv("AIKEYS_NO_INPUT", "1")
    monkeypatch.setattr(authority, "_token_verifier", authority._Keeper())
    monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())
