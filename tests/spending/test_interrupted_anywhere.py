"""Interrupts at any line of a call: what was sent has its entry, nothing stays reserved, nothing else is raised."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from aikeys.providers.transport import Parcel, Timeouts
from aikeys.providers.wire.values import Message, Options, Request, Text
from aikeys.spending.authorise import Caller
from aikeys.spending.blocking import CallRequest, Tools, ask
from aikeys.spending.interruption import BUSY, IDLE, Interruption
from aikeys.spending.names import Target
from tests.spending.conftest import SUPPORT, WHOLE_STREAM, FakeProvider, Purse, Seen, answer

Trace = Callable[[FrameType, str, Any], Any]
_STEP = 23
"""Every so many lines; a prime, so that the numbers of interrupts take turns in falling on each."""


class Streamed:
    """A provider without a network: the same reply each time, and how often it was asked."""

    status = 200
    headers = {"content-type": "text/event-stream"}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked = 0
        self.unwinds: Callable[[], None] = lambda: None

    @contextmanager
    def send(self, parcel: Parcel, timeouts: Timeouts) -> Iterator[Streamed]:
        self.asked += 1
        try:
            yield self
        finally:
            self.unwinds()
            del parcel, timeouts

    def pieces(self) -> Iterator[bytes]:
        for value in WHOLE_STREAM:
            yield b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


class Interrupts:
    """Interrupts this thread when so many lines have run, and again at each line after."""

    def __init__(self, interruption: Interruption, after: int, times: int) -> None:
        self.lines = 0
        self._due = range(after, after + times)
        self._interruption = interruption

    def trace(self, _frame: FrameType, what: str, _value: object) -> Trace:
        """Python stops tracing where this raises; `anew` goes on."""
        if what == "line":
            self.lines += 1
            if self.lines in self._due:
                self._interruption.on_signal()
        return self.trace

    def anew(self) -> None:
        frame: FrameType | None = sys._getframe(1)
        sys.settrace(self.trace)
        while frame is not None:
            frame.f_trace = self.trace
            frame = frame.f_back

    @contextmanager
    def during(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)


def interrupted(tools: Tools, transport: Streamed, target: Target, after: int, times: int) -> int:
    """Ask with interrupts; return how many lines ran."""
    interruption = Interruption()
    request = Request("", (Message("user", (Text("hi"),)),), options=Options(max_tokens=20), stream=True)
    call_request = CallRequest(Caller(SUPPORT, "prompt"), request)
    interrupts = Interrupts(interruption, after, times)
    transport.unwinds = interrupts.anew
    try:
        with interrupts.during():
            ask(tools._replace(interruption=interruption), call_request, [target], lambda _event: None)
    except KeyboardInterrupt:
        assert interruption.count
    return interrupts.lines


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_what_was_sent_has_its_entry_and_nothing_stays_reserved(purse: Purse, times: int) -> None:
    purse.budget("org", "10")
    transport = Streamed()
    tools = purse.tools()._replace(transport=transport)
    target = purse.names.resolve("openai/gpt-4.1")
    lines = interrupted(tools, transport, target, 10**9, 0)
    wrong = []
    for after in range(1, lines, _STEP):
        asked, entries = transport.asked, len(purse.calls())
        interrupted(tools, transport, target, after, times)
        tools.reserver.act(lambda _writer: None).result()
        sent, booked = transport.asked - asked, len(purse.calls()) - entries
        if purse.open_reservations() or booked < sent or booked > 1:
            wrong.append((after, sent, booked, purse.open_reservations()))
    tools.reserver.close()
    purse.check()
    assert not wrong


def test_one_interrupt_is_raised_and_none_comes_into_its_way() -> None:
    interruption, unwound = Interruption(), []

    @contextmanager
    def impatient() -> Iterator[None]:
        try:
            yield
        finally:
            interruption.on_signal()  # while the first is on its way
            unwound.append(interruption.count)

    with interruption.busy():
        interruption.count = 1
        with pytest.raises(KeyboardInterrupt), interruption.reading(), impatient():
            interruption.on_signal()
        assert (interruption._phase, unwound) == (BUSY, [3])
    assert interruption._phase == IDLE


def test_two_interrupts_while_the_counter_is_asked_end_the_call_without_money(
    purse: Purse, other: FakeProvider
) -> None:
    def play(connection: socket.socket, seen: Seen) -> None:
        del connection, seen
        main = threading.main_thread().ident or 0
        for count in (1, 2):
            signal.pthread_kill(main, signal.SIGINT)
            while purse.interruption.count < count:
                threading.Event().wait(0.005)

    other.plays = [play, answer(500)]
    purse.budget("org", "0.03")
    before = signal.signal(signal.SIGINT, purse.interruption.on_signal)
    try:
        with pytest.raises(KeyboardInterrupt):
            purse.ask("word " * 4000, "anthropic/claude-sonnet-4-5", options=Options(max_tokens=300))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(other.seen) == 1
    assert (purse.open_reservations(), purse.calls()) == (0, [])
