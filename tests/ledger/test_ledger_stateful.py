"""Whatever happens to a ledger in whatever order: it verifies, with all its archives, and every total is the sum."""

from __future__ import annotations

import json
import shutil
import tempfile
from itertools import count
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aikeys.budgets.booking import book as booking
from aikeys.errors import NotFound, UsageError
from aikeys.ledger import archive
from aikeys.ledger.corrections import correct
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.importing import import_calls
from aikeys.ledger.receipts import Receipt, receipt_of
from aikeys.ledger.rollups import declare_tag
from aikeys.money import joined
from tests.ledger.conftest import DAY_US, SIGNER, START_US, Book, Clock, call

NAMES = st.sampled_from(["ana", "bob", ""])
SOURCES = st.sampled_from(["billed", "computed", "estimated", "worst_case", "unpriced"])


class LedgerMachine(RuleBasedStateMachine):
    """A ledger, and beside it the plain sums it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.ticking = Clock(START_US)
        self.patched = patch("aikeys.clock.now_us", lambda: self.ticking.now_us)
        self.patched.start()
        self.book = Book(self.folder, self.ticking, "America/Havana")
        self.total_pusd = 0
        self.costs: dict[int, int] = {}
        self.unsure: list[int] = []
        self.segments: list[str] = []
        self.receipts: list[Receipt] = []
        self.ids = count()

    def teardown(self) -> None:
        self.book.ledger.close()
        self.patched.stop()
        shutil.rmtree(self.folder)

    @rule(
        ago=st.integers(0, 50 * DAY_US),
        cost=st.integers(0, 10**18),
        source=SOURCES,
        user=NAMES,
        team=NAMES,
        tagged=st.booleans(),
    )
    def spend(self, ago: int, cost: int, source: str, user: str, team: str, tagged: bool) -> None:
        tags = (("client", "acme"), ("x", "y")) if tagged else ()
        one = call(
            self.ticking.now_us - ago, cost_pusd=cost, cost_source=source, user=user, team=team, token=team, tags=tags
        )
        with self.book.ledger.writing() as writer:
            head = booking(writer, one, self.book.calendar)
        self.total_pusd += cost
        self.costs[head.number] = cost
        if source not in ("billed", "computed"):
            self.unsure.append(head.number)

    @rule(days=st.integers(-3, 40))
    def time_passes_or_the_clock_is_set(self, days: int) -> None:
        self.ticking.move(days * DAY_US + 12_345)

    @rule(person=NAMES)
    def act(self, person: str) -> None:
        self.book.act(person=person)

    @rule()
    def sign(self) -> None:
        self.book.sign()

    @rule()
    def keep_a_receipt(self) -> None:
        self.receipts.append(receipt_of(self.book.ledger))

    @rule()
    def declare(self) -> None:
        with self.book.ledger.writing() as writer:
            declare_tag(writer, "client")

    @precondition(lambda self: self.unsure)
    @rule(which=st.integers(0, 10**6), cost=st.integers(0, 10**18))
    def correct_a_cost(self, which: int, cost: int) -> None:
        number = self.unsure[which % len(self.unsure)]
        try:
            with self.book.ledger.writing() as writer:
                correct(writer, number, cost, booking)
        except (NotFound, UsageError):  # archived meanwhile, or corrected to that already
            return
        self.total_pusd += cost - self.costs[number]
        self.costs[number] = cost

    @rule(name=st.sampled_from(["ana", "bob"]))
    def erase(self, name: str) -> None:
        try:
            erase_person(self.book.ledger, name)
        except NotFound:
            return

    @rule(cents=st.lists(st.integers(0, 99), min_size=1, max_size=3), user=NAMES)
    def import_twice(self, cents: list[int], user: str) -> None:
        lines = [
            json.dumps({"id": f"i{next(self.ids)}", "at": "2026-09-01T00:00:00Z", "provider": "p", "model": "m",
                        "cost_usd": f"0.{cent:02}", "user": user}).encode()
            for cent in cents
        ]  # fmt: skip
        for _ in range(2):
            import_calls(self.book.ledger, lines, booking, lambda one: one, lambda _: None)
        self.total_pusd += sum(cents) * 10**10

    @rule(days=st.integers(0, 60))
    def archive(self, days: int) -> None:
        ledger = self.book.ledger
        try:
            last = archive.last_before(ledger, self.ticking.now_us - days * DAY_US, 1 << 62)
        except NotFound:
            return
        segment = archive.write(ledger, last, SIGNER, str(self.folder))
        archive.remove(ledger, segment, SIGNER)
        self.segments.append(segment.path)
        self.unsure = [number for number in self.unsure if number > last.number]

    @invariant()
    def everything_verifies_and_adds_up(self) -> None:
        self.book.verify(*self.receipts, segments=tuple(self.segments))
        with self.book.ledger.reading() as connection:
            high, low = connection.execute("SELECT sum(cost_high), sum(cost_low) FROM rollup_day").fetchone()
        assert joined(high or 0, low or 0) == self.total_pusd


LedgerMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestLedger = LedgerMachine.TestCase
