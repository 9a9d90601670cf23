"""What every `Rounds` does, whatever it writes to: subclass it with a fixture `store`."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Protocol

import pytest

from aikeys.budgets.answers import Answer, FailedAnswer, GivenAnswer
from aikeys.budgets.queues import NO_RATES, Queues, Rates, Waiter
from aikeys.budgets.rates import RateLimit, RateReached
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.budgets.reservations import Reservation, Settled
from aikeys.budgets.rounds import DoorAct, Release, RoundResult, Rounds, Settle, Work
from aikeys.errors import AikeysError
from aikeys.ledger.stored_objects import MadeObject, Owner
from aikeys.money import parse_usd
from tests.budgets.conftest import call_of, request_of

NOW_S = 100.0


class Store(Protocol):
    """A store under test: rounds of several processes on it, and a look at what it holds."""

    def rounds(self) -> Rounds:
        """Return the rounds of a new process."""

    def set_limit(self, who: str, usd: str) -> None:
        """Limit somebody's month."""

    def die(self, rounds: Rounds) -> None:
        """Let the process of these rounds be gone, with what it has reserved."""

    def lose_next_answer(self, rounds: Rounds) -> None:
        """Let the next commit be on disk and yet raise MachineFailed."""

    def held(self) -> list[bytes]:
        """Return the ids of what is reserved."""

    def costs(self) -> list[int]:
        """Return what the entries cost, oldest first."""

    def objects(self) -> list[str]:
        """Return the names of the objects that are noted."""


