"""A running gateway takes new prices and says so; what it has in hand keeps its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aikeys.config import EMPTY
from aikeys.gateway import background
from aikeys.gateway.state import Knowledge, WorkerState
from aikeys.pricing import snapshot
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.spending.io import Conditions
from aikeys.spending.names import ModelNames, SpendingKey

KNOWN = catalogue.load()


class Worker:
    """What a worker's state is to the prices: its take_prices is the real one."""

    take_prices = WorkerState.take_prices

    def __init__(self, home: Path) -> None:
        book = Book(str(home), {}, {}, KNOWN)
        self.place = SimpleNamespace(home=str(home))
        self.knowledge = Knowledge(EMPTY, KNOWN, book)
        self.conditions = Conditions(book, (), cast("Any", None), 0.0)
        self.prices_stamp = snapshot.stamp(str(home))
        self.said: list[str] = []
        self.say = self.said.append
        self._names: ModelNames | None = self.resolver()
        self._names_of: dict[tuple[str, ...], ModelNames] = {}

    def resolver(self) -> ModelNames:
        held = [SpendingKey("openai", "openai", "https://api.openai.com/v1")]
        return ModelNames(held, KNOWN, self.knowledge.book, {})

    def look(self) -> None:
        asyncio.run(background.follow_prices_once(cast("WorkerState", self)))

    def price(self) -> str:
        found = self.resolver().resolve("openai/gpt-5").found
        assert found is not None
        return found.price.source


def put(home: Path, file: str, usd: int) -> None:
    row = {"id": "gpt-5", "rates": {"input": usd, "output": usd}}
    document = {"schema": "aikeys.prices/1", "provider": "openai", "date": "2099-01-01", "models": [row]}
    data = snapshot.packed("2099-01-01", [json.dumps(document, separators=(",", ":"))])
    snapshot.store(str(home), data, file)


def test_prices_that_come_are_taken_once_and_said(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    before = worker.resolver().resolve("openai/gpt-5")
    worker.look()
    assert (worker.said, worker.price()) == ([], "bundled")
    put(tmp_path, snapshot.FETCHED, 20)
    worker.look()
    worker.look()
    assert len(worker.said) == 1
    assert worker.said[0].startswith("new prices are in use: those of 2099-01-01;")
    assert worker.price() == "fetched"
    put(tmp_path, snapshot.FILE, 5)
    snapshot.forget_fetched(str(tmp_path))
    worker.look()
    assert worker.price() == "updated"
    assert worker._names is None
    assert before.book is not worker.knowledge.book
    assert before.found is not None
    assert before.found.price.source == "bundled"


def test_prices_that_are_damaged_change_nothing_and_that_is_said(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert worker.price() == "bundled"
    put(tmp_path, snapshot.FILE, 5)
    (tmp_path / snapshot.FILE).write_bytes((tmp_path / snapshot.FILE).read_bytes().replace(b"5", b"4"))
    worker.look()
    assert worker.said[0].startswith("new prices are not taken: ")
    assert worker.price() == "bundled"


def test_a_worker_looks_more_than_once_a_minute() -> None:
    assert background._PRICES_EVERY_S <= 30
