"""The life of one call, written once for every door: authorise, plan, reserve, open the key, send, read, settle.

A coroutine over an `Io`, which does what has to be done and decides nothing. Two drivers run it: spending.blocking
without an event loop, for the command line; gateway.driver in one, with many calls under way at once.

- What was reserved becomes an entry, whatever comes in between; nothing sent is nothing spent.
- Before a budget refuses, the provider's free counter is asked how long the input really is. A budget that says so
  revokes the token it turns away.
- The key is opened when the money is set aside, and the token is looked at again then: the wait may have been long.
- Who asked may leave. A whole reply is read to its end all the same. A stream is read on for `drain_s` where a budget
  limits it, else it is stopped; so is, after `drain_s`, whatever somebody stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from aikeys import clock
from aikeys.budgets.queues import Rates
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import Reservation
from aikeys.errors import AikeysError
from aikeys.ledger.stored_objects import MadeObject
from aikeys.providers import token_count
from aikeys.providers.inquiry import timeouts
from aikeys.providers.transport import Broken, NotSent, Parcel, checked_base_url, is_open_way, require_way
from aikeys.providers.wire.values import (
    Event,
    Finished,
    Outgoing,
    ReasoningPiece,
    TextPiece,
    ToolCallPiece,
    Unreadable,
)
from aikeys.secret import Secret
from aikeys.spending import exchange as exchanges
from aikeys.spending.authorise import Caller, authorise
from aikeys.spending.bill import Bill, bill, prices_of
from aikeys.spending.entry import Course, context_of, entry_of
from aikeys.spending.exchange import Exchange, Received
from aikeys.spending.io import Audience, CallerLeft, IncomingReply, Io, Listener, Looking, Stopped
from aikeys.spending.limits import asked_of_the_budgets, rates_of
from aikeys.spending.names import Target
from aikeys.spending.order import Order
from aikeys.spending.plan import Circumstances, Plan, expected_tokens, lowered, tightened
from aikeys.spending.room import Left, as_of_now, is_limited_now
from aikeys.spending.soft_bill import soft_bill

_TOKENS = (TextPiece, ReasoningPiece)
_SAYS = (*_TOKENS, ToolCallPiece, Finished)
_COUNTER_S = 10.0
_MOST_HELD_BYTES, _LONGEST_HELD_S = 256 << 10, 15.0
"""A stream that says nothing for so long is handed on all the same: whoever waits sees its signs of life."""
_MOST_HELD_UP_S = 2.0
"""Who makes a stream wait longer than that in all may have made the provider give it up."""
STOPPED, UNHEARD = "the call was stopped", "nobody reads the reply any more"
Note = Callable[[Received, bytes], MadeObject | None]
"""Of what came, and the body of a whole reply, tells what object was made: it is noted with the call's entry."""


class Asking(NamedTuple):
    """Who asks for what of whom. `scope` is what it takes; `size_bytes` is that of the body as it came.

    `carried` are the keys that were sent for the same request so far: a reply may repeat those, too. `holds`: another
    target may be asked instead, so nothing of a stream is handed on before it says something.
    """

    caller: Caller
    target: Target
    order: Order
    carried: list[Secret]
    scope: str = "chat:write"
    size_bytes: int = 0
    note: Note | None = None
    max_cost_pusd: int | None = None
    holds: bool = False


class Outcome(NamedTuple):
    """A call that is over. `left_pusd`: what the tightest budget that is told has left, None without one.

    `body` of a stream is what was held of it, where nothing was handed on. `entry` is None where the ledger could not
    be written: `unsettled` says why. `is_begun`: a stream was handed on.
    """

    plan: Plan
    received: Received
    bill: Bill
    entry: int | None
    body: bytes
    status: int
    headers: Mapping[str, str]
    latency_ms: int
    first_token_ms: int | None
    left_pusd: int | None
    is_begun: bool = False
    unsettled: AikeysError | None = None


