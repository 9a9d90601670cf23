"""Rounds on ledger.db: one transaction a round, on a connection of its own, with what it remembers between them.

- A round runs fast first: the write cache is written once, at the end. Where one job fails, everything is rolled back
  and run again with a savepoint for each, so that nobody but the one who failed notices.
- Nothing but the ledger is changed by `commit`: the queues and the answers follow from its result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Never, TypeVar

from aikeys.alerts.unread_numbers import put_unread
from aikeys.budgets import recovery, reservations
from aikeys.budgets.answers import Answer, FailedAnswer, Ticket
from aikeys.budgets.budget_cache import whos_in
from aikeys.budgets.counters import PeriodRun, find_counter
from aikeys.budgets.decisions import Busy, Refuse, Room, Undecided, Wait
from aikeys.budgets.open_reservations import find_open, open_of
from aikeys.budgets.queues import Front, Queues, Waiter, in_order, line_of, who_is_ahead
from aikeys.budgets.rates import Counted, Full, RateReached, admit, correct, take_back
from aikeys.budgets.refusals import refusal
from aikeys.budgets.reservations import Reservation, Settled, attempt, weigh
from aikeys.budgets.rounds import DoorAct, Job, Release, RoundResult, Settle, Work
from aikeys.budgets.store import shown_text
from aikeys.errors import AikeysError, MachineFailed
from aikeys.ledger import stored_objects
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.unread_fields import fields_of
from aikeys.ledger.write_cache import WriteCache, cached_writing
from aikeys.storage import sqlite
from aikeys.storage.process_lock import ProcessLock

W = TypeVar("W")


class SqliteRounds:
    """The rounds of this process on the ledger of a directory."""

    def __init__(self, directory: str) -> None:
        """Check the ledger and take this process's lock; raises what opening it raises."""
        ledger = Ledger(directory).open()
        ledger.close()  # opened again by whoever commits: a connection belongs to one thread
        self.ledger = ledger
        self.calendar = Calendar(ledger.zone)
        self.cache = WriteCache()
        self.process = ProcessLock.take(directory)
        self.counted: dict[bytes, Counted] = {}
        """What its open reservations count for in rates."""

    @property
    def is_held(self) -> bool:
        """Tell whether this very process may ask."""
        return self.process.is_held

    def commit(self, work: Work, queues: Queues) -> RoundResult:
        """Do it all and return when it is on disk; where it raises what concerns everybody, nothing is."""
        try:
            done = _Transaction(self, queues, work, is_careful=False)
            done.run()
        except MachineFailed:
            raise
        except Exception:  # noqa: BLE001  # whose fault it is, the second run tells
            done = _Transaction(self, queues, work, is_careful=True)
            done.run()
        self.counted.update(done.counted)
        for number in done.result.ended:
            self.counted.pop(number, None)
        return done.result

    def changed(self, fronts: Mapping[str, Front]) -> set[str]:
        """Return for whom a counter is not what it was; takes no lock."""
        changed = set()
        with self.ledger.reading() as connection:
            for who, front in fronts.items():
                room = front.room
                if not room.period:
                    continue  # a rate: it is asked again when it is free
                counter = find_counter(connection, room.who, PeriodRun(room.period, room.start))
                if counter is None or counter[3:] != (room.spent_pusd, room.reserved_pusd):
                    changed.add(who)
        return changed

    def recover(self, trouble: Callable[[AikeysError], None]) -> tuple[int, ...]:
        """Book what dead processes had reserved."""
        troubles: list[AikeysError] = []
        is_whole = False
        try:
            found = recovery.recover(self.ledger, self.process.name, troubles.append)
            is_whole = not found and not troubles
        finally:
            if not is_whole:
                self.cache.forget()  # it writes on this connection, and a part of it may be done
        for one in troubles:
            trouble(one)
        return found

    def reconcile(self, held: Collection[bytes]) -> int:
        """Release what this process has reserved and was given to nobody."""
        with self.ledger.reading() as connection:
            lost = [one.id for one in open_of(connection, self.process.name) if one.id not in held]
        if lost:
            with cached_writing(self.ledger, self.cache) as writer:
                for number in lost:
                    reservations.release(writer, number)
        return len(lost)

    def close(self) -> None:
        """Let go of the ledger, and of the process's file: that stays where something is reserved or nobody knows."""
        is_empty = False
        try:
            with self.ledger.reading() as connection:
                is_empty = not open_of(connection, self.process.name)
        except (AikeysError, OSError):
            pass
        self.ledger.close()
        if is_empty:
            self.process.close()
        else:
            self.process.leave()


