"""One round of many calls in one transaction: settle, release, act, and then reserve in the order of waiting.

- First what makes room, then who waited for it, then who is new: money that is free goes to the front of its queue.
- It runs fast first: the writer's memory is written once, at the end. Where one job fails, everything is rolled back
  and run again with a savepoint for each, so that nobody but the one who failed notices.
- Nothing but the ledger is changed here: the queues and the answers follow from `Done`, after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from aikeys.budgets.budget_cache import whos_in
from aikeys.budgets.decisions import Refuse, Room, Undecided, Wait
from aikeys.budgets.queues import Front, Queues, Waiter, in_order, line_of, who_is_ahead
from aikeys.budgets.rates import Counted, Full, RateReached, admit, take_back
from aikeys.budgets.refusals import refusal
from aikeys.budgets.reservations import Reservation, attempt, weigh
from aikeys.budgets.store import shown_text
from aikeys.errors import AikeysError, MachineFailed
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.write_cache import WriteCache, cached_writing
from aikeys.storage import sqlite


class WriteJob:
    """Something to write. `reservation`: what a settle or release ends; None for an act, which can do anything.

    What ends a reservation is tried again until it is written; `give_up_s` is when its caller is told that it is not.
    """

    __slots__ = ("give_up_s", "reservation", "ticket", "work")

    def __init__(self, work: Callable[[Writer], Any], reservation: Reservation | None, ticket: Any) -> None:
        self.work = work
        self.reservation = reservation
        self.ticket = ticket
        self.give_up_s: float | None = None


class JobAnswer(NamedTuple):
    """What a job or a request came to."""

    ticket: Any
    value: Any = None
    error: Exception | None = None


class Done(NamedTuple):
    """What became of everybody: the answers, who is through, who waits for what, and what counts for a rate."""

    answers: list[JobAnswer]
    through: list[Waiter]
    waiting: list[tuple[Waiter, Room]]
    counted: dict[bytes, Counted]


class Work(NamedTuple):
    """What a transaction is to do. `is_open`: who waits for any budget may have room now."""

    jobs: Sequence[WriteJob]
    newcomers: Sequence[Waiter]
    whos: frozenset[str] = frozenset()
    is_open: bool = False

    def __bool__(self) -> bool:
        return bool(self.jobs or self.newcomers or self.whos or self.is_open)


class RoundContext(NamedTuple):
    """Where it is done, by which process; `now_s` is the clock of the deadlines."""

    ledger: Ledger
    cache: WriteCache
    process: str
    calendar: Calendar
    now_s: Callable[[], float]
    counted: dict[bytes, Counted]
    """What its open reservations count for in rates."""


def commit(place: RoundContext, queues: Queues, work: Work) -> Done:
    """Do it all and return when it is on disk; raises what concerns everybody (a full disk), and then nothing is."""
    try:
        return _Transaction(place, queues, is_careful=False).run(work)
    except MachineFailed:
        raise
    except Exception:  # noqa: BLE001  # whose fault it is, the second run tells
        return _Transaction(place, queues, is_careful=True).run(work)


class _Transaction:
    def __init__(self, place: RoundContext, queues: Queues, *, is_careful: bool) -> None:
        self._place = place
        self._queues = queues
        self._is_careful = is_careful
        self._whos: set[str] = set()
        self._is_open = False
        self._fronts: dict[str, Front] = {}
        self._now_s = place.now_s()
        self._done = Done([], [], [], {})

    def run(self, work: Work) -> Done:
        self._whos.update(work.whos)
        self._is_open = work.is_open
        with cached_writing(self._place.ledger, self._place.cache) as writer:
            for job in work.jobs:
                self._try(writer, job.ticket, self._act if job.reservation is None else self._book, job)
            self._reserve_all(writer, work.newcomers)
        return self._done

    def _book(self, writer: Writer, job: WriteJob) -> None:
        value = job.work(writer)
        if job.reservation is not None:
            self._whos.update(whos_in(writer, job.reservation.context))
            counted = self._place.counted.get(job.reservation.id)
            if counted is not None:
                self._whos.update(line_of(who).who for who in counted.whos)
        self._done.answers.append(JobAnswer(job.ticket, value))

    def _act(self, writer: Writer, job: WriteJob) -> None:
        """Let somebody write who may change anything: at once, like every other writer."""
        writer.write_out()
        self._place.cache.forget()
        cache, writer.cache = writer.cache, None
        value = job.work(writer)
        self._place.cache.forget()  # the dictionary of contexts is shared
        writer.cache = cache
        self._is_open = True
        self._done.answers.append(JobAnswer(job.ticket, value))

    def _reserve_all(self, writer: Writer, newcomers: Sequence[Waiter]) -> None:
        queues = self._queues
        expired = queues.expired(self._now_s)
        self._whos.update(one.room.who for one in expired if one.room)  # who comes next may fit
        if self._is_open:
            in_line = in_order([*queues.all(), *newcomers])
        else:
            self._fronts = queues.fronts(self._whos)
            in_line = in_order([*queues.of(self._whos), *newcomers])
        for waiter in in_line:
            self._try(writer, waiter.ticket, self._reserve, waiter)

    def _reserve(self, writer: Writer, waiter: Waiter) -> None:
        request, calendar = waiter.request, self._place.calendar
        last, waiter.again_s = waiter.until_s <= self._now_s, waiter.until_s
        ahead = self._ahead_of(writer, waiter) if self._fronts and not last else None
        if ahead is not None:
            decision = weigh(writer, request, calendar)
            if isinstance(decision, Refuse | Undecided):
                self._answer(writer, waiter, decision)
            else:
                self._waits(waiter, self._fronts[ahead].room)
            return
        counted = admit(writer, *waiter.rates) if waiter.rates.rates else None
        if isinstance(counted, Full):
            self._waits_for_rate(writer, waiter, counted)
            return
        outcome = attempt(writer, request, self._place.process, calendar, last=last)
        if counted is not None:
            if isinstance(outcome, Reservation):
                self._done.counted[outcome.id] = counted
            else:
                take_back(writer, counted)
        if isinstance(outcome, Wait):
            self._waits(waiter, outcome.room)
        else:
            self._answer(writer, waiter, outcome)

    def _ahead_of(self, writer: Writer, waiter: Waiter) -> str | None:
        """Return in whose queue somebody is ahead; what costs nothing waits for no budget."""
        whos = whos_in(writer, waiter.request.context) if waiter.request.price.worst_pusd else ()
        lines = [line_of(rate.who).who for rate in waiter.rates.rates]
        return who_is_ahead(self._fronts, (*whos, *lines), waiter.order)

    def _waits_for_rate(self, writer: Writer, waiter: Waiter, full: Full) -> None:
        again_s = self._now_s + (full.free_us - writer.now_us) / 1_000_000
        if again_s > waiter.until_s:
            self._done.through.append(waiter)
            self._done.answers.append(JobAnswer(waiter.ticket, error=RateReached(full, writer.now_us)))
        else:
            waiter.again_s = again_s
            self._waits(waiter, line_of(full.rate.who))

    def _waits(self, waiter: Waiter, room: Room) -> None:
        front = self._fronts.get(room.who)
        if front is None or waiter.order < front.order:
            self._fronts[room.who] = Front(waiter.order, room)
        self._done.waiting.append((waiter, room))

    def _answer(self, writer: Writer, waiter: Waiter, outcome: Any) -> None:
        self._done.through.append(waiter)
        if isinstance(outcome, Reservation):
            self._done.answers.append(JobAnswer(waiter.ticket, outcome))
        else:
            self._done.answers.append(JobAnswer(waiter.ticket, error=_refusal(writer, waiter, outcome)))

    def _try(self, writer: Writer, ticket: Any, do: Callable[[Writer, Any], None], what: WriteJob | Waiter) -> None:
        """Do one thing; where everything was tried before, on its own."""
        if not self._is_careful:
            do(writer, what)
            return
        connection, head, cache = writer.connection, writer.head, writer.cache
        done = self._done
        before = Done([*done.answers], [*done.through], [*done.waiting], {**done.counted})
        connection.execute("SAVEPOINT job")
        try:
            with sqlite.translated(self._place.ledger.path):
                do(writer, what)
                writer.write_out()
        except Exception as error:
            if isinstance(error, MachineFailed) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO job")
            writer.head, writer.cache = head, cache
            self._place.cache.forget()
            self._done = before
            if isinstance(what, Waiter):
                self._done.through.append(what)
            self._done.answers.append(JobAnswer(ticket, error=error))
        connection.execute("RELEASE job")


def _refusal(writer: Writer, waiter: Waiter, outcome: Any) -> AikeysError:
    request = waiter.request
    return refusal(outcome, request.price, request.name_of(shown_text(writer.connection, outcome.room.who)))