class Line:
    """Asks rounds as a reserver does: one queue, numbers in the order of coming."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.queues = Queues()
        self._number = 0

    def waiter(self, worst: str, floor: str = "0", rates: Rates = NO_RATES, until_s: float = NOW_S + 20) -> Waiter:
        self._number += 1
        return Waiter(request_of(worst, floor), rates, (5, self._number), until_s, Future())

    def commit(self, *jobs: Any, new: tuple[Waiter, ...] = (), now_s: float = NOW_S, **more: Any) -> RoundResult:
        done = self.rounds.commit(Work(now_s, jobs, new, **more), self.queues)
        for waiter in done.through:
            self.queues.take(waiter)
        for waiter, room in done.waiting:
            self.queues.put(waiter, room)
        return done

    def reserved(self, worst: str, floor: str = "0", rates: Rates = NO_RATES) -> Reservation:
        (answer,) = self.commit(new=(self.waiter(worst, floor, rates),)).answers
        assert isinstance(answer, Answer), answer
        assert isinstance(answer.value, Reservation)
        return answer.value


def values(answers: list[GivenAnswer]) -> list[object]:
    """Return the values of answers; of those that failed, the kind of error."""
    return [type(one.error) if isinstance(one, FailedAnswer) else one.value for one in answers]


def settle_of(reservation: Reservation, cost: str, note: MadeObject | None = None) -> Settle:
    return Settle(reservation, call_of(reservation.context, cost), note, Future())


def fail(_writer: object) -> None:
    raise ValueError("its own fault")


class RoundsContract:
    """The contract. `line` asks the rounds of one process."""

    @pytest.fixture
    def line(self, store: Store) -> Line:
        return Line(store.rounds())

    def test_a_reserve_that_fits_stands_with_the_id_of_its_request(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        asked = line.waiter("8")
        done = line.commit(new=(asked,))
        assert [one.ticket for one in done.answers] == [asked.ticket]
        assert (done.through, done.waiting, done.ended) == ([asked], [], [])
        assert done.reserved == store.held() == [asked.id]

    def test_what_does_not_fit_waits_is_refused_or_at_the_deadline_lowered(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        line.reserved("8")
        waits, never = line.waiter("5", "1", until_s=NOW_S + 1), line.waiter("11", "11")
        done = line.commit(new=(waits, never))
        assert values(done.answers) == [BudgetExceeded]
        assert [(one, room.who) for one, room in done.waiting] == [(waits, "org")]
        (answer,) = line.commit(now_s=NOW_S + 1, is_open=True).answers
        assert isinstance(answer, Answer)
        assert isinstance(answer.value, Reservation)
        assert (answer.value.id, answer.value.pusd) == (waits.id, parse_usd("2"))
        assert values(line.commit(new=(line.waiter("5", "1", until_s=NOW_S),)).answers) == [BudgetBusy]

    def test_money_that_is_free_goes_to_the_front_in_the_same_round(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        first = line.reserved("8")
        front, behind = line.waiter("8", "8"), line.waiter("5", "5")
        assert [one for one, _ in line.commit(new=(front, behind)).waiting] == [front, behind]
        newcomer = line.waiter("1", "1")
        done = line.commit(settle_of(first, "0"), new=(newcomer,))
        assert done.ended == [first.id]
        assert done.reserved == [front.id]
        assert [one for one, _ in done.waiting] == [behind, newcomer]

    def test_jobs_are_answered_in_their_order_with_what_they_came_to(self, store: Store, line: Line) -> None:
        sent, unsent = line.reserved("2"), line.reserved("3")
        note = MadeObject("openai", "resp_1", Owner("tok", "support"))
        done = line.commit(
            settle_of(sent, "1", note), Release(unsent), Release(unsent), DoorAct(lambda _writer: "said")
        )
        first, *others = values(done.answers)
        assert isinstance(first, Settled)
        assert (first.excess_pusd, others) == (0, [True, False, "said"])
        assert (store.held(), store.costs(), store.objects()) == ([], [parse_usd("1")], ["resp_1"])

    def test_one_job_that_fails_takes_nobody_with_it(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        first, second = line.reserved("2"), line.reserved("2")
        note = MadeObject("openai", "resp_1", Owner("tok", "support"))
        too_large = call_of(second.context, "1")._replace(latency_ms=1 << 70)
        asked = line.waiter("3")
        done = line.commit(
            settle_of(first, "1"), DoorAct(fail), Settle(second, too_large, note), DoorAct(lambda _writer: 7),
            new=(asked, line.waiter("20", "20")),
        )  # fmt: skip
        assert [type(one) for one in values(done.answers)[:1]] == [Settled]
        assert values(done.answers)[1:3] == [ValueError, OverflowError]
        assert values(done.answers)[3] == 7
        assert values(done.answers)[5] is BudgetExceeded
        assert (done.ended, done.reserved) == ([first.id], [asked.id])
        assert store.objects() == []
        assert sorted(store.held()) == sorted([second.id, asked.id])
        assert type(values(line.commit(settle_of(second, "1")).answers)[0]) is Settled
        assert store.costs() == [parse_usd("1")] * 2

    def test_a_rate_is_counted_with_the_reservation_and_free_when_that_is_released(self, line: Line) -> None:
        two = Rates((RateLimit("key:openai", 2),))
        line.reserved("1", rates=two)
        second = line.reserved("1", rates=two)
        assert values(line.commit(new=(line.waiter("1", rates=two),)).answers) == [RateReached]
        waits = line.waiter("1", rates=two, until_s=NOW_S + 100)
        assert [one for one, _ in line.commit(new=(waits,)).waiting] == [waits]
        assert line.commit(Release(second)).reserved == [waits.id]

    def test_what_another_process_settles_has_changed(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        other = Line(store.rounds())
        first = other.reserved("8")
        line.commit(new=(line.waiter("8", "8"),))
        assert line.rounds.changed(line.queues.fronts()) == set()
        other.commit(settle_of(first, "0"))
        assert line.rounds.changed(line.queues.fronts()) == {"org"}

    def test_what_a_dead_process_had_reserved_is_booked_once(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        other = Line(store.rounds())
        other.reserved("6")
        mine = line.reserved("1")
        troubles: list[AikeysError] = []
        assert line.rounds.recover(troubles.append) == ()  # it lives
        store.die(other.rounds)
        assert len(line.rounds.recover(troubles.append)) == 1
        assert line.rounds.recover(troubles.append) == ()
        assert (store.costs(), store.held(), troubles) == ([parse_usd("6")], [mine.id], [])
        assert values(line.commit(new=(line.waiter("5", "5"),)).answers) == [BudgetExceeded]  # not from memory

    def test_what_nobody_was_given_is_released_and_nothing_of_others(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        mine, lost = line.reserved("2"), line.reserved("5")
        others = Line(store.rounds()).reserved("1")
        assert line.rounds.reconcile({mine.id, lost.id}) == 0
        assert line.rounds.reconcile({mine.id}) == 1
        assert sorted(store.held()) == sorted([mine.id, others.id])
        assert line.reserved("7", "7").pusd == parse_usd("7")

    def test_a_settle_asked_again_after_a_lost_answer_was_done_before(self, store: Store, line: Line) -> None:
        first = line.reserved("2")
        store.lose_next_answer(line.rounds)
        with pytest.raises(AikeysError):
            line.commit(settle_of(first, "1"))
        assert values(line.commit(settle_of(first, "1")).answers) == [None]
        assert (store.costs(), store.held()) == ([parse_usd("1")], [])

    def test_a_reserve_asked_again_after_a_lost_answer_stands(self, store: Store, line: Line) -> None:
        store.set_limit("org", "10")
        first, waits = line.reserved("8"), line.waiter("8", "8")
        line.commit(new=(waits,))
        store.lose_next_answer(line.rounds)
        with pytest.raises(AikeysError):
            line.commit(Release(first))
        assert store.held() == [waits.id]
        waits.is_asked_again = True
        done = line.commit(Release(first), is_open=True)
        assert (done.reserved, done.waiting) == ([waits.id], [])
        assert values(done.answers)[0] is False
        assert store.held() == [waits.id]

    def test_closed_with_nothing_reserved_it_leaves_nothing_to_recover(self, store: Store, line: Line) -> None:
        other, third = Line(store.rounds()), Line(store.rounds())
        third.reserved("3")
        other.rounds.close()
        third.rounds.close()
        assert not third.rounds.is_held
        assert len(line.rounds.recover(lambda _one: None)) == 1