class _Transaction:
    """One round, once through."""

    def __init__(self, place: SqliteRounds, queues: Queues, work: Work, *, is_careful: bool) -> None:
        self._place = place
        self._queues = queues
        self._work = work
        self._is_careful = is_careful
        self._whos = set(work.whos)
        self._is_open = work.is_open
        self._fronts: dict[str, Front] = {}
        self.result = RoundResult([], [], [], [], [])
        self.counted: dict[bytes, Counted] = {}

    def run(self) -> None:
        with cached_writing(self._place.ledger, self._place.cache) as writer:
            for job in self._work.jobs:
                self._try(writer, job.ticket, self._do, job)
            self._reserve_all(writer)

    def _do(self, writer: Writer, job: Job) -> None:
        if isinstance(job, Settle):
            self._settle(writer, job)
        elif isinstance(job, Release):
            self._release(writer, job)
        else:
            self._act(writer, job)

    def _settle(self, writer: Writer, job: Settle) -> None:
        reservation, call, note, ticket, soft = job
        if note is not None:
            stored_objects.note(writer.connection, *note)
        if fields := fields_of(call.unpriced):
            put_unread(writer, call.context.provider, fields, self._place.calendar)
        settled = reservations.settle(writer, reservation, call, self._place.calendar, soft=soft)
        answer: Answer[Settled | None] = Answer(ticket, settled)
        counted = self._place.counted.get(reservation.id)
        if counted is not None:
            usage = soft.usage if soft is not None and settled is not None and settled.is_soft else call.usage
            correct(writer, counted, usage.input + usage.output)
        self._ended(writer, reservation, counted)
        self.result.answers.append(answer)

    def _release(self, writer: Writer, job: Release) -> None:
        answer: Answer[bool] = Answer(job.ticket, reservations.release(writer, job.reservation.id))
        counted = self._place.counted.get(job.reservation.id)
        if counted is not None:
            take_back(writer, counted)
        self._ended(writer, job.reservation, counted)
        self.result.answers.append(answer)

    def _ended(self, writer: Writer, reservation: Reservation, counted: Counted | None) -> None:
        """Let those go on who wait for the same."""
        self._whos.update(whos_in(writer, reservation.context))
        if counted is not None:
            self._whos.update(line_of(who).who for who in counted.whos)
        self.result.ended.append(reservation.id)

    def _act(self, writer: Writer, job: DoorAct[object]) -> None:
        """Let somebody write who may change anything: at once, like every other writer."""
        writer.write_out()
        self._place.cache.forget()
        cache, writer.cache = writer.cache, None
        answer = job.done(writer)
        self._place.cache.forget()  # the dictionary of contexts is shared
        writer.cache = cache
        self._is_open = True
        self.result.answers.append(answer)

    def _reserve_all(self, writer: Writer) -> None:
        queues, newcomers = self._queues, self._work.newcomers
        if self._is_open:
            in_line = in_order([*queues.all(), *newcomers])
        else:
            self._fronts = queues.fronts(self._whos)
            in_line = in_order([*queues.of(self._whos), *newcomers])
        for waiter in in_line:
            self._try(writer, waiter.ticket, self._reserve, waiter)

    def _reserve(self, writer: Writer, waiter: Waiter) -> None:
        last, waiter.again_s = waiter.until_s <= self._work.now_s, waiter.until_s
        if waiter.is_asked_again and (standing := find_open(writer.connection, waiter.id)) is not None:
            self._is_through(waiter, Reservation(waiter.id, standing.at_us, waiter.request.context, standing.pusd))
            return
        ahead = self._ahead_of(writer, waiter) if self._fronts and not last else None
        if ahead is not None:
            decision = weigh(writer, waiter.request, self._place.calendar)
            if isinstance(decision, Refuse | Undecided):
                self._refuse(writer, waiter, decision)
            else:
                self._waits(waiter, self._fronts[ahead].room)
            return
        counted = admit(writer, *waiter.rates) if waiter.rates.rates else None
        if isinstance(counted, Full):
            self._waits_for_rate(writer, waiter, counted)
        else:
            self._attempt(writer, waiter, counted, last=last)

    def _attempt(self, writer: Writer, waiter: Waiter, counted: Counted | None, *, last: bool) -> None:
        place = self._place
        outcome = attempt(writer, waiter.request, place.process.name, place.calendar, number=waiter.id, last=last)
        if isinstance(outcome, Reservation):
            if counted is not None:
                self.counted[outcome.id] = counted
            self._is_through(waiter, outcome)
            return
        if counted is not None:
            take_back(writer, counted)
        if isinstance(outcome, Wait):
            self._waits(waiter, outcome.room)
        else:
            self._refuse(writer, waiter, outcome)

    def _ahead_of(self, writer: Writer, waiter: Waiter) -> str | None:
        """Return in whose queue somebody is ahead; what costs nothing waits for no budget."""
        whos = whos_in(writer, waiter.request.context) if waiter.request.price.worst_pusd else ()
        lines = [line_of(rate.who).who for rate in waiter.rates.rates]
        return who_is_ahead(self._fronts, (*whos, *lines), waiter.order)

    def _waits_for_rate(self, writer: Writer, waiter: Waiter, full: Full) -> None:
        again_s = self._work.now_s + (full.free_us - writer.now_us) / 1_000_000
        if again_s > waiter.until_s:
            self._fails(waiter, RateReached(full, writer.now_us))
        else:
            waiter.again_s = again_s
            self._waits(waiter, line_of(full.rate.who))

    def _waits(self, waiter: Waiter, room: Room) -> None:
        front = self._fronts.get(room.who)
        if front is None or waiter.order < front.order:
            self._fronts[room.who] = Front(waiter.order, room)
        self.result.waiting.append((waiter, room))

    def _is_through(self, waiter: Waiter, reservation: Reservation) -> None:
        self.result.through.append(waiter)
        self.result.reserved.append(reservation.id)
        answer: Answer[Reservation] = Answer(waiter.ticket, reservation)
        self.result.answers.append(answer)

    def _refuse(self, writer: Writer, waiter: Waiter, outcome: Refuse | Busy | Undecided) -> None:
        request = waiter.request
        name = request.name_of(shown_text(writer.connection, outcome.room.who))
        self._fails(waiter, refusal(outcome, request.price, name))

    def _fails(self, waiter: Waiter, error: Exception) -> None:
        self.result.through.append(waiter)
        self.result.answers.append(FailedAnswer(waiter.ticket, error))

    def _try(self, writer: Writer, ticket: Ticket[Never] | None, do: Callable[[Writer, W], None], what: W) -> None:
        """Do one thing; where everything was tried before, on its own."""
        if not self._is_careful:
            do(writer, what)
            return
        connection, head, cache = writer.connection, writer.head, writer.cache
        lengths, counted, is_open = self._lengths(), {**self.counted}, self._is_open
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
            self._shorten(lengths)
            self.counted, self._is_open = counted, is_open
            if isinstance(what, Waiter):
                self.result.through.append(what)
            self.result.answers.append(FailedAnswer(ticket, error))
        connection.execute("RELEASE job")

    def _lengths(self) -> tuple[int, ...]:
        answers, through, waiting, reserved, ended = self.result
        return len(answers), len(through), len(waiting), len(reserved), len(ended)

    def _shorten(self, lengths: tuple[int, ...]) -> None:
        """Forget what was answered since."""
        answers, through, waiting, reserved, ended = lengths
        result = self.result
        del result.answers[answers:], result.through[through:], result.waiting[waiting:]
        del result.reserved[reserved:], result.ended[ended:]
