"""Answers of a reserver: whom they are for, and how they get there; to a thread, or to a task of an event loop.

- A ticket is where an answer will be put: a future of `concurrent.futures` and one of asyncio are both.
- An answer and its ticket are of one type where they are made (`Answer[Reservation]`); a list of answers to different
  questions knows no more of them than that they can be given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import InvalidStateError
from typing import Generic, Never, Protocol, TypeVar

from aikeys.budgets.reservations import Reservation

R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)


class Ticket(Protocol[R_contra]):
    """Where an answer is put. Whoever asked may have cancelled it."""

    def cancelled(self) -> bool: ...

    def done(self) -> bool: ...

    def set_result(self, result: R_contra, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


class Answer(Generic[R_co]):
    """What was asked for, and its ticket; none where nobody waits for it."""

    __slots__ = ("ticket", "value")

    def __init__(self, ticket: Ticket[R_co] | None, value: R_co) -> None:
        self.ticket = ticket
        self.value = value

    def give(self, unwanted: Callable[[Reservation], None]) -> None:
        """Put it into its ticket; what was reserved for somebody who wants it no more goes to `unwanted`."""
        ticket = self.ticket
        if ticket is None:
            return
        if not ticket.done():
            try:
                ticket.set_result(self.value)
            except InvalidStateError:  # cancelled by another thread in this moment
                pass
            else:
                return
        if isinstance(self.value, Reservation):
            unwanted(self.value)


class FailedAnswer:
    """Why nothing came of a question, and its ticket."""

    __slots__ = ("error", "ticket")

    def __init__(self, ticket: Ticket[Never] | None, error: Exception) -> None:
        self.ticket = ticket
        self.error = error

    def give(self, unwanted: Callable[[Reservation], None]) -> None:
        """Put it into its ticket, unless that was cancelled."""
        del unwanted
        if self.ticket is not None and not self.ticket.done():
            try:
                self.ticket.set_exception(self.error)
            except InvalidStateError:
                return


GivenAnswer = Answer[object] | FailedAnswer


class Answers(Protocol):
    """How answers reach whoever asked."""

    def give(self, answers: Sequence[GivenAnswer], unwanted: Callable[[Reservation], None]) -> None:
        """Put answers into their tickets, see `Answer.give`. Called in the reserver's thread."""
        ...


class AtOnce:
    """Answers for threads: given by the reserver's."""

    def give(self, answers: Sequence[GivenAnswer], unwanted: Callable[[Reservation], None]) -> None:
        """Give them all."""
        give_all(answers, unwanted)


def give_all(answers: Sequence[GivenAnswer], unwanted: Callable[[Reservation], None]) -> None:
    """Give one after the other, in the thread that their tickets belong to."""
    for answer in answers:
        answer.give(unwanted)
