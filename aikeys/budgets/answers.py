"""Answers of a reserver: how they reach whoever asked, a thread here, a task of an event loop at a gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from aikeys.budgets.group_commit import JobAnswer


class Answers(Protocol):
    """How answers reach whoever asked."""

    def ticket(self) -> Any:
        """Return what an answer will be put into; called where the question is asked."""
        ...

    def is_wanted(self, ticket: Any) -> bool:
        """Tell whether somebody still waits for the answer; called in the reserver's thread."""
        ...

    def give(self, answers: Sequence[JobAnswer], unwanted: Callable[[Any], None]) -> None:
        """Hand answers over; values that nobody wants any more go to `unwanted`. Called in the reserver's thread."""
        ...


class Futures:
    """Answers for threads: concurrent futures."""

    def ticket(self) -> Future[Any]:
        """Return a future."""
        return Future()

    def is_wanted(self, ticket: Future[Any]) -> bool:
        """Tell whether it was not cancelled."""
        return not ticket.cancelled()

    def give(self, answers: Sequence[JobAnswer], unwanted: Callable[[Any], None]) -> None:
        """Set results."""
        for ticket, value, error in answers:
            if ticket.done() or not ticket.set_running_or_notify_cancel():
                unwanted(value)
            elif error is not None:
                ticket.set_exception(error)
            else:
                ticket.set_result(value)
