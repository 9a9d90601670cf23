"""The list of alerts says in words what each is about."""

from __future__ import annotations

import pytest

from aikeys.alerts.occasions import occasion_text
from tests.alerts.servers import Book


@pytest.mark.parametrize(
    ("once", "words"),
    [
        ("budget team:a b month 20758 80 of 5000000000000", "budget team:a b, month from 2026-11-01: 80 % of $5.00"),
        ("budget org total 0 100 of 250000000000", "budget org, in total: 100 % of $0.2500"),
        ("key:openai:expiry:1796083200:soon", "key openai expires on 2026-12-01"),
        ("key:a:b:rotation:1796083200:past", "key a:b has been due for rotation since 2026-12-01"),
        ("budget org month 99999999999 80 of 1", "budget org month 99999999999 80 of 1"),
        ("something else", "something else"),
    ],
)
def test_an_occasion_is_put_in_words(book: Book, once: str, words: str) -> None:
    with book.ledger.reading() as connection:
        assert occasion_text(connection, once) == words


def test_a_user_has_the_name_again_until_it_is_erased(book: Book) -> None:
    with book.ledger.writing() as writer:
        digest = writer.person("ana").hex()
        once = f"budget user:{digest} week 20776 100 of 1000000000000"
        assert occasion_text(writer.connection, once) == "budget user:ana, week from 2026-11-19: 100 % of $1.00"
        writer.connection.execute("UPDATE person SET name = NULL")
        assert f"user:(erased){digest[:12]}, week" in occasion_text(writer.connection, once)
