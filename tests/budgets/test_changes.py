"""Setting and removing budgets is chained, and a row edited by hand is found."""

from __future__ import annotations

import pytest

from aikeys.budgets.changes import remove_budget, remove_budgets_of
from aikeys.budgets.store import Budget, read_budgets, shown_limited
from aikeys.budgets.terms import Terms, parse_alerts, parse_at_limit, parse_period, read_terms, terms_text
from aikeys.budgets.verify import verify_budgets
from aikeys.errors import Damaged, NotFound, UsageError
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.budgets.conftest import Time, request_of, set_limit, spend
from tests.budgets.one_at_a_time import SerialReserver


def remove(ledger: Ledger, who: str, period: str | None = None) -> None:
    with ledger.writing() as writer:
        remove_budget(writer, who, period)


def rows(ledger: Ledger) -> list[tuple[str, str, int]]:
    with ledger.reading() as connection:
        return [
            (shown_limited(connection, one.who), one.terms.period, one.terms.limit_pusd)
            for one in read_budgets(connection)
        ]


def edit(ledger: Ledger, statement: str) -> None:
    with ledger.writing() as writer:
        writer.connection.execute(statement)


def test_setting_again_replaces_and_another_period_stands_beside(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    set_limit(ledger, "org", "3", "day")
    set_limit(ledger, "org", "20")
    assert rows(ledger) == [("org", "day", parse_usd("3")), ("org", "month", parse_usd("20"))]
    assert verify_budgets(ledger) == 2


def test_a_budget_is_an_act_that_says_all_of_it_and_a_users_name_is_not_in_the_chain(
    ledger: Ledger, time: Time
) -> None:
    set_limit(ledger, "user:ana", "10.5", "week", "revoke", (80, 100))
    entry, names = ledger.entries(1)[0]
    assert (entry.act, entry.subject, names.person) == ("budget set", "user:", "ana")
    assert entry.detail == "period=week limit_pusd=10500000000000 at_limit=revoke alerts=80,100"
    assert read_terms(entry.detail) == Terms(10_500_000_000_000, "week", "revoke", (80, 100))
    with ledger.reading() as connection:
        assert "ana" not in connection.execute("SELECT who FROM budget").fetchone()[0]


def test_a_removed_budget_is_gone_with_its_counters_and_can_be_set_again(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "user:ana", "10")
    spend(ledger, "4")
    remove(ledger, "user:ana")
    assert rows(ledger) == []
    with ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM counter").fetchone() == (0,)
    entry, names = ledger.entries(1)[0]
    assert (entry.act, entry.subject, names.person, entry.detail) == ("budget remove", "user:", "ana", "period=month")
    set_limit(ledger, "user:ana", "5")
    verify_budgets(ledger)
    verify(ledger)


def test_removing_what_is_not_there_names_the_nearest(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "team:support", "10")
    with pytest.raises(NotFound) as refused:
        remove(ledger, "team:suport")
    assert "did you mean team:support?" in refused.value.hint
    with pytest.raises(NotFound, match="over a day"):
        remove(ledger, "team:support", "day")
    assert len(rows(ledger)) == 1


def test_removing_one_of_several_needs_its_period(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    set_limit(ledger, "org", "1", "day")
    with pytest.raises(UsageError, match="day, month"):
        remove(ledger, "org")
    remove(ledger, "org", "day")
    assert [row[1] for row in rows(ledger)] == ["month"]


def test_the_budget_of_somebody_erased_is_shown_without_a_name_and_can_be_removed(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "user:ana", "10")
    with ledger.writing() as writer:
        digest = writer.person("ana").hex()
        writer.connection.execute("UPDATE person SET name = NULL, salt = NULL WHERE name = 'ana'")
        writer.act(Act("ledger erase", "user", digest))
    ((who, _, _),) = rows(ledger)
    assert who.startswith("user:(erased)")
    verify_budgets(ledger)
    remove(ledger, who)
    assert rows(ledger) == []
    verify_budgets(ledger)
    verify(ledger)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE budget SET limit_pusd = '99000000000000' WHERE who = 'org'",
        "UPDATE budget SET at_limit = 'warn' WHERE who = 'org'",
        "UPDATE budget SET alerts = '' WHERE who = 'org'",
        "UPDATE budget SET period = 'total' WHERE who = 'org'",
        "UPDATE budget SET entry = entry + 1 WHERE who = 'org'",
        "DELETE FROM budget WHERE who = 'org'",
        "INSERT INTO budget VALUES (NULL, 'org', 'day', '5', 'warn', '', 1)",
    ],
)
def test_a_limit_changed_by_hand_is_found_and_named(ledger: Ledger, time: Time, statement: str) -> None:
    set_limit(ledger, "org", "10", alerts=(80,))
    set_limit(ledger, "team:x", "10")
    edit(ledger, statement)
    verify(ledger)  # the chain is whole
    with pytest.raises(Damaged, match="the budget of org"):
        verify_budgets(ledger)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE counter SET spent = '0' WHERE who = 'team:support'",
        "UPDATE counter SET reserved = '7' WHERE who = 'team:support'",
        "UPDATE counter SET start = start + 31 WHERE who = 'team:support'",
        "DELETE FROM reservation",
        "UPDATE reservation SET pusd = 1",
    ],
)
def test_a_counter_changed_by_hand_is_found_and_named(ledger: Ledger, reserver: SerialReserver, statement: str) -> None:
    set_limit(ledger, "team:support", "10")
    spend(ledger, "4")
    reserver.reserve(request_of("2"))
    verify_budgets(ledger)
    edit(ledger, statement)
    with pytest.raises(Damaged, match=r"the counter of team:support \(month"):
        verify_budgets(ledger)


