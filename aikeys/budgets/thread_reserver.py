"""The reserver for threads: what is asked is answered with a future to wait for.

The one for the tasks of an event loop is gateway.reserver.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

from aikeys.budgets.queues import DEFAULT_PRIORITY, NO_RATES, Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.budgets.reserver import Reserver
from aikeys.budgets.rounds import ActWork, DoorAct, Release, Settle
from aikeys.ledger.calls import Call
from aikeys.ledger.stored_objects import MadeObject

R = TypeVar("R")


class ThreadReserver(Reserver):
    """A reserver whose tickets are futures of `concurrent.futures`."""

    def reserve(
        self, request: ReserveRequest, priority: int = DEFAULT_PRIORITY, rates: Rates = NO_RATES
    ) -> Future[Reservation]:
        """Reserve, waiting in order. Priority 1 to 10, 1 first. Raises UsageError for a price that is none.

        It fails with BudgetExceeded (402), BudgetBusy or RateReached (429), or MachineFailed (a full disk).
        """
        ticket: Future[Reservation] = Future()
        self._request(request, priority, rates, ticket)
        return ticket

    def settle(
        self, reservation: Reservation, call: Call, note: MadeObject | None = None, soft: Call | None = None
    ) -> Future[Settled | None]:
        """Book a call, None where that was done before; MachineFailed: not written yet, but it will be."""
        ticket: Future[Settled | None] = Future()
        self._put(Settle(reservation, call, note, ticket, soft))
        return ticket

    def release(self, reservation: Reservation) -> Future[bool]:
        """Give back what was never sent; False where it was not reserved any more."""
        ticket: Future[bool] = Future()
        self._put(Release(reservation, ticket))
        return ticket

    def act(self, work: ActWork[R]) -> Future[R]:
        """Do what a door writes itself; it runs in the transaction with others, perhaps twice, and is short.

        What it raises is its own: nothing of it is written, and nobody else notices.
        """
        ticket: Future[R] = Future()
        job: DoorAct[R] = DoorAct(work, ticket)
        self._put(job)
        return ticket
