"""Set money aside before a call is sent, and settle it, inside a writer's transaction.

- reserve: spent + reserved + worst case ≤ limit for every blocking budget, checked and written at once.
- settle: entry, chain, roll-ups, counters and alerts; the reservation is gone with it. If the transaction fails (a
  full disk) the reservation stands and nothing has changed: settle the same call again, for as long as it takes.
- A call belongs to the instant it was reserved, also when it settles in another month.
- A settle that comes after the reservation was declared lost is a correction, at the worst case where its end is
  unknown; a second settle does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from aikeys.budgets.booking import book
from aikeys.budgets.budget_cache import add_to_counters, applying, ensure_counter, find_counters, whos_filed, whos_in
from aikeys.budgets.counters import span_of
from aikeys.budgets.decisions import Ask, Busy, Decision, Go, Refuse, Room, Undecided, Wait, decide
from aikeys.budgets.open_reservations import (
    LOST,
    Open,
    entry_of,
    filed_context,
    open_of,
    put_open,
    take_open,
    with_names,
)
from aikeys.budgets.soft_ends import end_of
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import MAX_COST_PUSD, UNPRICED, WORST_CASE, Call, Context
from aikeys.ledger.recording import file_context
from aikeys.ledger.store import Act, Writer
from aikeys.ledger.token_acts import use_up


def everything(_who: str) -> bool:
    """Tell every budget: nobody stands between the caller and the ledger."""
    return True


class ReserveRequest(NamedTuple):
    """A call that wants to be sent: the texts it will be recorded with, and what it can cost.

    The context names the price that bounds the call, and none where nothing does.
    """

    context: Context
    price: Ask
    once: str = ""
    """The token that this call uses up, where it is for a single use."""
    tells: Callable[[str], bool] = everything
    """Whether a budget (for whom, as a person reads it) is told to whoever asks; else it is *a higher limit*."""

    def name_of(self, who: str) -> str:
        """Return what a refusal calls a budget, "" where neither its name nor its amounts are told."""
        return who if self.tells(who) else ""


class Reservation(NamedTuple):
    """Money set aside. Less than the worst case asked for: lower the cap on output until the call fits into `pusd`."""

    id: bytes
    at_us: int
    context: Context
    pusd: int


class Settled(NamedTuple):
    """What a settle wrote: the entry's number, and what the call cost beyond its reservation (0 as it should be).

    `is_soft`: the estimate was booked in the place of the worst case.
    """

    entry: int
    excess_pusd: int
    is_soft: bool = False


def check_price(price: Ask) -> None:
    """Raise Usage unless 0 ≤ floor ≤ worst, and worst is an amount the ledger can hold."""
    if not 0 <= price.floor_pusd <= price.worst_pusd <= MAX_COST_PUSD:
        raise UsageError("a call's worst case lies below its floor, below zero or above 9 million USD")


def new_id() -> bytes:
    """Return the id of a reservation that is to be made; whoever asks again asks with the same."""
    return os.urandom(16)


def attempt(
    writer: Writer,
    request: ReserveRequest,
    process: str,
    calendar: Calendar,
    *,
    number: bytes = b"",
    last: bool = False,
) -> Reservation | Wait | Refuse | Busy | Undecided:
    """Reserve if it can be done now; `number` is the id it will have, `last` when the call's time to wait is over."""
    decision = weigh(writer, request, calendar, last=last)
    if not isinstance(decision, Go):
        return decision
    if request.once:
        use_up(writer, request.once)
    day = calendar.day_of(writer.now_us)
    whos = whos_in(writer, request.context)
    filed = writer.filed.get(request.context) or file_context(writer, request.context)
    reservation = Reservation(number or new_id(), writer.now_us, request.context, decision.pusd)
    put_open(writer.connection, Open(reservation.id, writer.now_us, process, filed.id, decision.pusd, day))
    add_to_counters(writer, find_counters(writer, whos, day), reserved_pusd=decision.pusd)
    return reservation


def weigh(writer: Writer, request: ReserveRequest, calendar: Calendar, *, last: bool = False) -> Decision:
    """Decide about a call and reserve nothing."""
    day = calendar.day_of(writer.now_us)
    rooms = []
    for who, budget in applying(writer, whos_in(writer, request.context)):
        terms = budget.terms
        counter = ensure_counter(writer, who, span_of(terms.period, day))
        rooms.append(Room(*counter[:3], terms.limit_pusd, *counter[3:], terms.at_limit, terms.is_soft))
    return decide(rooms, request.price, last=last)


def settle(
    writer: Writer, reservation: Reservation, call: Call, calendar: Calendar, *, soft: Call | None = None
) -> Settled | None:
    """Book what a call cost in the place of its reservation; None where that was done before.

    `soft` is booked instead where the budgets that apply now let an estimate be. `at_us` and `reservation` are filled
    in here. What it cost beyond the reservation is booked in full and, where that was a bound, recorded as the act
    `overrun`.
    """
    call, soft = _of(reservation, call), None if soft is None else _of(reservation, soft)
    if _taken(writer, reservation.id) is None:
        return _settle_late(writer, call, calendar)
    call = end_of(writer, call, soft, calendar)
    head = book(writer, call, calendar)
    excess = max(0, call.cost_pusd - reservation.pusd)
    if excess and reservation.context.price:
        detail = f"call={head.number} reserved_pusd={reservation.pusd} cost_pusd={call.cost_pusd}"
        writer.act(Act("overrun", call.context.model or call.context.key, detail))
    return Settled(head.number, excess, call is soft)


def _of(reservation: Reservation, call: Call) -> Call:
    return call._replace(at_us=reservation.at_us, reservation=reservation.id)


def release(writer: Writer, number: bytes) -> bool:
    """Give back what a call that was never sent had reserved; False where it was not reserved any more."""
    return _taken(writer, number) is not None


def book_lost(writer: Writer, process: str, calendar: Calendar) -> list[int]:
    """Turn the reservations of a process that is gone into calls at their worst case; return the entries.

    Where nothing bounded a call, what was reserved is a lower bound of its cost: it is unpriced.
    """
    entries = []
    for one in open_of(writer.connection, process):
        _taken(writer, one.id)
        filed = filed_context(writer.connection, one.context)
        with with_names(writer, filed) as context:
            source = WORST_CASE if context.price else UNPRICED
            call = Call(
                one.at_us, writer.now_us, context,
                cost_pusd=one.pusd, cost_source=source, status=LOST, reservation=one.id,
            )  # fmt: skip
            entries.append(book(writer, call, calendar).number)
    return entries


def _taken(writer: Writer, number: bytes) -> Open | None:
    """Remove a reservation, and what it held from the counters."""
    one = take_open(writer.connection, number)
    if one is not None:
        whos = whos_filed(writer, one.context)
        add_to_counters(writer, find_counters(writer, whos, one.day), reserved_pusd=-one.pusd)
    return one


def _settle_late(writer: Writer, call: Call, calendar: Calendar) -> Settled | None:
    """The reservation was declared lost: correct its entry. One that was released is booked all the same."""
    found = entry_of(writer.connection, call.reservation, calendar.day_of(call.at_us))
    if found is None:
        return Settled(book(writer, call, calendar).number, call.cost_pusd)
    entry, booked_pusd, is_corrected = found
    if is_corrected:
        return None
    correction = call._replace(cost_pusd=call.cost_pusd - booked_pusd, corrects=entry)
    return Settled(book(writer, correction, calendar).number, max(0, correction.cost_pusd))
