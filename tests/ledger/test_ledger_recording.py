"""Calls reach the chain byte by byte as specified, and every roll-up they belong to."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys.ledger import listing
from aikeys.ledger.calls import (
    Call,
    Context,
    Extra,
    Labels,
    call_bytes,
    context_bytes,
    extra_bytes,
    numbers_of,
    read_extra,
)
from aikeys.ledger.entries import Entry, chain_hash, genesis, packed_facts
from aikeys.ledger.queries import reading
from aikeys.ledger.questions import CALLS, ROLL_UPS, LedgerSums, SumQuery
from aikeys.ledger.recording import append_call
from aikeys.ledger.rollups import SUMS, declare_tag, keep_tags
from aikeys.money import joined
from aikeys.providers.usage import Usage
from tests.ledger.conftest import DAY_US, START_US, Book, Clock, call

HOUR_US = 3_600_000_000


def packed(*fields: bytes | str | int | None) -> bytes:
    """The canonical encoding, written a second time from its specification."""
    out = b""
    for field in fields:
        if field is None:
            tag, data = b"\0", b""
        elif isinstance(field, int):
            tag, data = b"\1", str(field).encode()
        elif isinstance(field, bytes):
            tag, data = b"\2", field
        else:
            tag, data = b"\3", field.encode()
        out += tag + len(data).to_bytes(4, "big") + data
    return out


def test_the_chain_begins_with_ledger_and_zone() -> None:
    assert genesis(b"i" * 16, "UTC") == (0, sha256(packed("aikeys/1/ledger", b"i" * 16, "UTC")).digest())


def test_an_act_has_the_bytes_of_the_specification() -> None:
    entry = Entry(7, 5, "event", "exec", "openai", b"a" * 32, None, "program=x", "ok", None, None, None, None)
    assert chain_hash(b"p" * 32, entry) == sha256(b"p" * 32 + packed("aikeys/1/act", *entry[:-1])).digest()
    said = entry._replace(detail="", facts=packed_facts((("program", "a b"), ("token", ""))))
    assert said.facts == packed("program", "a b", "token", "")
    assert chain_hash(b"p" * 32, said) == sha256(b"p" * 32 + packed("aikeys/2/act", *said)).digest()


def test_a_call_has_the_bytes_of_the_specification() -> None:
    one = Call(
        10, 20, Context(Labels("t", "p", "e", "u", (("a", "1"), ("b", "x=y"))), "tok", "key", "prov", "prov/m", "m-1", "price", "1.2.3.4", "gateway"),
        Usage(9, 1, 2, 3, 5, 4, (("web_searches", 2),)), (("x", 1),), -5, "billed", "error", None, 0, 3, b"r" * 16, "req", b"q" * 32, b"",
    )  # fmt: skip
    context = packed(
        "aikeys/1/context",
        "t",
        "p",
        "e",
        b"U",
        "a=1\nb=x=y",
        "tok",
        "key",
        "prov",
        "prov/m",
        "m-1",
        "price",
        b"A",
        "gateway",
    )
    assert context_bytes(one.context, b"U", b"A") == context
    extra = packed(2, "web_searches=2", "x=1", "", "", b"q" * 32, b"", b"", b"", b"r" * 16, "req", "", "", 0, 0)
    assert extra_bytes(one) == extra
    assert read_extra(extra)[:2] == (one.usage.other, one.unpriced)
    made = call_bytes(numbers_of(4, one), b"billed", b"error", sha256(context).digest(), extra)
    assert made == b"call 4 10 20 9 1 2 3 5 4 -5 -1 0 3 billed error " + sha256(context).digest() + extra


def test_a_call_without_anything_of_its_own_has_no_extra() -> None:
    assert extra_bytes(call()) == b""
    assert read_extra(b"") == Extra()


NUMBERS = count()
texts = st.text(st.characters(blacklist_categories=["C", "Z"], blacklist_characters="="), max_size=5)
calls = st.builds(
    lambda at, texts_, counts, cost, source, tag: call(
        START_US + at, team=texts_[0], user=texts_[1], token=texts_[2], address=texts_[3], usage=Usage(*counts),
        tags=tag, cost_pusd=cost, cost_source=source, status="ok" if cost % 3 else "error",
    ),
    st.integers(0, 3 * DAY_US), st.tuples(texts, texts, texts, texts), st.tuples(*[st.integers(0, 10**15)] * 6),
    st.integers(0, 9 * 10**18), st.sampled_from(["billed", "computed", "unpriced"]),
    st.sampled_from([(), (("client", "a"),), (("client", "b"), ("other", "=x"))]),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls, max_size=12), st.integers(0, 12))
def test_calls_read_back_as_recorded_and_every_roll_up_is_their_sum(
    make_book: Callable[..., Book], ticking: Clock, given_calls: list[Call], split: int
) -> None:
    book = make_book(f"ledger-{next(NUMBERS)}")
    book.record(*given_calls[:split])
    with book.ledger.writing() as writer:
        declare_tag(writer, "client")
    book.record(*given_calls[split:])
    book.verify()
    with book.ledger.reading() as connection:
        assert [one.call for one in listing.calls(connection, book.ledger)] == given_calls
        for table, expected in (
            ("rollup_day", given_calls),
            ("rollup_hour", given_calls),
            ("rollup_wide", given_calls),
            ("rollup_month", given_calls),
            ("rollup_token_hour", [one for one in given_calls if one.context.token]),
            ("rollup_token", [one for one in given_calls if one.context.token]),
            ("rollup_tag", [one for one in given_calls if one.context.labels.tags]),
        ):
            rows = connection.execute(f"SELECT {SUMS} FROM {table}").fetchall()  # noqa: S608
            total = [sum(column) for column in zip(*rows, strict=True)] or [0] * 13
            assert total[0] == len(expected), table
            assert total[1] == sum(one.status != "ok" for one in expected), table
            assert joined(*total[7:9]) == sum(one.cost_pusd for one in expected), table
    book.ledger.close()


def test_sums_beyond_nine_million_dollars_are_right(book: Book) -> None:
    book.record(*(call(cost_pusd=9 * 10**18) for _ in range(5)))
    book.verify()
    with book.ledger.reading() as connection:
        high, low = connection.execute("SELECT cost_high, cost_low FROM rollup_day").fetchone()
    assert joined(high, low) == 45 * 10**18


def test_hours_are_kept_for_five_weeks_and_verify_knows(book: Book, ticking: Clock) -> None:
    book.record(call(START_US))
    ticking.move(34 * DAY_US)
    book.record(call(ticking.now_us), call(START_US + DAY_US))
    assert hours(book) == 3
    ticking.move(2 * DAY_US)
    book.record(call(ticking.now_us))
    assert hours(book) == 2 + 1 - 0
    ticking.move(36 * DAY_US)
    book.record(call(START_US - 60 * DAY_US), call(ticking.now_us))
    assert hours(book) == 1
    book.verify()


@pytest.mark.parametrize("ahead", [36, 100, 4000])
def test_a_clock_that_was_ahead_for_a_while_costs_no_hour(book: Book, ticking: Clock, ahead: int) -> None:
    def days(*numbers: int) -> list[Call]:
        times = {"cost_pusd": 1, "settled_us": ticking.now_us}
        return [call(START_US + number * DAY_US, **{**times, "cost_pusd": 10**number}) for number in numbers]

    ticking.move(13 * DAY_US)
    book.record(*days(6, 7, 8))
    ticking.move(ahead * DAY_US)
    book.record(*days(0))
    ticking.move(-ahead * DAY_US)
    for number in (12, 3, 1):
        book.record(*days(number))
        book.verify()
        first = START_US // DAY_US
        asked = SumQuery((), (), first - 1, first + 14, book.calendar)
        with reading(book.ledger) as books:
            by_day, by_hour = (joined_costs(books.sums(asked._replace(by=by))) for by in (("day",), ("hour",)))
        assert by_day == by_hour > 0
    assert by_hour == 10**6 + 10**7 + 10**8 + 1 + 10**12 + 10**3 + 10


def joined_costs(answer: LedgerSums) -> int:
    return sum(figures.cost_pusd for figures in answer.cells.values())


def hours(book: Book) -> int:
    with book.ledger.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM rollup_hour").fetchone()[0])


@pytest.mark.parametrize("jump_days", [-40, -1, 1, 400])
def test_a_clock_that_jumps_leaves_a_ledger_that_verifies(book: Book, ticking: Clock, jump_days: int) -> None:
    book.record(call(ticking.now_us), call(ticking.now_us - 20 * DAY_US))
    ticking.move(jump_days * DAY_US)
    book.record(call(ticking.now_us), call(ticking.now_us - 34 * DAY_US))
    ticking.move(-jump_days * DAY_US + HOUR_US)
    book.record(call(ticking.now_us), call(ticking.now_us - 34 * DAY_US), call(START_US + 1))
    book.verify()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"])
def test_a_call_counts_for_the_day_of_its_reservation(make_book: Callable[..., Book], zone: str) -> None:
    book = make_book(zone=zone)
    day = book.calendar.day_of(START_US)
    last = book.calendar.start_us(day + 1) - 1
    book.record(call(last, settled_us=last + 10), call(last + 1, settled_us=last + 2))
    book.verify()
    with book.ledger.reading() as connection:
        assert connection.execute("SELECT id, day FROM call ORDER BY id").fetchall() == [(1, day), (2, day + 1)]


def test_a_correction_adds_money_and_no_request(book: Book) -> None:
    book.record(call(cost_pusd=100, cost_source="worst_case"), call(cost_pusd=-40, corrects=1, usage=Usage()))
    book.verify()
    with book.ledger.reading() as connection:
        rows = connection.execute("SELECT sum(requests), sum(cost_high), sum(cost_low) FROM rollup_day").fetchone()
    assert (rows[0], joined(rows[1], rows[2])) == (1, 60)


def test_texts_are_stored_once_and_a_context_is_found_again(book: Book) -> None:
    for _ in range(3):
        book.record(call(team="support", user="ana"), call(team="support", user="ana", model="openai/other"))
    with book.ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM context").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM word WHERE text = 'support'").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM person WHERE name = 'ana'").fetchone() == (1,)


def test_no_name_of_a_person_is_among_the_words(book: Book) -> None:
    book.record(call(user="ana", address="192.0.2.7"))
    book.act(person="bob")
    with book.ledger.reading() as connection:
        assert not {"ana", "bob", "192.0.2.7"} & {row[0] for row in connection.execute("SELECT text FROM word")}
        assert not connection.execute("SELECT 1 FROM entry WHERE subject || detail LIKE '%bob%'").fetchone()


def test_a_failed_transaction_leaves_nothing(book: Book) -> None:
    before = book.record(call())
    with pytest.raises(ZeroDivisionError):
        write_and_fail(book)
    assert book.ledger.head() == before
    book.verify()


def write_and_fail(book: Book) -> None:
    with book.ledger.writing() as writer:
        append_call(writer, call(team="new"), book.calendar)
        raise ZeroDivisionError


def test_hours_that_were_skipped_stay_skipped_when_the_clock_goes_back(book: Book, ticking: Clock) -> None:
    book.record(call(ticking.now_us - 36 * DAY_US, settled_us=ticking.now_us))
    ticking.move(-20 * DAY_US)
    book.record(call(ticking.now_us - 16 * DAY_US - HOUR_US))
    book.record(call(ticking.now_us - 16 * DAY_US + HOUR_US))
    book.verify()


def test_tags_have_roll_ups_while_they_are_kept(book: Book) -> None:
    book.record(call(cost_pusd=7, tags=(("client", "acme"), ("ticket", "a-1"))))

    def read() -> str:
        asked = SumQuery(("tag:client",), (), START_US // DAY_US - 1, START_US // DAY_US + 2, book.calendar)
        with reading(book.ledger) as books:
            answer = books.sums(asked)
        assert {keys: figures.cost_pusd for (keys, _), figures in answer.cells.items()} == {("acme",): 7}
        return answer.read

    assert read() == CALLS
    for names, way in ((("client", "ticket"), ROLL_UPS), (("ticket",), CALLS), (("client",), ROLL_UPS), ((), CALLS)):
        keep_tags(book.ledger, names)
        assert read() == way
        book.verify()
        head = book.ledger.head()
        keep_tags(book.ledger, names)
        assert book.ledger.head() == head  # nothing changed, nothing written
