"""Many at once through one writer: never over a limit, in order, nothing lost, nobody hurt by another's failure."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

from aikeys.budgets.answers import Answers, AtOnce, GivenAnswer
from aikeys.budgets.booking import book
from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.decisions import Ask
from aikeys.budgets.queues import Rates
from aikeys.budgets.rates import RateLimit, RateReached
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.budgets.reservations import Reservation, ReserveRequest
from aikeys.budgets.reserver import Patience, Reserver, ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.store import read_budgets, shown_limited
from aikeys.budgets.terms import Terms
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import limited_who, parse_who
from aikeys.errors import Cancelled, MachineFailed, UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Context
from aikeys.ledger.rollups import declare_tag
from aikeys.ledger.store import Act, Ledger, Writer
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from aikeys.storage.sqlite import DiskFull
from tests.budgets.conftest import Time, call_of, context_of, request_of, set_limit
from tests.budgets.one_at_a_time import SerialReserver

ROOT = Path(__file__).parents[2]
PATIENT = Patience(deadline_s=60)
Open = Callable[..., ThreadReserver]


@pytest.fixture
def opened(ledger: Ledger) -> Iterator[Open]:
    reservers = []

    def start(deadline_s: float = 60, answers: Answers | None = None, **means: Any) -> ThreadReserver:
        rounds = SqliteRounds(os.path.dirname(ledger.path))
        reservers.append(ThreadReserver(rounds, ReserverSetup(Patience(deadline_s), **means), answers))
        return reservers[-1]

    yield start
    for reserver in reservers:
        reserver.close()
    verify(ledger)
    verify_budgets(ledger)


def got(ticket: Future[Any]) -> Any:
    return ticket.result(20)


def done(reserver: ThreadReserver) -> None:
    """Wait until what was asked before has been dealt with."""
    got(reserver.act(lambda _writer: None))


def settled(reserver: ThreadReserver, reservation: Reservation, cost: str = "0") -> None:
    assert got(reserver.settle(reservation, call_of(reservation.context, cost))) is not None


def held(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM reservation").fetchone()[0])


def costs(ledger: Ledger) -> list[int]:
    with ledger.reading() as connection:
        return [row[0] for row in connection.execute("SELECT cost_pusd FROM call ORDER BY id")]


class Blocked:
    """The reserver's thread stands still inside, so that what is asked meanwhile meets in one transaction."""

    def __init__(self, reserver: ThreadReserver) -> None:
        self.stands, self._goes_on = threading.Event(), threading.Event()
        self._reserver = reserver

    def _stand(self, _writer: Writer) -> None:
        self.stands.set()
        assert self._goes_on.wait(20)

    def ask(self) -> None:
        self._reserver.act(self._stand)

    def go_on(self) -> None:
        self._goes_on.set()

    def __enter__(self) -> Self:
        self.ask()
        assert self.stands.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()


