"""Soft budgets: where an estimate is booked in the place of the worst case, and where it is not."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from aikeys import clock, sealing
from aikeys.budgets.booking import book
from aikeys.budgets.changes import set_budget
from aikeys.budgets.check import budget_states_of, checked
from aikeys.budgets.counters import made_counter, span_of
from aikeys.budgets.queues import Rates
from aikeys.budgets.rates import RateLimit
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.remaining import Remaining, remaining
from aikeys.budgets.reservations import Reservation, Settled
from aikeys.budgets.reserver import Patience, ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.store import read_budgets
from aikeys.budgets.terms import ESTIMATE, WORST, Terms, parse_when_unknown, read_terms, terms_text
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.budgets.thresholds import message_of
from aikeys.budgets.verify import verify_all, verify_budgets
from aikeys.budgets.who import limited_who, somebody
from aikeys.errors import Damaged, UsageError
from aikeys.ledger import archive
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import ESTIMATED, WORST_CASE, Call, Context
from aikeys.ledger.corrections import correct
from aikeys.ledger.store import Ledger, Signer
from aikeys.ledger.verify import Known, verify
from aikeys.money import parse_usd
from aikeys.providers.usage import Usage
from tests.budgets.conftest import Time, call_of, counter_of, request_of, set_limit, us_of
from tests.budgets.one_at_a_time import SerialReserver

WORST_USD = "1"


def soft_limit(ledger: Ledger, who: str, usd: str, period: str = "month", at_limit: str = "block") -> None:
    terms = Terms(parse_usd(usd), period, at_limit, (), ESTIMATE)
    with ledger.writing() as writer:
        set_budget(writer, limited_who(who), terms)


def ends(context: Context, doubt_pusd: int, worst: str = WORST_USD) -> tuple[Call, Call]:
    """Return the two entries of an unknown end: the worst case, and the estimate with what may be missing."""
    at_worst = call_of(context, worst)._replace(cost_source=WORST_CASE, status="broken")
    estimate = at_worst._replace(
        cost_pusd=at_worst.cost_pusd - doubt_pusd, cost_source=ESTIMATED, doubt_pusd=doubt_pusd
    )
    return at_worst, estimate


def broken(reserver: SerialReserver, doubt: str, **labels: str) -> bool:
    """Make a call that breaks; tell whether the estimate was booked."""
    reservation = reserver.reserve(request_of(WORST_USD, **labels))
    return is_soft(reserver.settle(reservation, *ends(reservation.context, parse_usd(doubt))))


def is_soft(settled: Settled | None) -> bool:
    assert settled is not None
    return settled.is_soft


def rows(ledger: Ledger) -> list[tuple[int, str, int]]:
    with ledger.reading() as connection:
        return connection.execute("SELECT cost_pusd, source, doubt_pusd FROM call ORDER BY id").fetchall()


def test_an_estimate_is_booked_and_what_may_be_missing_is_kept(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "org", "10")
    assert broken(reserver, "0.9")
    assert rows(ledger) == [(parse_usd("0.1"), ESTIMATED, parse_usd("0.9"))]
    assert counter_of(ledger, "org") == ("0.10", "0.00")
    (state,) = budget_states_of(ledger, (), clock.now_us())
    assert (state.is_soft, state.doubt_pusd) == (True, parse_usd("0.9"))
    _, notes = checked(ledger, (), clock.now_us(), None)
    (note,) = notes
    assert note.startswith("up to $0.9000 may be missing in what org has spent (≈)")
    verify(ledger)


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        ((), False),
        ((("org", "worst", "block"),), False),
        ((("org", "estimate", "block"),), True),
        ((("org", "estimate", "revoke"),), True),
        ((("org", "estimate", "warn"),), False),
        ((("org", "estimate", "block"), ("team:support", "worst", "block")), False),
        ((("org", "worst", "block"), ("team:support", "estimate", "block")), False),
        ((("org", "estimate", "block"), ("team:support", "estimate", "block")), True),
        ((("org", "estimate", "block"), ("team:support", "worst", "warn")), True),
        ((("org", "estimate", "block"), ("team:other", "worst", "block")), True),
        ((("team:*", "estimate", "block"),), True),
        ((("team:*", "estimate", "block"), ("team:support", "worst", "block")), False),
        ((("team:*", "worst", "block"), ("team:support", "estimate", "block")), True),
    ],
    ids=str,
)
def test_where_any_blocking_budget_says_worst_worst_is_booked(
    ledger: Ledger, reserver: SerialReserver, budgets: tuple[tuple[str, str, str], ...], expected: bool
) -> None:
    for who, when_unknown, at_limit in budgets:
        setting = soft_limit if when_unknown == ESTIMATE else set_limit
        setting(ledger, who, "10", at_limit=at_limit)
    assert broken(reserver, "0.9") is expected
    booked = ("0.1", ESTIMATED, "0.9") if expected else ("1", WORST_CASE, "0")
    assert rows(ledger) == [(parse_usd(booked[0]), booked[1], parse_usd(booked[2]))]
    verify(ledger)
    verify_budgets(ledger)


@pytest.mark.parametrize(("more_pusd", "expected"), [(0, True), (1, False)])
def test_a_fifth_of_the_limit_may_be_missing_to_the_last_pico_dollar(
    ledger: Ledger, reserver: SerialReserver, more_pusd: int, expected: bool
) -> None:
    soft_limit(ledger, "org", "5")
    assert broken(reserver, "0.75")
    reservation = reserver.reserve(request_of(WORST_USD))
    settled = reserver.settle(reservation, *ends(reservation.context, parse_usd("0.25") + more_pusd))
    assert is_soft(settled) is expected
    assert broken(reserver, "0.3") is False
    assert rows(ledger)[-1][1] == WORST_CASE


@pytest.mark.parametrize("period", ["day", "week", "total"])
def test_a_budget_of_the_same_over_another_period_has_its_say(
    ledger: Ledger, reserver: SerialReserver, period: str
) -> None:
    soft_limit(ledger, "org", "10")
    assert broken(reserver, "0.9")
    set_limit(ledger, "org", "10", period)
    assert not broken(reserver, "0.9")


def test_the_narrowest_of_several_limits_is_the_wall(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "org", "100")
    soft_limit(ledger, "team:support", "5")
    assert [broken(reserver, "0.9"), broken(reserver, "0.2")] == [True, False]
    assert broken(reserver, "0.9", team="sales")


def test_what_was_missing_yesterday_is_not_missing_today(ledger: Ledger, reserver: SerialReserver, time: Time) -> None:
    soft_limit(ledger, "org", "5", "day")
    assert [broken(reserver, "0.9"), broken(reserver, "0.9")] == [True, False]
    yesterday = reserver.reserve(request_of(WORST_USD))
    time.set("2026-11-24T12:00:00+00:00")
    assert broken(reserver, "0.9")
    assert not is_soft(reserver.settle(yesterday, *ends(yesterday.context, parse_usd("0.9"))))


def test_what_is_missing_of_somebody_else_is_not_missing_here(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "user:ana", "5")
    assert [broken(reserver, "0.9", user=user) for user in ("ana", "bob", "ana")] == [True, False, False]


@pytest.mark.parametrize(("first", "then", "expected"), [(WORST, ESTIMATE, True), (ESTIMATE, WORST, False)])
def test_what_the_budget_says_when_the_call_settles_counts(
    ledger: Ledger, reserver: SerialReserver, first: str, then: str, expected: bool
) -> None:
    for when_unknown in (first, then):
        setting = soft_limit if when_unknown == ESTIMATE else set_limit
        setting(ledger, "org", "10")
        if when_unknown == first:
            reservation = reserver.reserve(request_of(WORST_USD))
    assert is_soft(reserver.settle(reservation, *ends(reservation.context, parse_usd("0.9")))) is expected


def test_a_budget_removed_meanwhile_lets_nothing_be_estimated(ledger: Ledger, reserver: SerialReserver) -> None:
    from aikeys.budgets.changes import remove_budget

    soft_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of(WORST_USD))
    with ledger.writing() as writer:
        remove_budget(writer, "org")
    assert not is_soft(reserver.settle(reservation, *ends(reservation.context, parse_usd("0.9"))))


def test_a_lowered_limit_lowers_what_may_be_missing(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "org", "10")
    assert broken(reserver, "0.9")
    soft_limit(ledger, "org", "5")
    assert not broken(reserver, "0.2")
    soft_limit(ledger, "org", "10")
    assert broken(reserver, "0.2")


def test_a_late_settle_of_an_unknown_end_stays_at_the_worst_case(ledger: Ledger, time: Time) -> None:
    soft_limit(ledger, "org", "10")
    slow = SerialReserver(ledger, time.patience)
    reservation = slow.reserve(request_of(WORST_USD))
    slow.process.leave()
    assert len(recover(ledger)) == 1
    assert not is_soft(slow.settle(reservation, *ends(reservation.context, parse_usd("0.9"))))
    assert counter_of(ledger, "org") == ("1.00", "0.00")
    assert {doubt for _, _, doubt in rows(ledger)} == {0}


def test_a_cost_that_is_corrected_is_in_doubt_no_more(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "org", "5")
    assert [broken(reserver, "0.9"), broken(reserver, "0.9")] == [True, False]
    with ledger.writing() as writer:
        number = writer.connection.execute("SELECT id FROM call WHERE doubt_pusd > 0").fetchone()[0]
        correct(writer, number, parse_usd("0.3"), book)
    assert broken(reserver, "0.9")
    verify(ledger)
    verify_budgets(ledger)


def test_64_callers_at_once_never_leave_more_missing_than_a_fifth(ledger: Ledger) -> None:
    soft_limit(ledger, "org", "50")
    soft_limit(ledger, "team:support", "1000")
    directory = os.path.dirname(ledger.path)
    holders = [ThreadReserver(SqliteRounds(directory), ReserverSetup(Patience(60))) for _ in range(2)]
    found: list[bool] = []

    def call(number: int) -> None:
        holder = holders[number % 2]
        for _ in range(3):
            reservation: Reservation = holder.reserve(request_of("0.2")).result(60)
            at_worst, estimate = ends(reservation.context, parse_usd("0.15"), "0.2")
            found.append(is_soft(holder.settle(reservation, at_worst, None, estimate).result(60)))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for holder in holders:
        holder.close()
    assert (len(found), sum(found)) == (192, 66)  # 66 × 0.15 = 9.90 of 10, a fifth of 50
    assert sum(doubt for _, _, doubt in rows(ledger)) == 66 * parse_usd("0.15")
    verify(ledger)
    verify_budgets(ledger)


EDITS = {
    "of a call": ("UPDATE call SET doubt_pusd = doubt_pusd - 1", "columns of call"),
    "of a day": ("UPDATE rollup_day SET doubt_low = doubt_low - 1", "rollup_day"),
    "of a month": ("UPDATE rollup_month SET doubt_low = 0, doubt_high = 0", "rollup_month"),
    "a budget made soft": ("UPDATE budget SET entry = (SELECT entry FROM budget WHERE who = 'org')", "team:support"),
    "what an act says": (
        "UPDATE entry SET detail = detail || ' when_unknown=estimate' WHERE subject = 'team:support'",
        "entry",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_altered_doubt_is_found(ledger: Ledger, reserver: SerialReserver, name: str) -> None:
    set_limit(ledger, "team:support", "10", "week")
    soft_limit(ledger, "org", "10")
    assert broken(reserver, "0.9", team="sales")
    statement, place = EDITS[name]
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(Damaged, match=place):
        verify_all(ledger, Known())


def test_a_budget_is_soft_also_when_its_act_was_archived(ledger: Ledger, time: Time, tmp_path: Path) -> None:
    soft_limit(ledger, "org", "10")
    set_limit(ledger, "team:support", "10")
    time.set("2026-11-26T12:00:00+00:00")
    private = bytes(range(32))
    signer = Signer(sealing.signing_public(private), lambda message: sealing.sign(private, message))
    last = archive.last_before(ledger, us_of("2026-11-25T00:00:00+00:00"), 1 << 62)
    segment = archive.write(ledger, last, signer, str(tmp_path))
    archive.remove(ledger, segment, signer)
    with ledger.reading() as connection:
        found = {budget.who: budget.terms.is_soft for budget in read_budgets(connection)}
        assert connection.execute("SELECT min(id) FROM entry").fetchone()[0] > last.number
    assert found == {"org": True, "team:support": False}
    verify_budgets(ledger)


@pytest.mark.parametrize("terms", [Terms(5), Terms(5, "day", "warn", (50,)), Terms(0, when_unknown=ESTIMATE)])
def test_terms_are_read_as_they_were_written(terms: Terms) -> None:
    assert read_terms(terms_text(terms)) == terms


def test_terms_that_say_nothing_new_are_written_as_before() -> None:
    before = "period=month limit_pusd=5 at_limit=block alerts=80,100"
    assert terms_text(Terms(5)) == before
    assert terms_text(Terms(5, when_unknown=ESTIMATE)) == before + " when_unknown=estimate"


@pytest.mark.parametrize(
    "more", [" when_unknown=worst", " when_unknown=never", " when_unknown=", " whenunknown=estimate"]
)
def test_terms_that_nobody_wrote_are_none(more: str) -> None:
    with pytest.raises(ValueError, match="period=month"):
        read_terms(terms_text(Terms(5)) + more)


def test_what_an_unknown_end_counts_is_one_of_two_words() -> None:
    with pytest.raises(UsageError, match="'guess' is not what an unknown end can count"):
        parse_when_unknown("guess")


def test_a_budget_that_only_warns_is_not_soft(ledger: Ledger) -> None:
    soft_limit(ledger, "org", "10", at_limit="warn")
    (state,) = budget_states_of(ledger, (), clock.now_us())
    assert not state.is_soft


def test_a_refusal_and_an_alert_mark_the_limit_and_say_what_may_be_missing(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    soft_limit(ledger, "org", "5")
    assert broken(reserver, "0.9")
    with pytest.raises(BudgetExceeded, match=r"\$0\.1000 of ≈ \$5\.00 is spent this month"):
        reserver.reserve(request_of("9", "9"))
    with ledger.reading() as connection:
        (budget,) = read_budgets(connection)
        counter = made_counter(
            connection, somebody("org", ""), span_of("month", Calendar("UTC").day_of(clock.now_us()))
        )
        message = message_of(connection, budget, counter, 80)
    assert "org has spent $0.1000 of ≈ $5.00 this month" in message.text
    assert "Up to $0.9000 may be missing" in message.text
    assert {("when_unknown", "estimate"), ("doubt_usd", "0.90")} <= set(message.facts)


def test_what_is_left_of_a_soft_budget_is_marked(ledger: Ledger, reserver: SerialReserver) -> None:
    soft_limit(ledger, "team:support", "5", "week")
    set_limit(ledger, "team:support", "3")
    set_limit(ledger, "team:sales", "3")
    support, sales = somebody("team", "support"), somebody("team", "sales")
    assert remaining(ledger, [support, sales], clock.now_us()) == {
        support: Remaining(parse_usd("3"), is_soft=True),
        sales: Remaining(parse_usd("3")),
    }


@pytest.mark.parametrize(("is_limit_soft", "tokens"), [(True, 30), (False, 0)])
def test_a_limit_of_tokens_counts_what_was_booked(ledger: Ledger, is_limit_soft: bool, tokens: int) -> None:
    (soft_limit if is_limit_soft else set_limit)(ledger, "org", "10")
    holder = ThreadReserver(SqliteRounds(os.path.dirname(ledger.path)), ReserverSetup(Patience(60)))
    rates = Rates([RateLimit("key:openai", None, 1000)], 100)
    reservation: Reservation = holder.reserve(request_of(WORST_USD), rates=rates).result(60)
    at_worst, estimate = ends(reservation.context, parse_usd("0.9"))
    holder.settle(reservation, at_worst, None, estimate._replace(usage=Usage(input=10, output=20))).result(60)
    holder.close()
    with ledger.reading() as connection:
        assert connection.execute("SELECT sum(tokens) FROM rate").fetchone() == (tokens,)
