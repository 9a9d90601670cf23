"""A provider on loopback that does as it is told, a real ledger, and one call in one line."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.reserver import Patience, ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.terms import Terms
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import limited_who
from aikeys.ledger import listing
from aikeys.ledger.calls import Call, Labels
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.providers.transport import HttpxTransport, Timeouts
from aikeys.providers.wire.values import Event, Message, Options, Request, Text, TextPiece
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller
from aikeys.spending.blocking import CallRequest, Tools, ask
from aikeys.spending.interruption import Interruption
from aikeys.spending.io import Conditions
from aikeys.spending.names import ModelNames, SpendingKey
from aikeys.spending.targets import Spent, targets_of
from tests.conftest import canary
from tests.loopback import Listening

SUPPORT, PLAIN = Labels("support"), Options()
SHORT = Timeouts(connect_s=2, first_byte_s=0.4, between_s=0.4, total_s=5)


class Seen(NamedTuple):
    """A request as the provider got it."""

    path: str
    headers: dict[str, str]
    body: dict[str, object]


Play = Callable[[socket.socket, Seen], None]


def answer(status: int = 200, body: object = b"", **headers: str) -> Play:
    """Answer with a body and its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def play(connection: socket.socket, seen: Seen) -> None:
        # the connection ends with the answer: who kept it would take the end for a lost reply
        lines = {"content-type": "application/json", "content-length": str(len(data)), "connection": "close"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + data)

    return play


def chunk(text: str, **more: object) -> dict[str, object]:
    return {"id": "c1", "model": "gpt-4.1", "choices": [{"index": 0, "delta": {"content": text}}], **more}


def _named(value: object) -> bytes:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"event: {kind}\n".encode() if kind else b""


def stream(*values: object, cut_after: int | None = None, stall: threading.Event | None = None) -> Play:
    """Stream events; `cut_after` bytes the connection breaks, `stall` is waited for at the end."""
    data = b"".join(
        _named(v) + b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in values
    )

    def play(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        sent = data if cut_after is None else data[:cut_after]
        if sent:
            connection.sendall(b"%x\r\n%s\r\n" % (len(sent), sent))
        if stall is not None:
            stall.wait(20)
        elif cut_after is None:
            connection.sendall(b"0\r\n\r\n")

    return play


USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
WHOLE_STREAM = (
    chunk("Hel"),
    chunk("lo"),
    {"id": "c1", "model": "gpt-4.1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"id": "c1", "model": "gpt-4.1", "choices": [], "usage": USAGE},
    b"[DONE]",
)
REPLY = {
    "id": "c1",
    "model": "gpt-4.1-2025-04-14",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
USAGE_PUSD = 10 * 2_000_000 + 20 * 8_000_000  # gpt-4.1: 2 and 8 USD for a million


def in_two(going_on: threading.Event) -> Play:
    """Stream the first piece of WHOLE_STREAM, wait, then the rest."""

    def play(connection: socket.socket, seen: Seen) -> None:
        stream(WHOLE_STREAM[0], stall=going_on)(connection, seen)
        rest = b"".join(
            b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in WHOLE_STREAM[1:]
        )
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))

    return play


@dataclass
class FakeProvider(Listening):
    """Plays one script for each request, the last one again and again; keeps what it got."""

    plays: list[Play] = field(default_factory=lambda: [answer(200, REPLY)])
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                seen = _request(connection)
                if seen is None:
                    return
                self.seen.append(seen)
                self.plays[min(len(self.seen), len(self.plays)) - 1](connection, seen)
            except OSError:
                return


def _request(connection: socket.socket) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Seen(first.split(" ")[1], headers, json.loads(body) if body else {})


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@pytest.fixture
def other() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@dataclass
class Purse:
    """A ledger, keys, and calls made with them."""

    folder: Path
    held: list[SpendingKey]
    prices: dict[str, dict[str, object]] = field(default_factory=dict)
    timeouts: Timeouts = SHORT
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    fallbacks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Labels = SUPPORT

    def __post_init__(self) -> None:
        self.ledger = Ledger(str(self.folder)).open_or_create(b"l" * 16)
        self.interruption = Interruption(sleep_s=self.slept.append)
        self.secret = Secret(canary().encode())
        self.transport = HttpxTransport()

    @property
    def names(self) -> ModelNames:
        return ModelNames(self.held, catalogue.load(), self.book, {})

    @property
    def book(self) -> Book:
        return Book(str(self.folder), self.prices, {}, catalogue.load())

    def budget(self, who: str, usd: str, at_limit: str = "block") -> None:
        with self.ledger.writing() as writer:
            set_budget(writer, limited_who(who), Terms(parse_usd(usd), at_limit=at_limit))

    def tools(
        self,
        *,
        drain_s: float = 60.0,
        make_room: Callable[[], bool] = lambda: False,
        pauses_s: tuple[float, ...] = (0.0, 0.0),
    ) -> Tools:
        say = self.said.append
        means = ReserverSetup(Patience(deadline_s=0.2), make_room=make_room, say=say, retry_pauses_s=pauses_s)
        conditions = Conditions(self.book, (), self.timeouts, drain_s)
        return Tools(
            ThreadReserver(SqliteRounds(str(self.folder)), means), self.ledger, self.transport, conditions, lambda _held: self.secret,
            self.interruption, say,
        )  # fmt: skip

    def ask(
        self,
        text: str = "Say hello",
        model: str = "openai/gpt-4.1",
        *,
        stream: bool = False,
        sink: Callable[[Event], None] = lambda _event: None,
        max_cost: str = "",
        options: Options = PLAIN,
        tools: Tools | None = None,
    ) -> Spent:
        used = tools or self.tools()
        request = Request("", (Message("user", (Text(text),)),), options=options, stream=stream)
        call_request = CallRequest(Caller(self.labels, "prompt"), request, parse_usd(max_cost) if max_cost else None)
        targets = targets_of(self.names, model, self.fallbacks)
        try:
            return ask(used, call_request, targets, sink)
        finally:
            used.reserver.close()
            self.check()

    def calls(self) -> list[Call]:
        """Return what the ledger holds, oldest first."""
        with self.ledger.reading() as connection:
            return [one.call for one in listing.newest_calls(connection, self.ledger, 1000)]

    def open_reservations(self) -> int:
        with self.ledger.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM reservation").fetchone()[0])

    def check(self) -> None:
        """The chain, the roll-ups and the counters agree."""
        verify(self.ledger)
        verify_budgets(self.ledger)


def collecting() -> tuple[list[str], Callable[[Event], None]]:
    """Return a list, and a sink that puts the text into it."""
    texts: list[str] = []

    def sink(event: Event) -> None:
        if isinstance(event, TextPiece):
            texts.append(event.text)

    return texts, sink


@pytest.fixture
def purse(tmp_path: Path, provider: FakeProvider, other: FakeProvider) -> Iterator[Purse]:
    """Two keys of OpenAI (the first is the default one) and one of Anthropic, all on loopback."""
    held = [
        SpendingKey("openai", "openai", provider.url + "/v1", is_default=True),
        SpendingKey("openai-2", "openai", other.url + "/v1"),
        SpendingKey("anthropic", "anthropic", other.url),
    ]
    one = Purse(tmp_path / "ledger", held)
    yield one
    one.transport.close()
    one.ledger.close()
