"""A budget that is set while calls are under way names those that it comes too late for."""

from __future__ import annotations

import pytest

from aikeys.budgets.changes import LATE, set_budget
from aikeys.budgets.check import checked
from aikeys.budgets.decisions import Ask
from aikeys.budgets.late import late, told
from aikeys.budgets.recovery import recover
from aikeys.budgets.reservations import ReserveRequest
from aikeys.budgets.store import read_budgets
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who
from aikeys.errors import CannotDecide
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.budgets.conftest import Time, call_of, context_of, request_of
from tests.budgets.one_at_a_time import SerialReserver


def die(reserver: SerialReserver) -> None:
    """Leave as a killed process does."""
    reserver.process.leave()


def unbounded(worst: str = "0", **labels: str) -> ReserveRequest:
    return ReserveRequest(context_of(**labels)._replace(price=""), Ask(parse_usd(worst), 0, is_bounded=False))


def limit(ledger: Ledger, who: str, usd: str, at_limit: str = "block") -> list[str]:
    """Set a budget and return what is said of calls under way."""
    with ledger.writing() as writer:
        budget = set_budget(writer, parse_who(who), Terms(parse_usd(usd), at_limit=at_limit))
        found = told(writer.connection, [budget], Calendar(ledger.zone).day_of(writer.now_us), names_them=True)
    verify(ledger)
    verify_budgets(ledger)
    return [said for _, said in found]


def acts(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as connection:
        rows = connection.execute("SELECT subject, detail FROM entry WHERE act = ?", (LATE,)).fetchall()
    return [(str(subject), str(detail)) for subject, detail in rows]


def test_calls_that_may_cost_more_than_is_left_are_named(ledger: Ledger, reserver: SerialReserver) -> None:
    open_ones = [reserver.reserve(request_of("0.4")) for _ in range(3)]
    (said,) = limit(ledger, "org", "1")
    assert "too late for 3 calls under way" in said
    assert "up to $1.20 where $1.00 is left (openai/gpt-4.1 × 3)" in said
    assert all(one.id.hex() in said for one in open_ones)
    ((subject, detail),) = acts(ledger)
    assert subject == "org"
    assert detail.startswith(
        f"period=month calls=3 unbounded=0 held_pusd={parse_usd('1.2')} ids={open_ones[0].id.hex()},"
    )


@pytest.mark.parametrize(("usd", "at_limit"), [("1.20", "block"), ("0", "warn")])
def test_nothing_is_named_that_fits_or_that_no_limit_blocks(
    ledger: Ledger, reserver: SerialReserver, usd: str, at_limit: str
) -> None:
    for _ in range(3):
        reserver.reserve(request_of("0.4"))
    assert limit(ledger, "org", usd, at_limit) == []
    assert acts(ledger) == []


def test_a_call_that_nothing_bounds_is_named_at_any_limit(ledger: Ledger, reserver: SerialReserver) -> None:
    reserver.reserve(unbounded("0.4"))
    (said,) = limit(ledger, "org", "1000")
    assert "1 call under way of unknown cost, which is not reserved (openai/gpt-4.1)" in said


def test_only_those_are_named_whom_the_budget_limits(ledger: Ledger, reserver: SerialReserver) -> None:
    reserver.reserve(request_of("2", team="support"))
    reserver.reserve(request_of("2", team="sales"))
    reserver.reserve(request_of("0.1", team="tiny"))
    assert len(limit(ledger, "team:support", "1")) == 1
    (said,) = limit(ledger, "team:*", "1")
    assert "team:sales" in said
    assert limit(ledger, "user:nobody", "1") == []
    (said,) = limit(ledger, "user:ana", "1")
    assert "user:ana" in said
    assert "3 calls" in said


def test_a_check_says_it_as_long_as_they_are_under_way(ledger: Ledger, reserver: SerialReserver, time: Time) -> None:
    first = reserver.reserve(unbounded())
    limit(ledger, "org", "1")
    _, notes = checked(ledger, [], time.at_us, None)
    assert [note for note in notes if "too late for 1 call under way" in note]
    assert not [note for note in notes if first.id.hex() in note]
    reserver.settle(first, call_of(first.context, "0.5"))
    assert not [note for note in checked(ledger, [], time.at_us, None)[1] if "too late" in note]


def test_what_nothing_bounds_is_refused_by_a_budget_that_was_set_before_it_was_reserved(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    limit(ledger, "org", "1000")
    with pytest.raises(CannotDecide, match="the budget of org limits this call"):
        reserver.reserve(unbounded())
    with ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM reservation").fetchone() == (0,)


def test_what_nothing_bounded_is_no_overrun_and_unpriced_when_it_is_lost(ledger: Ledger, time: Time) -> None:
    reserver = SerialReserver(ledger, time.patience)
    first = reserver.reserve(unbounded("0.4"))
    reserver.settle(first, call_of(first.context, "7"))
    reserver.reserve(unbounded("0.4"))
    die(reserver)
    recover(ledger)
    with ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM entry WHERE act = 'overrun'").fetchone() == (0,)
        assert connection.execute("SELECT cost_pusd FROM call WHERE status = 'lost'").fetchall() == [
            (parse_usd("0.4"),)
        ]
        rows = connection.execute(
            "SELECT cost_high, cost_low, requests FROM rollup_day WHERE source = 'unpriced'"
        ).fetchall()
    assert sum(row[2] for row in rows) == 1


def test_set_removed_and_raised_over_and_over_the_counters_are_right(
    ledger: Ledger, reserver: SerialReserver, time: Time
) -> None:
    from aikeys.budgets.changes import remove_budget

    open_ones = [reserver.reserve(request_of("0.01")) for _ in range(64)]
    for usd in ("0.10", "0.64", "5"):
        limit(ledger, "org", usd)
        with ledger.writing() as writer:
            remove_budget(writer, "org")
    limit(ledger, "org", "0.64")
    with ledger.reading() as connection:
        assert late(connection, read_budgets(connection)[0], Calendar(ledger.zone).day_of(time.at_us)) == []
    for one in open_ones:
        reserver.settle(one, call_of(one.context, "0.01"))
    verify_budgets(ledger)