def planned(io: Looking, asking: Asking) -> Plan:
    """Return what a call would be and could cost, and spend nothing; raises what refuses it."""
    authorise(asking.caller, asking.target, asking.scope)
    checked_base_url(asking.target.key.base_url, asking.target.provider.title)
    return _written_once(asking, _circumstances(io, asking)[0])


async def make_call(io: Io, asking: Asking, listener: Listener) -> Outcome:
    """Make one call; raises what refuses it before anything is sent (20, 21, 22, 23, 32, 2), and CallerLeft."""
    if listener.audience is not Audience.LISTENS:
        raise CallerLeft
    authorise(asking.caller, asking.target, asking.scope)
    base_url = checked_base_url(asking.target.key.base_url, asking.target.provider.title)
    if not is_open_way(base_url):  # what only the key's row can allow is asked before money is set aside
        require_way(base_url, asking.target.key.name, await io.key_of(asking.target))
    circumstances, left = _circumstances(io, asking)
    made = await io.off_the_loop(asking.size_bytes, _written_once, asking, circumstances)
    made, reservation = await _reserved(io, asking, made)
    listener.reserved(reservation.id.hex())
    return await _Reserved(io, asking, listener, reservation, left).go(made)


def _circumstances(io: Looking, asking: Asking) -> tuple[Circumstances, Left]:
    now_us = clock.now_us()
    until_us = now_us + int(io.conditions.timeouts.total_s * 1_000_000)
    left = io.left(asking.caller, asking.target, now_us)
    return Circumstances(now_us, until_us, left.pusd, asking.max_cost_pusd), left


def _written_once(asking: Asking, circumstances: Circumstances) -> Plan:
    """Plan, and write it once: what cannot be written is refused before money is set aside."""
    made = asking.order.plan(asking.target, circumstances)
    asking.order.outgoing(made)
    return made


async def _reserved(io: Io, asking: Asking, made: Plan) -> tuple[Plan, Reservation]:
    """Reserve; where a budget refuses, once more by the provider's own count of the input."""
    try:
        return made, await _reserve(io, asking, made)
    except BudgetExceeded as first:
        refusal = first
    smaller = await _tightened(io, asking, made)
    if smaller.cost != made.cost:
        try:
            return smaller, await _reserve(io, asking, smaller)
        except BudgetExceeded as again:
            refusal = again
    if refusal.revoke and asking.caller.claims is not None:
        await io.revoke(asking.caller.claims.id)
    raise refusal


async def _reserve(io: Io, asking: Asking, made: Plan) -> Reservation:
    context = context_of(asking.caller, asking.target, price=made.price.reference if made.price else "")
    rates = rates_of(asking.caller, asking.target, io.conditions.configured)
    return await io.reserve(
        asked_of_the_budgets(asking.caller, context, made.cost), Rates(rates, expected_tokens(made))
    )


async def _tightened(io: Io, asking: Asking, made: Plan) -> Plan:
    """Return the plan with the input that the provider's counter tells; as it was where there is none."""
    if not asking.order.is_countable(made.dialect):
        return made
    try:
        question = token_count.question(made.request.model, asking.order.outgoing(made), made.dialect)
        parcel = Parcel(question, _base_url(made), made.dialect.auth, await io.key_of(asking.target))
        async with io.send(parcel, timeouts(_COUNTER_S)) as incoming:
            body = b"".join([piece async for piece in incoming.pieces()])
            tokens = token_count.answered(incoming.status, body, made.dialect)
    except (NotSent, Broken, Unreadable):
        return made
    except Stopped:
        raise CallerLeft from None
    return made if tokens is None else tightened(made, tokens)


def _base_url(made: Plan) -> str:
    return checked_base_url(made.target.key.base_url, made.target.provider.title)


