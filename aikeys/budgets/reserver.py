"""The reserver of both doors: one thread writes, with one commit for all calls that ask meanwhile.

- An answer is given after its commit: what was reserved or settled is on disk.
- Who has to wait is asked again, in order, when a call of this process settles; at most 50 ms after one of another
  process did; and once a second, when dead processes are looked for. At the deadline a call is lowered into what is
  free, or refused as busy.
- A settle that cannot be written (a full disk) is tried again while the reserver lives; its caller is told after 8 s.
  Should the process end before, the next recovery books the worst case.
- Whoever does not want an answer any more cancels its ticket: a waiting request is dropped, a reservation given back.
- Should the thread fail for a reason nobody foresaw, everybody who waits and who comes is told at once, `is_alive` is
  false, and `Means.ended` tells whoever runs the process: it is to start anew.
- No event loop is known here: `Answers` is the way to one. Every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from aikeys.budgets import reservations
from aikeys.budgets.answers import Answers, Futures
from aikeys.budgets.counters import PeriodRun, find_counter
from aikeys.budgets.group_commit import Done, JobAnswer, RoundContext, Work, WriteJob, commit
from aikeys.budgets.open_reservations import open_of
from aikeys.budgets.queues import DEFAULT_PRIORITY, FIRST_PRIORITY, LAST_PRIORITY, Queues, Rates, Waiter
from aikeys.budgets.rates import correct, take_back
from aikeys.budgets.recovery import recover
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled, check_price
from aikeys.errors import AikeysError, Cancelled, MachineFailed, UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.write_cache import WriteCache
from aikeys.storage.process_lock import ProcessLock

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05
_LOOK_AGAIN_S = 1.0
_RETRY_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 4.0)
_MOST_AT_ONCE = 512
_LONGEST_TROUBLE = 500
_GATHER_S, _BUSY = 0.001, 3
"""After a round with so many jobs the next one waits this long for more: fewer commits, and fewer wake-ups."""
NO_RATES = Rates()


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
    answers: Answers = Futures()
    make_room: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _text: None
    retry_pauses_s: tuple[float, ...] = _RETRY_PAUSES_S
    ended: Callable[[], None] = lambda: None


class Reserver:
    """The reservations of this process on one ledger, for any number of threads or tasks."""

    def __init__(self, directory: str, means: ReserverSetup | None = None) -> None:
        """Start on the ledger of a directory; raises what opening it raises. Close it."""
        self._means = means or ReserverSetup()
        ledger = Ledger(directory).open()
        self.calendar = Calendar(ledger.zone)
        ledger.close()
        self.process = ProcessLock.take(directory)
        self._ledger = ledger  # opened again by the thread: a connection belongs to one
        self._inbox: SimpleQueue[WriteJob | Waiter | None] = SimpleQueue()
        self._numbers = count()
        self._queues = Queues()
        self._is_closed = self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="aikeys-ledger", daemon=True)
        self._place = RoundContext(
            ledger, WriteCache(), self.process.name, Calendar(ledger.zone), self._means.patience.now_s, {}
        )  # fmt: skip
        self._kept: list[WriteJob] = []
        self._failures = 0
        self._retry_s = 0.0
        self._looked_s = self._searched_s = -_LOOK_AGAIN_S
        self._pause_s = _FIRST_PAUSE_S
        self._in_hand: Sequence[WriteJob | Waiter] = ()
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

    def reserve(self, request: ReserveRequest, priority: int = DEFAULT_PRIORITY, rates: Rates = NO_RATES) -> Any:
        """Return a ticket for a Reservation. Priority 1 to 10, 1 first. Raises UsageError for a price that is none.

        It fails with BudgetExceeded (402), BudgetBusy or RateReached (429), or MachineFailed (a full disk).
        """
        check_price(request.price)
        if not FIRST_PRIORITY <= priority <= LAST_PRIORITY:
            raise UsageError(f"priority {priority} is not between {FIRST_PRIORITY} and {LAST_PRIORITY}")
        patience, ticket = self._means.patience, self._means.answers.ticket()
        order = (priority, next(self._numbers))
        self._put(Waiter(request, rates, order, patience.now_s() + patience.deadline_s, ticket))
        return ticket

    def settle(self, reservation: Reservation, call: Call, also: Callable[[Writer], None] | None = None) -> Any:
        """Return a ticket for Settled, None where that was done before; MachineFailed: not written yet, but it will.

        `also` writes what belongs to it, in the same transaction; into tables that no Memory knows.
        """
        return self._ask(lambda writer: self._settled(writer, reservation, call, also), reservation)

    def release(self, reservation: Reservation) -> Any:
        """Return a ticket for whether what was never sent was still reserved."""
        return self._ask(lambda writer: self._released(writer, reservation), reservation)

    def act(self, work: Callable[[Writer], Any]) -> Any:
        """Return a ticket for what `work` returns; it runs in the transaction with others, perhaps twice, and is short.

        What it raises is its own: nothing of it is written, and nobody else notices.
        """
        return self._ask(work, None)

    def look_again(self) -> None:
        """Ask all who wait once more: somebody in front gave up, or a limit was raised."""
        self._put(WriteJob(lambda _writer: None, None, None))

    def close(self) -> None:
        """Write what is asked by now and let go; what is still reserved is booked at its worst case by a recovery."""
        if not self._is_closed:
            self._is_closed = True
            self._inbox.put(None)
            self._thread.join()

    def _ask(self, work: Callable[[Writer], Any], reservation: Reservation | None) -> Any:
        ticket = self._means.answers.ticket()
        self._put(WriteJob(work, reservation, ticket))
        return ticket

    def _put(self, what: WriteJob | Waiter) -> None:
        if self._is_closed or not self.process.is_held:
            raise RuntimeError(
                "the reserver is closed" if self._is_closed else "a forked process needs a reserver of its own"
            )
        self._inbox.put(what)

    def _give_back(self, value: Any) -> None:
        """Release what was reserved for somebody who is gone."""
        if isinstance(value, Reservation):
            with suppress(RuntimeError):  # closed: the next recovery finds it
                self._put(WriteJob(lambda writer: self._released(writer, value), value, None))

    # From here on in the thread.

    def _settled(
        self, writer: Writer, reservation: Reservation, call: Call, also: Callable[[Writer], None] | None
    ) -> Settled | None:
        if also is not None:
            also(writer)
        done = reservations.settle(writer, reservation, call, self._place.calendar)
        counted = self._place.counted.get(reservation.id)
        if counted is not None:
            correct(writer, counted, call.usage.input + call.usage.output)
        return done

    def _released(self, writer: Writer, reservation: Reservation) -> bool:
        done = reservations.release(writer, reservation)
        counted = self._place.counted.get(reservation.id)
        if counted is not None:
            take_back(writer, counted)
        return done

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
            self._means.say(f"the ledger's thread failed: {type(failure).__name__}; this process cannot go on")
        ended = MachineFailed("the ledger's thread failed", "start the process anew")
        tickets = [one.ticket for one in (*self._in_hand, *self._kept, *self._queues.all())]
        self._in_hand, self._kept, self._queues = (), [], Queues()
        with suppress(Exception):
            self._give([JobAnswer(ticket, error=ended) for ticket in dict.fromkeys(tickets) if ticket is not None])
        with suppress(Exception):
            self._means.ended()
        while (one := self._inbox.get()) is not None:
            with suppress(Exception):
                self._give([JobAnswer(one.ticket, error=ended)])

    def _collect(self) -> tuple[list[WriteJob | Waiter], bool]:
        """Return what was asked meanwhile, waiting for it as long as there is nothing else to do."""
        asked: list[WriteJob | Waiter] = []
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
        now_s, until_s = self._place.now_s(), []
        if len(self._queues):
            until_s += [self._looked_s + self._pause_s, self._queues.next_deadline_s]
        if self._kept:
            until_s.append(self._retry_s)
        return max(0.0, min(until_s) - now_s) if until_s else None

    def _round(self, asked: Sequence[WriteJob | Waiter]) -> None:
        """Do what was asked and what is due."""
        now_s = self._place.now_s()
        jobs = [one for one in asked if isinstance(one, WriteJob)]
        newcomers = [one for one in asked if isinstance(one, Waiter) and self._means.answers.is_wanted(one.ticket)]
        if self._kept and (jobs or now_s >= self._retry_s):
            jobs, self._kept = [*self._kept, *jobs], []
        is_open = bool(newcomers or len(self._queues)) and self._search(now_s)
        gave_up = any(job.ticket is None and job.reservation is None for job in jobs)
        whos = self._dropped() if is_open or gave_up else set()
        if len(self._queues) and now_s >= self._looked_s + self._pause_s:
            whos |= self._looked(now_s)
        if now_s >= self._queues.next_deadline_s:
            is_open = True
        work = Work(jobs, newcomers, frozenset(whos), is_open)
        if work:
            self._commit(work)

    def _commit(self, work: Work) -> None:
        try:
            done = commit(self._place, self._queues, work)
        except Exception as failure:  # noqa: BLE001  # everybody who asked has to be told
            done = Done(self._failed(work, failure), [], [], {})
        else:
            self._failures = 0
            self._place.counted.update(done.counted)
            for job in work.jobs:
                if job.reservation is not None:
                    self._place.counted.pop(job.reservation.id, None)
        for waiter in done.through:
            self._queues.take(waiter)
        for waiter, room in done.waiting:
            self._queues.put(waiter, room)
        self._give(done.answers)

    def _give(self, answers: Sequence[JobAnswer]) -> None:
        asked = [answer for answer in answers if answer.ticket is not None]
        if asked:
            try:
                self._means.answers.give(asked, self._give_back)
            except RuntimeError as error:  # an event loop that is closed: nobody is there to be told
                self._means.say(f"{len(asked)} answers of the ledger reached nobody: {error}")

    def _failed(self, work: Work, failure: Exception) -> list[JobAnswer]:
        """Keep what must not be lost, and tell the others."""
        answers = [JobAnswer(one.ticket, error=failure) for one in work.newcomers]
        now_s, pauses_s = self._place.now_s(), self._means.retry_pauses_s
        for job in work.jobs:
            if job.reservation is None or not isinstance(failure, MachineFailed):
                answers.append(JobAnswer(job.ticket, error=failure))
                continue
            self._kept.append(job)
            if job.give_up_s is None:
                job.give_up_s = now_s + sum(pauses_s)
            if now_s >= job.give_up_s and job.ticket is not None:
                answers.append(JobAnswer(job.ticket, error=failure))
                job.ticket = None
        has_room = False
        if not self._failures and self._kept:
            text = failure.message if isinstance(failure, AikeysError) else str(failure)
            self._means.say(f"calls cannot be recorded yet: {text}; trying again")
            has_room = self._means.make_room()
        self._retry_s = now_s if has_room else now_s + pauses_s[min(self._failures, len(pauses_s) - 1)]
        self._failures += 1
        return answers

    def _dropped(self) -> set[str]:
        """Drop who gave up, and return whose queues that concerns."""
        if not len(self._queues):
            return set()
        gone = [one for one in self._queues.all() if not self._means.answers.is_wanted(one.ticket)]
        whos: set[str] = {one.room.who for one in gone if one.room}
        for one in gone:
            self._queues.take(one)
        return whos

    def _search(self, now_s: float) -> bool:
        """Book what dead processes left, at most once a second; True: ask everybody again, a limit may be another."""
        if now_s < self._searched_s + _LOOK_AGAIN_S:
            return False
        self._searched_s = now_s
        found: tuple[int, ...] = ()
        troubles: list[Exception] = []
        try:
            found = recover(self._ledger, self.process.name, troubles.append)
        except Exception as failure:  # noqa: BLE001  # what concerns a reservation meets it again, and is told there
            troubles.append(failure)
        if found or troubles:
            self._place.cache.forget()  # it writes on this connection, and a part of it may be done
        self._tell(troubles)
        return True

    def _tell(self, troubles: Sequence[Exception]) -> None:
        """Tell the operator what keeps us from dead processes, once until it is something else."""
        texts = [one.message if isinstance(one, AikeysError) else type(one).__name__ for one in troubles]
        text = "; ".join(texts)[:_LONGEST_TROUBLE]
        if text and text != self._trouble:
            self._means.say(f"what a process that is gone had reserved cannot be looked for: {text}")
        self._trouble = text

    def _looked(self, now_s: float) -> set[str]:
        """Return for whom a counter is not what it was when the front of its queue was told to wait; takes no lock."""
        self._looked_s, changed = now_s, set()
        with suppress(AikeysError, OSError), self._ledger.reading() as connection:
            for who, front in self._queues.fronts().items():
                room = front.room
                if not room.period:
                    continue  # a rate: it is asked again when it is free
                counter = find_counter(connection, room.who, PeriodRun(room.period, room.start))
                if counter is None or counter[3:] != (room.spent_pusd, room.reserved_pusd):
                    changed.add(who)
        self._pause_s = _FIRST_PAUSE_S if changed else min(self._pause_s * 1.5, _LONGEST_PAUSE_S)
        return changed

    def _end(self) -> None:
        """Try once more what is kept, tell who waits, and leave."""
        if self._kept:
            jobs, self._kept = self._kept, []
            self._commit(Work(jobs, ()))
        stopping = Cancelled("aikeys is stopping", "try again in a few seconds")
        self._give([JobAnswer(one.ticket, error=stopping) for one in self._queues.all()])
        self._queues = Queues()
        is_empty = False
        with suppress(AikeysError, OSError), self._ledger.reading() as connection:
            is_empty = not open_of(connection, self.process.name)
        self._ledger.close()
        if is_empty:
            self.process.close()
        else:
            self.process.leave()
