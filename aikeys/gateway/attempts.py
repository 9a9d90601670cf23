"""One attempt at one provider in an event loop: the same steps as spending.attempt, with many under way at once.

authorise -> plan -> reserve -> send -> read -> settle. An attempt is a task of its own: whoever asked may leave, what
was reserved becomes an entry all the same.
- A whole reply that nobody waits for any more is read to its end. A stream is read on for `drain_s` where a budget
  limits it, else the provider is stopped and the entry is an estimate.
- The caller hears of the reply through a `Listener`, which says whether anybody still listens. For somebody who left
  before the request went out nothing is sent, and nothing booked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, Protocol

from aikeys import clock
from aikeys.budgets.queues import Rates
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import Request, Reservation
from aikeys.errors import AikeysError
from aikeys.gateway import desk as desks
from aikeys.gateway.aside import aside
from aikeys.gateway.state import State
from aikeys.gateway.upstream import Reply
from aikeys.ledger.store import Writer
from aikeys.providers.transport import Broken, NotSent, Parcel, checked_base_url
from aikeys.providers.wire.values import Event, Outgoing, ReasoningPiece, TextPiece, Unreadable
from aikeys.secret import Secret
from aikeys.spending import exchange as exchanges
from aikeys.spending.attempt import call_of, context_of, expected_tokens
from aikeys.spending.authorise import Caller, authorise
from aikeys.spending.bill import Bill, bill, prices_of
from aikeys.spending.exchange import Exchange, Received
from aikeys.spending.limits import asked_of_the_budgets, rates_of
from aikeys.spending.names import Target
from aikeys.spending.plan import Circumstances, Plan, lowered
from aikeys.spending.room import Left, as_of_now, is_limited_now, left_for
from aikeys.vault.bearers import Bearer
from aikeys.vault.revoking import revoke

_LOOK_FOR_CLIENT_S = 1.0
_TOKENS = (TextPiece, ReasoningPiece)
Note = Callable[[Received, bytes], "Callable[[Writer], None] | None"]
"""Of what came, and the body of a whole reply, makes what is to be written in the transaction that books the call."""


class ClientLeft(AikeysError):
    """Whoever asked closed the connection before anything was sent."""

    code = "client_left"
    exit_status = 3
    http_status = 499

    def __init__(self) -> None:
        super().__init__("the client left before its request was sent")


class Order(Protocol):
    """What is to be sent, in whatever words: how it is planned and written. Pure, so that a thread can do it."""

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost; raises what refuses it."""
        ...

    def outgoing(self, made: Plan) -> Outgoing:
        """Return the request as it goes out, with the cap of the plan."""
        ...


class Listener(Protocol):
    """Who hears the reply."""

    def reserved(self, request_id: str) -> None:
        """Money is set aside; the ledger knows the call by this id."""
        ...

    async def begins(self, made: Plan, status: int, headers: dict[str, str]) -> None:
        """The reply's head is there, and it is a stream that may be handed on."""
        ...

    async def hears(self, data: bytes, events: list[Event]) -> None:
        """The next bytes of a stream, and what they say."""
        ...

    @property
    def is_gone(self) -> bool:
        """Tell whether nobody listens any more."""
        ...


class Asking(NamedTuple):
    """Who asks for what of whom. `scope` is what it takes; `size_bytes` is that of the body as it came.

    `carried` are the keys of the attempts that the same call made so far; this one adds its own.
    """

    caller: Caller
    bearer: Bearer
    target: Target
    order: Order
    carried: list[Secret]
    scope: str = "chat:write"
    priority: int = 5
    size_bytes: int = 0
    note: Note | None = None


class Done(NamedTuple):
    """An attempt that is over. `left_pusd`: what the tightest budget that is told has left, None without one."""

    plan: Plan
    received: Received
    bill: Bill
    entry: int | None
    body: bytes
    status: int
    headers: dict[str, str]
    left_pusd: int | None
    unsettled: AikeysError | None = None


