"""Queues of calls that wait for a budget, in order (pure).

- In front is the lower priority number (1 to 10), then who came first. Nobody passes who waits for the same WHO,
  unless by priority: a large call is not starved by small ones.
- A request waits in one queue, that of the budget whose open reservations stand in its way first, or of a rate: then it
  is asked again when the rate is free.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from aikeys.budgets.answers import Ticket
from aikeys.budgets.decisions import Room
from aikeys.budgets.rates import RateLimit
from aikeys.budgets.reservations import Reservation, ReserveRequest, new_id
from aikeys.budgets.who import Somebody

Order = tuple[int, int]
FIRST_PRIORITY, DEFAULT_PRIORITY, LAST_PRIORITY = 1, 5, 10


class Front(NamedTuple):
    """Who is in front of a queue, and what they wait for, as it last was."""

    order: Order
    room: Room


class Waiter:
    """A request to reserve, `ticket` whom to answer. `room` is what it waits for, None as long as it is new.

    `id` is that of the reservation to be made. `is_asked_again`: a round failed meanwhile, so it may stand already.
    """

    __slots__ = ("again_s", "id", "is_asked_again", "order", "rates", "request", "room", "ticket", "until_s")

    def __init__(
        self, request: ReserveRequest, rates: Rates, order: Order, until_s: float, ticket: Ticket[Reservation]
    ) -> None:
        self.id = new_id()
        self.is_asked_again = False
        self.request = request
        self.rates = rates
        self.order = order
        self.until_s = self.again_s = until_s
        self.ticket = ticket
        self.room: Room | None = None


class Rates(NamedTuple):
    """The rates a call counts for, and about how many tokens it will use."""

    rates: Sequence[RateLimit] = ()
    tokens: int = 0


NO_RATES = Rates()


def line_of(rate_who: str) -> Room:
    """Return what a request waits for in the queue of a rate."""
    return Room(Somebody(f"rate {rate_who}"), "", 0, 0, 0, 0)


class Queues:
    """The queues of a process, by WHO."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Waiter]] = {}
        self.next_deadline_s = inf
        """When the first has to be asked again, or before: who left is not taken out of it at once."""

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, waiter: Waiter, room: Room) -> None:
        """Let a request wait for a room, which it may do already."""
        if waiter.room is None or waiter.room.who != room.who:
            self.take(waiter)
            insort(self._queues.setdefault(room.who, []), waiter, key=_order)
        waiter.room = room
        self.next_deadline_s = min(self.next_deadline_s, waiter.again_s)

    def take(self, waiter: Waiter) -> None:
        """Take a request out, where it waits."""
        if waiter.room is not None:
            queue = self._queues[waiter.room.who]
            queue.remove(waiter)
            if not queue:
                del self._queues[waiter.room.who]
            waiter.room = None

    def all(self) -> list[Waiter]:
        """Return everybody who waits, those in front first."""
        return sorted((waiter for queue in self._queues.values() for waiter in queue), key=_order)

    def of(self, whos: Iterable[str]) -> list[Waiter]:
        """Return who waits for any of these WHOs."""
        return [waiter for who in whos for waiter in self._queues.get(who, ())]

    def fronts(self, but: Iterable[str] = ()) -> dict[str, Front]:
        """Return who is in front of every queue, except those of these WHOs."""
        without = set(but)
        fronts = {who: queue[0] for who, queue in self._queues.items() if who not in without}
        return {who: Front(one.order, one.room) for who, one in fronts.items() if one.room is not None}

    def expired(self, now_s: float) -> list[Waiter]:
        """Return those whose time to wait is over, and those whose rate is free."""
        if now_s < self.next_deadline_s:
            return []
        everybody = self.all()
        self.next_deadline_s = min((one.again_s for one in everybody if one.again_s > now_s), default=inf)
        return [one for one in everybody if one.again_s <= now_s]


def in_order(waiters: Iterable[Waiter]) -> list[Waiter]:
    """Return each of these once, those in front first."""
    return sorted({waiter.order: waiter for waiter in waiters}.values(), key=_order)


def who_is_ahead(fronts: dict[str, Front], whos: Sequence[str], order: Order) -> str | None:
    """Return the WHO in whose queue somebody is ahead, None where nobody is."""
    for who in whos:
        ahead = fronts.get(who)
        if ahead is not None and ahead.order < order:
            return who
    return None


def _order(waiter: Waiter) -> Order:
    return waiter.order
