"""Rounds on ledger.db keep the contract of every Rounds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

import pytest

from aikeys.budgets.queues import Queues
from aikeys.budgets.rounds import Release, RoundResult, Rounds, Work
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.verify import verify_budgets
from aikeys.errors import MachineFailed
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.ledger.write_cache import WriteCache
from tests.budgets.conftest import set_limit
from tests.budgets.rounds_contract import Line, RoundsContract, values


class SqliteStore:
    """A ledger.db of its own."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = ledger
        self.opened: list[SqliteRounds] = []
        self._monkeypatch = monkeypatch

    def rounds(self) -> SqliteRounds:
        self.opened.append(SqliteRounds(os.path.dirname(self.ledger.path)))
        return self.opened[-1]

    def set_limit(self, who: str, usd: str) -> None:
        set_limit(self.ledger, who, usd)

    def die(self, rounds: Rounds) -> None:
        assert isinstance(rounds, SqliteRounds)
        rounds.process.leave()

    def lose_next_answer(self, rounds: Rounds) -> None:
        real = rounds.commit

        def commit(work: Work, queues: Queues) -> RoundResult:
            real(work, queues)
            self._monkeypatch.undo()
            raise MachineFailed("the answer was lost")

        self._monkeypatch.setattr(rounds, "commit", commit)

    def held(self) -> list[bytes]:
        return [row[0] for row in self._rows("SELECT id FROM reservation ORDER BY rowid")]

    def costs(self) -> list[int]:
        return [row[0] for row in self._rows("SELECT cost_pusd FROM call ORDER BY id")]

    def objects(self) -> list[str]:
        return [row[0] for row in self._rows("SELECT name FROM kept_object ORDER BY name")]

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        with self.ledger.reading() as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def store(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    made = SqliteStore(ledger, monkeypatch)
    yield made
    for rounds in made.opened:
        rounds.close()
    verify(ledger)
    verify_budgets(ledger)


class TestSqliteRounds(RoundsContract):
    """On ledger.db."""


def test_a_job_whose_sums_cannot_be_written_ended_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.set_limit("org", "10")
    line = Line(store.rounds())
    first, second = line.reserved("2"), line.reserved("3")
    real, fails = WriteCache.write_out, iter([True, True])  # of the whole round; then of its first job alone

    def write_out(cache: WriteCache, connection: sqlite3.Connection) -> None:
        if next(fails, False):
            raise ValueError("not written")
        real(cache, connection)

    monkeypatch.setattr(WriteCache, "write_out", write_out)
    asked = line.waiter("4")
    done = line.commit(Release(first), Release(second), new=(asked,))
    assert values(done.answers)[:2] == [ValueError, True]
    assert (done.ended, done.reserved) == ([second.id], [asked.id])
    assert store.held() == [first.id, asked.id]
