"""Reserve, settle, release and recover in one process, with the test's own clock."""

from __future__ import annotations

import os

import pytest

from aikeys.budgets.decisions import Ask
from aikeys.budgets.open_reservations import processes
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.errors import UsageError
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd, usd_text
from tests.budgets.conftest import Time, call_of, context_of, counter_of, request_of, set_limit, spend
from tests.budgets.one_at_a_time import SerialReserver


def settled(reserver: SerialReserver, reservation: Reservation, cost: str) -> Settled:
    done = reserver.settle(reservation, call_of(reservation.context, cost))
    assert done is not None
    return done


def calls_of(ledger: Ledger) -> list[tuple[int, str, str, str]]:
    with ledger.reading() as connection:
        rows = connection.execute("SELECT id, source, status, cost_pusd FROM call ORDER BY id").fetchall()
    return [(row[0], row[1], row[2], usd_text(row[3])) for row in rows]


def die(reserver: SerialReserver) -> None:
    """Drop the lock as the kernel does for a process that is gone."""
    reserver.process.leave()


def test_a_reservation_counts_until_it_is_settled_and_then_its_cost_does(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    set_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of("4", "1"))
    assert counter_of(ledger, "org") == ("0.00", "4.00")
    settled(reserver, reservation, "1.25")
    assert counter_of(ledger, "org") == ("1.25", "0.00")
    verify(ledger)


def test_what_was_never_sent_leaves_nothing(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of("4"))
    assert reserver.release(reservation)
    assert not reserver.release(reservation)
    assert counter_of(ledger, "org") == ("0.00", "0.00")
    assert calls_of(ledger) == []


def test_a_refusal_names_spent_reserved_limit_and_what_it_could_have_cost(
    ledger: Ledger, reserver: SerialReserver
) -> None:
    set_limit(ledger, "user:ana", "10", "day")
    spend(ledger, "9")
    reserver.reserve(request_of("0.75"))
    with pytest.raises(BudgetExceeded) as refused:
        reserver.reserve(request_of("5", "2"))
    assert (refused.value.exit_status, refused.value.http_status, refused.value.code) == (22, 402, "budget_exceeded")
    assert refused.value.message == (
        "the budget of user:ana does not allow this call: it could cost up to $5.00 (at least $2.00), and "
        "$9.00 of $10.00 is spent today, $0.7500 reserved"
    )
    assert refused.value.hint.endswith("aikeys budget set user:ana USD --period day")
    assert not refused.value.revoke


def test_a_call_that_fits_only_lowered_gets_what_is_left(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "team:support", "10")
    spend(ledger, "9")
    assert reserver.reserve(request_of("5", "1")).pusd == parse_usd("1")


