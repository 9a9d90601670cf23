"""What dead processes left is booked, whatever is wrong with one of them; and the reserver's memory stays true."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aikeys.budgets import recovery
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import attempt
from aikeys.budgets.reserver import Patience, Reserver, ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.thread_reserver import ThreadReserver
from aikeys.budgets.verify import verify_budgets
from aikeys.errors import AikeysError, BadConfiguration, MachineFailed
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger
from aikeys.storage.process_lock import path_of
from tests.budgets.conftest import call_of, request_of, set_limit

DEAD = "999-aaaaaaaaaaaa"
UNREADABLE = ("000-bad", "zzz-bad")
"""Looked at before and after the dead one: names are sorted."""


class Clock:
    """The clock of the deadlines; a second on, the reserver looks for dead processes again."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _leave(ledger: Ledger, usd: str) -> None:
    with ledger.writing() as writer:
        attempt(writer, request_of(usd, usd), DEAD, Calendar("UTC"))


def _make_unreadable(ledger: Ledger) -> None:
    for name in UNREADABLE:
        os.symlink("nowhere", path_of(os.path.dirname(ledger.path), name))


@contextmanager
def _reserver(ledger: Ledger, clock: Clock, said: list[str]) -> Iterator[ThreadReserver]:
    reserver = ThreadReserver(
        SqliteRounds(os.path.dirname(ledger.path)), ReserverSetup(Patience(60, now_s=clock), say=said.append)
    )
    try:
        yield reserver
    finally:
        reserver.close()


def _spend(reserver: ThreadReserver, usd: str) -> None:
    reservation = reserver.reserve(request_of(usd, usd)).result(20)
    reserver.settle(reservation, call_of(reservation.context, usd)).result(20)


def test_one_process_that_cannot_be_looked_at_keeps_no_other_from_being_booked(ledger: Ledger) -> None:
    _leave(ledger, "6")
    _make_unreadable(ledger)
    troubles: list[AikeysError] = []
    assert len(recover(ledger, trouble=troubles.append)) == 1
    assert [UNREADABLE[number] in one.message for number, one in enumerate(troubles)] == [True, True]
    with pytest.raises((MachineFailed, BadConfiguration), match="000-bad"):
        recover(ledger)


def test_a_search_that_fails_half_way_leaves_no_wrong_sums(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limit(ledger, "org", "10")
    clock, said = Clock(), list[str]()
    with _reserver(ledger, clock, said) as reserver:
        _spend(reserver, "1")  # looked for dead processes, and remembers 1 spent
        _leave(ledger, "6")
        _spend(reserver, "1")  # within the second: remembers 2 spent and 6 reserved
        real, rounds = recovery.left_behind, reserver._rounds
        assert isinstance(rounds, SqliteRounds)

        def broken(directory: str) -> list[str]:
            recover_first(directory)
            raise OSError(errno.EMFILE, "too many")

        def recover_first(directory: str) -> None:
            monkeypatch.setattr(recovery, "left_behind", real)
            recover(rounds.ledger, rounds.process.name)
            monkeypatch.setattr(recovery, "left_behind", broken)

        monkeypatch.setattr(recovery, "left_behind", broken)
        clock.now_s += 2
        _spend(reserver, "1")
        with pytest.raises(BudgetExceeded):
            reserver.reserve(request_of("2", "2")).result(20)
        _spend(reserver, "1")
        assert reserver.is_alive
    assert said == ["what a process that is gone had reserved cannot be looked for: OSError"]
    verify_budgets(ledger)


def test_the_operator_is_told_once_of_what_cannot_be_looked_at(ledger: Ledger) -> None:
    _make_unreadable(ledger)
    clock, said = Clock(), list[str]()
    with _reserver(ledger, clock, said) as reserver:
        for _ in range(3):
            _spend(reserver, "1")
            clock.now_s += 2
    assert len(said) == 1
    assert all(name in said[0] for name in UNREADABLE)


def test_when_the_thread_fails_everybody_is_told_who_waits_and_who_comes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(ledger, "org", "10")
    said: list[str] = []
    ended: list[bool] = []
    means = ReserverSetup(Patience(60), say=said.append, ended=lambda: ended.append(True))
    reserver = ThreadReserver(SqliteRounds(os.path.dirname(ledger.path)), means)
    try:
        first = reserver.reserve(request_of("8", "8")).result(20)
        waiting = reserver.reserve(request_of("8", "8"))

        def broken(_reserver: Reserver, _asked: object) -> None:
            raise ValueError("sk-secret")

        monkeypatch.setattr(Reserver, "_round", broken)
        asked = [reserver.settle(first, call_of(first.context, "1")), reserver.act(lambda _writer: None), waiting]
        for ticket in asked:
            with pytest.raises(MachineFailed, match="thread failed"):
                ticket.result(20)
        with pytest.raises(MachineFailed, match="thread failed"):
            reserver.reserve(request_of("1")).result(20)
        assert (reserver.is_alive, ended) == (False, [True])
    finally:
        reserver.close()
    assert said == ["the ledger's thread failed: ValueError; this process cannot go on"]
    monkeypatch.undo()
    assert len(recover(ledger)) == 1  # what was reserved is booked by whoever comes next
    verify_budgets(ledger)
