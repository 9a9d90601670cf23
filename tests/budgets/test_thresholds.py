"""Each threshold is told once, in the transaction that reached it, with all one needs to act."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aikeys.alerts.messages import AlertMessage, decode
from aikeys.budgets.reservations import Reservation
from aikeys.budgets.thresholds import percent_text, reached
from aikeys.ledger.store import Ledger
from tests.budgets.conftest import Time, call_of, request_of, set_limit, spend
from tests.budgets.one_at_a_time import SerialReserver


def listen(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        settings = json.dumps({"on": ["budget"]})
        writer.connection.execute("INSERT INTO channel VALUES ('pager', 'command', ?, 1)", (settings,))


def told(ledger: Ledger) -> list[AlertMessage]:
    with ledger.reading() as connection:
        return [decode(row[0]) for row in connection.execute("SELECT message FROM outbox ORDER BY id")]


def subjects(ledger: Ledger) -> list[str]:
    return [message.subject for message in told(ledger)]


def settle(reserver: SerialReserver, cost: str, **labels: str) -> Reservation:
    reservation = reserver.reserve(request_of(cost, **labels))
    reserver.settle(reservation, call_of(reservation.context, cost))
    return reservation


def test_a_threshold_is_told_when_the_call_that_reaches_it_is_booked(ledger: Ledger, reserver: SerialReserver) -> None:
    listen(ledger)
    set_limit(ledger, "team:support", "10", alerts=(80, 100))
    settle(reserver, "7.99")
    assert told(ledger) == []
    settle(reserver, "0.01")
    assert subjects(ledger) == ["budget team:support: $8.00 of $10.00 (80 % reached)"]
    settle(reserver, "1")
    assert len(told(ledger)) == 1
    settle(reserver, "1")
    assert subjects(ledger)[1:] == ["budget team:support: $10.00 of $10.00 (100 % reached)"]


def test_a_threshold_that_is_passed_twice_is_told_once(ledger: Ledger, time: Time) -> None:
    listen(ledger)
    set_limit(ledger, "org", "10", alerts=(80,))
    slow = SerialReserver(ledger, time.patience)
    lost = slow.reserve(request_of("9"))
    slow.process.leave()
    reserver = SerialReserver(ledger, time.patience)
    reserver.reserve(request_of("0"))  # finds the dead
    assert len(told(ledger)) == 1
    slow.settle(lost, call_of(lost.context, "1"))  # a correction: below the threshold again
    settle(reserver, "8")
    assert len(told(ledger)) == 1
    reserver.process.leave()


def test_a_new_period_a_new_limit_and_another_team_are_told_anew(
    ledger: Ledger, reserver: SerialReserver, time: Time
) -> None:
    listen(ledger)
    set_limit(ledger, "team:*", "10", alerts=(80,), at_limit="warn")
    settle(reserver, "9")
    settle(reserver, "9", team="sales")
    set_limit(ledger, "team:*", "100", alerts=(80,), at_limit="warn")
    settle(reserver, "80")
    time.set("2026-12-01T00:00:00+00:00")
    settle(reserver, "90")
    assert [subject.partition(" (")[0] for subject in subjects(ledger)] == [
        "budget team:support: $9.00 of $10.00",
        "budget team:sales: $9.00 of $10.00",
        "budget team:support: $89.00 of $100.00",
        "budget team:support: $90.00 of $100.00",
    ]


def test_a_budget_that_is_full_when_it_is_set_tells_at_once(ledger: Ledger, reserver: SerialReserver) -> None:
    listen(ledger)
    settle(reserver, "9")
    set_limit(ledger, "org", "10", alerts=(50, 80, 100))
    set_limit(ledger, "org", "10", alerts=(50, 80, 100))
    assert subjects(ledger) == [
        "budget org: $9.00 of $10.00 (50 % reached)",
        "budget org: $9.00 of $10.00 (80 % reached)",
    ]


def test_an_import_of_this_month_is_told_and_one_of_last_year_is_not(ledger: Ledger, time: Time) -> None:
    listen(ledger)
    set_limit(ledger, "team:*", "10", alerts=(80,))
    spend(ledger, "9", "2025-11-23T12:00:00+00:00")
    assert told(ledger) == []
    spend(ledger, "9", "2026-11-01T12:00:00+00:00")
    assert len(told(ledger)) == 1


def test_a_message_says_total_limit_percent_who_spent_it_and_what_to_type(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    listen(ledger)
    set_limit(ledger, "org", "100", "week", alerts=(80,))
    for team, cost in (("support", "50"), ("sales", "20"), ("research", "5"), ("legal", "1")):
        settle(reserver, cost, team=team)
    reserver.reserve(request_of("4"))
    settle(reserver, "5.5", team="sales")
    (message,) = told(ledger)
    assert message.text == (
        "org has spent $81.50 of $100.00 this week, 81.5 %.\n"
        "Open reservations hold another $4.00.\n"
        "\n"
        "Most was spent by:\n"
        "  team:support  $50.00\n"
        "  team:sales  $25.50\n"
        "  team:research  $5.00\n"
        "\n"
        "Calls that do not fit below the limit are refused.\n"
        "\n"
        "See how full it is:   aikeys budget check org\n"
        "See what it went to:  aikeys report --by model,project\n"
        "Change the limit:     aikeys budget set org USD --period week"
    )
    facts = dict(message.facts)
    assert (facts["who"], facts["spent_usd"], facts["limit_usd"]) == ("org", "81.50", "100.00")
    assert (facts["remaining_usd"], facts["reserved_usd"], facts["threshold_percent"]) == ("14.50", "4.00", "80")
    assert facts["period_start"] == "2026-11-23"


def test_a_users_budget_names_the_user_and_once_does_not(ledger: Ledger, reserver: SerialReserver) -> None:
    listen(ledger)
    set_limit(ledger, "user:ana", "10", alerts=(100,))
    settle(reserver, "10")
    (message,) = told(ledger)
    assert message.subject.startswith("budget user:ana:")
    assert "team:support" in message.text
    with ledger.reading() as connection:
        once = connection.execute("SELECT once FROM outbox").fetchone()[0]
    assert "ana" not in once


def test_at_a_limit_of_zero_the_first_cost_is_told(ledger: Ledger, reserver: SerialReserver) -> None:
    listen(ledger)
    set_limit(ledger, "org", "0", at_limit="warn", alerts=(80, 100))
    settle(reserver, "0")
    assert told(ledger) == []
    settle(reserver, "0.01")
    assert len(told(ledger)) == 2


def test_percents_are_rounded_down() -> None:
    assert percent_text(99_999, 100_000) == "99.9 %"
    assert percent_text(100_000, 100_000) == "100 %"
    assert percent_text(5, 0) == ""


amounts = st.integers(min_value=0, max_value=10**20)


@given(st.lists(amounts, min_size=1, max_size=8), st.integers(min_value=1, max_value=10**20))
def test_every_threshold_on_the_way_is_reached_exactly_once(costs: list[int], limit: int) -> None:
    alerts = (1, 50, 80, 100, 150)
    spent, seen = 0, []
    for cost in costs:
        seen += reached(spent, spent + cost, limit, alerts)
        spent += cost
    assert seen == [percent for percent in alerts if spent * 100 >= percent * limit]