class Attempt:
    """One attempt. `go` is its whole life."""

    def __init__(self, state: State, asking: Asking, listener: Listener) -> None:
        self._state = state
        self._asking = asking
        self._listener = listener
        self._is_sent = False
        self._status = 0
        self._headers: dict[str, str] = {}
        self._started_s = time.monotonic()
        self._first_token_ms: int | None = None
        self._drain_until_s: float | None = None
        self._left = Left()
        self._digest = b""

    async def go(self) -> Done:
        """Make the attempt; raises what refuses it before anything is sent."""
        asking, state = self._asking, self._state
        if self._listener.is_gone:
            raise ClientLeft
        authorise(asking.caller, asking.target, asking.scope)
        base_url = checked_base_url(asking.target.key.base_url, asking.target.provider.title)
        made = await aside(asking.size_bytes, self._planned, self._circumstances())
        secret = state.secret_of(asking.bearer, asking.target)
        reference = made.price.reference if made.price else ""
        context = context_of(asking.caller, asking.target, price=reference)
        reservation = await self._reserved(asked_of_the_budgets(asking.caller, context, made.cost), made)
        self._listener.reserved(reservation.id.hex())
        exchange = Exchange(made, reads_vectors=False)
        await self._refuse_if_over(exchange, made, reservation)
        try:
            if reservation.pusd < made.cost.worst_pusd:
                made = lowered(made, reservation.pusd)
                exchange = Exchange(made, reads_vectors=False)
            outgoing, self._digest = await aside(asking.size_bytes, self._written, made)
            parcel = Parcel(outgoing, base_url, made.dialect.auth, secret, tuple(asking.carried))
            asking.carried.append(secret)
            if not self._listener.is_gone:
                self._is_sent = True
                await self._transfer(exchange, parcel, made)
        except BaseException:
            # cancelled at the end of the grace, or something nobody foresaw: settled all the same
            ended = Unreadable("the call ended unexpectedly")
            if self._is_sent:
                exchange.cut(exchanges.CUT, ended)
            else:
                exchange.refuse(ended)
            await asyncio.shield(self._settled(made, exchange, reservation))
            raise
        if not self._is_sent:
            await state.desk.release(reservation)
            raise ClientLeft
        return await self._settled(made, exchange, reservation)

    def _planned(self, circumstances: Circumstances) -> Plan:
        """Plan, and write it once: what cannot be written is refused before money is set aside."""
        order = self._asking.order
        made = order.plan(self._asking.target, circumstances)
        order.outgoing(made)
        return made

    def _written(self, made: Plan) -> tuple[Outgoing, bytes]:
        """Return what is to be sent, and its digest."""
        outgoing = self._asking.order.outgoing(made)
        return outgoing, sha256(outgoing.body).digest()

    async def _refuse_if_over(self, exchange: Exchange, made: Plan, reservation: Reservation) -> None:
        """Raise where the token ended while the call waited for its turn; what was reserved is given back."""
        try:
            self._state.admit_again(self._asking.bearer)
        except AikeysError as refusal:
            exchange.refuse(refusal)
            await asyncio.shield(self._settled(made, exchange, reservation))
            raise

    async def _reserved(self, request: Request, made: Plan) -> Reservation:
        """Reserve; a budget that says so revokes the token it turns away. Whoever leaves meanwhile waits no more."""
        asking, configured = self._asking, self._state.knowledge.config.limits
        rates = Rates(rates_of(asking.caller, asking.target, configured), expected_tokens(made))
        try:
            return await desks.reserve(
                self._state.desk, request, asking.priority, rates, lambda: self._listener.is_gone
            )
        except desks.Gone:
            raise ClientLeft from None
        except BudgetExceeded as refusal:
            claims = self._asking.caller.claims
            if refusal.revoke and claims is not None:
                await asyncio.to_thread(revoke, self._state.place, [claims.id])
            raise

    def _circumstances(self) -> Circumstances:
        asking, state = self._asking, self._state
        now_us = clock.now_us()
        until_us = now_us + int(state.settings.timeouts.total_s * 1_000_000)
        has_budget = asking.caller.claims is not None and asking.caller.claims.budget_pusd is not None
        if has_budget or state.is_anybody_blocked():
            self._left = left_for(state.ledger, asking.caller, context_of(asking.caller, asking.target), now_us)
        return Circumstances(now_us, until_us, self._left.pusd)

    async def _transfer(self, exchange: Exchange, parcel: Parcel, made: Plan) -> None:
        """Move the bytes; whatever goes wrong is told to the exchange."""
        try:
            async with self._state.upstream.send(parcel, self._state.settings.timeouts) as reply:
                self._status, self._headers = reply.status, reply.headers
                exchange.head(reply.status, reply.headers)
                is_stream = made.request.stream and reply.status < 300
                if is_stream:
                    await self._listener.begins(made, reply.status, reply.headers)
                watch = _Watch(lambda: self._listener.is_gone and self._is_over(made), reply) if is_stream else None
                try:
                    await self._read(exchange, reply, is_stream=is_stream)
                finally:
                    if watch is not None:
                        watch.stop()
                events = exchange.close()
                if is_stream and events and not self._listener.is_gone:
                    await self._listener.hears(b"", events)
        except NotSent as failure:
            exchange.refuse(failure)
        except Broken as failure:
            exchange.cut(failure.status, failure)
        except Unreadable as failure:
            exchange.cut(exchanges.UNREADABLE, failure)

    async def _read(self, exchange: Exchange, reply: Reply, *, is_stream: bool) -> None:
        async for piece in reply.pieces():
            events = exchange.feed(piece)
            if self._first_token_ms is None:
                self._note_first(events)
            if is_stream and not self._listener.is_gone:
                await self._listener.hears(piece, events)

    def _is_over(self, made: Plan) -> bool:
        """Tell whether a stream that nobody hears is to be stopped."""
        asking, ledger = self._asking, self._state.ledger
        if not is_limited_now(ledger, made, context_of(asking.caller, asking.target)):
            return True
        now_s = time.monotonic()
        if self._drain_until_s is None:
            self._drain_until_s = now_s + self._state.settings.drain_s
        return now_s >= self._drain_until_s

    def _note_first(self, events: list[Event]) -> None:
        if any(isinstance(event, _TOKENS) for event in events):
            self._first_token_ms = self._elapsed_ms

    @property
    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._started_s) * 1000)

    async def _settled(self, made: Plan, exchange: Exchange, reservation: Reservation) -> Done:
        """Write the entry. The desk tries on where it cannot; whoever asked is told after a while."""
        received, body, also = await aside(exchange.size_bytes, self._read_whole, exchange)
        price_of = prices_of(self._state.knowledge.book, made.target)
        made = as_of_now(self._state.ledger, made, received.used, reservation.context)
        costs = bill(made, received.used, reservation.at_us, price_of)
        call = call_of(self._asking.caller, made, received, costs)._replace(
            at_us=reservation.at_us, settled_us=clock.now_us(), latency_ms=self._elapsed_ms,
            first_token_ms=self._first_token_ms, request_digest=self._digest,
        )  # fmt: skip
        told = self._left.told_pusd
        left = None if told is None else told - costs.cost_pusd
        done = Done(made, received, costs, None, body, self._status, self._headers, left)
        try:
            settled = await self._state.desk.settle(reservation, call, also)
        except AikeysError as failure:
            return done._replace(unsettled=failure)
        return done._replace(entry=settled.entry if settled else None)

    def _read_whole(self, exchange: Exchange) -> tuple[Received, bytes, Callable[[Writer], None] | None]:
        """Return what the reply says, its body where it is to be handed on whole, and what is noted with its entry."""
        received = exchange.received()
        body = exchange.body()
        return received, body, self._asking.note(received, body) if self._asking.note is not None else None


class _Watch:
    """Notices a client that left, also while the provider says nothing."""

    def __init__(self, is_over: Callable[[], bool], reply: Reply) -> None:
        self._is_over = is_over
        self._reply = reply
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(_LOOK_FOR_CLIENT_S, self._look)

    def stop(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        if self._is_over():
            self._reply.abandon()
        else:
            self._next = self._loop.call_later(_LOOK_FOR_CLIENT_S, self._look)
