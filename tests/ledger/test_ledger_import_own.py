"""What an import says about this very ledger: its own calls come back once, corrections hit calls that are here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aikeys.errors import UsageError as Refused
from aikeys.ledger import archive, listing
from aikeys.ledger.calls import Call
from aikeys.ledger.corrections import correct
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.importing import ImportCounts
from aikeys.ledger.recording import append_call
from tests.ledger.conftest import DAY_US, SIGNER, START_US, Book, Clock, call
from tests.ledger.test_ledger_interchange import LINE, exported, take, totals

OWN = bytes(16).hex()


def refused(book: Book, row: dict[str, Any] | bytes) -> str:
    before = book.ledger.head()
    with pytest.raises(Refused) as caught:
        take(book, row)
    assert book.ledger.head() == before
    return caught.value.message


def correction(of: str, cost: str, **more: Any) -> dict[str, Any]:
    return {**LINE, "id": f"correction of {of}", "corrects": of, "cost_usd": cost, **more}


def archived(book: Book, ticking: Clock) -> int:
    """Archive everything but the last day; returns the number of the last archived entry."""
    last = archive.last_before(book.ledger, ticking.now_us - DAY_US, 1 << 60)
    archive.remove(book.ledger, archive.write(book.ledger, last, SIGNER, str(book.folder)), SIGNER)
    return last.number


def test_calls_that_went_out_are_known_also_after_they_were_archived(filled: Book, ticking: Clock) -> None:
    rows = exported(filled)
    assert take(filled, *rows) == ImportCounts(0, len(rows), 0, 0)
    assert archived(filled, ticking) > 0
    assert take(filled, *rows) == ImportCounts(0, len(rows), 0, 0)


def test_calls_that_an_older_copy_lacks_are_refused_and_not_called_known(
    book: Book, ticking: Clock, tmp_path: Path
) -> None:
    book.record(call())
    older = book.copy(tmp_path / "older")
    older.ledger.close()
    book.record(call(START_US + 5))
    lost = exported(book)[1]
    assert "entry 2 of this ledger, which is not here" in refused(older, lost)
    older.act()
    assert "entry 2 of this ledger, which is not a call" in refused(older, lost)
    older.record(call(START_US + 7))
    assert "entry 3 of this ledger, which is another call" in refused(older, {**lost, "id": f"{OWN}:3"})
    assert take(older, {**lost, "id": "rescued"}).imported == 1
    older.verify()


@pytest.mark.parametrize("number", ["0", "99", "²", "007", "-1", "1 ", "x", "9" * 40, ""])
def test_no_number_of_this_ledger_is_no_id(book: Book, number: str) -> None:
    book.record(call())
    assert refused(book, {**LINE, "id": f"{OWN}:{number}"}).startswith("line 1: ")
    assert refused(book, correction(f"{OWN}:{number}", "1")).startswith("line 1: ")


def test_a_correction_of_an_imported_call_is_taken(book: Book) -> None:
    book.record(call())
    take(book, LINE, correction("one", "-0.25"))
    with book.ledger.reading() as connection:
        assert [one.call.corrects for one in listing.calls(connection, book.ledger)] == [None, None, 2]
        assert len(listing.corrections_of(connection, book.ledger, 2)) == 1
    take(book, LINE, correction("one", "-0.25"), correction(f"{OWN}:2", "0.5"))
    book.verify()


def test_what_this_ledger_measured_is_corrected_by_resolve_alone(book: Book) -> None:
    book.record(call(START_US, cost_source="estimated"))
    at = exported(book)[0]["at"]
    before = totals(book)
    for line in (correction(f"{OWN}:1", "0.5", at=at), correction(f"{OWN}:1", "-0.001", at=at, status="reversed")):
        with pytest.raises(
            Refused, match=r"^line 2: it corrects .* which is a call that this ledger measured"
        ) as caught:
            take(book, LINE, line)
        assert caught.value.hint == "nothing was imported; correct it by: aikeys ledger resolve 1 --cost USD"
    assert totals(book) == before
    with book.ledger.writing() as writer:
        correct(writer, 1, 10**12, append_call)
    rows = exported(book)
    assert len(rows) == 3
    assert take(book, *rows) == ImportCounts(0, 3, 0, 0), "its own corrections come back"


OTHER_CONTENT = {
    "at": "2026-09-20T10:00:01Z", "cost_usd": "0.26", "cost_source": "computed", "team": "sales", "user": "eve",
    "tags": {"a": "b"}, "input_tokens": 5, "output_tokens": 9, "status": "error", "latency_ms": 4, "key": "openai",
    "token": "tok", "price": "x", "answered": "gpt-5-x", "units": {"web_searches": 1}, "address": "192.0.2.1",
    "unpriced_units": {"web_searches": 1}, "model": "gpt-4", "corrects": "two",
}  # fmt: skip


@pytest.mark.parametrize("field", OTHER_CONTENT)
def test_an_id_seen_with_another_content_is_refused_and_with_the_same_is_known(book: Book, field: str) -> None:
    take(book, {**LINE, "id": "two"}, LINE)
    assert take(book, LINE, {**LINE, "provider": "", "model": "openai/gpt-5", "kind": "call"}) == ImportCounts(
        0, 2, 0, 0
    )
    assert "was imported before with other content" in refused(book, {**LINE, field: OTHER_CONTENT[field]})
    with pytest.raises(Refused, match=r"^line 3: its id is in line 1 with other content"):
        take(book, {**LINE, "id": "new"}, LINE, {**LINE, "id": "new", field: OTHER_CONTENT[field]})
    book.verify()


@pytest.mark.parametrize("field", OTHER_CONTENT)
def test_a_line_of_this_ledger_that_was_edited_is_refused(filled: Book, field: str) -> None:
    line = exported(filled)[0]
    assert take(filled, line).known == 1
    other = {"cost_source": "billed", "output_tokens": 99, "key": "other"}.get(field, OTHER_CONTENT[field])
    said = refused(filled, {**line, field: other})
    assert "of this ledger, which is another call (" in said or "input_tokens is less" in said


def test_a_call_whose_user_was_erased_is_known_by_an_older_export(filled: Book) -> None:
    rows = exported(filled)
    erase_person(filled.ledger, "ana")
    assert take(filled, *rows) == ImportCounts(0, len(rows), 0, 0)
    assert "another call (texts)" in refused(filled, {**rows[1], "user": "ana"}), "nobody's call is not ana's"


def test_a_line_that_was_priced_here_is_known_after_the_prices_changed(book: Book) -> None:
    line = {name: value for name, value in LINE.items() if name != "cost_usd"}

    def priced(cost_pusd: int) -> Callable[[Call], Call]:
        return lambda one: one._replace(
            cost_pusd=cost_pusd, cost_source="computed", context=one.context._replace(price=f"p@{cost_pusd}")
        )

    take(book, line, pricing=priced(5))
    assert take(book, line, pricing=priced(6)) == ImportCounts(0, 1, 0, 0)
    assert "other content (cost_usd)" in refused(book, {**line, "cost_usd": "0.5"})


def test_a_correction_needs_a_call_that_is_here(book: Book, ticking: Clock) -> None:
    book.act()
    take(book, LINE, correction("one", "0.5"))
    number = book.ledger.head().number
    assert "which is not here" in refused(book, correction(f"{OWN}:{number + 5}", "1"))
    assert "which is not a call" in refused(book, correction(f"{OWN}:1", "1"))
    assert "which is a correction itself" in refused(book, {**correction("correction of one", "1"), "id": "again"})
    ticking.move(3 * DAY_US)
    book.act()
    assert archived(book, ticking) >= 3
    assert "which is archived" in refused(book, correction(f"{OWN}:2", "1", id="late"))


def test_a_corrected_cost_is_never_below_zero_or_beyond_the_greatest(book: Book) -> None:
    take(book, LINE, {**LINE, "id": "dear", "cost_usd": "8999999"})
    assert "below zero" in refused(book, correction("one", "-0.250000000001"))
    assert "above 9 million" in refused(book, correction("dear", "8999999"))
    take(book, correction("one", "-0.2"))
    assert "below zero" in refused(book, {**correction("one", "-0.2"), "id": "second"})
    assert take(book, {**correction("one", "-0.05"), "id": "third"}).imported == 1
    book.verify()


def test_a_correction_says_how_much_and_stands_at_its_calls_time(book: Book) -> None:
    take(book, LINE)
    assert "cost_usd is missing" in refused(book, {**correction("one", "1"), "cost_usd": None})
    assert "at is not that of the call it corrects" in refused(book, correction("one", "1", at="2026-09-19T10:00:00Z"))