class _Reserved:
    """A call from its reservation to its entry."""

    def __init__(self, io: Io, asking: Asking, listener: Listener, reservation: Reservation, left: Left) -> None:
        self._io = io
        self._asking = asking
        self._listener = listener
        self._reservation = reservation
        self._left = left
        self._started_s = io.now_s()
        self._first_token_ms: int | None = None
        self._drain_until_s: float | None = None
        self._is_sent = self._is_stream = self._is_begun = False
        self._held: list[tuple[bytes, list[Event]]] = []
        self._held_bytes, self._held_since_s, self._held_up_s = 0, 0.0, 0.0
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._digest = b""

    async def go(self, made: Plan) -> Outcome:
        """Send, read and settle."""
        io, exchange = self._io, self._asking.order.exchange(made)
        try:
            secret = await io.key_of(self._asking.target)
            if self._reservation.pusd < made.cost.worst_pusd:
                made = lowered(made, self._reservation.pusd)
                exchange = self._asking.order.exchange(made)
            outgoing = await io.off_the_loop(self._asking.size_bytes, self._written, made)
            parcel = self._parcel(outgoing, made, secret)
            if self._listener.audience is Audience.LISTENS:
                self._listener.sends(made)
                self._is_sent = True
                await self._transfer(exchange, parcel, made)
        except BaseException as failure:
            # refused, cancelled, or nothing foreseen: what was set aside is settled all the same
            ended = failure if isinstance(failure, AikeysError) else Unreadable("the call ended unexpectedly")
            if self._is_sent:
                exchange.cut(exchanges.CUT, ended)
            else:
                exchange.refuse(ended)
            await io.uninterrupted(self._settled(made, exchange))
            raise
        if not self._is_sent:
            await io.uninterrupted(io.release(self._reservation))
            raise CallerLeft
        return await io.uninterrupted(self._settled(made, exchange))

    def _written(self, made: Plan) -> Outgoing:
        outgoing = self._asking.order.outgoing(made)
        self._digest = sha256(outgoing.body).digest()
        return outgoing

    def _parcel(self, outgoing: Outgoing, made: Plan, secret: Secret) -> Parcel:
        carried = self._asking.carried
        parcel = Parcel(outgoing, _base_url(made), made.dialect.auth, secret, tuple(carried))
        carried.append(secret)
        return parcel

    async def _transfer(self, exchange: Exchange, parcel: Parcel, made: Plan) -> None:
        """Move the bytes; whatever goes wrong is told to the exchange."""
        try:
            async with self._io.send(parcel, self._io.conditions.timeouts) as incoming:
                self._status, self._headers = incoming.status, incoming.headers
                exchange.head(incoming.status, incoming.headers)
                self._is_stream = made.request.stream and incoming.status < 300
                if self._is_stream:
                    self._held_since_s = self._io.now_s()
                    if not self._asking.holds:
                        await self._begin(made)
                    incoming.watch(lambda: bool(self._why_no_more(made)))
                await self._read(exchange, incoming, made)
                if self._is_stream and not self._is_begun and exchange.received().failure is None:
                    await self._begin(made)
        except NotSent as failure:
            exchange.refuse(failure)
        except Broken as failure:
            exchange.cut(failure.status, failure, by_upstream=failure.by_upstream)
        except Unreadable as failure:
            exchange.cut(exchanges.UNREADABLE, failure)
        except Stopped:
            exchange.cut(exchanges.CANCELLED, Unreadable(STOPPED))

    async def _read(self, exchange: Exchange, incoming: IncomingReply, made: Plan) -> None:
        async for piece in incoming.pieces():
            events = exchange.feed(piece)
            if self._first_token_ms is None and any(isinstance(event, _TOKENS) for event in events):
                self._first_token_ms = self._elapsed_ms
            since_s = self._io.now_s()
            await self._hand_on(made, piece, events)
            self._held_up_s += self._io.now_s() - since_s
            if why := self._why_no_more(made):
                exchange.cut(exchanges.CANCELLED, Unreadable(why))
                return
        events = exchange.close()
        if events:
            await self._hand_on(made, b"", events)

    async def _hand_on(self, made: Plan, data: bytes, events: list[Event]) -> None:
        if not self._is_stream:
            return
        if self._is_begun:
            if self._listener.audience is Audience.LISTENS:
                await self._listener.hears(data, events)
            return
        self._held.append((data, events))
        self._held_bytes += len(data)
        is_long = self._held_bytes > _MOST_HELD_BYTES or self._io.now_s() - self._held_since_s > _LONGEST_HELD_S
        if is_long or any(isinstance(event, _SAYS) for event in events):
            await self._begin(made)

    async def _begin(self, made: Plan) -> None:
        """Hand on the head of a stream, and what was held of it: from here on nobody else is asked."""
        self._is_begun = True
        await self._listener.begins(made, self._status, self._headers)
        held, self._held = self._held, []
        for data, events in held:
            if self._listener.audience is Audience.LISTENS:
                await self._listener.hears(data, events)

    def _why_no_more(self, made: Plan) -> str:
        """Return why the rest of the reply is not read, empty where it is."""
        audience = self._listener.audience
        if audience is Audience.LISTENS or (audience is Audience.LEFT and not self._is_stream):
            return ""
        if audience is Audience.LEFT and not is_limited_now(self._io.ledger, made, self._reservation.context):
            return UNHEARD
        now_s = self._io.now_s()
        if self._drain_until_s is None:
            self._drain_until_s = now_s + self._io.conditions.drain_s
        if now_s < self._drain_until_s:
            return ""
        return UNHEARD if audience is Audience.LEFT else STOPPED

    @property
    def _elapsed_ms(self) -> int:
        return int((self._io.now_s() - self._started_s) * 1000)

    async def _settled(self, made: Plan, exchange: Exchange) -> Outcome:
        """Write the entry."""
        received, body, note = await self._io.off_the_loop(exchange.size_bytes, self._read_whole, exchange)
        made = as_of_now(self._io.ledger, made, received.used, self._reservation.context)
        at_us, prices = self._reservation.at_us, prices_of(self._io.conditions.book, made.target)
        costs = bill(made, received.used, at_us, prices)
        soft = soft_bill(made, received.used, at_us, prices, costs) if self._is_its_fault(received) else None
        latency_ms = self._elapsed_ms
        course = Course(at_us, clock.now_us(), latency_ms, self._first_token_ms, self._digest)
        outcome = Outcome(
            made, received, costs, None, body, self._status, self._headers, latency_ms, self._first_token_ms,
            self._left_after(costs), self._is_begun,
        )  # fmt: skip
        caller = self._asking.caller
        try:
            call = entry_of(caller, made, received, costs, course)
            estimated = None if soft is None else entry_of(caller, made, received, soft, course)
            settled = await self._io.settle(self._reservation, call, note, estimated)
        except AikeysError as failure:
            return outcome._replace(unsettled=failure)
        if settled is not None and settled.is_soft and soft is not None:
            outcome = outcome._replace(bill=soft, left_pusd=self._left_after(soft))
        return outcome._replace(entry=settled.entry if settled else None)

    def _is_its_fault(self, received: Received) -> bool:
        """Tell whether the provider broke the stream off, and nobody else can have had a part in it."""
        is_heard = self._listener.audience is Audience.LISTENS  # who left or stopped does not come back
        return received.by_upstream and is_heard and self._held_up_s <= _MOST_HELD_UP_S

    def _left_after(self, costs: Bill) -> int | None:
        told = self._left.told_pusd
        return None if told is None else told - costs.cost_pusd

    def _read_whole(self, exchange: Exchange) -> tuple[Received, bytes, MadeObject | None]:
        """Return what the reply says, its body where it was no stream, and what is noted with its entry."""
        received = exchange.received()
        body = exchange.body() or b"".join(data for data, _ in self._held)
        return received, body, self._asking.note(received, body) if self._asking.note is not None else None
