"""Never more in any 60 seconds than a rate allows, at any concurrency; who has to wait is told how long."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys.budgets.rates import Counted, Full, RateLimit, RateReached, admit
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.ledger.store import Ledger
from aikeys.providers.usage import Usage
from tests.budgets.conftest import Time, call_of, context_of, request_of, set_limit
from tests.budgets.one_at_a_time import SerialReserver, Waiting

THREE = (RateLimit("key:openai", 3),)
CALL = request_of("0.10")


def rows(ledger: Ledger) -> list[tuple[str, int, int]]:
    with ledger.reading() as connection:
        return connection.execute("SELECT who, requests, tokens FROM rate ORDER BY slot, who").fetchall()


def test_a_rate_lets_so_many_through_and_then_says_how_long(reserver: SerialReserver, time: Time) -> None:
    for _ in range(3):
        reserver.reserve(CALL, THREE)
    with pytest.raises(RateReached) as refused:
        reserver.reserve(CALL, THREE)
    assert (refused.value.exit_status, refused.value.http_status, refused.value.retry_after_s) == (32, 429, 65)
    assert refused.value.message == "key:openai may have 3 requests in a minute, and they are used up"
    assert refused.value.hint == "try again in 65 seconds"


def test_who_need_not_wait_long_waits(reserver: SerialReserver, time: Time) -> None:
    for _ in range(3):
        reserver.reserve(CALL, THREE)
    begun_us = time.at_us
    time.sleep(50)
    reserver.reserve(CALL, THREE)
    assert 60 <= (time.at_us - begun_us) / 1e6 <= 66


def test_a_rate_of_nothing_lets_nothing_through(reserver: SerialReserver) -> None:
    with pytest.raises(RateReached):
        reserver.reserve(CALL, (RateLimit("key:openai", 0),))


def test_the_tightest_of_several_rates_decides_and_none_is_counted(reserver: SerialReserver, ledger: Ledger) -> None:
    both = (RateLimit("provider:openai", 100), RateLimit("token:abc", 1))
    reserver.reserve(CALL, both)
    with pytest.raises(RateReached, match="token:abc"):
        reserver.reserve(CALL, both)
    assert rows(ledger) == [("provider:openai", 1, 0), ("token:abc", 1, 0)]


def test_a_call_that_a_budget_refuses_counts_for_no_rate(reserver: SerialReserver, ledger: Ledger) -> None:
    set_limit(ledger, "org", "0.05")
    with pytest.raises(BudgetExceeded):
        reserver.reserve(request_of("0.10", "0.10"), THREE)
    assert [row for row in rows(ledger) if row[1]] == []


def test_one_request_is_one_request(reserver: SerialReserver) -> None:
    rate = (RateLimit("key:openai", 1),)
    reserver.reserve(CALL, rate)
    with pytest.raises(RateReached, match="may have 1 request in a minute"):
        reserver.reserve(CALL, rate)


def test_tokens_are_corrected_when_they_are_known(reserver: SerialReserver, ledger: Ledger) -> None:
    rate = (RateLimit("key:openai", tokens=1000),)
    one = reserver.reserve(CALL, rate, 900)
    with pytest.raises(RateReached, match="1000 tokens in a minute"):
        reserver.reserve(CALL, rate, 200)
    reserver.settle(one, call_of(context_of(), "0.01")._replace(usage=Usage(input=30, output=70)))
    assert rows(ledger) == [("key:openai", 1, 100)]
    two = reserver.reserve(CALL, rate, 900)
    assert reserver.release(two)
    assert rows(ledger) == [("key:openai", 1, 100)]


def test_a_call_beyond_the_limit_by_itself_goes_when_the_minute_is_empty(reserver: SerialReserver, time: Time) -> None:
    rate = (RateLimit("key:openai", tokens=1000),)
    reserver.reserve(CALL, rate, 5000)
    with pytest.raises(RateReached):
        reserver.reserve(CALL, rate, 1)
    time.sleep(65)
    reserver.reserve(CALL, rate, 1)


def test_what_is_older_than_a_minute_is_removed(reserver: SerialReserver, ledger: Ledger, time: Time) -> None:
    for number in range(5):
        reserver.reserve(CALL, (RateLimit(f"token:{number}", 1),))
        time.sleep(70)
    assert rows(ledger) == [("token:4", 1, 0)]


def test_without_rates_nothing_is_counted(reserver: SerialReserver, ledger: Ledger) -> None:
    reserver.reserve(CALL)
    assert rows(ledger) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 5), st.lists(st.integers(1, 40_000), min_size=5, max_size=60))
def test_no_sixty_seconds_hold_more_than_the_rate(ledger: Ledger, time: Time, limit: int, pauses_ms: list[int]) -> None:
    with ledger.writing() as writer:
        writer.connection.execute("DELETE FROM rate")
    through_us: list[int] = []
    for pause_ms in pauses_ms:
        time.sleep(pause_ms / 1000)
        with ledger.writing() as writer:
            outcome = admit(writer, (RateLimit("key:openai", limit),))
        if isinstance(outcome, Counted):
            through_us.append(outcome.at_us)
        else:
            assert isinstance(outcome, Full)
            assert time.at_us < outcome.free_us <= time.at_us + 65_000_000
    for first in through_us:
        assert sum(first <= at_us < first + 60_000_000 for at_us in through_us) <= limit


def test_a_rate_holds_across_reservers(ledger: Ledger) -> None:
    directory = ledger.path.removesuffix("/ledger.db")
    let_through: list[int] = []

    def ask() -> None:
        own = Ledger(directory)
        reserver = SerialReserver(own, Waiting(deadline_s=0.0))
        for _ in range(10):
            try:
                reservation = reserver.reserve(CALL, (RateLimit("key:openai", 7),))
            except RateReached:
                continue
            let_through.append(1)
            reserver.settle(reservation, call_of(context_of(), "0"))
        reserver.close()
        own.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_through) == 7
