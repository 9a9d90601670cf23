"""Drives calls without an event loop, for the command line: one at a time in a thread, over a blocking transport.

Every `Io` method here returns without suspending, so `run` needs one step. Interrupts are held back between a
reservation and its entry (see `interruption`); what waits looks whether one came.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any, NamedTuple, ParamSpec, TypeVar

from aikeys.budgets.queues import Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.errors import AikeysError
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Ledger
from aikeys.ledger.stored_objects import MadeObject
from aikeys.providers import transport as transports
from aikeys.providers.transport import Parcel, Timeouts, Transport
from aikeys.providers.wire.values import Event
from aikeys.providers.wire.values import Request as Asked
from aikeys.secret import Secret
from aikeys.spending import call as calls
from aikeys.spending.authorise import Caller
from aikeys.spending.call import Asking, Outcome
from aikeys.spending.entry import context_of
from aikeys.spending.interruption import Interruption
from aikeys.spending.io import Audience, CallerLeft, Conditions, Stopped
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.order import Translated
from aikeys.spending.plan import Plan
from aikeys.spending.room import Left, left_for
from aikeys.spending.targets import MOST_TARGETS, Spent, spend

P = ParamSpec("P")
R = TypeVar("R")
Sink = Callable[[Event], None]
_LOOK_S = 0.05


class CallRequest(NamedTuple):
    """A request (its model is the target's), who makes it, and their own limit on what it may cost."""

    caller: Caller
    request: Asked
    max_cost_pusd: int | None = None

    def asking(self, target: Target, carried: list[Secret]) -> Asking:
        """Return what is asked of a model; `carried` are the keys that were sent for this request so far."""
        return Asking(self.caller, target, Translated(self.request), carried, max_cost_pusd=self.max_cost_pusd)


class Tools(NamedTuple):
    """What is spent with. `ledger` is this thread's; `secret_of` opens a key, as late as possible, in any thread."""

    reserver: ThreadReserver
    ledger: Ledger
    transport: Transport
    conditions: Conditions
    secret_of: Callable[[SpendingKey], Secret]
    interruption: Interruption
    say: Callable[[str], None] = lambda _text: None
    revoke: Callable[[bytes], None] = lambda _token: None
    now_s: Callable[[], float] = time.monotonic


def run(life: Coroutine[Any, Any, R]) -> R:
    """Return what a coroutine returns that never suspends."""
    try:
        life.send(None)
    except StopIteration as over:
        result: R = over.value
        return result
    life.close()
    raise RuntimeError("a blocking call was suspended")


def ask(tools: Tools, call_request: CallRequest, targets: Sequence[Target], sink: Sink) -> Spent:
    """Ask targets in order until one answers; raises what refuses the first one, KeyboardInterrupt, BrokenPipeError."""
    hearing = _Hearing(tools, sink)
    io = BlockingIo(tools)
    carried: list[Secret] = []
    last = targets[:MOST_TARGETS][-1]

    async def make(target: Target) -> Outcome:
        with tools.interruption.busy():
            tools.interruption.check()
            asking = call_request.asking(target, carried)._replace(holds=target is not last)
            try:
                return await calls.make_call(io, asking, hearing)
            except CallerLeft:
                raise hearing.why_left() from None

    spent = run(spend(targets, make, hearing))
    if hearing.left is not None:
        raise hearing.left
    return spent


def planned(ledger: Ledger, call_request: CallRequest, target: Target, conditions: Conditions) -> Plan:
    """Return what a call would be and could cost, and spend nothing."""
    return calls.planned(_Looking(ledger, conditions), call_request.asking(target, []))


class _Looking:
    """The part of an `Io` that a plan needs."""

    def __init__(self, ledger: Ledger, conditions: Conditions) -> None:
        self.ledger = ledger
        self.conditions = conditions

    def left(self, caller: Caller, target: Target, now_us: int) -> Left:
        """Return what the tightest blocking budget has left."""
        return left_for(self.ledger, caller, context_of(caller, target), now_us)


class BlockingIo(_Looking):
    """An Io whose waits block the thread."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools.ledger, tools.conditions)
        self._tools = tools

    def now_s(self) -> float:
        """Return seconds."""
        return self._tools.now_s()

    async def off_the_loop(self, size_bytes: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it: nobody else waits."""
        del size_bytes
        return work(*args, **kwargs)

    async def uninterrupted(self, work: Coroutine[Any, Any, R]) -> R:
        """Do it: interrupts are held back."""
        return await work

    async def reserve(self, request: ReserveRequest, rates: Rates) -> Reservation:
        """Reserve; an interrupt ends the wait."""
        reserver = self._tools.reserver
        ticket = reserver.reserve(request, rates=rates)
        while True:
            try:
                return ticket.result(_LOOK_S)
            except TimeoutError:
                try:
                    self._tools.interruption.check()
                except KeyboardInterrupt:
                    if not ticket.cancel():
                        with suppress(AikeysError):
                            reserver.release(ticket.result()).result()
                    reserver.look_again()
                    raise

    async def release(self, reservation: Reservation) -> None:
        """Give it back."""
        self._tools.reserver.release(reservation).result()

    async def settle(
        self, reservation: Reservation, call: Call, note: MadeObject | None, soft: Call | None
    ) -> Settled | None:
        """Book it."""
        return self._tools.reserver.settle(reservation, call, note, soft).result()

    async def revoke(self, token: bytes) -> None:
        """End a token."""
        self._tools.revoke(token)

    async def key_of(self, target: Target) -> Secret:
        """Open a key."""
        return self._tools.secret_of(target.key)

    @asynccontextmanager
    async def send(self, parcel: Parcel, timeouts: Timeouts) -> AsyncIterator[_Incoming]:
        """Send; the second interrupt ends it."""
        interruption = self._tools.interruption
        try:
            with ExitStack() as stack:
                with interruption.reading():
                    reply = stack.enter_context(self._tools.transport.send(parcel, timeouts))
                yield _Incoming(reply, interruption)
        except KeyboardInterrupt:
            raise Stopped from None


class _Incoming:
    """A reply of a blocking transport.

    The wait for its next bytes can be interrupted, and so can showing them; not what is reckoned with them.
    """

    def __init__(self, reply: transports.Incoming, interruption: Interruption) -> None:
        self._interruption = interruption
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self._pieces: Iterator[bytes] = reply.pieces()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        while True:
            with self._interruption.reading():
                piece = next(self._pieces, None)
            if piece is None:
                return
            yield piece

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Nothing: a signal interrupts what waits."""


class _Hearing:
    """Who hears a reply on the command line, and what is done between two calls."""

    repeats = True

    def __init__(self, tools: Tools, sink: Sink) -> None:
        self._tools = tools
        self._sink = sink
        self.left: BrokenPipeError | None = None

    @property
    def audience(self) -> Audience:
        """Tell whether the reader is there, and whether Ctrl-C came."""
        if self._tools.interruption.count:
            return Audience.STOPS
        return Audience.LISTENS if self.left is None else Audience.LEFT

    @property
    def is_over(self) -> bool:
        """Tell whether nobody wants another call."""
        return self.audience is not Audience.LISTENS

    def why_left(self) -> BaseException:
        """Return what ended the call before it was sent."""
        return self._tools.interruption.stopped() if self._tools.interruption.count else self.left or BrokenPipeError()

    def reserved(self, request_id: str) -> None:
        """The number of the entry is told when it is over."""

    def sends(self, made: Plan) -> None:
        """Say what a budget changes."""
        if made.lowered_from:
            self._tools.say(f"the budget lowers the output to {made.cap} tokens at most")

    async def begins(self, made: Plan, status: int, headers: Mapping[str, str]) -> None:
        """Nothing: the first words tell."""

    async def hears(self, data: bytes, events: list[Event]) -> None:
        """Hand on what is said, until the reader goes away."""
        del data
        try:
            for event in events:
                with self._tools.interruption.reading():
                    self._sink(event)
        except BrokenPipeError as gone:
            self.left = gone

    def say(self, text: str) -> None:
        """Tell the person."""
        self._tools.say(text)

    async def pause(self, seconds: float) -> None:
        """Sleep; an interrupt ends it."""
        self._tools.interruption.sleep(seconds)