@pytest.mark.parametrize(("calls", "each"), [(10, 3), (400, 12)])
def test_sixty_four_at_once_never_pass_a_limit_and_leave_less_than_a_floor(
    ledger: Ledger, opened: Open, calls: int, each: int
) -> None:
    worst, floor = 1_000, 200
    limit = calls * worst
    with ledger.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(limit, "month", "block", (50, 100)))
        set_budget(writer, parse_who("team:*"), Terms(limit, "day", "block", (50,)))
    reserver = opened()
    over, refused = [], []

    def one(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(each):
            context = context_of(user=f"u{seed % 5}", team=f"t{seed % 3}", token=f"k{seed % 7}")
            try:
                reservation = got(
                    reserver.reserve(ReserveRequest(context, Ask(worst, floor)), priority=dice.randint(1, 10))
                )
            except BudgetExceeded as no:
                refused.append(no.room)
                continue
            with ledger_of(ledger).reading() as connection:
                rows = connection.execute("SELECT spent, reserved FROM counter WHERE who = 'org'").fetchall()
            over.extend(row for row in rows if int(row[0]) + int(row[1]) > limit)
            cost = dice.randint(reservation.pusd // 2, reservation.pusd)
            got(reserver.settle(reservation, call_of(context, "0")._replace(cost_pusd=cost)))

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(one, range(64)))
    assert over == []
    assert all(room.left_pusd < floor for room in refused)
    assert refused
    assert limit - floor < sum(costs(ledger)) <= limit
    assert held(ledger) == 0


_per_thread = threading.local()


def ledger_of(ledger: Ledger) -> Ledger:
    """Return a ledger of this thread's own."""
    if getattr(_per_thread, "path", "") != ledger.path:
        _per_thread.path, _per_thread.ledger = ledger.path, Ledger(os.path.dirname(ledger.path))
    found: Ledger = _per_thread.ledger
    return found


def test_who_waits_goes_in_the_order_of_coming(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    open_now = got(reserver.reserve(request_of("8")))
    waiting = [reserver.reserve(request_of("8", "8", user=f"u{number}")) for number in range(4)]
    while waiting:
        settled(reserver, open_now)
        open_now = got(waiting.pop(0))
        assert not any(ticket.done() for ticket in waiting)
        assert reserver.waiting == len(waiting)


def test_a_small_call_does_not_pass_a_large_one_that_came_first(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "team:*", "10")
    reserver = opened()
    first = got(reserver.reserve(request_of("8")))
    large, small = reserver.reserve(request_of("7", "7")), reserver.reserve(request_of("1", "1"))
    elsewhere = reserver.reserve(request_of("9", "9", team="sales"))
    free = reserver.reserve(request_of("0"))
    assert got(elsewhere).pusd == parse_usd("9")
    assert got(free).pusd == 0
    done(reserver)
    assert not large.done()
    assert not small.done()
    assert got(reserver.release(first))
    assert got(large).pusd == parse_usd("7")
    assert got(small).pusd == parse_usd("1")


def test_a_lower_priority_number_goes_first(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    open_now = got(reserver.reserve(request_of("8")))
    tickets = {priority: reserver.reserve(request_of("8", "8"), priority=priority) for priority in (10, 5, 1, 7)}
    small_and_urgent = reserver.reserve(request_of("2", "2"), priority=1)
    done(reserver)
    assert not small_and_urgent.done()  # the other of priority 1 came first
    for priority in (1, 5, 7, 10):
        settled(reserver, open_now)
        open_now = got(tickets.pop(priority))
        assert not any(ticket.done() for ticket in tickets.values())
    with pytest.raises(UsageError):
        reserver.reserve(request_of("1"), priority=11)


def test_what_cannot_be_paid_is_refused_at_once_also_behind_others(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    first = got(reserver.reserve(request_of("8")))
    behind = reserver.reserve(request_of("8", "8"))
    with pytest.raises(BudgetExceeded) as refused:
        got(reserver.reserve(request_of("11", "11")))
    assert "the budget of org does not allow this call" in refused.value.message
    settled(reserver, first, "8")
    with pytest.raises(BudgetExceeded):  # the money it waited for was spent
        got(behind)


def test_at_the_deadline_a_call_is_lowered_into_what_is_free_or_busy(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened(deadline_s=0.05)
    got(reserver.reserve(request_of("8")))
    assert got(reserver.reserve(request_of("5", "1"))).pusd == parse_usd("2")
    with pytest.raises(BudgetBusy) as refused:
        got(reserver.reserve(request_of("5", "1")))
    assert refused.value.http_status == 429
    assert reserver.waiting == 0


def test_a_limit_that_is_raised_lets_go_who_waits(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    got(reserver.reserve(request_of("8")))
    waiting = reserver.reserve(request_of("8", "8"))
    got(reserver.act(lambda writer: set_budget(writer, parse_who("org"), Terms(parse_usd("20"), "month"))))
    assert got(waiting).pusd == parse_usd("8")


def test_another_process_that_settles_lets_go_who_waits(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver, other, alone = opened(), opened(), SerialReserver(ledger)
    for holder in (other, alone):
        if isinstance(holder, SerialReserver):
            reservation = holder.reserve(request_of("8"))
            waiting = reserver.reserve(request_of("8", "8"))
            done(reserver)
            holder.settle(reservation, call_of(reservation.context, "0"))
        else:
            reservation = got(holder.reserve(request_of("8")))
            waiting = reserver.reserve(request_of("8", "8"))
            done(reserver)
            settled(holder, reservation)
        settled(reserver, got(waiting))
    alone.close()


def test_one_that_fails_takes_nothing_and_nobody_with_it(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    first, second = got(reserver.reserve(request_of("2"))), got(reserver.reserve(request_of("2")))

    def fail(writer: Writer) -> None:
        writer.act(Act("never", "written"))
        set_budget(writer, parse_who("org"), Terms(0))
        raise ValueError("its own fault")

    too_large = call_of(first.context, "1")._replace(latency_ms=1 << 70)
    with Blocked(reserver):
        tickets = [
            reserver.settle(first, call_of(first.context, "1")),
            reserver.act(fail),
            reserver.settle(second, too_large),
            reserver.act(lambda writer: writer.act(Act("said", "all the same")).number),
            reserver.reserve(request_of("3", team="new", user="new")),
            reserver.reserve(request_of("20", "20")),
        ]
    assert got(tickets[0]).excess_pusd == 0
    with pytest.raises(ValueError, match="its own fault"):
        got(tickets[1])
    with pytest.raises(OverflowError):
        got(tickets[2])
    assert got(tickets[3])
    assert got(tickets[4]).pusd == parse_usd("3")
    with pytest.raises(BudgetExceeded):
        got(tickets[5])
    with ledger.reading() as connection:
        acts = {row[0] for row in connection.execute("SELECT act FROM entry")}
    assert acts == {"budget set", "said"}
    assert held(ledger) == 2
    settled(reserver, second, "1")
    assert costs(ledger) == [parse_usd("1")] * 2


def test_an_act_sees_what_it_wrote_itself(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    settled(reserver, got(reserver.reserve(request_of("1"))), "1")

    def import_a_call(writer: Writer) -> str:
        book(writer, call_of(context_of(), "2", writer.now_us), Calendar(ledger.zone))
        return str(writer.connection.execute("SELECT spent FROM counter WHERE who = 'org'").fetchone()[0])

    assert got(reserver.act(import_a_call)) == str(parse_usd("3"))
    settled(reserver, got(reserver.reserve(request_of("1"))), "1")


def test_a_rate_holds_and_who_waits_for_it_goes_when_somebody_was_never_sent(ledger: Ledger, opened: Open) -> None:
    three = Rates((RateLimit("key:openai", 3),))
    reserver = opened(deadline_s=70)
    got_now = [got(reserver.reserve(request_of("1"), rates=three)) for _ in range(3)]
    front, behind = reserver.reserve(request_of("1"), rates=three), reserver.reserve(request_of("0"), rates=three)
    assert got(reserver.reserve(request_of("1"))).pusd  # no rate: does not wait
    done(reserver)
    assert reserver.waiting == 2
    assert got(reserver.release(got_now.pop()))
    assert got(front)
    assert not behind.done()
    settled(reserver, got_now.pop())  # that was a request, it makes no room
    done(reserver)
    assert not behind.done()
    assert opened(deadline_s=1) is not None
    with pytest.raises(RateReached):
        got(opened(deadline_s=1).reserve(request_of("1"), rates=three))
    assert got(reserver.release(got_now.pop()))
    assert got(behind)


def test_who_waits_for_a_rate_goes_when_its_minute_is_over(ledger: Ledger, opened: Open, time: Time) -> None:
    one = Rates((RateLimit("key:openai", 1),))
    means = ReserverSetup(Patience(deadline_s=100, now_s=lambda: time.at_us / 1e6))
    reserver = ThreadReserver(SqliteRounds(os.path.dirname(ledger.path)), means)
    got(reserver.reserve(request_of("1"), rates=one))
    begun_us, ticket = time.at_us, reserver.reserve(request_of("1"), rates=one)
    while not ticket.done():
        done(reserver)
        time.sleep(1)
    assert 60 <= (time.at_us - begun_us) / 1e6 <= 70
    assert got(ticket)
    reserver.close()


def test_who_gave_up_is_dropped_and_who_stood_behind_goes(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    got(reserver.reserve(request_of("5")))
    front, behind = reserver.reserve(request_of("8", "8")), reserver.reserve(request_of("5", "5"))
    assert front.cancel()
    reserver.look_again()
    assert got(behind).pusd == parse_usd("5")
    assert reserver.waiting == 0


def test_what_was_reserved_for_somebody_who_is_gone_is_given_back(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    inside = Blocked(reserver)
    with Blocked(reserver):
        inside.ask()
        ticket = reserver.reserve(request_of("8"))
    assert inside.stands.wait(20)  # in the transaction that will reserve
    assert ticket.cancel()
    inside.go_on()
    assert got(reserver.reserve(request_of("10"))).pusd == parse_usd("10")


def test_a_settle_that_finds_no_room_is_written_when_there_is(ledger: Ledger, opened: Open) -> None:
    said: list[str] = []
    reserver = opened(
        say=said.append,
        make_room=lambda: bool(reserver_connection(reserver).execute(f"PRAGMA max_page_count={1 << 30}")),
    )
    reservation = got(reserver.reserve(request_of("1")))
    got(reserver.act(lambda writer: writer.connection.execute("PRAGMA max_page_count=1").fetchone()))
    long = call_of(reservation.context, "1")._replace(request_id="r" * 100_000)
    assert got(reserver.settle(reservation, long)).excess_pusd == 0
    assert len(said) == 1
    assert "trying again" in said[0]


def rounds_of(reserver: Reserver) -> SqliteRounds:
    assert isinstance(reserver._rounds, SqliteRounds)
    return reserver._rounds


def reserver_connection(reserver: ThreadReserver) -> Any:
    return rounds_of(reserver).ledger._connection


def test_a_full_disk_refuses_new_calls_and_loses_no_settle(
    ledger: Ledger, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full, real = threading.Event(), SqliteRounds.commit

    def commit(*arguments: Any) -> Any:
        if is_full.is_set():
            raise DiskFull("no room")
        return real(*arguments)

    monkeypatch.setattr(SqliteRounds, "commit", commit)
    reserver = opened(retry_pauses_s=(0.001, 0.002))
    reservations = [got(reserver.reserve(request_of("1"))) for _ in range(3)]
    is_full.set()
    for reservation in reservations:
        with pytest.raises(MachineFailed):  # told after the pauses
            got(reserver.settle(reservation, call_of(reservation.context, "1")))
    with pytest.raises(DiskFull):
        got(reserver.reserve(request_of("1")))
    assert costs(ledger) == []
    is_full.clear()
    done(reserver)
    assert costs(ledger) == [parse_usd("1")] * 3
    assert held(ledger) == 0


def test_closing_writes_what_was_asked_and_refuses_who_waits(ledger: Ledger, opened: Open) -> None:
    set_limit(ledger, "org", "10")
    reserver = opened()
    first = got(reserver.reserve(request_of("8")))
    waiting = reserver.reserve(request_of("8", "8"))
    done(reserver)
    late = reserver.settle(first, call_of(first.context, "8"))
    reserver.close()
    assert got(late) is not None
    with pytest.raises((Cancelled, BudgetExceeded)):
        got(waiting)
    with pytest.raises(RuntimeError):
        reserver.reserve(request_of("1"))
    assert [name for name in os.listdir(os.path.dirname(ledger.path)) if name.startswith("process-")] == []


def test_what_is_open_at_the_end_is_booked_by_the_next_recovery(ledger: Ledger, opened: Open) -> None:
    reserver = opened()
    got(reserver.reserve(request_of("3")))
    reserver.close()
    assert len(recover(ledger)) == 1
    assert costs(ledger) == [parse_usd("3")]


def test_a_killed_process_is_found_by_the_next_who_reserves(ledger: Ledger, opened: Open, tmp_path: Path) -> None:
    set_limit(ledger, "org", "1000")
    argv = [sys.executable, __file__, os.path.dirname(ledger.path), "64"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    reserver = opened()
    got(reserver.reserve(request_of("1")))
    assert held(ledger) == 65  # it lives
    process.send_signal(signal.SIGKILL)
    process.communicate()
    opened()
    got(opened().reserve(request_of("1")))
    assert held(ledger) == 2
    assert costs(ledger) == [parse_usd("2")] * 64
    with ledger.reading() as connection:
        assert {row[0] for row in connection.execute("SELECT source FROM call")} == {"worst_case"}


def test_a_fork_cannot_use_the_reserver(opened: Open) -> None:
    reserver = opened()
    child = os.fork()
    if not child:
        try:
            reserver.reserve(request_of("1"))
        except RuntimeError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def change_budgets(writer: Writer, dice: random.Random) -> None:
    budgets = read_budgets(writer.connection)
    if budgets and dice.random() < 0.4:
        budget = dice.choice(budgets)
        remove_budget(writer, shown_limited(writer.connection, budget.who), budget.terms.period)
    else:
        who = dice.choice(["org", "team:*", "team:t1", "user:*", "token:k1", "key:openai"])
        terms = Terms(dice.randint(0, 60_000), dice.choice(["day", "month", "total"]), "block", (50, 100))
        set_budget(writer, limited_who(who), terms)


def some_context(dice: random.Random) -> Context:
    tags = dice.choice([(), (("run", str(dice.randint(1, 3))),)])
    made = context_of(
        user=dice.choice(["ana", "ben", ""]), team=f"t{dice.randint(0, 2)}", token=dice.choice(["k1", ""])
    )
    return made._replace(labels=made.labels._replace(tags=tags))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_it_adds_up(ledger: Ledger, opened: Open, seed: int) -> None:
    """Two reservers and a plain writer by turns: what one remembers, another changes."""
    dice = random.Random(seed)
    with ledger.writing() as writer:
        declare_tag(writer, "run")
        writer.connection.execute("INSERT INTO channel VALUES ('pager', 'command', '{\"on\": [\"budget\"]}', 1)")
        writer.connection.execute("UPDATE ledger SET hours_from = 0")
    reservers = [opened(deadline_s=0.01), opened(deadline_s=0.01)]
    open_now: list[tuple[ThreadReserver, Reservation]] = []
    spent = 0

    for step in range(250):
        reserver = dice.choice(reservers)
        match dice.randint(0, 9):
            case 0:
                got(reserver.act(lambda writer: change_budgets(writer, dice)))
            case 1:
                with ledger.writing() as writer:
                    change_budgets(writer, dice)
            case 2 | 3 | 4 | 5:
                context = some_context(dice)
                asked = [reserver.reserve(ReserveRequest(context, Ask(dice.randint(0, 900), 0))) for _ in range(4)]
                for ticket in asked:
                    try:
                        open_now.append((reserver, got(ticket)))
                    except (BudgetExceeded, BudgetBusy):
                        continue
            case _ if open_now:
                taken, open_now = open_now[:5], open_now[5:]
                calls = [(where, one, dice.randint(0, 1000)) for where, one in taken]
                for where, one, cost in calls:
                    got(where.settle(one, call_of(one.context._replace(answered="x"), "0")._replace(cost_pusd=cost)))
                    spent += cost
        if step % 25 == 0:
            verify(ledger)
            verify_budgets(ledger)
    assert sum(costs(ledger)) == spent
    assert held(ledger) == len(open_now)


def main(folder: str, count: int) -> None:
    """Reserve and do nothing until killed."""
    reserver = ThreadReserver(SqliteRounds(folder))
    for ticket in [reserver.reserve(request_of("2")) for _ in range(count)]:
        ticket.result(20)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))


class Recorded(AtOnce):
    """Answers that note when they were given."""

    def __init__(self, order: list[str]) -> None:
        self._order = order

    def give(self, answers: Sequence[GivenAnswer], unwanted: Callable[[Reservation], None]) -> None:
        self._order.append("answers")
        super().give(answers, unwanted)


@pytest.mark.parametrize("say_works", [True, False])
def test_the_cause_is_said_before_anybody_is_told_and_the_end_is_told_though_nothing_can_be_said(
    opened: Open, monkeypatch: pytest.MonkeyPatch, say_works: bool
) -> None:
    order: list[str] = []
    ended = threading.Event()

    def say(text: str) -> None:
        order.append(text)
        if not say_works:
            raise BrokenPipeError

    def fail(_reserver: ThreadReserver, _asked: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Reserver, "_round", fail)
    reserver = opened(say=say, ended=ended.set, answers=Recorded(order))
    with pytest.raises(MachineFailed, match="the ledger's thread failed"):
        got(reserver.act(lambda _writer: None))
    assert order[:2] == ["the ledger's thread failed: MemoryError; this process cannot go on", "answers"]
    assert ended.wait(20)
    assert not reserver.is_alive
