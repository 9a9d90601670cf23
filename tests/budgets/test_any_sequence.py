"""Σ entries = Σ roll-ups = counters after any sequence of what can happen to money (stateful)."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aikeys import clock
from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.counters import made_counter, span_of
from aikeys.budgets.decisions import AT_LIMIT, BLOCKING, Ask
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.budgets.reservations import Reservation, ReserveRequest
from aikeys.budgets.store import applying, read_budgets, shown_limited
from aikeys.budgets.terms import PERIODS, Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import limited_who, whos_of
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
from tests.budgets.conftest import Time, context_of, spend, us_of
from tests.budgets.one_at_a_time import SerialReserver

START = "2026-10-28T12:00:00+00:00"  # days around hold a change of clocks, of week and of month
LIMITS = st.integers(min_value=0, max_value=60).map(lambda units: units * UNIT)
UNIT = 2 * 10**18  # two million USD: sums pass 64 bits
WHOS = st.sampled_from(["org", "team:*", "team:a", "user:ana", "user:*", "key:openai", "token:t1", "project:*"])
LABELS = st.fixed_dictionaries(
    {
        "team": st.sampled_from(["a", "b", ""]),
        "user": st.sampled_from(["ana", "ben", ""]),
        "token": st.sampled_from(["t1", ""]),
    }
)
COSTS = st.integers(min_value=0, max_value=4 * UNIT)


class Money(RuleBasedStateMachine):
    """A ledger, a few reservers that come and go, and a plain dictionary of what it should all add up to."""

    @initialize()
    def start(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.time = Time(us_of(START))
        self.patch.setattr(clock, "now_us", lambda: self.time.at_us)
        self.folder = tempfile.mkdtemp()
        self.ledger = Ledger(self.folder).open_or_create(b"L" * 16, "Europe/Berlin")
        assert self.ledger._connection is not None
        self.ledger._connection.execute("PRAGMA synchronous=OFF")
        self.reserver = self.new_reserver()
        self.open: dict[bytes, tuple[SerialReserver, Reservation]] = {}
        self.gone: dict[bytes, tuple[SerialReserver, Reservation]] = {}
        self.cost = 0

    def new_reserver(self) -> SerialReserver:
        return SerialReserver(self.ledger, self.time.patience._replace(deadline_s=0.05))

    @rule(labels=LABELS, worst=COSTS, share=st.integers(min_value=0, max_value=4))
    def reserve(self, labels: dict[str, str], worst: int, share: int) -> None:
        price = Ask(worst, worst * share // 4)
        try:
            reservation = self.reserver.reserve(ReserveRequest(context_of(**labels), price))
        except (BudgetExceeded, BudgetBusy) as refused:
            self.check_refusal(refused, price)
            return
        assert price.floor_pusd <= reservation.pusd <= price.worst_pusd
        self.open[reservation.id] = (self.reserver, reservation)
        with self.ledger.reading() as connection:
            self.check_limits(connection, labels)

    def check_refusal(self, refused: BudgetExceeded | BudgetBusy, price: Ask) -> None:
        room = refused.room
        there_was = room.left_pusd if isinstance(refused, BudgetExceeded) else room.free_pusd
        assert there_was < max(price.floor_pusd, 1)

    def check_limits(self, connection: Any, labels: dict[str, str]) -> None:
        """What was just reserved passed no limit, whatever was spent before without one."""
        context = context_of(**labels)
        digest = connection.execute("SELECT digest FROM person WHERE name = ?", (labels["user"],)).fetchone()
        day = Calendar("Europe/Berlin").day_of(self.time.at_us)
        newest = next(reversed(self.open.values()))[1]
        for who, budget in applying(connection, whos_of(context, digest[0] if digest else b"")):
            if budget.terms.at_limit in BLOCKING and newest.pusd:
                counter = made_counter(connection, who, span_of(budget.terms.period, day))
                assert counter.spent_pusd + counter.reserved_pusd <= budget.terms.limit_pusd

    def take(
        self, data: Any, among: dict[bytes, tuple[SerialReserver, Reservation]]
    ) -> tuple[SerialReserver, Reservation]:
        return among.pop(data.draw(st.sampled_from(sorted(among))))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), cost=COSTS)
    def settle(self, data: Any, cost: int) -> None:
        reserver, reservation = self.take(data, self.open)
        done = reserver.settle(reservation, Call(0, 0, reservation.context, cost_pusd=cost))
        assert done is not None
        assert done.excess_pusd == max(0, cost - reservation.pusd)
        assert reserver.settle(reservation, Call(0, 0, reservation.context, cost_pusd=cost)) is None
        self.cost += cost

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data: Any) -> None:
        reserver, reservation = self.take(data, self.open)
        assert reserver.release(reservation)

    @rule()
    def crash_and_recover(self) -> None:
        self.reserver.process.leave()
        lost = {number: one for number, one in self.open.items() if one[0] is self.reserver}
        entries = recover(self.ledger)
        assert len(entries) == len(lost)
        assert recover(self.ledger) == ()
        for number, one in lost.items():
            self.cost += one[1].pusd
            self.gone[number] = self.open.pop(number)
        self.reserver = self.new_reserver()

    @precondition(lambda self: self.gone)
    @rule(data=st.data(), cost=COSTS)
    def settle_late(self, data: Any, cost: int) -> None:
        reserver, reservation = self.take(data, self.gone)
        call = Call(0, 0, reservation.context, cost_pusd=cost)
        assert reserver.settle(reservation, call) is not None
        assert reserver.settle(reservation, call) is None
        self.cost += cost - reservation.pusd

    @rule(labels=LABELS, days=st.integers(min_value=0, max_value=18))
    def import_an_old_call(self, labels: dict[str, str], days: int) -> None:
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(self.time.at_us / 1e6 - days * 86400, UTC).isoformat()
        spend(self.ledger, "0.000000000007", at, **labels)
        self.cost += 7

    @rule(
        who=WHOS, limit=LIMITS, period=st.sampled_from(PERIODS), at_limit=st.sampled_from(AT_LIMIT),
        alerts=st.sampled_from([(), (80, 100)]),
    )  # fmt: skip
    def set_budget(self, who: str, limit: int, period: str, at_limit: str, alerts: tuple[int, ...]) -> None:
        with self.ledger.writing() as writer:
            set_budget(writer, limited_who(who), Terms(limit, period, at_limit, alerts))

    @rule(data=st.data())
    def remove_budget(self, data: Any) -> None:
        with self.ledger.writing() as writer:
            budgets = read_budgets(writer.connection)
            if budgets:
                budget = data.draw(st.sampled_from(budgets))
                remove_budget(writer, shown_limited(writer.connection, budget.who), budget.terms.period)

    @rule(hours=st.integers(min_value=-8 * 24, max_value=8 * 24))
    def set_the_clock(self, hours: int) -> None:
        self.time.at_us = us_of(START) + hours * 3_600_000_000

    @rule()
    def erase_a_person(self) -> None:
        with self.ledger.writing() as writer:
            row = writer.connection.execute("SELECT digest FROM person WHERE name = 'ben'").fetchone()
            if row:
                writer.connection.execute("UPDATE person SET name = NULL, salt = NULL WHERE digest = ?", row)
                writer.act(Act("ledger erase", "user", bytes(row[0]).hex()))

    @invariant()
    def it_adds_up(self) -> None:
        if not hasattr(self, "ledger"):
            return
        verify_budgets(self.ledger)
        with self.ledger.reading() as connection:
            entries = sum(row[0] for row in connection.execute("SELECT cost_pusd FROM call"))
            rolled = sum(
                (row[0] << 32) + row[1] for row in connection.execute("SELECT cost_high, cost_low FROM rollup_day")
            )
            held = [row[0] for row in connection.execute("SELECT pusd FROM reservation")]
        assert entries == rolled == self.cost
        assert sorted(held) == sorted(one.pusd for _, one in self.open.values())

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            verify(self.ledger)
            self.ledger.close()
            shutil.rmtree(self.folder)
            self.patch.undo()


TestMoney = Money.TestCase
TestMoney.settings = settings(
    max_examples=int(os.environ.get("AIKEYS_TEST_SEQUENCES", "15")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
