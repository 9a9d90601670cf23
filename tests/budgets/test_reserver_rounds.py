"""What a reserver asks of its rounds, and what it makes of their answers: values in, values out, no ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from aikeys.budgets.answers import Answer, FailedAnswer, GivenAnswer
from aikeys.budgets.queues import Front, Queues, Waiter, line_of
from aikeys.budgets.reservations import Reservation, Settled
from aikeys.budgets.reserver import Patience, ReserverSetup
from aikeys.budgets.rounds import DoorAct, Job, Release, RoundResult, Settle, Work
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.errors import AikeysError, Cancelled, MachineFailed
from aikeys.ledger.stored_objects import MadeObject, Owner
from aikeys.storage.sqlite import DiskFull
from tests.budgets.conftest import call_of, context_of, request_of

LONG_S = 20.0
ROOM = line_of("org")
"""What everybody waits for who is told to."""


class FakeRounds:
    """Rounds that note what they are asked: everybody fits unless they are `tight`; `failures` are raised first."""

    def __init__(self) -> None:
        self.asked: list[Work] = []
        self.reconciled: list[set[bytes]] = []
        self.failures: list[Exception] = []
        self.tight = False
        self.is_held = True
        self.is_closed = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.came = threading.Semaphore(0)

    def commit(self, work: Work, queues: Queues) -> RoundResult:
        self.asked.append(work)
        self.came.release()
        assert self.goes_on.wait(LONG_S)
        if self.failures:
            raise self.failures.pop(0)
        done = RoundResult([], [], [], [], [])
        for job in work.jobs:
            done.answers.append(self._answer(job, done))
        if any(isinstance(job, Settle | Release) for job in work.jobs):
            self.tight = False
        for waiter in [*queues.all(), *work.newcomers]:
            if self.tight:
                done.waiting.append((waiter, ROOM))
            else:
                made = Reservation(waiter.id, 1, waiter.request.context, waiter.request.price.worst_pusd)
                answer: Answer[Reservation] = Answer(waiter.ticket, made)
                done.answers.append(answer)
                done.through.append(waiter)
                done.reserved.append(waiter.id)
        return done

    def _answer(self, job: Job, done: RoundResult) -> GivenAnswer:
        if isinstance(job, Settle):
            done.ended.append(job.reservation.id)
            settled: Answer[Settled | None] = Answer(job.ticket, Settled(len(self.asked), 0))
            return settled
        if isinstance(job, Release):
            done.ended.append(job.reservation.id)
            released: Answer[bool] = Answer(job.ticket, True)
            return released
        return FailedAnswer(job.ticket, ValueError("no writer here"))

    def changed(self, fronts: Mapping[str, Front]) -> set[str]:
        del fronts
        return set()

    def recover(self, trouble: Callable[[AikeysError], None]) -> tuple[int, ...]:
        del trouble
        return ()

    def reconcile(self, held: Collection[bytes]) -> int:
        self.reconciled.append(set(held))
        return 0

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def rounds() -> FakeRounds:
    return FakeRounds()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def reserver(rounds: FakeRounds, said: list[str]) -> Iterator[ThreadReserver]:
    clock = iter(range(1, 1_000_000))
    setup = ReserverSetup(Patience(1e9, lambda: next(clock) / 1e6), say=said.append, retry_pauses_s=(1e-6, 2e-6, 3e-6))
    made = ThreadReserver(rounds, setup)
    yield made
    rounds.goes_on.set()
    made.close()
    assert rounds.is_closed


def got(ticket: Future[Any]) -> Any:
    return ticket.result(LONG_S)


def meet(rounds: FakeRounds, reserver: ThreadReserver, ask: Callable[[], list[Future[Any]]]) -> list[Future[Any]]:
    """Ask several things while a round stands still, so that the next one has them all."""
    rounds.goes_on.clear()
    standing = reserver.act(lambda _writer: None)
    assert rounds.came.acquire(timeout=LONG_S)
    tickets = ask()
    rounds.goes_on.set()
    with pytest.raises(ValueError, match="no writer"):
        got(standing)
    return tickets


def kinds(work: Work) -> list[type[object]]:
    return [type(job) for job in work.jobs]


def reservation_of(number: int) -> Reservation:
    return Reservation(bytes([number]) * 16, 1, context_of(), 0)


def test_what_is_asked_meanwhile_is_one_round_in_the_order_of_asking(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    one, two = reservation_of(1), reservation_of(2)
    call, note = call_of(one.context, "1"), MadeObject("openai", "resp_1", Owner("tok", ""))
    tickets = meet(
        rounds,
        reserver,
        lambda: [
            reserver.release(two),
            reserver.settle(one, call, note),
            reserver.act(lambda _writer: 1),
            reserver.reserve(request_of("1"), 9),
            reserver.reserve(request_of("2")),
        ],
    )
    assert got(tickets[0]) is True
    assert got(tickets[1]) == Settled(2, 0)
    with pytest.raises(ValueError, match="no writer"):
        got(tickets[2])
    assert [got(ticket).pusd for ticket in tickets[3:]] == [10**12, 2 * 10**12]
    work = rounds.asked[1]
    assert kinds(work) == [Release, Settle, DoorAct]
    assert work.jobs[1] == Settle(one, call, note, tickets[1])
    assert [(one.order[0], one.ticket) for one in work.newcomers] == [(9, tickets[3]), (5, tickets[4])]


def test_who_waits_is_in_the_queue_until_a_round_lets_them_through(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    rounds.tight = True
    waiting = reserver.reserve(request_of("1"))
    assert rounds.came.acquire(timeout=LONG_S)
    assert got(reserver.release(reservation_of(1)))
    assert got(waiting).pusd
    assert reserver.waiting == 0


def test_a_request_that_is_cancelled_before_its_round_is_not_asked(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    def ask() -> list[Future[Any]]:
        tickets: list[Future[Any]] = [reserver.reserve(request_of("1")), reserver.reserve(request_of("2"))]
        assert tickets[0].cancel()
        return tickets

    tickets = meet(rounds, reserver, ask)
    assert got(tickets[1])
    assert [one.ticket for one in rounds.asked[1].newcomers] == [tickets[1]]


def test_what_was_granted_to_a_request_that_is_cancelled_meanwhile_is_released(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    rounds.goes_on.clear()
    ticket = reserver.reserve(request_of("1"))
    assert rounds.came.acquire(timeout=LONG_S)
    assert ticket.cancel()
    rounds.goes_on.set()
    assert rounds.came.acquire(timeout=LONG_S)
    (job,) = rounds.asked[1].jobs
    assert isinstance(job, Release)
    assert (job.reservation.id, job.ticket) == (rounds.asked[0].newcomers[0].id, None)


def test_a_settle_is_asked_again_until_it_is_written_and_whoever_gave_up_is_told_once(
    rounds: FakeRounds, reserver: ThreadReserver, said: list[str]
) -> None:
    one = got(reserver.reserve(request_of("1")))
    rounds.failures = [DiskFull("no room")] * 50
    call = call_of(one.context, "1")
    with pytest.raises(MachineFailed):
        got(reserver.settle(one, call))
    rounds.failures.clear()
    assert got(reserver.reserve(request_of("1")))
    settles = [job for work in rounds.asked for job in work.jobs if isinstance(job, Settle)]
    assert {(job.reservation, job.call) for job in settles} == {(one, call)}
    assert settles[0].ticket is not None
    assert settles[-1].ticket is None
    assert said == ["calls cannot be recorded yet: no room; trying again"]


def test_a_settle_is_answered_by_the_round_that_writes_it(rounds: FakeRounds, reserver: ThreadReserver) -> None:
    one = got(reserver.reserve(request_of("1")))
    rounds.failures = [DiskFull("no room")]
    assert got(reserver.settle(one, call_of(one.context, "1"))) == Settled(3, 0)


@pytest.mark.parametrize("failure", [DiskFull("no room"), OverflowError()])
def test_a_round_that_fails_fails_requests_and_acts_at_once(
    rounds: FakeRounds, reserver: ThreadReserver, failure: Exception
) -> None:
    rounds.failures = [ValueError("no writer"), failure]  # the first is for the round that stands still
    tickets = meet(rounds, reserver, lambda: [reserver.reserve(request_of("1")), reserver.act(lambda _writer: None)])
    for ticket in tickets:
        with pytest.raises(type(failure)):
            got(ticket)


def test_after_a_failure_the_next_round_reconciles_with_what_is_held(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    kept, settled = got(reserver.reserve(request_of("1"))), got(reserver.reserve(request_of("1")))
    got(reserver.settle(settled, call_of(settled.context, "1")))
    assert rounds.reconciled == []
    rounds.failures = [MachineFailed("the answer was lost")]
    with pytest.raises(MachineFailed):
        got(reserver.reserve(request_of("1")))
    late = got(reserver.reserve(request_of("1")))
    got(reserver.release(late))
    assert rounds.reconciled == [{kept.id, late.id}]


def test_who_waited_through_a_failure_is_asked_again_with_the_same_id(
    rounds: FakeRounds, reserver: ThreadReserver
) -> None:
    rounds.tight = True
    waiting = reserver.reserve(request_of("1"))
    assert rounds.came.acquire(timeout=LONG_S)
    rounds.failures = [MachineFailed("the answer was lost")]
    asked: Waiter = rounds.asked[0].newcomers[0]
    assert not asked.is_asked_again
    assert got(reserver.release(reservation_of(1)))
    assert got(waiting).id == asked.id
    assert asked.is_asked_again


def test_at_the_end_what_is_kept_is_tried_once_more_and_who_waits_is_told(rounds: FakeRounds) -> None:
    reserver = ThreadReserver(rounds, ReserverSetup(retry_pauses_s=(LONG_S,), say=lambda _text: None))
    one = got(reserver.reserve(request_of("1")))
    rounds.tight = True
    rounds.failures = [DiskFull("no room")]
    late = reserver.settle(one, call_of(one.context, "1"))
    reserver.close()
    assert got(late) is not None
    assert rounds.is_closed
    with pytest.raises(RuntimeError, match="closed"):
        reserver.look_again()


def test_at_the_end_who_waits_is_told(rounds: FakeRounds) -> None:
    reserver = ThreadReserver(rounds)
    rounds.tight = True
    waiting = reserver.reserve(request_of("1"))
    reserver.close()
    with pytest.raises(Cancelled):
        got(waiting)


def test_a_process_that_does_not_hold_its_lock_cannot_ask(rounds: FakeRounds, reserver: ThreadReserver) -> None:
    rounds.is_held = False
    with pytest.raises(RuntimeError, match="forked"):
        reserver.release(reservation_of(1))
