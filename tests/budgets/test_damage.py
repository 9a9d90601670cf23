"""A ledger edited by hand is called damaged by its place, by all that read budgets; nothing fails without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from aikeys import clock
from aikeys.budgets.check import budget_states_of
from aikeys.budgets.verify import verify_budgets
from aikeys.errors import Damaged
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.store import Ledger
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from tests.budgets.conftest import Time, set_limit, spend

EDITS = {
    "a period": ("UPDATE budget SET period = 'abc'", "budget of team:\\*"),
    "a way to act": ("UPDATE budget SET at_limit = 'abc'", "budget of team:\\*"),
    "a limit": ("UPDATE budget SET limit_pusd = 'abc'", "budget of team:\\*"),
    "a threshold": ("UPDATE budget SET alerts = '80,x'", "budget of team:\\*"),
    "for whom": ("UPDATE budget SET who = 'user:zz'", "user:zz"),
}
COUNTERS = {
    "an amount": ("UPDATE counter SET spent = 'abc'", "counter of team:sales .month."),
    "a user who is none": ("INSERT INTO counter VALUES ('user:zz', 'month', 5, '0', '0')", "user:zz"),
    "a period that is none": ("INSERT INTO counter VALUES ('org', 'abc', 5, '0', '0')", "'abc'"),
    "a counter for each": ("INSERT INTO counter VALUES ('user:*', 'day', 5, '0', '0')", "user:"),
    "a counter of nobody": ("INSERT INTO counter VALUES ('team=*', 'day', 5, '0', '0')", "team="),
}


@pytest.fixture
def limited(ledger: Ledger, time: Time) -> Ledger:
    set_limit(ledger, "team:*", "10")
    spend(ledger, "1", team="sales")
    return ledger


def edit(ledger: Ledger, statement: str) -> None:
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("name", EDITS)
def test_a_budget_that_is_none_is_named(limited: Ledger, name: str) -> None:
    statement, place = EDITS[name]
    edit(limited, statement)
    with pytest.raises(Damaged, match=place):
        budget_states_of(limited, (), clock.now_us())
    with pytest.raises(Damaged, match=place):
        verify_budgets(limited)


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_that_is_none_is_named(limited: Ledger, name: str) -> None:
    statement, place = COUNTERS[name]
    edit(limited, statement)
    with pytest.raises(Damaged, match=place):
        verify_budgets(limited)


def test_a_text_that_is_gone_is_said(limited: Ledger) -> None:
    edit(limited, "DELETE FROM word WHERE text = 'sales'")
    with pytest.raises(Damaged, match="has lost text"):
        budget_states_of(limited, (), clock.now_us())


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE rollup_month SET source = 'zz'", "'zz', which is not a cost source"),
        ("UPDATE ledger SET zone = 'Mars/X'", "'Mars/X'"),
    ],
)
def test_a_report_of_it_says_what_is_damaged(limited: Ledger, statement: str, place: str) -> None:
    edit(limited, statement)
    damaged = Ledger(limited.path.rpartition("/")[0]).open()
    try:
        with pytest.raises(Damaged, match=place):
            asking.report(damaged, ReportRequest("cost", ("team",), (), RangeWords(), ""), clock.now_us())
    finally:
        damaged.close()
