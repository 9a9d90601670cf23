"""The reserver of the budgets (budgets.reserver) for the tasks of one event loop: await what it answers.

A batch of answers wakes the loop once. A task that is cancelled leaves the queue; what was reserved for it is released.
A settle whose task is cancelled is written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aikeys.budgets.group_commit import JobAnswer
from aikeys.budgets.queues import DEFAULT_PRIORITY, Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest
from aikeys.budgets.reserver import NO_RATES, Reserver

_LOOK_FOR_CLIENT_S = 1.0


class LoopAnswers:
    """Answers as futures of an event loop; ask from its tasks only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ticket(self) -> asyncio.Future[Any]:
        """Return a future of the loop."""
        return self._loop.create_future()

    def is_wanted(self, ticket: asyncio.Future[Any]) -> bool:
        """Tell whether nobody cancelled it."""
        return not ticket.cancelled()

    def give(self, answers: Sequence[JobAnswer], unwanted: Callable[[Any], None]) -> None:
        """Set the results in the loop; RuntimeError where it is closed."""
        self._loop.call_soon_threadsafe(_give, answers, unwanted)


class Gone(Exception):
    """Whoever asked is not there any more."""


async def reserve(
    reserver: Reserver,
    request: ReserveRequest,
    priority: int = DEFAULT_PRIORITY,
    rates: Rates = NO_RATES,
    is_gone: Callable[[], bool] | None = None,
) -> Reservation:
    """Reserve, waiting in order; raises what GroupDesk.reserve says.

    Every second it looks whether whoever asked has gone: then it waits no more, and raises Gone.
    """
    ticket = reserver.reserve(request, priority, rates)
    watch = _CallerWatch(ticket, is_gone) if is_gone is not None else None
    try:
        reservation: Reservation = await ticket
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
    return reservation


class _CallerWatch:
    """Cancels a ticket that nobody waits for any more."""

    __slots__ = ("_is_gone", "_loop", "_next", "_ticket", "found_nobody")

    def __init__(self, ticket: asyncio.Future[Any], is_gone: Callable[[], bool]) -> None:
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


def _give(answers: Sequence[JobAnswer], unwanted: Callable[[Any], None]) -> None:
    for ticket, value, error in answers:
        if ticket.done():
            unwanted(value)
        elif error is not None:
            ticket.set_exception(error)
        else:
            ticket.set_result(value)
