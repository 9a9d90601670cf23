"""Ledgers with known calls. `OCTOBER` is what the golden reports show: small enough to add up by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aikeys import clock
from aikeys.budgets.booking import book
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import BILLED, ESTIMATED, UNPRICED, WORST_CASE, Call, Context, Labels
from aikeys.ledger.rollups import declare_tag
from aikeys.ledger.store import Act, Ledger
from aikeys.providers.usage import Usage
from tests.conftest import Aikeys

ZONE = "Europe/Berlin"
NOW_US = int(datetime(2026, 11, 5, 12, tzinfo=ZoneInfo(ZONE)).timestamp()) * 1_000_000
USD = 10**12


def us(text: str, zone: str = ZONE) -> int:
    """Return an instant such as 2026-10-25T02:30 in a zone, in microseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000_000)


def price(model: str, **rates: int) -> str:
    """Return what the ledger keeps of a price whose rates are pico-USD a token."""
    return " ".join([f"{model}@2026-10-01:bundled", *(f"{unit}={pusd}/1" for unit, pusd in rates.items())])


GPT = price("openai/gpt-5", input=1_250_000, cache_read=125_000, output=10_000_000)
CLAUDE = price(
    "anthropic/claude-sonnet-4-5", input=3_000_000, cache_read=300_000, cache_write_5m=3_750_000, output=15_000_000
)
SUPPORT = Labels("support", "bot", "prod", "ana", (("client", "acme"),))
SEARCH = Labels("search", "index", "prod", "ben", (("client", "bolt"),))
OPENAI = Context(SUPPORT, "tok1", "openai", "openai", "openai/gpt-5", "gpt-5-2025-08-07", GPT, "", "gateway")
ANTHROPIC = Context(SEARCH, "tok2", "anthropic", "anthropic", "anthropic/claude-sonnet-4-5", "", CLAUDE, "", "gateway")
NOBODY = Context(Labels(), "", "openai", "openai", "openai/gpt-5", "", GPT, "", "prompt")
ROUTER = Context(SUPPORT, "tok1", "router", "openrouter", "openrouter/meta/llama-4", "", "", "", "gateway")


def call(at: str, context: Context, usage: Usage, cost_pusd: int, **more: object) -> Call:
    """Return a call that took a second."""
    at_us = us(at)
    defaults: dict[str, object] = {"latency_ms": 1000, "first_token_ms": 200}
    return Call(at_us, at_us + 1_000_000, context, usage, cost_pusd=cost_pusd, **{**defaults, **more})  # type: ignore[arg-type]


def gpt_cost(usage: Usage) -> int:
    return (usage.input - usage.cache_read) * 1_250_000 + usage.cache_read * 125_000 + usage.output * 10_000_000


def _usages() -> list[Call]:
    first, second = Usage(1000, 200, 0, 0, 500, 100), Usage(20_000, 0, 0, 0, 3000, 0)
    claude = Usage(5000, 1000, 2000, 0, 800, 0)
    claude_cost = 2000 * 3_000_000 + 1000 * 300_000 + 2000 * 3_750_000 + 800 * 15_000_000
    searched = Usage(100, 0, 0, 0, 50, 0, (("web_searches", 2),))
    return [
        call("2026-09-30T23:59", OPENAI, first, gpt_cost(first)),
        call("2026-10-01T00:00", OPENAI, first, gpt_cost(first)),
        call("2026-10-05T09:30", OPENAI, second, gpt_cost(second), latency_ms=2500, first_token_ms=600),
        call("2026-10-05T09:45", ANTHROPIC, claude, claude_cost, latency_ms=4000, first_token_ms=900),
        call("2026-10-12T10:00", ANTHROPIC, claude, 31 * USD // 1000, cost_source=BILLED, latency_ms=9000),
        call("2026-10-18T22:10", NOBODY, searched, gpt_cost(searched), cost_source=ESTIMATED, first_token_ms=None),
        call("2026-10-20T12:00", ROUTER, Usage(700, 0, 0, 0, 300, 0), 0, cost_source=UNPRICED,
             unpriced=(("input", 700), ("output", 300))),
        call("2026-10-25T02:30", OPENAI, second, gpt_cost(second)),
        call("2026-10-28T08:00", ANTHROPIC, Usage(), 5 * USD, cost_source=WORST_CASE, status="died", latency_ms=None,
             first_token_ms=None),
        call("2026-10-29T08:00", ANTHROPIC, Usage(), -4 * USD, corrects=9, latency_ms=None, first_token_ms=None),
        call("2026-10-31T23:59", NOBODY, first, gpt_cost(first)),
        call("2026-11-01T00:00", NOBODY, first, gpt_cost(first)),
    ]  # fmt: skip


OCTOBER = tuple(_usages())
Make = Callable[..., Ledger]


def fill(ledger: Ledger, calls: Iterable[Call]) -> Ledger:
    calendar = Calendar(ledger.zone)
    with ledger.writing() as writer:
        for each in calls:
            book(writer, each, calendar)
    return ledger


@pytest.fixture
def make_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a ledger in a folder, with calls, rolled tags and exec runs; the clock stands at NOW_US."""
    monkeypatch.setattr(clock, "now_us", lambda: NOW_US)

    def make(
        calls: Iterable[Call] = OCTOBER,
        folder: Path | None = None,
        zone: str = ZONE,
        tags: Iterable[str] = (),
        runs: Iterable[str] = (),
    ) -> Ledger:
        ledger = Ledger(str(folder or tmp_path / "home")).open_or_create(bytes(16), zone)
        for at in runs:
            monkeypatch.setattr(clock, "now_us", lambda at=at: us(at))
            ledger.event(Act("exec", "openai", "program=python"))
        monkeypatch.setattr(clock, "now_us", lambda: NOW_US)
        fill(ledger, calls)
        with ledger.writing() as writer:
            for name in tags:
                declare_tag(writer, name)
        return ledger

    return make


@pytest.fixture
def october_home(bare_home: Aikeys, make_ledger: Make) -> Aikeys:
    """Have a home whose ledger holds OCTOBER, two exec runs in it and one before."""
    make_ledger(
        folder=bare_home.home, tags=["client"], runs=["2026-09-30T12:00", "2026-10-03T12:00", "2026-10-31T23:00"]
    ).close()
    return bare_home
