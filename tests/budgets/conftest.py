"""A ledger of its own, a clock the test sets, and calls in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from aikeys import clock
from aikeys.budgets.booking import book
from aikeys.budgets.changes import set_budget
from aikeys.budgets.counters import Counter, made_counter, span_of
from aikeys.budgets.decisions import Ask
from aikeys.budgets.reservations import ReserveRequest
from aikeys.budgets.store import filed
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import limited_who
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.money import PUSD_PER_USD, parse_usd
from tests.budgets.one_at_a_time import SerialReserver, Waiting

NOON = "2026-11-23T12:00:00+00:00"


def us_of(text: str) -> int:
    """Return an instant such as 2026-11-23T12:00:00+01:00 in microseconds since 1970."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def context_of(user: str = "ana", team: str = "support", key: str = "openai", **more: str) -> Context:
    labels = Labels(team, more.pop("project", "atlas"), more.pop("environment", "prod"), user)
    return Context(labels, key=key, provider="openai", model="openai/gpt-4.1", price="bundled", door="prompt", **more)


def request_of(worst: str, floor: str = "0", **labels: str) -> ReserveRequest:
    return ReserveRequest(context_of(**labels), Ask(parse_usd(worst), parse_usd(floor)))


def call_of(context: Context, cost: str, at_us: int = 0) -> Call:
    return Call(at_us, at_us, context, cost_pusd=parse_usd(cost))


@dataclass
class Time:
    """The clock of the test; sleeping moves it on."""

    at_us: int

    def set(self, text: str) -> None:
        self.at_us = us_of(text)

    def sleep(self, seconds: float) -> None:
        self.at_us += max(1, int(seconds * 1_000_000))

    @property
    def patience(self) -> Waiting:
        return Waiting(20.0, lambda: self.at_us / 1e6, self.sleep)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time(us_of(NOON))
    monkeypatch.setattr(clock, "now_us", lambda: made.at_us)
    return made


@pytest.fixture
def ledger_in(tmp_path: Path) -> Iterator[Callable[[str], Ledger]]:
    opened = []

    def make(zone: str = "UTC") -> Ledger:
        opened.append(Ledger(str(tmp_path / "ledger")).open_or_create(b"L" * 16, zone))
        return opened[-1]

    yield make
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(ledger_in: Callable[[str], Ledger]) -> Ledger:
    return ledger_in("UTC")


@pytest.fixture
def reserver(ledger: Ledger, time: Time) -> Iterator[SerialReserver]:
    made = SerialReserver(ledger, time.patience)
    yield made
    made.close()


def set_limit(
    ledger: Ledger, who: str, usd: str, period: str = "month", at_limit: str = "block", alerts: tuple[int, ...] = ()
) -> None:
    with ledger.writing() as writer:
        set_budget(writer, limited_who(who), Terms(parse_usd(usd), period, at_limit, alerts))


def spend(ledger: Ledger, cost: str, at: str = "", **labels: str) -> None:
    """Book a call without a reservation, as an import does."""
    with ledger.writing() as writer:
        at_us = us_of(at) if at else writer.now_us
        call = call_of(context_of(**labels), cost, at_us)._replace(settled_us=writer.now_us)
        book(writer, call, Calendar(ledger.zone))


def counter_of(ledger: Ledger, who: str, period: str = "month", at: str = "") -> tuple[str, str]:
    """Return (spent, reserved) in USD as the ledger's own sums have it, after checking all counters against them."""
    from aikeys.money import usd_text

    verify_budgets(ledger)
    with ledger.writing() as writer:
        day = Calendar(ledger.zone).day_of(us_of(at) if at else writer.now_us)
        made: Counter = made_counter(writer.connection, filed(writer, limited_who(who)).somebody, span_of(period, day))
    return usd_text(made.spent_pusd), usd_text(made.reserved_pusd)


USD = PUSD_PER_USD
