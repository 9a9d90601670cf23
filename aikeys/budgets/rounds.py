"""Rounds of a reserver: many calls in one transaction, values in and values out; the interface of what writes them.

- A round settles, releases and acts in the order of asking, and then reserves in the order of waiting: first what makes
  room, then who waited for it, then who is new.
- `commit` returns when it is on disk. What it raises concerns everybody: then nothing is, as far as one knows. An
  answer may have been lost; the same is asked again with the same ids, and what stands already stands.
- Ids of reservations are made by whoever asks. A ticket is handed through and never looked at.
- No database is known here. `budgets.sqlite_rounds` is the one on ledger.db.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from aikeys.budgets.answers import Answer, GivenAnswer, Ticket
from aikeys.budgets.decisions import Room
from aikeys.budgets.queues import Front, Queues, Waiter
from aikeys.budgets.reservations import Reservation, Settled
from aikeys.errors import AikeysError
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Writer
from aikeys.ledger.stored_objects import MadeObject

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
ActWork = Callable[[Writer], R]
"""What a door writes itself: short, and perhaps done twice."""


class Settle(NamedTuple):
    """Book what a call cost in the place of its reservation; `note` is the object it made at the provider.

    `soft` is the same at its estimate, for an unknown end that the budgets may let be one.
    """

    reservation: Reservation
    call: Call
    note: MadeObject | None = None
    ticket: Ticket[Settled | None] | None = None
    soft: Call | None = None


class Release(NamedTuple):
    """Give back what a call that was never sent had reserved."""

    reservation: Reservation
    ticket: Ticket[bool] | None = None


class DoorAct(Generic[R_co]):
    """Let a door write, who may change anything."""

    __slots__ = ("_work", "ticket")

    def __init__(self, work: ActWork[R_co], ticket: Ticket[R_co] | None = None) -> None:
        self._work = work
        self.ticket = ticket

    def done(self, writer: Writer) -> Answer[R_co]:
        """Do it, and return what it came to."""
        return Answer(self.ticket, self._work(writer))


Job = Settle | Release | DoorAct[object]


class Work(NamedTuple):
    """What a round is to do, and when by the clock of deadlines. `is_open`: who waits for any budget may have room."""

    now_s: float
    jobs: Sequence[Job] = ()
    newcomers: Sequence[Waiter] = ()
    whos: frozenset[str] = frozenset()
    is_open: bool = False

    def __bool__(self) -> bool:
        return bool(self.jobs or self.newcomers or self.whos or self.is_open)


class RoundResult(NamedTuple):
    """What became of everybody: the answers, who is through, who waits for what.

    `reserved` and `ended` are the ids of the reservations that stand since, and of those that do so no more.
    """

    answers: list[GivenAnswer]
    through: list[Waiter]
    waiting: list[tuple[Waiter, Room]]
    reserved: list[bytes]
    ended: list[bytes]


class Rounds(Protocol):
    """What writes the rounds of one process. Made in any thread, used and closed in one."""

    @property
    def is_held(self) -> bool:
        """Tell whether this very process may ask; a forked child may not."""
        ...

    def commit(self, work: Work, queues: Queues) -> RoundResult:
        """Do it all and return when it is on disk; MachineFailed: ask again, with the same ids."""
        ...

    def changed(self, fronts: Mapping[str, Front]) -> set[str]:
        """Return for whom a counter is not what it was when the front of its queue was told to wait."""
        ...

    def recover(self, trouble: Callable[[AikeysError], None]) -> tuple[int, ...]:
        """Book what dead processes had reserved, return the entries; what goes wrong with one is told to `trouble`."""
        ...

    def reconcile(self, held: Collection[bytes]) -> int:
        """Release what this process has reserved and was given to nobody: all but `held`. Return how many."""
        ...

    def close(self) -> None:
        """Let go. What is still reserved is booked at its worst case by the next recovery."""
        ...
