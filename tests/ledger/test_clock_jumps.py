"""A clock that jumps over an hour is written down by whoever writes next, and found in whatever entry it stands."""

from __future__ import annotations

import pytest

from aikeys import clock
from aikeys.ledger.clock_jumps import JUMP, ClockPace
from aikeys.ledger.verify import verify
from tests.ledger.conftest import START_US, Book, Clock, call

HOUR_US = 3_600_000_000
EXPECTED_US = ClockPace.expected_us


def acts(book: Book) -> list[tuple[int, str, str]]:
    return [(entry.id, entry.act, entry.subject) for entry, _ in book.ledger.entries()]


@pytest.mark.parametrize("kind", ["an act", "a call"])
def test_who_writes_after_the_clock_went_back_writes_it_down_first(book: Book, ticking: Clock, kind: str) -> None:
    ticking.move(3 * HOUR_US)
    if kind == "an act":
        book.act()
    else:
        book.record(call(START_US, settled_us=ticking.now_us))
    ticking.move(-2 * HOUR_US)
    book.act("lock")
    book.act("unlock")
    assert acts(book)[-3:] == [(2, JUMP, "back"), (3, "lock", "openai"), (4, "unlock", "openai")]
    found = book.verify()
    assert found.jumps == ((2, START_US + 3 * HOUR_US, START_US + HOUR_US),)
    assert found.latest_us == START_US + 3 * HOUR_US


def test_an_hour_is_no_jump_and_a_ledger_nobody_used_is_none(book: Book, ticking: Clock) -> None:
    book.act()
    ticking.move(400 * 24 * HOUR_US)
    book.act()
    ticking.move(-HOUR_US)
    book.act()
    assert [act for _, act, _ in acts(book)] == ["exec"] * 3
    assert book.verify().jumps == ()


def test_a_process_that_goes_on_notices_a_clock_put_forward_and_back(
    book: Book, ticking: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0]
    monkeypatch.setattr(ClockPace, "expected_us", EXPECTED_US)
    monkeypatch.setattr(clock, "even_us", lambda: passed[0])
    book.act()
    ticking.move(5 * HOUR_US)
    passed[0] += 5 * HOUR_US  # time went on evenly
    book.act()
    ticking.move(5 * HOUR_US)
    book.act()
    ticking.move(-5 * HOUR_US)
    book.act()
    assert [one for one in acts(book) if one[1] == JUMP] == [(3, JUMP, "forward"), (5, JUMP, "back")]
    assert [(jump.entry, (jump.to_us - jump.from_us) // HOUR_US) for jump in book.verify().jumps] == [(3, 5), (5, -5)]


def test_a_jump_that_could_not_be_written_is_written_by_the_next(
    book: Book, ticking: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClockPace, "expected_us", EXPECTED_US)
    monkeypatch.setattr(clock, "even_us", lambda: 0)
    book.act()
    ticking.move(2 * HOUR_US)
    with pytest.raises(ZeroDivisionError), book.ledger.writing():
        raise ZeroDivisionError
    book.act()
    assert acts(book)[1:] == [(2, JUMP, "forward"), (3, "exec", "openai")]


def test_a_jump_in_a_call_that_no_act_tells_of_is_found_by_verify(book: Book) -> None:
    book.record(call(START_US, settled_us=START_US), call(START_US, settled_us=START_US - 2 * HOUR_US))
    assert [jump.entry for jump in verify(book.ledger).jumps] == [2]
