"""Calls of a range of time are found along its days: what came before and after is not walked through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.ledger.listing import ALWAYS, newest_calls
from tests.ledger.conftest import START_US, call

if TYPE_CHECKING:
    from tests.ledger.conftest import Book

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
DAYS = (0, 5, 1, 5, 2, 0)
"""On which day each call was made, in the order in which they were recorded."""


def filled(book: Book) -> None:
    book.record(*(call(START_US + day * DAY_US + number) for number, day in enumerate(DAYS)))


def numbers(book: Book, between: tuple[int, int], count: int = 10, after: int = 0) -> list[int]:
    with book.ledger.reading() as connection:
        return [one.number for one in newest_calls(connection, book.ledger, count, after, between)]


def test_a_range_holds_its_calls_by_day_and_number(book: Book) -> None:
    filled(book)
    every = numbers(book, ALWAYS)
    assert [one - every[0] for one in every] == [0, 1, 2, 3, 4, 5]
    first = every[0]
    found = numbers(book, (START_US, START_US + 3 * DAY_US))
    assert [one - first for one in found] == [0, 5, 2, 4]
    assert [one - first for one in numbers(book, (START_US + DAY_US, ALWAYS[1]))] == [2, 4, 1, 3]
    assert [one - first for one in numbers(book, (START_US + DAY_US, ALWAYS[1]), count=2)] == [1, 3]
    assert [one - first for one in numbers(book, (START_US, ALWAYS[1]), after=first + 2)] == [5, 4, 3]
    assert numbers(book, (START_US + 3 * DAY_US, START_US + 4 * DAY_US)) == []
    assert [one - first for one in numbers(book, (START_US + 1, START_US + DAY_US))] == [5]


def test_a_range_is_found_by_the_index_of_days(book: Book) -> None:
    filled(book)
    with book.ledger.reading() as connection:
        said: list[str] = []
        connection.set_trace_callback(said.append)
        newest_calls(connection, book.ledger, 5, 0, (START_US, START_US + DAY_US))
        connection.set_trace_callback(None)
        (query,) = [each for each in said if "ORDER BY day" in each]
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert "call_day" in plan[0]
    assert not [step for step in plan if "SCAN call" in step or "TEMP B-TREE" in step], plan
