"""An import checks without a lock and books in short pieces: killed anywhere, the same file again gives the same totals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.booking import book as booking
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_all
from aikeys.budgets.who import parse_who
from aikeys.errors import UsageError as Refused
from aikeys.ledger import pieces
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.entries import Head
from aikeys.ledger.importing import ImportCounts, book_calls, checked, import_calls
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.verify import Known
from tests.ledger.conftest import Book, call
from tests.ledger.test_ledger_interchange import LINE, lines, totals

ROWS: list[dict[str, Any]] = [
    {**LINE, "id": str(number), "team": f"t{number % 7}", "user": f"u{number % 3}", "cost_usd": f"0.{number:04d}"}
    for number in range(1, 61)
]
ROWS += [{**LINE, "id": f"c{n}", "corrects": str(n), "cost_usd": "-0.0001", "team": f"t{n % 7}"} for n in range(1, 10)]


def take(book: Book, rows: list[dict[str, Any]], booked: Callable[..., Head] = booking) -> ImportCounts:
    return import_calls(book.ledger, lines(*rows), booked, lambda one: one, lambda _: None)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece end after a call or two."""
    monkeypatch.setattr(pieces, "_AIM_S", 0.0)
    monkeypatch.setattr(pieces, "_LEAST_S", 0.0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("broken", [0, 1, 30, 60, 65])
def test_an_import_broken_off_and_run_again_has_the_totals_of_one(
    book: Book, make_book: Callable[..., Book], broken: int
) -> None:
    other = make_book("other")
    for each in (book, other):
        with each.ledger.writing() as writer:
            set_budget(writer, parse_who("team:t1"), Terms(10**13, "total", "block", (1, 50)))
    take(other, ROWS)
    left = [broken]

    def breaking(writer: Writer, one: Call, calendar: Calendar) -> Head:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return booking(writer, one, calendar)

    with pytest.raises(KeyboardInterrupt):
        take(book, ROWS, breaking)
    verify_all(book.ledger, Known())
    done = take(book, ROWS)
    assert done.imported + done.known == len(ROWS)
    assert done.known == broken, "every piece was one call"
    verify_all(book.ledger, Known())
    assert totals(book) == totals(other)
    assert counters(book) == counters(other)
    assert take(book, ROWS) == ImportCounts(0, len(ROWS), 0, 0)


def counters(book: Book) -> list[tuple[Any, ...]]:
    with book.ledger.reading() as connection:
        return connection.execute("SELECT who, period, spent FROM counter ORDER BY 1, 2").fetchall()


def test_a_process_killed_in_the_middle_leaves_a_ledger_that_verifies_and_goes_on(book: Book, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(lines(*ROWS)))
    program = f"""
        import os, signal, sys
        from aikeys.budgets.booking import book
        from aikeys.ledger import pieces
        from aikeys.ledger.importing import import_calls
        from aikeys.ledger.store import Ledger
        pieces._AIM_S = pieces._LEAST_S = 0.0
        left = [40]
        def booked(writer, call, calendar):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return book(writer, call, calendar)
        with open({str(file)!r}, "rb") as lines:
            import_calls(Ledger({str(book.folder)!r}).open(), lines, booked, lambda one: one, lambda _: None)
    """
    book.ledger.close()
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, timeout=60, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    book.ledger.open()
    verify_all(book.ledger, Known())
    assert take(book, ROWS) == ImportCounts(len(ROWS) - 39, 39, 0, 0)
    verify_all(book.ledger, Known())


def test_nothing_is_locked_while_lines_are_checked_and_others_write_between_pieces(book: Book) -> None:
    other = Ledger(str(book.folder)).open()

    def write_meanwhile(_: int) -> None:
        with other.writing() as writer:
            booking(writer, call(), Calendar("UTC"))

    with checked(book.ledger, lines(*ROWS[:3]), lambda one: one, write_meanwhile) as plan:
        pass
    assert plan.counts == ImportCounts(3, 0, 0, 0)
    assert other.head().number == 3
    other.close()


@pytest.mark.usefixtures("short")
def test_pieces_give_way_and_what_came_meanwhile_is_taken_once(book: Book) -> None:
    other = Ledger(str(book.folder)).open()
    rival = lines(ROWS[1], {**ROWS[2], "id": "rival"})
    booked: list[str] = []

    def between(writer: Writer, one: Call, calendar: Calendar) -> Head:
        booked.append(one.import_id)
        return booking(writer, one, calendar)

    with checked(book.ledger, lines(*ROWS[:4]), lambda one: one, lambda _: None) as plan:
        import_calls(other, rival, booking, lambda one: one, lambda _: None)
        done = book_calls(book.ledger, plan, between, lambda _: None)
    assert booked == ["1", "3", "4"]
    assert done == ImportCounts(3, 1, 0, 0)
    acts = [(entry.act, entry.detail) for entry, _ in book.ledger.entries()]
    assert acts == [("ledger import", f"calls={taken} known={known}") for taken, known in ((2, 0), (4, 0), (3, 1))]
    verify_all(book.ledger, Known())
    other.close()


@pytest.mark.usefixtures("short")
def test_an_id_that_came_meanwhile_with_other_content_stops_there_and_says_what_stays(book: Book) -> None:
    with checked(book.ledger, lines(*ROWS[:4]), lambda one: one, lambda _: None) as plan:
        take(book, [{**ROWS[2], "cost_usd": "9"}])
        with pytest.raises(Refused, match=r"^line 3: its id was imported before") as caught:
            book_calls(book.ledger, plan, booking, lambda _: None)
    assert caught.value.hint.startswith("2 calls are imported and stay; ")
    verify_all(book.ledger, Known())


def test_a_piece_ends_in_time_and_the_next_is_as_large_as_the_commit_allows(book: Book) -> None:
    now = [0.0]
    sizes: list[int] = []

    def write(writer: Writer, one: int) -> None:
        now[0] += 0.001
        if not sizes or writer is not writers[-1]:
            writers.append(writer)
            sizes.append(0)
        sizes[-1] += 1

    writers: list[Writer] = []

    def now_s() -> float:
        return now[0]

    pieces.in_pieces(book.ledger, range(200), write, now_s=now_s)
    assert sum(sizes) == 200
    assert max(sizes) * 0.001 <= pieces.LONGEST_S
    assert len(sizes) >= 200 // 50
    assert sizes[1] > sizes[0], "a commit that takes no time leaves more for the work"


def test_the_lines_that_wait_are_in_no_file_of_the_home(book: Book) -> None:
    before = set(os.listdir(book.folder))
    with checked(book.ledger, lines(*ROWS), lambda one: one, lambda _: None):
        assert set(os.listdir(book.folder)) == before
