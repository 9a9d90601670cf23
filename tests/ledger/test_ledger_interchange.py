"""Calls leave as JSON lines and come into another ledger, all or none, each once, with nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aikeys.errors import UsageError as Refused
from aikeys.ledger import listing
from aikeys.ledger.calls import Call
from aikeys.ledger.import_ids import id_of, identity
from aikeys.ledger.import_prices import BookPricing
from aikeys.ledger.importing import ImportCounts, import_calls
from aikeys.ledger.interchange import FIELDS, LineReader, call_row
from aikeys.ledger.recording import append_call
from aikeys.ledger.rollups import SUMS
from aikeys.pricing.book import Book as Prices
from aikeys.providers.usage import Usage
from tests.ledger.conftest import START_US, Book, call

AT = "2026-09-20T10:00:00Z"
LINE = {"id": "one", "at": AT, "provider": "openai", "model": "gpt-5", "cost_usd": "0.25"}


def unpriced(one: Call) -> Call:
    return one._replace(cost_source="unpriced")


def lines(*rows: dict[str, Any]) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


def take(book: Book, *rows: dict[str, Any] | bytes, pricing: Callable[[Call], Call] = unpriced) -> ImportCounts:
    data = [row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows]
    return import_calls(book.ledger, data, append_call, pricing, lambda _: None)


def exported(book: Book) -> list[dict[str, object]]:
    with book.ledger.reading() as connection:
        return [
            call_row(
                one,
                identity(book.ledger, one.number, one.call),
                id_of(connection, book.ledger, one.call.corrects) if one.call.corrects else "",
            )
            for one in listing.calls(connection, book.ledger)
        ]


def totals(book: Book) -> list[tuple[Any, ...]]:
    with book.ledger.reading() as connection:
        return connection.execute(
            "SELECT day, t.text, p.text, (SELECT name FROM person WHERE digest = s.person), m.text, source, "  # noqa: S608
            f"{SUMS} FROM rollup_day r JOIN slot s ON s.id = r.slot JOIN word t ON t.id = s.team "
            "JOIN word p ON p.id = s.project JOIN word m ON m.id = s.model ORDER BY 1, 2, 3, 4, 5, 6"
        ).fetchall()


def test_a_line_becomes_the_call_it_says(book: Book) -> None:
    row = {
        **LINE, "team": "support", "user": "ana", "tags": {"client": "acme", "b": "x=y"}, "key": "openai", "token": "tok",
        "answered": "gpt-5-2026", "input_tokens": 1000, "cached_input_tokens": 300, "cache_write_5m_tokens": 2,
        "cache_write_1h_tokens": 1, "output_tokens": 50, "reasoning_tokens": 20, "units": {"web_searches": 2},
        "unpriced_units": {"web_searches": 2}, "cost_source": "computed", "status": "error", "latency_ms": 900, "first_token_ms": 80,
        "at": "2026-09-20T12:00:00.000123+02:00",
    }  # fmt: skip
    assert take(book, row) == ImportCounts(1, 0, 0, 0)
    with book.ledger.reading() as connection:
        one = listing.newest_calls(connection, book.ledger, 1)[0].call
    assert one.at_us == 1_789_898_400_000_123
    assert one.settled_us == START_US
    assert one.usage == Usage(1000, 300, 2, 1, 50, 20, (("web_searches", 2),))
    assert (one.cost_pusd, one.cost_source, one.status) == (250_000_000_000, "computed", "error")
    assert (one.context.model, one.context.provider, one.context.door) == ("openai/gpt-5", "openai", "import")
    assert one.context.labels == ("support", "", "", "ana", (("b", "x=y"), ("client", "acme")))
    book.verify()


def test_the_same_id_is_taken_once_however_often_it_comes(book: Book) -> None:
    assert take(book, LINE, LINE, {**LINE, "id": "two"}) == ImportCounts(2, 1, 0, 0)
    assert take(book, LINE, {**LINE, "id": "three"}) == ImportCounts(1, 1, 0, 0)
    assert take(book, LINE) == ImportCounts(0, 1, 0, 0)
    book.verify()
    assert sum(row[6] for row in totals(book)) == 3


def test_a_bad_line_five_thousand_is_named_and_nothing_is_imported(book: Book) -> None:
    before = book.ledger.head()
    rows = [{**LINE, "id": str(number)} for number in range(6000)]
    data = [json.dumps(row).encode() for row in rows]
    data[4999] = b'{"id": "x", "at": '
    with pytest.raises(Refused, match=r"^line 5000: it is not JSON") as caught:
        take(book, *data)
    assert caught.value.hint.startswith("nothing was imported")
    assert book.ledger.head() == before
    assert totals(book) == []
    book.verify()


WRONG: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "no id": ({**LINE, "id": ""}, "id is missing"),
    "no time": ({name: value for name, value in LINE.items() if name != "at"}, "at is missing"),
    "a number for a time": ({**LINE, "at": 5}, "at is not a text"),
    "no such time": ({**LINE, "at": "2026-13-01T00:00:00Z"}, "at is not a time"),
    "a time without a zone": ({**LINE, "at": "2026-09-20T10:00:00"}, "at lacks its zone"),
    "a day": ({**LINE, "at": "2026-09-20"}, "at lacks its zone"),
    "a time in the future": ({**LINE, "at": "2031-01-01T00:00:00Z"}, "at lies in the future"),
    "a time before time": ({**LINE, "at": "1969-01-01T00:00:00Z"}, "at lies before 1970"),
    "a misspelled field": ({**LINE, "output_token": 5}, "did you mean output_tokens"),
    "a negative count": ({**LINE, "input_tokens": -1}, "input_tokens is not a whole number"),
    "half a token": ({**LINE, "input_tokens": 1.5}, "input_tokens is not a whole number"),
    "true tokens": ({**LINE, "input_tokens": True}, "input_tokens is not a whole number"),
    "endless tokens": ({**LINE, "input_tokens": 10**16}, "input_tokens is not a whole number"),
    "more cached than input": ({**LINE, "input_tokens": 5, "cached_input_tokens": 6}, "it contains them"),
    "more reasoning than output": ({**LINE, "output_tokens": 5, "reasoning_tokens": 6}, "it contains them"),
    "a negative cost": ({**LINE, "cost_usd": "-1"}, "below zero"),
    "NaN": (b'{"id": "x", "at": "' + AT.encode() + b'", "provider": "p", "cost_usd": NaN}', "NaN is not a number"),
    "NaN in a text": ({**LINE, "cost_usd": "NaN"}, "not an amount"),
    "endless cost": ({**LINE, "cost_usd": "9999999999"}, "above 9 million"),
    "a cost with a power": ({**LINE, "cost_usd": "1e-3"}, "not an amount"),
    "a cost with marks": ({**LINE, "cost_usd": "1_000"}, "not an amount"),
    "a cost beyond numbers": (b'{"id": "x", "at": "' + AT.encode() + b'", "provider": "p", "cost_usd": 1e999999999}', "cost_usd is"),
    "a hidden decimal": ({**LINE, "cost_usd": "1." + "0" * 40 + "1"}, "more than 12 decimals"),
    "a number of 5000 digits": (b'{"id": "x", "input_tokens": ' + b"9" * 5000 + b"}", "not JSON"),
    "too exact": ({**LINE, "cost_usd": "0.0000000000001"}, "more than 12 decimals"),
    "a list for a cost": ({**LINE, "cost_usd": []}, "not an amount"),
    "a cost source of its own": ({**LINE, "cost_source": "guessed"}, "none of billed"),
    "billed without a cost": ({**LINE, "cost_usd": None, "cost_source": "billed"}, "cost_usd is missing"),
    "no provider": ({**LINE, "provider": "", "model": ""}, "provider and model are missing"),
    "a label with a line end": ({**LINE, "team": "a\nb"}, "unprintable"),
    "a long label": ({**LINE, "team": "a" * 201}, "over 200"),
    "a list for a label": ({**LINE, "team": ["a"]}, "team is not a text"),
    "tags of numbers": ({**LINE, "tags": {"a": 1}}, "tags is not"),
    "a tag with =": ({**LINE, "tags": {"a=b": "c"}}, "= in it"),
    "a tag that separates lines": ({**LINE, "tags": {"a": "b\u2028c"}}, "unprintable"),
    "a status of two words": ({**LINE, "status": "not ok"}, "one plain word"),
    "units of texts": ({**LINE, "units": {"a": "1"}}, "whole number"),
    "a correction of nothing": ({**LINE, "id": "two", "corrects": "zero", "cost_usd": "-1"}, "which is not here"),
    "a list": (b"[]", "not a JSON object"),
    "a field that stands twice": (b'{"id": "x", "at": "' + AT.encode() + b'", "provider": "p", "cost_usd": 1, "cost_usd": 2}', "cost_usd stands twice"),
    "a tag that stands twice": (b'{"id": "x", "at": "' + AT.encode() + b'", "provider": "p", "tags": {"a": "1", "a": "2"}}', "a stands twice"),
    "a kind of its own": ({**LINE, "kind": "zzz"}, "kind is none of"),
    "a kind that is not a text": ({**LINE, "kind": ["call"]}, "kind is none of"),
    **{
        f"a {name} that would be each {name}": ({**LINE, name: "*"}, f"{name} has a *")
        for name in ("team", "project", "environment", "user", "token")
    },
    "a key that would be each key": ({**LINE, "key": "*"}, "cannot be a key's name"),
    "a name mixed with *": ({**LINE, "team": "a*"}, "team has a *"),
    "outer spaces": ({**LINE, "team": " a "}, "team has outer spaces"),
    "no UTF-8": (b'{"id": "\xff"}', "not UTF-8"),
    "a deep nest": (b"[" * 100_000, "not JSON"),
    "a lone surrogate": ({**LINE, "team": "\ud800"}, "unprintable"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_by_its_name(book: Book, name: str) -> None:
    row, words = WRONG[name]
    with pytest.raises(Refused, match=r"^line 2: ") as caught:
        take(book, LINE, row)
    assert words in caught.value.message
    assert totals(book) == []


@pytest.mark.parametrize(
    ("given", "cost_pusd"),
    [
        ("0.25", 25 * 10**10),
        (0.1, 10**11),
        (1e-06, 10**6),
        (0.00012300000000000001, 123_000_000),
        (3, 3 * 10**12),
        ("0", 0),
    ],
)
def test_costs_are_exact_and_noise_of_floats_is_not(given: Any, cost_pusd: int) -> None:
    item = LineReader(START_US).read(json.dumps({**LINE, "cost_usd": given}).encode())
    assert item is not None
    assert item.call.cost_pusd == cost_pusd


def test_blank_lines_acts_and_a_byte_order_mark_are_passed_over(book: Book) -> None:
    data = [b"\xef\xbb\xbf" + json.dumps(LINE).encode(), b"\n", b'{"kind": "act", "number": 3}', b'{"kind": "ledger"}']
    assert take(book, *data) == ImportCounts(1, 0, 2, 0)


def test_what_goes_out_comes_in_elsewhere_with_the_same_totals(filled: Book, make_book: Callable[..., Book]) -> None:
    filled.record(
        call(START_US, cost_pusd=100, cost_source="worst_case", status="lost"),
        call(START_US, cost_pusd=-40, corrects=14 + 1, usage=Usage(), cost_source="billed"),
        call(START_US + 5, cost_source="unpriced", unpriced=(("input_tokens", 5),), latency_ms=0, first_token_ms=0),
    )
    other = make_book("other", zone="UTC")
    rows = exported(filled)
    assert all(set(row) <= set(FIELDS) for row in rows)
    assert take(other, *rows) == ImportCounts(len(rows), 0, 0, 1)
    assert totals(other) == totals(filled)
    other.verify()
    third = make_book("third", zone="UTC")
    again = exported(other)
    assert [row["id"] for row in again] == [row["id"] for row in rows]
    take(third, *again)
    assert totals(third) == totals(filled)
    assert take(filled, *again).imported == 0, "a ledger's own calls come back"


def test_a_call_without_a_cost_is_priced_by_the_book(book: Book, tmp_path: Any) -> None:
    prices = Prices(str(tmp_path), {}, {}, {})
    row = {key: value for key, value in LINE.items() if key != "cost_usd"}
    usage = {"input_tokens": 1_000_000, "output_tokens": 1000}
    rows = [{**row, **usage}, {**row, **usage, "id": "two", "model": "no-such-model"}]
    assert take(book, *rows, pricing=BookPricing(prices)) == ImportCounts(2, 0, 0, 1)
    with book.ledger.reading() as connection:
        known, unknown = (one.call for one in listing.newest_calls(connection, book.ledger, 2))
    assert known.cost_source == "computed"
    assert known.cost_pusd > 0
    assert known.context.price.startswith("openai/gpt-5@")
    assert (unknown.cost_source, unknown.cost_pusd) == ("unpriced", 0)
    assert dict(unknown.unpriced)
    book.verify()


def test_an_import_that_is_edited_afterwards_is_found(book: Book) -> None:
    from aikeys.errors import Damaged

    take(book, LINE, {**LINE, "id": "two"})
    for edit in (
        "DELETE FROM imported WHERE id = 'two'",
        "INSERT INTO imported VALUES ('two', 1)",
        "UPDATE imported SET call = 2",
    ):
        with book.by_hand() as connection:
            connection.execute(edit)
        with pytest.raises(Damaged, match="imported"):
            book.verify()
