"""Tokens that end soon: one message each, in words that name no secret."""

from __future__ import annotations

from aikeys.alerts.occasions import occasion_text
from aikeys.alerts.token_dates import TokenDates, ending_messages
from tests.alerts.servers import NOW_US, Book

NOW_S = NOW_US // 1_000_000
DAY_S = 86400


def test_each_token_has_one_message_the_first_to_end_first() -> None:
    found = ending_messages([TokenDates("b" * 16, "", NOW_S + 2 * DAY_S), TokenDates("a" * 16, "build", NOW_S + DAY_S)])
    assert [due.message.subject for due in found] == [
        f"token {'a' * 16} (build) expires on 2026-11-24",
        f"token {'b' * 16} expires on 2026-11-25",
    ]
    assert [due.message.kind for due in found] == ["key", "key"]
    assert dict(found[0].message.facts)["token"] == "a" * 16


def test_the_occasion_is_the_token_and_its_end_and_reads_in_words(book: Book) -> None:
    (due,) = ending_messages([TokenDates("0123456789abcdef", "x", NOW_S + DAY_S)])
    with book.ledger.reading() as connection:
        assert occasion_text(connection, due.once) == "token 0123456789abcdef expires on 2026-11-24"
