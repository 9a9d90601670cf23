"""A person's name goes and nothing else; a cost that was not known is put right once it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.errors import NotFound, UsageError
from aikeys.ledger import archive, listing
from aikeys.ledger.corrections import Correction, correct
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.importing import import_calls
from aikeys.ledger.interchange import call_row
from aikeys.ledger.recording import append_call
from aikeys.money import joined
from aikeys.providers.usage import NOTHING
from tests.ledger.conftest import SIGNER, START_US, Book, Clock, call


def test_an_erased_name_is_nowhere_in_the_files_and_all_verifies(book: Book, ticking: Clock) -> None:
    name = "Zebedee-Quill"
    book.record(call(user=name, address="192.0.2.77"), call(user="ana"))
    book.act(person=name)
    asked = []
    erase_person(book.ledger, name, lambda _, who: asked.append(who))
    erase_person(book.ledger, "192.0.2.77")
    assert asked == [name]
    book.verify()
    for suffix in ("", "-wal"):
        path = Path(book.ledger.path + suffix)
        if path.exists():
            data = path.read_bytes()
            assert name.encode() not in data
            assert b"192.0.2.77" not in data
    with book.ledger.reading() as connection:
        users = [one.call.context.labels.user for one in listing.calls(connection, book.ledger)]
    assert users == ["", "ana"]
    entry, names = book.ledger.entries()[-1]
    assert (entry.act, names.person) == ("ledger erase", "")
    assert name not in entry.subject + entry.detail


def test_nobody_of_that_name_is_said(book: Book) -> None:
    book.record(call(user="ana"))
    with pytest.raises(NotFound, match="knows nobody"):
        erase_person(book.ledger, "eve")
    erase_person(book.ledger, "ana")
    with pytest.raises(NotFound, match="knows nobody"):
        erase_person(book.ledger, "ana")


def test_the_same_name_later_is_somebody_new(book: Book) -> None:
    book.record(call(user="ana"))
    erase_person(book.ledger, "ana")
    book.record(call(START_US + 1, user="ana"))
    book.verify()
    with book.ledger.reading() as connection:
        assert connection.execute("SELECT count(DISTINCT person) FROM slot WHERE person <> x''").fetchone() == (2,)


def resolve(book: Book, number: int, cost_pusd: int) -> Correction:
    with book.ledger.writing() as writer:
        return correct(writer, number, cost_pusd, append_call)


def spent(book: Book) -> int:
    with book.ledger.reading() as connection:
        return joined(*connection.execute("SELECT sum(cost_high), sum(cost_low) FROM rollup_day").fetchone())


@pytest.mark.parametrize("source", ["worst_case", "estimated", "unpriced"])
def test_a_cost_that_is_known_at_last_replaces_what_was_assumed(book: Book, ticking: Clock, source: str) -> None:
    book.record(call(cost_pusd=900, cost_source=source, user="ana", team="support", token="tok"))
    ticking.move(40 * 86_400_000_000)
    assert resolve(book, 1, 250) == Correction(3, 900, 250)
    assert spent(book) == 250
    assert resolve(book, 1, 300) == Correction(4, 250, 300)
    assert spent(book) == 300
    with pytest.raises(UsageError, match="corrected to that cost already"):
        resolve(book, 1, 300)
    book.verify()
    with book.ledger.reading() as connection:
        out, into = [listing.call_at(connection, book.ledger, number) for number in (2, 3)]
        assert [one.number for one in listing.corrections_of(connection, book.ledger, 1)] == [2, 3, 4]
    for moved, under in ((out, source), (into, "billed")):
        assert moved is not None
        assert (moved.call.at_us, moved.call.cost_source, moved.call.corrects) == (START_US, under, 1)
        assert moved.call.context.labels == ("support", "", "", "ana", ())
        assert moved.call.context.token == "tok"


def by_source(book: Book, table: str = "rollup_day") -> dict[str, tuple[int, ...]]:
    """Return requests, failed, input, output and cost by cost source, where anything is left."""
    columns = "requests, failed, input, cache_read, output, reasoning, cost_high, cost_low"
    with book.ledger.reading() as connection:
        rows = connection.execute(f"SELECT source, {columns} FROM {table}").fetchall()  # noqa: S608
    found = {source: (*counts, joined(high, low)) for source, *counts, high, low in rows}
    return {source: figures for source, figures in found.items() if any(figures)}


@pytest.mark.parametrize("status", ["ok", "lost"])
@pytest.mark.parametrize("source", ["worst_case", "estimated", "unpriced"])
def test_a_call_whose_cost_is_known_at_last_stands_under_billed_alone(book: Book, source: str, status: str) -> None:
    book.record(call(cost_pusd=900, cost_source=source, status=status, token="tok"))
    failed = int(status != "ok")
    for cost_pusd in (250, 300, 0):
        resolve(book, 1, cost_pusd)
        book.verify()
        for table in ("rollup_day", "rollup_hour", "rollup_token"):
            assert by_source(book, table) == {"billed": (1, failed, 1000, 100, 50, 20, cost_pusd)}


def test_what_was_corrected_before_moves_with_the_call(book: Book) -> None:
    book.record(call(cost_pusd=900, cost_source="worst_case", status="lost"))
    book.record(call(cost_pusd=-100, cost_source="computed", usage=NOTHING, corrects=1))
    book.record(call(cost_pusd=-50, cost_source="billed", usage=NOTHING, corrects=1))
    assert resolve(book, 1, 40) == Correction(6, 750, 40)
    assert by_source(book) == {"billed": (1, 1, 1000, 100, 50, 20, 40)}
    book.verify()


def test_a_corrected_call_goes_into_an_archive_and_elsewhere_with_both_corrections(
    book: Book, make_book: Callable[..., Book], ticking: Clock
) -> None:
    book.record(call(cost_source="unpriced", cost_pusd=0))
    resolve(book, 1, 250)
    with book.ledger.reading() as connection:
        lines = [
            json.dumps(call_row(one, f"a:{one.number}", "a:1" if one.call.corrects else "")).encode()
            for one in listing.calls(connection, book.ledger)
        ]
    other = make_book("other")
    import_calls(other.ledger, lines, append_call, lambda one: one, lambda _: None)
    assert by_source(other) == by_source(book) == {"billed": (1, 0, 1000, 100, 50, 20, 250)}
    other.verify()
    ticking.move(2 * 86_400_000_000)
    last = archive.last_before(book.ledger, ticking.now_us, 1 << 60)
    segment = archive.write(book.ledger, last, SIGNER, str(book.folder))
    archive.remove(book.ledger, segment, SIGNER)
    book.verify(segments=(segment.path,))
    assert by_source(book) == by_source(other)


@pytest.mark.parametrize("source", ["billed", "computed"])
def test_a_cost_that_is_known_stays(book: Book, source: str) -> None:
    book.record(call(cost_source=source))
    with pytest.raises(UsageError, match="known already"):
        resolve(book, 1, 5)


def test_only_calls_are_corrected(book: Book) -> None:
    book.act()
    book.record(call(cost_source="estimated"))
    resolve(book, 2, 5)
    with pytest.raises(NotFound, match="no call 1"):
        resolve(book, 1, 5)
    with pytest.raises(NotFound, match="no call 99"):
        resolve(book, 99, 5)
    for number in (3, 4):
        with pytest.raises(UsageError, match="is a correction of 2"):
            resolve(book, number, 5)


def test_a_call_of_somebody_erased_is_corrected_for_the_same_nobody(book: Book) -> None:
    book.record(call(cost_source="estimated", user="ana", cost_pusd=9))
    erase_person(book.ledger, "ana")
    resolve(book, 1, 5)
    book.verify()
    with book.ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM slot WHERE person <> x''").fetchone() == (1,)
        assert connection.execute(
            "SELECT name, salt FROM person WHERE digest = (SELECT person FROM slot WHERE person <> x'')"
        ).fetchone() == (None, None)
