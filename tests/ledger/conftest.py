"""Ledgers in a temporary directory, with a clock that moves only when told, and a key that vouches for them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock, sealing
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.entries import Head
from aikeys.ledger.recording import append_call
from aikeys.ledger.store import Act, Ledger, Signer
from aikeys.ledger.verify import Known, LedgerVerdict, verify
from aikeys.providers.usage import Usage

START_US = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
DAY_US = 86_400_000_000
PRIVATE = bytes(range(32))
SIGNER = Signer(sealing.signing_public(PRIVATE), lambda message: sealing.sign(PRIVATE, message))


@dataclass
class Clock:
    """Stands in for the machine's clock."""

    now_us: int = START_US

    def move(self, us: int) -> None:
        self.now_us += us


@dataclass
class Book:
    """A ledger and short ways to fill, edit and check it."""

    folder: Path
    ticking: Clock
    zone: str = "UTC"
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        name = self.folder.name
        ledger_id = bytes(16) if name == "ledger" else sha256(name.encode()).digest()[:16]
        self.ledger = Ledger(str(self.folder)).open_or_create(ledger_id, self.zone)

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.ledger.zone)

    def record(self, *calls: Call) -> Head:
        with self.ledger.writing() as writer:
            for call in calls:
                append_call(writer, call, self.calendar)
            return writer.head

    def act(self, act: str = "exec", subject: str = "openai", detail: str = "", person: str = "") -> None:
        self.ledger.event(Act(act, subject, detail, person))

    def sign(self) -> None:
        self.ledger.event(Act("sign", "ledger"), signer=SIGNER)

    def verify(
        self, *receipts: Any, segments: tuple[str, ...] = (), signers: tuple[bytes, ...] = (SIGNER.public,)
    ) -> LedgerVerdict:
        return verify(self.ledger, Known(frozenset(signers), sealing.is_signed, receipts, segments))

    @contextmanager
    def by_hand(self) -> Iterator[sqlite3.Connection]:
        """Edit the file as somebody with a SQLite shell would."""
        self.ledger.close()
        with closing(sqlite3.connect(self.ledger.path)) as connection, connection:
            yield connection

    def copy(self, folder: Path) -> Book:
        self.ledger.close()
        with closing(sqlite3.connect(self.ledger.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        folder.mkdir()
        shutil.copy2(self.ledger.path, folder)
        return Book(folder, self.ticking, self.zone)


def call(at_us: int = START_US, **fields: Any) -> Call:
    """Return a call; texts of its context and labels may be given by name."""
    labels = Labels(**{name: fields.pop(name) for name in tuple(fields) if name in Labels._fields})
    texts = {name: fields.pop(name) for name in tuple(fields) if name in Context._fields}
    context = Context(
        labels, **{"key": "openai", "provider": "openai", "model": "openai/gpt-5", "door": "prompt", **texts}
    )
    given = {
        "usage": Usage(1000, 100, 0, 0, 50, 20),
        "cost_pusd": 1_750_000_000,
        "settled_us": at_us + 1_000_000,
        **fields,
    }
    return Call(at_us, context=context, **given)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the test the clock."""
    found = Clock()
    monkeypatch.setattr(clock, "now_us", lambda: found.now_us)
    return found


@pytest.fixture
def make_book(tmp_path: Path, ticking: Clock) -> Callable[..., Book]:
    """Return a maker of ledgers: `make_book()` or `make_book("other", zone="Europe/Berlin")`."""

    def make(name: str = "ledger", zone: str = "UTC") -> Book:
        folder = tmp_path / name
        os.mkdir(folder, 0o700)
        return Book(folder, ticking, zone)

    return make


@pytest.fixture
def book(make_book: Callable[..., Book]) -> Book:
    """An empty ledger in UTC."""
    return make_book()


@pytest.fixture
def filled(book: Book, ticking: Clock) -> Book:
    """Acts and calls of four days, signed on the third."""
    book.act("init", "vault", person="ana")
    for day in range(4):
        at = ticking.now_us
        book.record(
            call(at, team="support", user="ana", token="tok1", tags=(("client", "acme"),)),
            call(
                at + 1,
                team="sales",
                project="x",
                cost_source="estimated",
                unpriced=(("web_searches", 2),),
                request_id="r1",
            ),
        )
        book.act(detail=f"program=run{day}", person="bob" if day == 1 else "")
        if day == 2:
            book.sign()
        ticking.move(DAY_US)
    return book
