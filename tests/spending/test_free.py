"""What is free: provider × where its key sends × [providers] × [prices], the same at every door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from aikeys import config
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from aikeys.errors import AikeysError, CannotDecide
from aikeys.ledger.calls import Labels
from aikeys.ledger.store import Ledger
from aikeys.pricing.book import Book, FoundPrice
from aikeys.providers import catalogue
from aikeys.providers.wire.values import Message, Options, Request, Text
from aikeys.spending.authorise import Caller
from aikeys.spending.blocking import CallRequest, planned
from aikeys.spending.io import Conditions
from aikeys.spending.names import ModelNames, SpendingKey
from tests.gateway.in_process import gateway
from tests.spending.conftest import REPLY, FakeProvider, answer

HERE, AWAY = "http://127.0.0.1:9/v1", "https://api.example.com/v1"
MODEL = "in-house-7b"
PRICES: dict[str, Mapping[str, object]] = {
    "none": {},
    "zero": {"input": 0, "output": 0},
    "dear": {"input": 3, "output": 9, "max_output": 1000, "context_window": 10_000},
}


class Case(NamedTuple):
    """`sends_to`: the address sealed with the key; `configured`: the base URL of [providers] in config.toml."""

    provider: str
    sends_to: str
    configured: str
    priced: str

    @property
    def is_free(self) -> bool:
        is_run_here = self.provider in ("ollama", "llama-cpp") and self.sends_to == HERE
        return self.priced == "zero" or (self.priced == "none" and is_run_here)

    @property
    def is_known(self) -> bool:
        return self.is_free or self.priced == "dear"

    @property
    def settings(self) -> config.Config:
        table = {"protocol": "openai", "base_url": self.configured, "env": ["SOME_KEY"]}
        is_own = bool(self.configured) or self.provider == "mine"
        prices = {f"{self.provider}/{MODEL}": PRICES[self.priced]} if self.priced != "none" else {}
        return config.EMPTY._replace(providers={self.provider: table} if is_own else {}, prices=prices)

    def names(self, folder: Path) -> ModelNames:
        known = catalogue.load(self.settings.providers)
        book = Book(str(folder), self.settings.prices, {}, known)
        return ModelNames([SpendingKey("k", self.provider, self.sends_to)], known, book, {})


CASES = [
    Case(*each)
    for each in product(
        ("openai", "mine", "ollama", "llama-cpp"), (HERE, AWAY), ("", HERE, AWAY), ("none", "zero", "dear")
    )
]
IDS = [
    "-".join((one.provider, "here" if one.sends_to == HERE else "away", one.configured[7:12] or "unset", one.priced))
    for one in CASES
]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_door_says_the_same_of_what_is_free(case: Case, tmp_path: Path) -> None:
    names, text = case.names(tmp_path), f"{case.provider}/{MODEL}"
    asked = names.resolve(text).found, names.resolve(f"k/{MODEL}").found
    estimated, listed = names.priced(text).found, names.price(case.provider, MODEL)
    for found in (*asked, estimated, listed):
        assert (found is not None and found.price.is_known) == case.is_known
        assert costs_nothing(found) == case.is_free


def costs_nothing(found: FoundPrice | None) -> bool:
    rates = [rate for tariff in found.price.tariffs for rate in tariff.rates.values()] if found is not None else []
    return found is not None and (found.price.free or (bool(rates) and not any(rate.pusd for rate in rates)))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_budget_of_zero_lets_through_what_is_free_and_nothing_else(case: Case, tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path)).open_or_create(b"l" * 16)
    with ledger.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(0))
    request = Request("", (Message("user", (Text("hi"),)),), options=Options(max_tokens=5))
    target = case.names(tmp_path).resolve(f"k/{MODEL}")
    try:
        made = planned(
            ledger,
            CallRequest(Caller(Labels(), "prompt"), request),
            target,
            Conditions(Book(str(tmp_path), {}, {}, {})),
        )
    except CannotDecide:
        assert not case.is_known
    else:
        assert case.is_known
        assert (made.cost.worst_pusd == 0) == case.is_free
    ledger.close()


def test_an_estimate_without_a_key_makes_nothing_free(tmp_path: Path) -> None:
    for provider, configured in product(("llama-cpp", "openai", "mine"), (HERE, AWAY)):
        case = Case(provider, "", configured, "none")
        known = catalogue.load(case.settings.providers)
        names = ModelNames([], known, Book(str(tmp_path), {}, {}, known), {})
        assert names.priced(f"{provider}/{MODEL}").found is None
        assert names.price(provider, MODEL) is None


def test_keys_of_which_one_sends_elsewhere_are_not_listed_as_free(tmp_path: Path) -> None:
    known = catalogue.load()
    book = Book(str(tmp_path), {}, {}, known)
    both = [SpendingKey("a", "ollama", HERE), SpendingKey("b", "ollama", AWAY)]
    assert ModelNames(both, known, book, {}).price("ollama", MODEL) is None
    default = [both[0]._replace(is_default=True), both[1]]
    found = ModelNames(default, known, book, {}).price("ollama", MODEL)
    assert found is not None
    assert found.price.free


GATEWAY = [
    (Case("openai", HERE, HERE, "none"), 422),
    (Case("mine", HERE, HERE, "none"), 422),
    (Case("openai", HERE, "", "zero"), 200),
    (Case("openai", HERE, "", "dear"), 402),
    (Case("ollama", HERE, "", "none"), 200),
    (Case("ollama", HERE, AWAY, "none"), 200),
    (Case("ollama", AWAY, HERE, "none"), 422),
]


@pytest.mark.parametrize(("case", "status"), GATEWAY)
def test_a_gateway_lets_through_the_same_at_a_budget_of_zero(case: Case, status: int, tmp_path: Path) -> None:
    upstream = FakeProvider()
    upstream.plays = [answer(200, REPLY)]

    async def run() -> int:
        address = f"{upstream.url}/v1" if case.sends_to == HERE else AWAY
        async with gateway(tmp_path / "home", {case.provider: address}, settings=case.settings) as running:
            with running.place.ledger.open().writing() as writer:
                set_budget(writer, parse_who("org"), Terms(0))
            body = {
                "model": f"{case.provider}/{MODEL}",
                "messages": [{"role": "user", "content": "hi"}],
                "max_tokens": 5,
            }
            async with aiohttp.ClientSession(headers=running.headers) as session:
                for path in ("/v1/chat/completions", f"/{case.provider}/chat/completions"):
                    async with session.post(running.url + path, json=body) as told:
                        await told.read()
                        found = told.status
                        assert found == status, (path, await told.text())
        return found

    try:
        assert asyncio.run(run()) == status
    finally:
        upstream.close()
    assert len(upstream.seen) == (2 if status == 200 else 0)


def test_every_error_about_it_has_a_way_on(tmp_path: Path) -> None:
    case = Case("ollama", AWAY, "", "none")
    target = case.names(tmp_path).resolve(f"k/{MODEL}")
    request = Request("", (Message("user", (Text("hi"),)),))
    with pytest.raises(AikeysError) as caught:
        planned(
            Ledger(str(tmp_path)).open_or_create(b"l" * 16),
            CallRequest(Caller(Labels(), "prompt"), request, 1),
            target,
            Conditions(Book(str(tmp_path), {}, {}, {})),
        )
    assert "[prices." in caught.value.hint
