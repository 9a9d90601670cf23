"""The reserver of the budgets (budgets.reserver) for the tasks of one event loop: await what it answers.

A batch of answers wakes the loop once. A task that is cancelled leaves the queue; what was reserved for it is released.
A settle whose task is cancelled is written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from aikeys.budgets.answers import GivenAnswer, give_all
from aikeys.budgets.queues import DEFAULT_PRIORITY, NO_RATES, Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.budgets.reserver import Reserver, ReserverSetup
from aikeys.budgets.rounds import ActWork, DoorAct, Release, Rounds, Settle
from aikeys.ledger.calls import Call
from aikeys.ledger.stored_objects import MadeObject

R = TypeVar("R")
_LOOK_FOR_CLIENT_S = 1.0


class LoopReserver(Reserver):
    """A reserver whose tickets are futures of an event loop; ask from its tasks only."""

    def __init__(self, rounds: Rounds, loop: asyncio.AbstractEventLoop, setup: ReserverSetup | None = None) -> None:
        super().__init__(rounds, setup, LoopAnswers(loop))
        self._loop = loop

    def reserve(
        self, request: ReserveRequest, priority: int = DEFAULT_PRIORITY, rates: Rates = NO_RATES
    ) -> asyncio.Future[Reservation]:
        """Reserve, as ThreadReserver.reserve says."""
        ticket: asyncio.Future[Reservation] = self._loop.create_future()
        self._request(request, priority, rates, ticket)
        return ticket

    def settle(
        self, reservation: Reservation, call: Call, note: MadeObject | None = None, soft: Call | None = None
    ) -> asyncio.Future[Settled | None]:
        """Book a call, None where that was done before; MachineFailed: not written yet, but it will be."""
        ticket: asyncio.Future[Settled | None] = self._loop.create_future()
        self._put(Settle(reservation, call, note, ticket, soft))
        return ticket

    def release(self, reservation: Reservation) -> asyncio.Future[bool]:
        """Give back what was never sent; False where it was not reserved any more."""
        ticket: asyncio.Future[bool] = self._loop.create_future()
        self._put(Release(reservation, ticket))
        return ticket

    def act(self, work: ActWork[R]) -> asyncio.Future[R]:
        """Do what the gateway writes itself, as ThreadReserver.act says."""
        ticket: asyncio.Future[R] = self._loop.create_future()
        job: DoorAct[R] = DoorAct(work, ticket)
        self._put(job)
        return ticket


class LoopAnswers:
    """Answers for the tasks of an event loop: all of a round wake it once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def give(self, answers: Sequence[GivenAnswer], unwanted: Callable[[Reservation], None]) -> None:
        """Give them in the loop; RuntimeError where it is closed."""
        self._loop.call_soon_threadsafe(give_all, answers, unwanted)


class Gone(Exception):
    """Whoever asked is not there any more."""


async def reserve(
    reserver: LoopReserver,
    request: ReserveRequest,
    priority: int = DEFAULT_PRIORITY,
    rates: Rates = NO_RATES,
    is_gone: Callable[[], bool] | None = None,
) -> Reservation:
    """Reserve, waiting in order; raises what ThreadReserver.reserve says.

    Every second it looks whether whoever asked has gone: then it waits no more, and raises Gone.
    """
    ticket = reserver.reserve(request, priority, rates)
    watch = _CallerWatch(ticket, is_gone) if is_gone is not None else None
    try:
        return await ticket
    except asyncio.CancelledError:
        if ticket.done() and not ticket.cancelled() and ticket.exception() is None:
            reserver.release(ticket.result())  # granted in the same turn of the loop
        reserver.look_again()  # who stood behind may go
        if watch is not None and watch.found_nobody:
            raise Gone from None
        raise
    finally:
        if watch is not None:
            watch.stop()


class _CallerWatch:
    """Cancels a ticket that nobody waits for any more."""

    __slots__ = ("_is_gone", "_loop", "_next", "_ticket", "found_nobody")

    def __init__(self, ticket: asyncio.Future[Reservation], is_gone: Callable[[], bool]) -> None:
        self._ticket = ticket
        self._is_gone = is_gone
        self.found_nobody = False
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(_LOOK_FOR_CLIENT_S, self._look)

    def stop(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        if self._is_gone():
            self.found_nobody = self._ticket.cancel()
        else:
            self._next = self._loop.call_later(_LOOK_FOR_CLIENT_S, self._look)
