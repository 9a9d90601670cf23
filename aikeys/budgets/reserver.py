"""The reserver of both doors: one thread writes, with one commit for all calls that ask meanwhile.

- An answer is given after its commit: what was reserved or settled is on disk.
- Who has to wait is asked again, in order, when a call of this process settles; at most 50 ms after one of another
  process did; and once a second, when dead processes are looked for. At the deadline a call is lowered into what is
  free, or refused as busy.
- A settle that cannot be written (a full disk) is tried again while the reserver lives; its caller is told after 8 s.
  Should the process end before, the next recovery books the worst case.
- Where a round failed its answer may have been lost. When one is written again, what nobody was given is released.
- Whoever does not want an answer any more cancels its ticket: a waiting request is dropped, a reservation given back.
- Should the thread fail for a reason nobody foresaw, the operator is told why, `ReserverSetup.ended` tells whoever runs
  the process to start anew, and everybody who waits and who comes is told; `is_alive` is false.
- No database is known here (`Rounds` writes), and no event loop (`Answers` is the way to one). Every method may be
  called from any thread. Tickets are made by whoever asks: thread_reserver and gateway.reserver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from itertools import count
from queue import Empty, SimpleQueue
from typing import NamedTuple, Never

from aikeys.budgets.answers import Answers, AtOnce, FailedAnswer, GivenAnswer, Ticket
from aikeys.budgets.queues import FIRST_PRIORITY, LAST_PRIORITY, Queues, Rates, Waiter
from aikeys.budgets.reservations import Reservation, ReserveRequest, check_price
from aikeys.budgets.rounds import DoorAct, Job, Release, Rounds, Settle, Work
from aikeys.errors import AikeysError, Cancelled, MachineFailed, UsageError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05
_LOOK_AGAIN_S = 1.0
_RETRY_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 4.0)
_MOST_AT_ONCE = 512
_LONGEST_TROUBLE = 500
_GATHER_S, _BUSY = 0.001, 3
"""After a round with so many jobs the next one waits this long for more: fewer commits, and fewer wake-ups."""


class Patience(NamedTuple):
    """How long to wait for open reservations, and by which clock: under the common time-outs of clients."""

    deadline_s: float = 20.0
    now_s: Callable[[], float] = time.monotonic


PATIENT = Patience()


class ReserverSetup(NamedTuple):
    """What a reserver works with; `make_room` on a full disk is True where it helped, `say` tells the operator.

    `ended` is called in the reserver's thread where that cannot go on.
    """

    patience: Patience = PATIENT
    make_room: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _text: None
    retry_pauses_s: tuple[float, ...] = _RETRY_PAUSES_S
    ended: Callable[[], None] = lambda: None


class _Bell(Enum):
    LOOK_AGAIN = 1


Asked = Job | Waiter | _Bell


class Reserver:
    """The reservations of this process, for any number of threads or tasks: what is common to both."""

    def __init__(self, rounds: Rounds, setup: ReserverSetup | None = None, answers: Answers | None = None) -> None:
        """Start on rounds that nobody else uses. Close it."""
        self._rounds = rounds
        self._setup = setup or ReserverSetup()
        self._now_s = self._setup.patience.now_s
        self._answers = answers or AtOnce()
        self._inbox: SimpleQueue[Asked | None] = SimpleQueue()
        self._numbers = count()
        self._queues = Queues()
        self._is_closed = self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="aikeys-ledger", daemon=True)
        self._held: set[bytes] = set()
        self._is_unsure = False
        """Whether a round failed, and what became of it is not known."""
        self._kept: list[Settle | Release] = []
        self._give_up_s: dict[bytes, float] = {}
        self._failures = 0
        self._retry_s = 0.0
        self._looked_s = self._searched_s = -_LOOK_AGAIN_S
        self._pause_s = _FIRST_PAUSE_S
        self._in_hand: Sequence[Asked] = ()
        self._trouble = ""
        self._has_failed = False
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Tell whether what is asked will be done."""
        return not self._has_failed and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many requests wait for open reservations."""
        return len(self._queues)

    def look_again(self) -> None:
        """Ask all who wait once more: somebody in front gave up, or a limit was raised."""
        self._put(_Bell.LOOK_AGAIN)

    def close(self) -> None:
        """Write what is asked by now and let go; what is still reserved is booked at its worst case by a recovery."""
        if not self._is_closed:
            self._is_closed = True
            self._inbox.put(None)
            self._thread.join()

    def _request(self, request: ReserveRequest, priority: int, rates: Rates, ticket: Ticket[Reservation]) -> None:
        """Put a request into the line; raises UsageError for a price or a priority that is none."""
        check_price(request.price)
        if not FIRST_PRIORITY <= priority <= LAST_PRIORITY:
            raise UsageError(f"priority {priority} is not between {FIRST_PRIORITY} and {LAST_PRIORITY}")
        order = (priority, next(self._numbers))
        self._put(Waiter(request, rates, order, self._now_s() + self._setup.patience.deadline_s, ticket))

    def _put(self, what: Asked) -> None:
        if self._is_closed or not self._rounds.is_held:
            raise RuntimeError(
                "the reserver is closed" if self._is_closed else "a forked process needs a reserver of its own"
            )
        self._inbox.put(what)

    def _give_back(self, reservation: Reservation) -> None:
        """Release what was reserved for somebody who is gone."""
        with suppress(RuntimeError):  # closed: the next recovery finds it
            self._put(Release(reservation))

    # From here on in the thread.

    def _run(self) -> None:
        goes_on = True
        try:
            while goes_on:
                self._in_hand, goes_on = self._collect()
                self._is_busy = len(self._in_hand) >= _BUSY
                self._round(self._in_hand)
                self._in_hand = ()
        except BaseException as failure:  # noqa: BLE001  # whatever it is, nobody may wait for ever
            self._fail(failure)
        self._end()

    def _fail(self, failure: BaseException) -> None:
        """Tell everybody who waits, and who still comes, that nothing is written here any more; until `close`."""
        self._has_failed = True
        with suppress(Exception):  # the cause stands in the log before what follows from it
            self._setup.say(f"the ledger's thread failed: {type(failure).__name__}; this process cannot go on")
        ended = MachineFailed("the ledger's thread failed", "start the process again")
        asked = (*self._in_hand, *self._kept, *self._queues.all())
        tickets: list[Ticket[Never] | None] = [one.ticket for one in asked if not isinstance(one, _Bell)]
        self._in_hand, self._kept, self._queues = (), [], Queues()
        with suppress(Exception):
            self._give([FailedAnswer(ticket, ended) for ticket in dict.fromkeys(tickets)])
        with suppress(Exception):
            self._setup.ended()
        while (one := self._inbox.get()) is not None:
            if not isinstance(one, _Bell):
                with suppress(Exception):
                    self._give([FailedAnswer(one.ticket, ended)])

    def _collect(self) -> tuple[list[Asked], bool]:
        """Return what was asked meanwhile, waiting for it as long as there is nothing else to do."""
        asked: list[Asked] = []
        with suppress(Empty):
            one = self._inbox.get(timeout=self._time_left_s())
            if self._is_busy:
                time.sleep(_GATHER_S)  # those who ask in the same moment share a commit
            while one is not None and len(asked) < _MOST_AT_ONCE:
                asked.append(one)
                one = self._inbox.get_nowait()
            if one is not None:
                asked.append(one)
            return asked, one is not None
        return asked, True

    def _time_left_s(self) -> float | None:
        now_s, until_s = self._now_s(), []
        if len(self._queues):
            until_s += [self._looked_s + self._pause_s, self._queues.next_deadline_s]
        if self._kept:
            until_s.append(self._retry_s)
        return max(0.0, min(until_s) - now_s) if until_s else None

    def _round(self, asked: Sequence[Asked]) -> None:
        """Do what was asked and what is due."""
        now_s = self._now_s()
        newcomers = [one for one in asked if isinstance(one, Waiter) and not one.ticket.cancelled()]
        jobs: list[Job] = [one for one in asked if not isinstance(one, (Waiter, _Bell))]
        looks_again = _Bell.LOOK_AGAIN in asked
        if self._kept and (jobs or now_s >= self._retry_s):
            jobs, self._kept = [*self._kept, *jobs], []
        is_open = bool(newcomers or len(self._queues)) and self._search(now_s)
        whos = self._dropped() if is_open or looks_again else set()
        if len(self._queues) and now_s >= self._looked_s + self._pause_s:
            whos |= self._looked(now_s)
        if self._queues.expired(now_s) or (looks_again and len(self._queues)):
            is_open = True
        work = Work(now_s, jobs, newcomers, frozenset(whos), is_open)
        if work:
            self._commit(work)

    def _commit(self, work: Work) -> None:
        try:
            result = self._rounds.commit(work, self._queues)
        except Exception as failure:  # noqa: BLE001  # everybody who asked has to be told
            self._give(self._failed(work, failure))
            return
        self._failures = 0
        self._give_up_s.clear()
        self._held.update(result.reserved)
        self._held.difference_update(result.ended)
        for waiter in result.through:
            self._queues.take(waiter)
        for waiter, room in result.waiting:
            self._queues.put(waiter, room)
        self._give(result.answers)
        if self._is_unsure:
            self._reconcile()

    def _reconcile(self) -> None:
        """Release what a round reserved whose answer was lost; where that fails, after the next."""
        with suppress(Exception):
            self._rounds.reconcile(self._held)
            self._is_unsure = False

    def _give(self, answers: Sequence[GivenAnswer]) -> None:
        asked = [answer for answer in answers if answer.ticket is not None]
        if asked:
            try:
                self._answers.give(asked, self._give_back)
            except RuntimeError as error:  # an event loop that is closed: nobody is there to be told
                self._setup.say(f"{len(asked)} answers of the ledger reached nobody: {error}")

    def _failed(self, work: Work, failure: Exception) -> list[GivenAnswer]:
        """Keep what must not be lost, and tell the others."""
        answers: list[GivenAnswer] = [FailedAnswer(one.ticket, failure) for one in work.newcomers]
        now_s, pauses_s = self._now_s(), self._setup.retry_pauses_s
        self._is_unsure = True
        for waiter in self._queues.all():
            waiter.is_asked_again = True
        for job in work.jobs:
            if isinstance(job, DoorAct) or not isinstance(failure, MachineFailed):
                answers.append(FailedAnswer(job.ticket, failure))
            elif now_s >= self._give_up_s.setdefault(job.reservation.id, now_s + sum(pauses_s)):
                answers.append(FailedAnswer(job.ticket, failure))
                self._kept.append(job._replace(ticket=None))
            else:
                self._kept.append(job)
        has_room = False
        if not self._failures and self._kept:
            text = failure.message if isinstance(failure, AikeysError) else str(failure)
            self._setup.say(f"calls cannot be recorded yet: {text}; trying again")
            has_room = self._setup.make_room()
        self._retry_s = now_s if has_room else now_s + pauses_s[min(self._failures, len(pauses_s) - 1)]
        self._failures += 1
        return answers

    def _dropped(self) -> set[str]:
        """Drop who gave up, and return whose queues that concerns."""
        if not len(self._queues):
            return set()
        gone = [one for one in self._queues.all() if one.ticket.cancelled()]
        whos: set[str] = {one.room.who for one in gone if one.room}
        for one in gone:
            self._queues.take(one)
        return whos

    def _search(self, now_s: float) -> bool:
        """Book what dead processes left, at most once a second; True: ask everybody again, a limit may be another."""
        if now_s < self._searched_s + _LOOK_AGAIN_S:
            return False
        self._searched_s = now_s
        troubles: list[Exception] = []
        try:
            self._rounds.recover(troubles.append)
        except Exception as failure:  # noqa: BLE001  # what concerns a reservation meets it again, and is told there
            troubles.append(failure)
        self._tell(troubles)
        return True

    def _tell(self, troubles: Sequence[Exception]) -> None:
        """Tell the operator what keeps us from dead processes, once until it is something else."""
        texts = [one.message if isinstance(one, AikeysError) else type(one).__name__ for one in troubles]
        text = "; ".join(texts)[:_LONGEST_TROUBLE]
        if text and text != self._trouble:
            self._setup.say(f"what a process that is gone had reserved cannot be looked for: {text}")
        self._trouble = text

    def _looked(self, now_s: float) -> set[str]:
        """Return for whom a counter is not what it was when the front of its queue was told to wait; takes no lock."""
        self._looked_s = now_s
        changed: set[str] = set()
        with suppress(AikeysError, OSError):
            changed = self._rounds.changed(self._queues.fronts())
        self._pause_s = _FIRST_PAUSE_S if changed else min(self._pause_s * 1.5, _LONGEST_PAUSE_S)
        return changed

    def _end(self) -> None:
        """Try once more what is kept, tell who waits, and leave."""
        if self._kept:
            jobs, self._kept = self._kept, []
            self._commit(Work(self._now_s(), jobs))
        stopping = Cancelled("aikeys is stopping", "try again in a few seconds")
        self._give([FailedAnswer(one.ticket, stopping) for one in self._queues.all()])
        self._queues = Queues()
        self._rounds.close()
