"""One attempt at one provider: authorise, plan, reserve, send, settle. What was reserved always becomes an entry.

- Nothing interrupts between the reservation and the entry; see `interruption`.
- A reader that goes away (a closed pipe) stops the call, but under a limit it is read to its end first, so that its
  cost is exact; so is one that was interrupted once. For at most `drain_s`.
- An entry that cannot be written (a full disk) is tried again, and again when there is more room. If it still cannot be
  written, the reservation stands on disk and the next command books it at its worst case; the caller is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from aikeys import clock
from aikeys.budgets.desk import Desk
from aikeys.budgets.rates import Rate
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import Reservation
from aikeys.errors import AikeysError, MachineFailed
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.names import Label
from aikeys.pricing.book import Book
from aikeys.providers.token_count import counted
from aikeys.providers.transport import (
    Broken,
    Incoming,
    NotSent,
    Parcel,
    Timeouts,
    Transport,
    checked_base_url,
)
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Event, Outgoing, ReasoningPiece, Request, TextPiece, Unreadable
from aikeys.secret import Secret
from aikeys.spending import exchange as exchanges
from aikeys.spending.authorise import Caller, authorise
from aikeys.spending.bill import Bill, bill, prices_of
from aikeys.spending.exchange import Exchange, Received
from aikeys.spending.interruption import Interruption
from aikeys.spending.limits import asked_of_the_budgets
from aikeys.spending.names import Held, Target
from aikeys.spending.plan import Circumstances, Plan, estimated_input_tokens, lowered, plan, tightened
from aikeys.spending.room import as_of_now, is_limited_now, left_for

Sink = Callable[[Event], None]
_LONGEST_WORD = 100
_SETTLE_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 4.0)


class Asked(NamedTuple):
    """What a caller wants done: the request (its model is the target's), and their own limit on its cost."""

    request: Request
    max_cost_pusd: int | None = None


class Settings(NamedTuple):
    """How long things may take, and how to make room on a full disk (True where that helped)."""

    timeouts: Timeouts = Timeouts()
    drain_s: float = 60.0
    now_s: Callable[[], float] = time.monotonic
    make_room: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _text: None
    settle_pauses_s: tuple[float, ...] = _SETTLE_PAUSES_S


class Tools(NamedTuple):
    """What spending works with. `secret_of` opens a key, as late as possible."""

    desk: Desk
    transport: Transport
    book: Book
    secret_of: Callable[[Held], Secret]
    interruption: Interruption
    settings: Settings = Settings()
    rates_of: Callable[[Caller, Target], Sequence[Rate]] = lambda _caller, _target: ()
    """Which limits per minute a call has to keep."""


class Attempted(NamedTuple):
    """One attempt when it is over. `entry` is None where the ledger could not be written: `unsettled` says why."""

    plan: Plan
    received: Received
    bill: Bill
    entry: int | None
    latency_ms: int
    first_token_ms: int | None
    unsettled: AikeysError | None = None
    left: BrokenPipeError | None = None
    """The reader went away."""


class _Watch:
    """How long an attempt took, and whether somebody still listens."""

    def __init__(self, now_s: Callable[[], float], sink: Sink) -> None:
        self._now_s = now_s
        self._sink = sink
        self._started_s = now_s()
        self.first_token_ms: int | None = None
        self.left: BrokenPipeError | None = None
        self.drain_until_s: float | None = None

    @property
    def elapsed_ms(self) -> int:
        return int((self._now_s() - self._started_s) * 1000)

    def hand_on(self, events: list[Event], *, is_wanted: bool) -> None:
        """Give events to the caller, until they go away."""
        for event in events:
            if self.first_token_ms is None and isinstance(event, TextPiece | ReasoningPiece):
                self.first_token_ms = self.elapsed_ms
            if is_wanted and self.left is None:
                try:
                    self._sink(event)
                except BrokenPipeError as gone:
                    self.left = gone

    def is_over(self, drain_s: float) -> bool:
        """Tell whether the time to read on for nobody is over."""
        if self.drain_until_s is None:
            self.drain_until_s = self._now_s() + drain_s
        return self._now_s() >= self.drain_until_s


def planned(ledger: Ledger, caller: Caller, asked: Asked, target: Target, total_s: float) -> Plan:
    """Return what an attempt would be and could cost, and spend nothing; `total_s` is the time it may take."""
    authorise(caller, target)
    checked_base_url(target.key.base_url, target.provider.title)
    now_us = clock.now_us()
    until_us = now_us + int(total_s * 1_000_000)
    left = left_for(ledger, caller, context_of(caller, target), now_us).pusd
    made = plan(target, asked.request, Circumstances(now_us, until_us, left, asked.max_cost_pusd))
    encoded(made)  # what cannot be sent is refused before money is set aside
    return made


def encoded(made: Plan) -> Outgoing:
    """Return the request as it goes out, without the credential."""
    return protocol_of(made.dialect).encode(made.request, made.dialect)


def _tightened(tools: Tools, made: Plan, secret: Secret) -> Plan:
    """Ask the provider's free counter, where it has one, how long the input really is."""
    address = (_base_url(made), secret)
    tokens = counted(made.request, encoded(made), made.dialect, address, tools.transport)
    return made if tokens is None else tightened(made, tokens)


def expected_tokens(made: Plan) -> int:
    """Return about how many tokens a call will use, for a limit of tokens per minute: its input, and its cap."""
    return estimated_input_tokens(made.bounds, made.dialect.provider) + made.cap * made.bounds.choices


def context_of(caller: Caller, target: Target, answered: str = "", price: str = "") -> Context:
    """Return the texts that an attempt is recorded with."""
    return Context(
        caller.labels, caller.token, target.key.name, target.provider.name, str(target),
        answered, price, caller.address, caller.door,
    )  # fmt: skip


def attempt(tools: Tools, caller: Caller, asked: Asked, target: Target, sink: Sink) -> Attempted:
    """Make one attempt; raises what refuses it before it is sent (20, 22, 23, 32, 2), and KeyboardInterrupt."""
    with tools.interruption.busy():
        tools.interruption.check()
        made = planned(tools.desk.ledger, caller, asked, target, tools.settings.timeouts.total_s)
        secret = tools.secret_of(target.key)
        reference = made.price.reference if made.price else ""
        context = context_of(caller, target, price=reference)
        rates = tools.rates_of(caller, target)

        def reserve(plan: Plan) -> Reservation:
            return tools.desk.reserve(asked_of_the_budgets(caller, context, plan.cost), rates, expected_tokens(plan))

        try:
            reservation = reserve(made)
        except BudgetExceeded:
            smaller = _tightened(tools, made, secret)
            if smaller.cost == made.cost:
                raise
            made, reservation = smaller, reserve(smaller)
        return _Run(tools, caller, reservation).go(made, secret, sink)


class _Run:
    """An attempt from its reservation to its entry."""

    def __init__(self, tools: Tools, caller: Caller, reservation: Reservation) -> None:
        self._tools = tools
        self._caller = caller
        self._reservation = reservation
        self._request_digest = b""

    def go(self, made: Plan, secret: Secret, sink: Sink) -> Attempted:
        watch = _Watch(self._tools.settings.now_s, sink)
        exchange = Exchange(made)
        is_under_way = False
        try:
            if self._reservation.pusd < made.cost.worst_pusd:
                made = lowered(made, self._reservation.pusd)
                exchange = Exchange(made)
            if made.lowered_from:
                self._tools.settings.say(f"the budget lowers the output to {made.cap} tokens at most")
            parcel = Parcel(encoded(made), _base_url(made), made.dialect.auth, secret)
            self._request_digest = sha256(parcel.outgoing.body).digest()
            is_under_way = True
            self._transfer(exchange, parcel, made, watch)
        except BaseException:
            # nothing foreseen: what was set aside is settled all the same
            failure = Unreadable("the call ended unexpectedly")
            if is_under_way:
                exchange.cut(exchanges.CUT, failure)
            else:
                exchange.refuse(failure)
            self._settled(made, exchange.received(), watch)
            raise
        return self._settled(made, exchange.received(), watch)

    def _transfer(self, exchange: Exchange, parcel: Parcel, made: Plan, watch: _Watch) -> None:
        """Move the bytes; whatever goes wrong is told to the exchange."""
        try:
            with (
                self._tools.interruption.reading(),
                self._tools.transport.send(parcel, self._tools.settings.timeouts) as incoming,
            ):
                exchange.head(incoming.status, incoming.headers)
                self._read(exchange, incoming, made, watch)
        except NotSent as failure:
            exchange.refuse(failure)
        except Broken as failure:
            exchange.cut(failure.status, failure)
        except Unreadable as failure:
            exchange.cut(exchanges.UNREADABLE, failure)
        except KeyboardInterrupt:
            exchange.cut(exchanges.CANCELLED, Unreadable("the call was stopped"))

    def _read(self, exchange: Exchange, incoming: Incoming, made: Plan, watch: _Watch) -> None:
        interruption, drain_s = self._tools.interruption, self._tools.settings.drain_s
        for piece in incoming.pieces():
            watch.hand_on(exchange.feed(piece), is_wanted=not interruption.count)
            if interruption.count and watch.is_over(drain_s):
                exchange.cut(exchanges.CANCELLED, Unreadable("the call was stopped"))
                return
            if watch.left is not None and (not self._is_limited(made) or watch.is_over(drain_s)):
                exchange.cut(exchanges.CANCELLED, Unreadable("nobody reads the reply any more"))
                return
        watch.hand_on(exchange.close(), is_wanted=not interruption.count)

    def _is_limited(self, made: Plan) -> bool:
        return is_limited_now(self._tools.desk.ledger, made, self._reservation.context)

    def _settled(self, made: Plan, received: Received, watch: _Watch) -> Attempted:
        """Write the entry, as often as it takes."""
        at_us = self._reservation.at_us
        made = as_of_now(self._tools.desk.ledger, made, received.used, self._reservation.context)
        costs = bill(made, received.used, at_us, prices_of(self._tools.book, made.target))
        call = call_of(self._caller, made, received, costs)._replace(
            at_us=at_us, settled_us=clock.now_us(), latency_ms=watch.elapsed_ms, first_token_ms=watch.first_token_ms,
            request_digest=self._request_digest,
        )  # fmt: skip
        done = Attempted(made, received, costs, None, watch.elapsed_ms, watch.first_token_ms, left=watch.left)
        return self._book(done, call)

    def _book(self, done: Attempted, call: Call) -> Attempted:
        settings = self._tools.settings
        for number, pause_s in enumerate((*settings.settle_pauses_s, 0.0)):
            try:
                settled = self._tools.desk.settle(self._reservation, call)
            except AikeysError as failure:
                done = done._replace(unsettled=failure)
                if not isinstance(failure, MachineFailed):
                    return done
                if number == 0:
                    settings.say(f"the call cannot be recorded yet: {failure.message}; trying again")
                    if settings.make_room():
                        continue
                time.sleep(pause_s)
            else:
                return done._replace(entry=settled.entry if settled else None, unsettled=None)
        return done


def call_of(caller: Caller, made: Plan, received: Received, costs: Bill) -> Call:
    """Return the entry of an attempt; its times and the digest of its request are the sender's to add."""
    return Call(
        0, 0,
        context_of(caller, made.target, _plain(received.used.answered), costs.price),
        costs.usage, costs.unpriced, costs.cost_pusd, costs.source, received.status,
        request_id=_plain(received.request_id),
        reply_digest=received.reply_digest,
    )  # fmt: skip


def _base_url(made: Plan) -> str:
    return checked_base_url(made.target.key.base_url, made.target.provider.title)


def _plain(text: str) -> str:
    """Return a provider's word as the ledger keeps it: bounded, and nothing but what can be read."""
    word = text[:_LONGEST_WORD]
    return word if word.isprintable() else "".join(sign for sign in word if sign.isprintable())


def labels_of(pairs: Mapping[str, Label]) -> Labels:
    """Return labels from names and values; names that are no label of ours are tags."""
    own = {name: pairs.get(name, "") for name in ("team", "project", "environment", "user")}
    tags = tuple(sorted((name, value) for name, value in pairs.items() if name not in own and value))
    return Labels(**own, tags=tags)


def pairs_of(labels: Labels) -> dict[str, Label]:
    """Return names and values of labels, the other way round."""
    own = {name: getattr(labels, name) for name in ("team", "project", "environment", "user")}
    return {name: Label(value) for name, value in (*own.items(), *labels.tags) if value}
