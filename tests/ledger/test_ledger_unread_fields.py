"""The fields that nobody read are told by provider and since when, within the calls that were asked for."""

from __future__ import annotations

from aikeys.ledger.calls import UNPRICED, Call
from aikeys.ledger.unread_fields import UnreadField, fields_of, unread_fields, unread_since
from tests.ledger.conftest import DAY_US, START_US, Book, call

FIRST = START_US // DAY_US


def unread(day: int, *names: str, provider: str = "openai", team: str = "") -> Call:
    unpriced = tuple((name, 1) for name in names)
    return call(START_US + day * DAY_US, provider=provider, team=team, cost_source=UNPRICED, unpriced=unpriced)


def found(book: Book, first: int = 0, end: int = 10, where: object = ()) -> list[UnreadField]:
    with book.ledger.reading() as connection:
        return unread_fields(connection, FIRST + first, FIRST + end, where)  # type: ignore[arg-type]


def test_only_paths_are_fields() -> None:
    assert fields_of((("usage.tiles", 3), ("web_searches", 1), ("further fields", 2))) == (
        "usage.tiles",
        "further fields",
    )


def test_fields_are_told_by_provider_with_their_first_day(book: Book) -> None:
    book.record(
        unread(0, "usage.tiles", "web_searches"),
        unread(1, "usage.tiles", provider="gemini"),
        unread(2, "usage.tiles", "usage.pins"),
        call(START_US),
    )
    assert found(book) == [
        UnreadField("openai", "usage.tiles", START_US, 2),
        UnreadField("gemini", "usage.tiles", START_US + DAY_US, 1),
        UnreadField("openai", "usage.pins", START_US + 2 * DAY_US, 1),
    ]


def test_since_looks_back_beyond_the_range(book: Book) -> None:
    book.record(unread(0, "usage.tiles"), unread(3, "usage.tiles"))
    assert found(book, first=3) == [UnreadField("openai", "usage.tiles", START_US, 1)]
    assert found(book, first=5) == []
    with book.ledger.reading() as connection:
        assert unread_since(connection, "openai", "usage.tiles") == START_US
        assert unread_since(connection, "gemini", "usage.tiles") is None
        assert unread_since(connection, "openai", "usage.tile") is None


def test_only_what_was_asked_for_is_told(book: Book) -> None:
    book.record(unread(0, "usage.tiles", team="a"), unread(0, "usage.pins", team="b"))
    assert [one.field for one in found(book, where=(("team", ("a",)),))] == ["usage.tiles"]
    assert [one.field for one in found(book, where=(("provider", ("openai",)), ("team", ("b", "c"))))] == ["usage.pins"]
    assert found(book, where=(("token", ("x",)),)) == []
    assert found(book, where=(("tag:job", ("x",)),)) == []