def test_a_counter_that_is_no_number_is_damage(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "10")
    edit(ledger, "UPDATE counter SET spent = 'lots'")
    with pytest.raises(Damaged):
        reserver.reserve(request_of("1"))


def test_terms_are_read_as_they_were_written_and_nothing_else_is() -> None:
    for terms in (Terms(0), Terms(5, "day", "warn", ()), Terms(10**30, "total", "revoke", (1, 1000))):
        assert read_terms(terms_text(terms)) == terms
    for text in ("", "period=month", "period=year limit_pusd=1 at_limit=block alerts=", "x" + terms_text(Terms(1))):
        with pytest.raises((ValueError, KeyError)):
            read_terms(text)


def test_thresholds_are_whole_percents_each_once() -> None:
    assert parse_alerts("100, 80%,80") == (80, 100)
    assert parse_alerts("") == ()
    for text in ("0", "-5", "80.5", "x", "1001", "80,,100", ",".join(map(str, range(1, 20)))):
        with pytest.raises(UsageError):
            parse_alerts(text)


def test_periods_and_acts_at_the_limit_are_those_there_are() -> None:
    assert parse_period("week") == "week"
    assert parse_at_limit("revoke") == "revoke"
    for refused in (lambda: parse_period("year"), lambda: parse_at_limit("stop")):
        with pytest.raises(UsageError, match="is not"):
            refused()


def test_an_erased_users_budgets_go_each_by_an_act(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "user:ana", "5")
    set_limit(ledger, "user:ana", "50", "total")
    set_limit(ledger, "user:*", "7")
    set_limit(ledger, "user:bob", "6")
    spend(ledger, "1", user="ana")
    gone: list[Budget] = []
    erase_person(ledger, "ana", lambda writer, name: gone.extend(remove_budgets_of(writer, name)))
    assert sorted(budget.terms.period for budget in gone) == ["month", "total"]
    verify_budgets(ledger)
    with ledger.reading() as connection:
        assert [shown_limited(connection, budget.who) for budget in read_budgets(connection)] == ["user:*", "user:bob"]
    assert [entry.act for entry, _ in ledger.entries(3)] == ["budget remove", "budget remove", "ledger erase"]
