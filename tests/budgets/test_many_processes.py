"""Sixteen processes on one ledger: never over a limit, no phantom refusal, nothing lost when half of them are killed.

AIKEYS_TEST_RESERVATIONS says how many reservations each process makes (500 in the full run).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aikeys.budgets.decisions import Ask
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import ReserveRequest
from aikeys.budgets.verify import verify_budgets
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from tests.budgets.conftest import call_of, context_of
from tests.budgets.one_at_a_time import SerialReserver, Waiting

PROCESSES = 16
EACH = int(os.environ.get("AIKEYS_TEST_RESERVATIONS", "20"))
ROOT = Path(__file__).parents[2]
WORST, FLOOR = 1_000, 400


def work(folder: str, seed: int, count: int) -> dict[str, int]:
    """Reserve and settle `count` times with random costs; return what was seen."""
    dice = random.Random(seed)
    reserver = SerialReserver(Ledger(folder), Waiting(deadline_s=600))
    seen = {"settled": 0, "released": 0, "refused": 0, "phantom": 0, "over": 0, "cost": 0, "lowered": 0}
    print("ready", flush=True)
    for _ in range(count):
        try:
            request = ReserveRequest(context_of(user=f"u{seed % 4}", team=f"t{seed % 2}"), Ask(WORST, FLOOR))
            reservation = reserver.reserve(request)
        except BudgetExceeded as refused:
            seen["refused"] += 1
            seen["phantom"] += refused.room.left_pusd >= FLOOR
            continue
        seen["lowered"] += reservation.pusd < WORST
        seen["over"] += over_limit(reserver.ledger)
        if dice.random() < 0.05:
            reserver.release(reservation)
            seen["released"] += 1
            continue
        cost = dice.randint(0, reservation.pusd)
        reserver.settle(reservation, call_of(reservation.context, "0")._replace(cost_pusd=cost))
        seen["settled"] += 1
        seen["cost"] += cost
    reserver.close()
    return seen


def over_limit(ledger: Ledger) -> int:
    """Count the blocking budgets that are over their limit at this instant."""
    with ledger.reading() as connection:
        rows = connection.execute(
            "SELECT b.limit_pusd, c.spent, c.reserved FROM counter c JOIN budget b ON b.period = c.period "
            "AND (b.who = c.who OR b.who = substr(c.who, 1, instr(c.who, ':')) || '*')"
        ).fetchall()
    return sum(int(spent) + int(reserved) > int(limit) for limit, spent, reserved in rows)


def hold(folder: str, amount: int) -> None:
    """Reserve and do nothing until killed."""
    reserver = SerialReserver(Ledger(folder))
    reserver.reserve(ReserveRequest(context_of(), Ask(amount, amount)))
    print("ready", flush=True)
    signal.pause()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        argv = [sys.executable, __file__, str(tmp_path / "ledger"), *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True, cwd=tmp_path)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the last line of a process, read from where `wait_ready` left off."""
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(60) == 0
    seen: dict[str, int] = json.loads(out.splitlines()[-1])
    return seen


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def limit_pusd(ledger: Ledger, who: str, pusd: int) -> None:
    from aikeys.budgets.changes import set_budget
    from aikeys.budgets.terms import Terms
    from aikeys.budgets.who import parse_who

    with ledger.writing() as writer:
        set_budget(writer, parse_who(who), Terms(pusd, "month", "block", (50, 100)))


def totals(ledger: Ledger) -> tuple[int, int, int]:
    """Return (calls, their cost, open reservations)."""
    with ledger.reading() as connection:
        calls, cost = connection.execute("SELECT count(*), total(cost_pusd) FROM call").fetchone()
        return calls, int(cost), connection.execute("SELECT count(*) FROM reservation").fetchone()[0]


def locks(ledger: Ledger) -> list[str]:
    return [name for name in os.listdir(os.path.dirname(ledger.path)) if name.startswith("process-")]


