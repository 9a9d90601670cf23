"""The interface between a call and its door: `Io` does, `Listener` hears; no door is known here.

A door implements these once: spending.blocking for the command line, gateway.driver for an event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

from aikeys.budgets.queues import Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.errors import AikeysError
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Ledger
from aikeys.ledger.stored_objects import MadeObject
from aikeys.pricing.book import Book
from aikeys.providers.transport import Parcel, Timeouts
from aikeys.providers.wire.values import Event
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller
from aikeys.spending.limits import Configured
from aikeys.spending.names import Target
from aikeys.spending.plan import Plan
from aikeys.spending.room import Left

P = ParamSpec("P")
R = TypeVar("R")


class Audience(Enum):
    """Whether somebody hears the reply: LISTENS; LEFT, nobody is there any more; STOPS, somebody wants it to end."""

    LISTENS = 1
    LEFT = 2
    STOPS = 3


class CallerLeft(AikeysError):
    """Whoever asked went away before anything was sent."""

    code = "client_left"
    exit_status = 3
    http_status = 499

    def __init__(self) -> None:
        super().__init__("the client left before its request was sent")


class Stopped(Exception):
    """Whoever asked ended a wait for the provider; raised by an `Incoming`."""


class Listener(Protocol):
    """Who hears the reply."""

    @property
    def audience(self) -> Audience:
        """Tell whether anybody is there."""
        ...

    def reserved(self, request_id: str) -> None:
        """Money is set aside; the ledger knows the call by this id."""
        ...

    def sends(self, made: Plan) -> None:
        """The request goes out as planned here."""
        ...

    async def begins(self, made: Plan, status: int, headers: Mapping[str, str]) -> None:
        """The reply's head is there, and it is a stream that may be handed on."""
        ...

    async def hears(self, data: bytes, events: list[Event]) -> None:
        """The next bytes of a stream, and what they say."""
        ...


class IncomingReply(Protocol):
    """A reply as it comes in; header names are in lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises Broken, and Stopped."""
        ...

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Look from time to time, also while nothing comes: where it is over, `pieces` raises Broken (cancelled)."""
        ...


class Conditions(NamedTuple):
    """What all calls of a door have in common: prices, configured rates, how long things may take."""

    book: Book
    configured: Configured = ()
    timeouts: Timeouts = Timeouts()
    drain_s: float = 60.0


class Looking(Protocol):
    """What a plan needs: to look."""

    @property
    def conditions(self) -> Conditions: ...

    def left(self, caller: Caller, target: Target, now_us: int) -> Left:
        """Return what the tightest blocking budget has left. It looks; `reserve` decides."""
        ...


class Io(Looking, Protocol):
    """What a call has done for it. One for each call: it knows who asks, and for whom to wait."""

    @property
    def ledger(self) -> Ledger:
        """The ledger, to look into."""
        ...

    def now_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...

    async def off_the_loop(self, size_bytes: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `work` returns; where its data is large, done so that nobody else waits for it."""
        ...

    async def uninterrupted(self, work: Coroutine[Any, Any, R]) -> R:
        """Return what `work` returns; it goes to its end even where whoever waits for it is cancelled."""
        ...

    async def reserve(self, request: ReserveRequest, rates: Rates) -> Reservation:
        """Set money aside, waiting in order; raises what refuses it, and CallerLeft."""
        ...

    async def release(self, reservation: Reservation) -> None:
        """Give back what was set aside for nothing."""
        ...

    async def settle(
        self, reservation: Reservation, call: Call, note: MadeObject | None, soft: Call | None
    ) -> Settled | None:
        """Book the call, as often as it takes, or `soft` where the budgets let it be; MachineFailed: not yet."""
        ...

    async def revoke(self, token: bytes) -> None:
        """End a token."""
        ...

    async def key_of(self, target: Target) -> Secret:
        """Open a key with what the caller has; a token that ended meanwhile opens nothing."""
        ...

    def send(self, parcel: Parcel, timeouts: Timeouts) -> AbstractAsyncContextManager[IncomingReply]:
        """Send, and give the reply when its head is there; raises NotSent, Broken and Stopped."""
        ...
