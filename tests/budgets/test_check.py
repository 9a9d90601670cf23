"""ok, warning, exceeded, undecided: what is not known is never ok."""

from __future__ import annotations

from decimal import Decimal

import pytest

from aikeys.budgets.check import (
    BudgetState,
    budget_states_of,
    checked,
    parse_percent,
    state_of,
    tightest,
    unmetered_runs,
    worst_of,
)
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from aikeys.cli.render.budget_states import cells
from aikeys.errors import UsageError
from aikeys.ledger.store import Act, Ledger
from aikeys.money import usd_text
from aikeys.reports.records import budget_state
from tests.budgets.conftest import Time, context_of, request_of, set_limit, spend
from tests.budgets.one_at_a_time import SerialReserver


def look(ledger: Ledger, time: Time, *whos: str, unpriced: str | None = None) -> list[tuple[str, str, str, str]]:
    share = None if unpriced is None else Decimal(unpriced)
    found = budget_states_of(ledger, [parse_who(who) for who in whos], time.at_us, share)
    return [(one.who, one.terms.period if one.terms else "", usd_text(one.spent_pusd), one.state) for one in found]


def notes_of(ledger: Ledger, time: Time) -> list[str]:
    return checked(ledger, (), time.at_us, None)[1]


@pytest.mark.parametrize(
    ("spent", "limit", "alerts", "state"),
    [
        (0, 100, (80, 100), "ok"),
        (79, 100, (80, 100), "ok"),
        (80, 100, (80, 100), "warning"),
        (99, 100, (80, 100), "warning"),
        (100, 100, (80, 100), "exceeded"),
        (101, 100, (80, 100), "exceeded"),
        (99, 100, (), "ok"),
        (100, 100, (), "exceeded"),
        (0, 0, (80,), "ok"),
        (1, 0, (80,), "exceeded"),
    ],
)
def test_the_state_follows_from_what_is_spent(spent: int, limit: int, alerts: tuple[int, ...], state: str) -> None:
    assert state_of(spent, Terms(limit, alerts=alerts)) == state


def test_the_worst_state_decides_and_nothing_at_all_is_undecided() -> None:
    assert worst_of(["ok", "warning", "ok"]) == "warning"
    assert worst_of(["ok", "undecided", "warning"]) == "undecided"
    assert worst_of(["undecided", "exceeded"]) == "exceeded"
    assert worst_of([]) == "undecided"
    assert tightest([]) is None


def test_of_the_worst_state_the_fullest_budget_decides() -> None:
    def one(who: str, spent: int, state: str) -> BudgetState:
        return BudgetState(who, Terms(100), 0, spent, 0, 0, 0, state)

    states = [one("a", 99, "warning"), one("b", 100, "exceeded"), one("c", 150, "exceeded")]
    found = tightest(states)
    assert found is not None
    assert found.who == "c"


def test_all_budgets_are_looked_at_where_none_is_named(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10", alerts=(80,))
    set_limit(ledger, "user:ana", "5", "week")
    spend(ledger, "8")
    assert look(ledger, time) == [("org", "month", "8.00", "warning"), ("user:ana", "week", "8.00", "exceeded")]


def test_a_budget_for_each_becomes_a_line_for_everyone_under_it(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "team:*", "5")
    set_limit(ledger, "team:support", "50")
    for team, cost in (("support", "9"), ("sales", "6"), ("legal", "1"), ("", "7")):
        spend(ledger, cost, team=team)
    everybody = [("team:legal", "month", "1.00", "ok"), ("team:sales", "month", "6.00", "exceeded")]
    assert look(ledger, time) == [*everybody, ("team:support", "month", "9.00", "ok")]
    assert look(ledger, time, "team:*") == everybody
    assert look(ledger, time, "team:sales") == [("team:sales", "month", "6.00", "exceeded")]
    assert look(ledger, time, "team:new") == [("team:new", "month", "0.00", "ok")]


def test_who_has_no_budget_is_undecided(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    spend(ledger, "1")
    assert look(ledger, time, "team:support") == [("team:support", "", "0.00", "undecided")]
    assert look(ledger, time, "user:nobody", "team:*")[0][3] == "undecided"
    assert look(ledger, time, "user:nobody", "team:*")[1][3] == "undecided"


def test_without_any_budget_there_is_nothing_to_say(ledger: Ledger, time: Time) -> None:
    assert look(ledger, time) == []


def unpriced(ledger: Ledger, count: int) -> None:
    from aikeys.budgets.booking import book
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.calls import Call

    with ledger.writing() as writer:
        for _ in range(count):
            call = Call(writer.now_us, writer.now_us, context_of(), cost_source="unpriced")
            book(writer, call, Calendar("UTC"))


def test_more_unpriced_requests_than_allowed_are_undecided_and_never_ok(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    for _ in range(19):
        spend(ledger, "0.10")
    unpriced(ledger, 1)
    assert look(ledger, time, unpriced="5")[0][3] == "ok"
    assert look(ledger, time, unpriced="4.99")[0][3] == "undecided"
    assert look(ledger, time)[0][3] == "ok"
    spend(ledger, "9")
    assert look(ledger, time, unpriced="0")[0][3] == "exceeded"


def test_raw_exec_runs_of_the_period_are_counted(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    ledger.event(Act("exec", "openai", "program=python"))
    assert "1 exec run was not metered: what it spent is not in the sums" in notes_of(ledger, time)
    time.set("2026-12-01T00:00:01+00:00")
    ledger.event(Act("exec", "openai", "program=python"))
    ledger.event(Act("exec", "openai", "program=python"))
    assert unmetered_runs(ledger, budget_states_of(ledger, (), time.at_us)) == 2
    assert "2 exec runs were not metered: what they spent is not in the sums" in notes_of(ledger, time)
    set_limit(ledger, "org", "10", "total")
    assert unmetered_runs(ledger, budget_states_of(ledger, (), time.at_us)) == 3


@pytest.mark.parametrize("text", ["-1", "101", "NaN", "inf", "x", "", "1e9"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_percent(text)


def test_a_percentage_may_have_decimals() -> None:
    assert parse_percent("2.5%") == Decimal("2.5")


def test_what_was_not_looked_up_has_no_amount(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    spend(ledger, "1")
    (one,) = budget_states_of(ledger, [parse_who("team:support")], time.at_us)
    assert cells(one) == ["team:support", "-", "-", "-", "-", "-", "-", "undecided: there is no budget"]
    found = budget_state(one)
    assert {name for name, value in found.items() if value is not None} == {"who", "state", "reason"}


def test_what_is_left_is_left_for_calls_to_come(ledger: Ledger, time: Time, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "10")
    spend(ledger, "1")
    reserver.reserve(request_of("2.5"))
    (one,) = budget_states_of(ledger, (), time.at_us)
    assert cells(one)[:6] == ["org", "month", "$1.00", "$2.50", "$10.00", "$6.50"]
    assert budget_state(one)["remaining_usd"] == "6.50"
