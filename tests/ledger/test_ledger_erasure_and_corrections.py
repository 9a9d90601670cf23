"""A person's name goes and nothing else; a cost that was not known is put right once it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys.errors import NotFound, Usage
from aikeys.ledger import listing
from aikeys.ledger.corrections import Correction, correct
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.recording import append_call
from aikeys.money import joined
from tests.ledger.conftest import START_US, Book, Clock, call


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
        assert connection.execute("SELECT count(DISTINCT user) FROM slot").fetchone() == (2,)


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
    assert resolve(book, 1, 250) == Correction(2, 900, 250)
    assert spent(book) == 250
    assert resolve(book, 1, 300) == Correction(3, 250, 300)
    assert spent(book) == 300
    with pytest.raises(Usage, match="corrected to that cost already"):
        resolve(book, 1, 300)
    book.verify()
    with book.ledger.reading() as connection:
        two = listing.call_at(connection, book.ledger, 2)
        assert [one.number for one in listing.corrections_of(connection, book.ledger, 1)] == [2, 3]
    assert two is not None
    assert (two.call.at_us, two.call.cost_source, two.call.corrects) == (START_US, "billed", 1)
    assert two.call.context.labels == ("support", "", "", "ana", ())
    assert two.call.context.token == "tok"


@pytest.mark.parametrize("source", ["billed", "computed"])
def test_a_cost_that_is_known_stays(book: Book, source: str) -> None:
    book.record(call(cost_source=source))
    with pytest.raises(Usage, match="known already"):
        resolve(book, 1, 5)


def test_only_calls_are_corrected(book: Book) -> None:
    book.act()
    book.record(call(cost_source="estimated"))
    resolve(book, 2, 5)
    with pytest.raises(NotFound, match="no call 1"):
        resolve(book, 1, 5)
    with pytest.raises(NotFound, match="no call 99"):
        resolve(book, 99, 5)
    with pytest.raises(Usage, match="is a correction of 2"):
        resolve(book, 3, 5)


def test_a_call_of_somebody_erased_is_corrected_for_the_same_nobody(book: Book) -> None:
    book.record(call(cost_source="estimated", user="ana", cost_pusd=9))
    erase_person(book.ledger, "ana")
    resolve(book, 1, 5)
    book.verify()
    with book.ledger.reading() as connection:
        assert connection.execute("SELECT count(*) FROM slot").fetchone() == (1,)
        assert connection.execute(
            "SELECT name, salt FROM person WHERE digest = (SELECT user FROM slot)"
        ).fetchone() == (None, None)