def test_sixteen_processes_never_pass_a_limit_nor_refuse_what_there_is_money_for(ledger: Ledger, start: Start) -> None:
    room = PROCESSES * EACH * WORST // 4  # half of what they would spend
    limit_pusd(ledger, "org", room)
    limit_pusd(ledger, "team:*", room * 3 // 5)
    limit_pusd(ledger, "user:*", room * 2 // 5)
    processes = [start("work", seed, EACH) for seed in range(PROCESSES)]
    seen = [told(process) for process in processes]
    total = {name: sum(one[name] for one in seen) for name in seen[0]}
    print(total)
    assert total["over"] == total["phantom"] == 0
    assert total["settled"] + total["released"] + total["refused"] == PROCESSES * EACH
    assert total["refused"] > 0
    assert totals(ledger) == (total["settled"], total["cost"], 0)
    assert room - FLOOR < total["cost"] <= room  # it refused only when it was full
    assert locks(ledger) == []
    assert recover(ledger) == ()
    verify_budgets(ledger)
    verify(ledger)


def test_what_half_of_the_processes_held_when_they_were_killed_is_booked_at_its_worst_case(
    ledger: Ledger, start: Start
) -> None:
    limit_pusd(ledger, "org", PROCESSES * EACH * WORST * 100)
    processes = [start("work", seed, EACH * 50 if seed % 2 else EACH) for seed in range(PROCESSES)]
    for process in processes:
        wait_ready(process)
    doomed, kept = processes[1::2], processes[::2]
    while totals(ledger)[0] < PROCESSES * 2:  # in the middle of it
        assert all(process.poll() is None for process in doomed)
    for process in doomed:
        process.kill()
        process.wait()
    seen = [told(process) for process in kept]
    assert all(one["over"] == one["refused"] == 0 for one in seen)
    recover(ledger)
    calls, cost, still_open = totals(ledger)
    with ledger.reading() as connection:
        lost, lost_cost = connection.execute(
            "SELECT count(*), total(cost_pusd) FROM call WHERE source = 'worst_case' AND status = 'lost'"
        ).fetchone()
        own = connection.execute(
            "SELECT count(*), total(cost_pusd) FROM call JOIN context c ON c.id = context JOIN slot s ON s.id = c.slot "
            "JOIN word w ON w.id = s.team WHERE w.text = 't0'"
        ).fetchone()
    assert still_open == 0
    assert lost <= len(doomed)
    assert lost_cost == lost * WORST
    assert own == (sum(one["settled"] for one in seen), sum(one["cost"] for one in seen))
    assert cost >= lost_cost
    assert calls > lost
    assert locks(ledger) == []
    verify_budgets(ledger)
    verify(ledger)


def test_a_killed_process_loses_its_reservation_to_exactly_one_of_many_recoverers(ledger: Ledger, start: Start) -> None:
    limit_pusd(ledger, "org", 10**9)
    dead = [start("hold", 100 + at) for at in range(6)]
    for process in dead:
        wait_ready(process)
    for process in dead:
        process.kill()
        process.wait()
    recoverers = [start("recover") for _ in range(6)]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in recoverers]
    assert all(process.returncode == 0 for process in recoverers)
    assert sum(found) == 6
    assert totals(ledger) == (6, sum(range(100, 106)), 0)
    verify_budgets(ledger)


def test_a_stopped_process_is_not_dead(ledger: Ledger, start: Start) -> None:
    limit_pusd(ledger, "org", 10**9)
    stopped = start("hold", 100)
    wait_ready(stopped)
    stopped.send_signal(signal.SIGSTOP)
    os.waitpid(stopped.pid, os.WUNTRACED)
    assert recover(ledger) == ()
    assert totals(ledger) == (0, 0, 1)
    stopped.send_signal(signal.SIGCONT)
    stopped.kill()
    stopped.wait()
    assert len(recover(ledger)) == 1


def test_a_child_that_outlives_its_parent_does_not_keep_it_alive(ledger: Ledger, start: Start) -> None:
    limit_pusd(ledger, "org", 10**9)
    parent = start("hold-with-child", 100)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())  # written by the child: it has let go of its parent's lock
    try:
        parent.kill()
        parent.wait()
        os.kill(child, 0)
        assert len(recover(ledger)) == 1
    finally:
        os.kill(child, signal.SIGKILL)


def main(folder: str, task: str, *numbers: str) -> None:
    match task:
        case "work":
            print(json.dumps(work(folder, *map(int, numbers))))  # type: ignore[arg-type]
        case "hold":
            hold(folder, int(numbers[0]))
        case "recover":
            print(len(recover(Ledger(folder))))
        case "hold-with-child":
            reserver = SerialReserver(Ledger(folder))
            reserver.reserve(ReserveRequest(context_of(), Ask(int(numbers[0]), 1)))
            if not os.fork():
                print(os.getpid(), flush=True)
            signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
