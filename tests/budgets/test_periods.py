"""A call belongs to the day, week and month in which it was reserved, in the ledger's zone, whatever clocks do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.budgets.conftest import Time, call_of, counter_of, request_of, set_limit, spend
from tests.budgets.one_at_a_time import SerialReserver

LedgerIn = Callable[[str], Ledger]


def test_what_is_reserved_in_one_month_and_settled_in_the_next_belongs_to_the_first(ledger: Ledger, time: Time) -> None:
    time.set("2026-11-30T23:59:50+00:00")
    reserver = SerialReserver(ledger, time.patience)
    for period in ("day", "month", "total"):
        set_limit(ledger, "org", "10", period)
    reservation = reserver.reserve(request_of("4"))
    time.set("2026-12-01T00:00:10+00:00")
    reserver.reserve(request_of("9"))  # the first of December is empty
    reserver.settle(reservation, call_of(reservation.context, "3"))
    november, december = "2026-11-30T12:00:00+00:00", "2026-12-01T12:00:00+00:00"
    assert counter_of(ledger, "org", "month", november) == ("3.00", "0.00")
    assert counter_of(ledger, "org", "day", november) == ("3.00", "0.00")
    assert counter_of(ledger, "org", "month", december) == ("0.00", "6.00")  # lowered: the total had 6 left
    assert counter_of(ledger, "org", "total") == ("3.00", "6.00")
    reserver.process.leave()
    verify(ledger)


def test_a_lost_call_belongs_to_the_month_it_was_reserved_in(ledger: Ledger, time: Time) -> None:
    time.set("2026-10-31T23:59:50+00:00")
    set_limit(ledger, "org", "10")
    dead = SerialReserver(ledger, time.patience)
    dead.reserve(request_of("4"))
    dead.process.leave()
    time.set("2026-12-02T10:00:00+00:00")
    recover(ledger)
    assert counter_of(ledger, "org", "month", "2026-10-05T00:00:00+00:00") == ("4.00", "0.00")
    assert counter_of(ledger, "org", "month") == ("0.00", "0.00")


def test_a_budget_set_in_the_middle_of_a_month_counts_what_came_before(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    spend(ledger, "2", "2026-10-31T23:00:00+00:00")
    spend(ledger, "3", "2026-11-02T10:00:00+00:00")
    spend(ledger, "1", "2026-11-22T10:00:00+00:00", team="sales")
    spend(ledger, "0.5")
    held = reserver.reserve(request_of("1.25"))
    set_limit(ledger, "org", "10")
    set_limit(ledger, "team:support", "10")
    set_limit(ledger, "user:ana", "10", "total")
    assert counter_of(ledger, "org") == ("4.50", "1.25")
    assert counter_of(ledger, "team:support") == ("3.50", "1.25")
    assert counter_of(ledger, "user:ana", "total") == ("6.50", "1.25")
    reserver.settle(held, call_of(held.context, "1"))
    assert counter_of(ledger, "team:support") == ("4.50", "0.00")


@pytest.mark.parametrize(
    ("zone", "period", "last", "first"),
    [
        ("Europe/Berlin", "day", "2026-03-28T23:59:59+01:00", "2026-03-29T00:00:00+01:00"),  # 23 hours
        ("Europe/Berlin", "day", "2026-03-29T23:59:59+02:00", "2026-03-30T00:00:00+02:00"),
        ("Europe/Berlin", "day", "2026-10-25T23:59:59+01:00", "2026-10-26T00:00:00+01:00"),  # 25 hours
        ("Europe/Berlin", "month", "2026-10-31T23:59:59+01:00", "2026-11-01T00:00:00+01:00"),
        ("Europe/Berlin", "week", "2026-03-29T23:59:59+02:00", "2026-03-30T00:00:00+02:00"),
        ("Asia/Kolkata", "month", "2026-11-30T23:59:59+05:30", "2026-12-01T00:00:00+05:30"),
        ("America/St_Johns", "day", "2026-11-01T23:59:59-03:30", "2026-11-02T00:00:00-03:30"),
        ("Pacific/Apia", "day", "2026-12-31T23:59:59+13:00", "2027-01-01T00:00:00+13:00"),
        ("America/Havana", "day", "2026-03-07T23:59:59-05:00", "2026-03-08T01:00:00-04:00"),  # no midnight
        ("UTC", "month", "2028-02-29T23:59:59+00:00", "2028-03-01T00:00:00+00:00"),  # leap day
        ("UTC", "day", "2028-02-28T23:59:59+00:00", "2028-02-29T00:00:00+00:00"),
        ("UTC", "week", "2028-02-27T23:59:59+00:00", "2028-02-28T00:00:00+00:00"),
        ("UTC", "month", "2026-12-31T23:59:59+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_a_period_ends_at_midnight_of_the_ledgers_zone(
    ledger_in: LedgerIn, time: Time, zone: str, period: str, last: str, first: str
) -> None:
    ledger = ledger_in(zone)
    time.set(last)
    set_limit(ledger, "org", "10", period)
    reserver = SerialReserver(ledger, time.patience)
    reserver.settle(reserver.reserve(request_of("10")), call_of(request_of("10").context, "10"))
    with pytest.raises(BudgetExceeded):
        reserver.reserve(request_of("1", "1"))
    time.set(first)
    assert reserver.reserve(request_of("10", "10")).pusd == parse_usd("10")
    assert counter_of(ledger, "org", period, last) == ("10.00", "0.00")
    reserver.process.leave()
    verify(ledger)


def test_the_hour_that_comes_twice_is_one_day(ledger_in: LedgerIn, time: Time) -> None:
    ledger = ledger_in("Europe/Berlin")
    for at in ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T23:30:00+01:00"):
        time.set(at)
        set_limit(ledger, "org", "10", "day")
        spend(ledger, "1")
    assert counter_of(ledger, "org", "day") == ("3.00", "0.00")


def test_a_clock_set_forward_and_back_again_moves_no_call(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    reserver = SerialReserver(ledger, time.patience)
    held = reserver.reserve(request_of("4"))
    time.set("2027-06-15T00:00:00+00:00")
    future = reserver.reserve(request_of("7"))
    time.set("2026-11-20T00:00:00+00:00")  # back before the reservation
    reserver.settle(held, call_of(held.context, "3"))
    reserver.settle(future, call_of(future.context, "5"))
    assert reserver.reserve(request_of("9", "1")).pusd == parse_usd("7")
    assert counter_of(ledger, "org") == ("3.00", "7.00")
    assert counter_of(ledger, "org", "month", "2027-06-01T12:00:00+00:00") == ("5.00", "0.00")
    time.set("1999-12-31T00:00:00+00:00")
    assert reserver.reserve(request_of("9", "9")).pusd == parse_usd("9")
    counter_of(ledger, "org")
    reserver.process.leave()
    verify(ledger)


def test_counters_of_long_gone_periods_are_dropped_and_made_again_when_needed(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10", "day")
    reserver = SerialReserver(ledger, time.patience)
    old = reserver.reserve(request_of("4"))
    for day in range(24, 29):
        time.set(f"2026-11-{day}T12:00:00+00:00")
        reserver.release(reserver.reserve(request_of("1")))
    with ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM counter").fetchone() == (2,)
    reserver.settle(old, call_of(old.context, "2"))
    assert counter_of(ledger, "org", "day", "2026-11-23T12:00:00+00:00") == ("2.00", "0.00")
    time.set("2026-11-23T13:00:00+00:00")
    with pytest.raises(BudgetExceeded, match=r"\$2.00 of \$10.00 is spent today"):
        reserver.reserve(request_of("9", "9"))
    reserver.close()


def test_sums_beyond_64_bits_of_pico_dollars_are_right(ledger: Ledger, reserver: SerialReserver) -> None:
    for _ in range(3):
        spend(ledger, "8999999.999999999999")
    set_limit(ledger, "org", "999999999999999")
    assert counter_of(ledger, "org") == ("26999999.999999999997", "0.00")
    for _ in range(3):
        reserver.reserve(request_of("8999999"))
    assert counter_of(ledger, "org") == ("26999999.999999999997", "26999997.00")
    spend(ledger, "8999999")
    assert counter_of(ledger, "org") == ("35999998.999999999997", "26999997.00")
    set_limit(ledger, "org", "36000000")
    with pytest.raises(BudgetExceeded, match=r"\$35,999,999.00 of \$36,000,000.00"):
        reserver.reserve(request_of("2", "2"))