def test_who_waits_goes_when_a_reservation_settles(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    reserver = SerialReserver(ledger, time.patience)
    first = reserver.reserve(request_of("8"))
    begun = time.at_us

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.at_us > begun + 3_000_000 and counter_of(ledger, "org")[1] == "8.00":
            settled(reserver, first, "2")

    reserver.patience = time.patience._replace(sleep_s=sleep)
    assert reserver.reserve(request_of("8", "8")).pusd == parse_usd("8")
    assert 3_000_000 < time.at_us - begun < 3_200_000
    reserver.process.close()


def test_at_the_deadline_a_call_is_lowered_into_what_is_free(
    ledger: Ledger, reserver: SerialReserver, time: Time
) -> None:
    set_limit(ledger, "org", "10")
    reserver.reserve(request_of("8"))
    begun = time.at_us
    assert reserver.reserve(request_of("5", "1")).pusd == parse_usd("2")
    assert 20_000_000 <= time.at_us - begun < 20_200_000


def test_at_the_deadline_without_room_for_the_floor_it_is_busy(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "10")
    reserver.reserve(request_of("8"))
    with pytest.raises(BudgetBusy) as refused:
        reserver.reserve(request_of("5", "3"))
    assert (refused.value.exit_status, refused.value.http_status, refused.value.code) == (32, 429, "budget_busy")
    assert refused.value.retry_after_s > 0


def test_a_limit_that_is_raised_lets_go_who_waits(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    reserver = SerialReserver(ledger, time.patience)
    reserver.reserve(request_of("8"))
    begun = time.at_us

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.at_us > begun + 5_000_000:
            set_limit(ledger, "org", "100")

    reserver.patience = time.patience._replace(sleep_s=sleep)
    assert reserver.reserve(request_of("8", "8")).pusd == parse_usd("8")
    reserver.process.leave()


def test_a_team_of_its_own_budget_is_not_under_the_one_for_each(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "team:*", "1")
    set_limit(ledger, "team:support", "10")
    assert reserver.reserve(request_of("5", "5")).pusd == parse_usd("5")
    with pytest.raises(BudgetExceeded):
        reserver.reserve(request_of("5", "5", team="sales"))
    assert reserver.reserve(request_of("5", "5", team="")).pusd == parse_usd("5")


def test_each_user_and_each_key_has_a_budget(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "user:*", "1")
    spend(ledger, "1", user="ana")
    with pytest.raises(BudgetExceeded, match="user:ana"):
        reserver.reserve(request_of("1", "1", user="ana"))
    reserver.reserve(request_of("1", "1", user="ben"))


def test_what_only_warns_never_blocks(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "1", at_limit="warn")
    assert reserver.reserve(request_of("5", "5")).pusd == parse_usd("5")


def test_revoke_says_so_with_the_refusal_once_something_was_spent(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "token:t1", "1", "total", at_limit="revoke")
    too_dear = ReserveRequest(context_of(token="t1"), Ask(parse_usd("2"), parse_usd("2")))
    with pytest.raises(BudgetExceeded) as refused:
        reserver.reserve(too_dear)
    assert not refused.value.revoke
    settled(
        reserver,
        reserver.reserve(ReserveRequest(context_of(token="t1"), Ask(parse_usd("0.1"), parse_usd("0.1")))),
        "0.1",
    )
    with pytest.raises(BudgetExceeded) as refused:
        reserver.reserve(too_dear)
    assert refused.value.revoke


def test_a_zero_budget_lets_what_is_free_through(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "0")
    reservation = reserver.reserve(request_of("0"))
    assert settled(reserver, reservation, "0").excess_pusd == 0
    with pytest.raises(BudgetExceeded):
        reserver.reserve(request_of("0.000001"))


def test_what_costs_more_than_reserved_is_booked_in_full_and_recorded(ledger: Ledger, reserver: SerialReserver) -> None:
    set_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of("4"))
    assert settled(reserver, reservation, "5").excess_pusd == parse_usd("1")
    assert counter_of(ledger, "org") == ("5.00", "0.00")
    entry, _ = ledger.entries(1)[0]
    assert (entry.act, entry.subject) == ("overrun", "openai/gpt-4.1")
    assert entry.detail == f"call=2 reserved_pusd={parse_usd('4')} cost_pusd={parse_usd('5')}"


def test_a_second_settle_does_nothing(ledger: Ledger, reserver: SerialReserver) -> None:
    reservation = reserver.reserve(request_of("4"))
    call = call_of(reservation.context, "3")
    assert reserver.settle(reservation, call)
    assert reserver.settle(reservation, call) is None
    assert [row[3] for row in calls_of(ledger)] == ["3.00"]


def test_a_call_settled_after_its_release_is_not_forgotten(ledger: Ledger, reserver: SerialReserver) -> None:
    reservation = reserver.reserve(request_of("4"))
    reserver.release(reservation)
    settled(reserver, reservation, "3")
    assert [row[3] for row in calls_of(ledger)] == ["3.00"]


def test_what_a_dead_process_reserved_becomes_a_call_at_its_worst_case_once(
    ledger: Ledger, reserver: SerialReserver, time: Time
) -> None:
    set_limit(ledger, "team:support", "10")
    dead = SerialReserver(ledger, time.patience)
    dead.reserve(request_of("4"))
    dead.reserve(request_of("2.5"))
    assert recover(ledger) == ()
    die(dead)
    assert len(recover(ledger)) == 2
    assert recover(ledger) == ()
    assert counter_of(ledger, "team:support") == ("6.50", "0.00")
    assert [row[1:] for row in calls_of(ledger)] == [("worst_case", "lost", "4.00"), ("worst_case", "lost", "2.50")]
    assert not os.path.exists(dead.process.directory + f"/process-{dead.process.name}.lock")
    verify(ledger)


def test_reserving_looks_for_the_dead_first(ledger: Ledger, reserver: SerialReserver, time: Time) -> None:
    set_limit(ledger, "org", "10")
    dead = SerialReserver(ledger, time.patience)
    dead.reserve(request_of("4"))
    die(dead)
    reserver.reserve(request_of("1"))
    assert counter_of(ledger, "org") == ("4.00", "1.00")


def test_who_waits_for_a_process_that_dies_meanwhile_goes_on(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    dying, reserver = SerialReserver(ledger, time.patience), SerialReserver(ledger, time.patience)
    dying.reserve(request_of("8"))

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        dying.process.leave()

    reserver.patience = time.patience._replace(sleep_s=sleep)
    assert reserver.reserve(request_of("8", "1")).pusd == parse_usd("2")
    assert counter_of(ledger, "org") == ("8.00", "2.00")
    reserver.process.leave()


def test_a_settle_after_the_reservation_was_declared_lost_corrects_it_once(ledger: Ledger, time: Time) -> None:
    set_limit(ledger, "org", "10")
    slow = SerialReserver(ledger, time.patience)
    reservation = slow.reserve(request_of("4"))
    die(slow)
    (entry,) = recover(ledger)
    call = call_of(reservation.context, "1.5")
    assert slow.settle(reservation, call) is not None
    assert slow.settle(reservation, call) is None
    assert counter_of(ledger, "org") == ("1.50", "0.00")
    with ledger.reading() as connection:
        assert connection.execute("SELECT corrects FROM call WHERE cost_pusd < 0").fetchone() == (entry,)
    verify(ledger)


def test_a_lost_call_without_a_price_is_unpriced_and_not_free(ledger: Ledger, time: Time) -> None:
    dead = SerialReserver(ledger, time.patience)
    dead.reserve(ReserveRequest(context_of()._replace(price=""), Ask(0, 0)))
    dead.reserve(ReserveRequest(context_of()._replace(price="local"), Ask(0, 0)))
    die(dead)
    recover(ledger)
    assert sorted(row[1] for row in calls_of(ledger)) == ["unpriced", "worst_case"]


def test_a_lost_call_of_somebody_erased_meanwhile_still_counts_where_it_was_reserved(
    ledger: Ledger, time: Time
) -> None:
    set_limit(ledger, "user:ana", "10")
    dead = SerialReserver(ledger, time.patience)
    dead.reserve(request_of("4"))
    die(dead)
    with ledger.writing() as writer:
        digest = writer.person("ana").hex()
        writer.connection.execute("UPDATE person SET name = NULL, salt = NULL WHERE name = 'ana'")
        writer.act(Act("ledger erase", "user", digest))
    assert len(recover(ledger)) == 1
    with ledger.reading() as connection:
        assert connection.execute("SELECT spent, reserved FROM counter").fetchall() == [(str(parse_usd("4")), "0")]
        assert connection.execute("SELECT count(*) FROM person WHERE name IS NULL").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM slot WHERE person <> x''").fetchone() == (1,)
    verify(ledger)


def test_closing_with_open_reservations_leaves_them_to_be_recovered(ledger: Ledger, time: Time) -> None:
    reserver = SerialReserver(ledger, time.patience)
    reserver.reserve(request_of("4"))
    reserver.close()
    assert len(recover(ledger)) == 1


def test_closing_with_nothing_open_leaves_no_file(ledger: Ledger, time: Time) -> None:
    reserver = SerialReserver(ledger, time.patience)
    reserver.settle(reserver.reserve(request_of("4")), call_of(context_of(), "1"))
    reserver.close()
    assert [name for name in os.listdir(os.path.dirname(ledger.path)) if name.startswith("process-")] == []


def test_a_failed_settle_leaves_the_reservation_and_is_done_again(
    ledger: Ledger, reserver: SerialReserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of("4"))
    call = call_of(reservation.context, "3")
    before = ledger.head()
    with monkeypatch.context() as patch:
        patch.setattr("aikeys.budgets.booking.add_to_counters", _no_room)
        with pytest.raises(OSError, match="no room"):
            reserver.settle(reservation, call)
    assert ledger.head() == before
    assert counter_of(ledger, "org") == ("0.00", "4.00")
    reserver.settle(reservation, call)
    assert counter_of(ledger, "org") == ("3.00", "0.00")


def _no_room(*_: object, **__: object) -> None:
    raise OSError("no room")


def test_a_full_disk_in_a_settle_loses_nothing(ledger: Ledger, reserver: SerialReserver) -> None:
    from aikeys.storage.sqlite import DiskFull

    set_limit(ledger, "org", "10")
    reservation = reserver.reserve(request_of("4"))
    huge = Call(0, 0, reservation.context, cost_pusd=parse_usd("3"), request_id="r" * 500_000)
    with ledger.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        reserver.settle(reservation, huge)
    assert counter_of(ledger, "org") == ("0.00", "4.00")
    with ledger.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert reserver.settle(reservation, huge) is not None
    assert counter_of(ledger, "org") == ("3.00", "0.00")


def test_a_price_that_makes_no_sense_is_refused(reserver: SerialReserver) -> None:
    for worst, floor in ((-1, -1), (1, 2), (10**19, 0), (5, -1)):
        with pytest.raises(UsageError):
            reserver.reserve(ReserveRequest(context_of(), Ask(worst, floor)))


def test_a_reserver_does_not_survive_a_fork(ledger: Ledger, time: Time) -> None:
    reserver = SerialReserver(ledger, time.patience)
    child = os.fork()
    if child == 0:
        os._exit(0 if not reserver.process.is_held else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert reserver.process.is_held
    reserver.close()


def test_no_reservation_without_a_process(ledger: Ledger, reserver: SerialReserver) -> None:
    reserver.reserve(request_of("1"))
    with ledger.reading() as connection:
        assert processes(connection) == [reserver.process.name]
