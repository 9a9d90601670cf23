"""The desk of the budgets (budgets.group_desk) for the tasks of one event loop: await what it answers.

A batch of answers wakes the loop once. A task that is cancelled leaves the queue; what was reserved for it is released.
A settle whose task is cancelled is written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aikeys.budgets.group_commit import Answer
from aikeys.budgets.group_desk import NO_RATES, GroupDesk
from aikeys.budgets.queues import DEFAULT_PRIORITY, Rates
from aikeys.budgets.reservations import Request, Reservation


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

    def give(self, answers: Sequence[Answer], unwanted: Callable[[Any], None]) -> None:
        """Set the results in the loop; RuntimeError where it is closed."""
        self._loop.call_soon_threadsafe(_give, answers, unwanted)


async def reserve(
    desk: GroupDesk, request: Request, priority: int = DEFAULT_PRIORITY, rates: Rates = NO_RATES
) -> Reservation:
    """Reserve, waiting in order; raises what GroupDesk.reserve says."""
    ticket = desk.reserve(request, priority, rates)
    try:
        reservation: Reservation = await ticket
    except asyncio.CancelledError:
        desk.look_again()  # who stood behind may go
        raise
    return reservation


def _give(answers: Sequence[Answer], unwanted: Callable[[Any], None]) -> None:
    for ticket, value, error in answers:
        if ticket.done():
            unwanted(value)
        elif error is not None:
            ticket.set_exception(error)
        else:
            ticket.set_result(value)
