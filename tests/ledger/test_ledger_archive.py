"""Old entries move into a signed file, and all still verifies; a crash leaves them here or there, never both or nowhere."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aikeys import sealing
from aikeys.errors import Damaged, NotFound, UsageError
from aikeys.ledger import archive
from aikeys.ledger.entries import Head
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.importing import import_calls
from aikeys.ledger.receipts import receipt_of
from aikeys.ledger.recording import append_call
from aikeys.ledger.rollups import declare_tag, keep_tags
from aikeys.ledger.segments import Segment
from aikeys.ledger.store import Act
from tests.ledger.conftest import DAY_US, SIGNER, START_US, Book, Clock, call
from tests.ledger.test_ledger_interchange import totals

FAR = 1 << 60


def archived(book: Book, before_us: int, keep_from: int = FAR) -> Segment:
    last = archive.last_before(book.ledger, before_us, keep_from)
    segment = archive.write(book.ledger, last, SIGNER, str(book.folder))
    archive.remove(book.ledger, segment, SIGNER)
    return segment


@pytest.fixture
def tagged(filled: Book) -> Book:
    with filled.ledger.writing() as writer:
        declare_tag(writer, "client")
    return filled


def test_entries_before_a_day_go_and_every_total_stays(tagged: Book) -> None:
    before, receipt = totals(tagged), receipt_of(tagged.ledger)
    segment = archived(tagged, START_US + 2 * DAY_US)
    assert (segment.header.first, segment.header.last) == (1, 7)
    assert totals(tagged) == before
    verdict = tagged.verify(receipt)
    assert (verdict.first, verdict.head.number, verdict.signed) == (8, 16, 16)
    whole = tagged.verify(receipt, segments=(segment.path,))
    assert (whole.first, whole.entries) == (1, 16)


def test_a_second_archive_follows_the_first(tagged: Book, ticking: Clock) -> None:
    before = totals(tagged)
    one = archived(tagged, START_US + 1 * DAY_US)
    two = archived(tagged, START_US + 3 * DAY_US)
    assert totals(tagged) == before
    tagged.record(call(START_US, team="support"), call(ticking.now_us))
    assert (two.header.first, two.header.base) == (one.header.last + 1, one.header.end)
    tagged.verify(segments=(two.path, one.path))
    tagged.verify(segments=(two.path,))
    with pytest.raises(Damaged, match="ends at entry 4"):
        tagged.verify(segments=(one.path,))


def test_an_old_receipt_needs_the_archive(tagged: Book, ticking: Clock) -> None:
    early = receipt_of(tagged.ledger)._replace(head=Head(4, tagged.ledger.hash_at(4) or b""))
    wrong = early._replace(head=Head(4, bytes(32)))
    segment = archived(tagged, START_US + 2 * DAY_US)
    with pytest.raises(UsageError, match="entry 4 of the receipt was archived"):
        tagged.verify(early)
    tagged.verify(early, segments=(segment.path,))
    with pytest.raises(Damaged, match="not those of the receipt"):
        tagged.verify(wrong, segments=(segment.path,))


def test_nothing_to_archive_is_said(tagged: Book) -> None:
    with pytest.raises(NotFound, match="nothing to archive"):
        archive.last_before(tagged.ledger, START_US, FAR)
    with pytest.raises(NotFound, match="nothing to archive"):
        archive.last_before(tagged.ledger, START_US + 2 * DAY_US, 1)


def test_what_is_open_or_needed_stays(tagged: Book, ticking: Clock) -> None:
    from aikeys.ledger.store import Act

    intent = tagged.ledger.intent(Act("add", "openai"), b"v" * 16, 2)
    tagged.act()
    ticking.move(9 * DAY_US)
    assert archive.last_before(tagged.ledger, ticking.now_us, FAR).number == intent.number - 1
    assert archive.last_before(tagged.ledger, ticking.now_us, 6).number == 5


def edited(path: str, edit: Callable[[bytes], bytes]) -> None:
    data = Path(path).read_bytes()
    lines, body = data[: data.index(b"\x1f\x8b")], data[data.index(b"\x1f\x8b") :]
    Path(path).write_bytes(lines + gzip.compress(edit(gzip.decompress(body)), mtime=0))


SEGMENT_EDITS: dict[str, tuple[Callable[[str], Any], str]] = {
    "a cost": (lambda path: edited(path, lambda body: body.replace(b"1750000000", b"1750000001")), "not those of its header"),
    "a team": (lambda path: edited(path, lambda body: body.replace(b"support", b"supporT")), "cannot be read"),
    "an act": (lambda path: edited(path, lambda body: body.replace(b"program=run0", b"program=run9")), "not those of its header"),
    "the end": (lambda path: edited(path, lambda body: body[:-3]), "cut off"),
    "the compressed end": (lambda path: Path(path).write_bytes(Path(path).read_bytes()[:-40]), "decompressed"),
    "the magic": (lambda path: Path(path).write_bytes(b"x" + Path(path).read_bytes()), "not an archive"),
    "the header": (lambda path: Path(path).write_bytes(Path(path).read_bytes().replace(b"\n03", b"\n04", 1)), "header cannot be read"),
    "a digit of the header": (lambda path: Path(path).write_bytes(flipped_header(Path(path).read_bytes())), "forged"),
}  # fmt: skip


def flipped_header(data: bytes) -> bytes:
    first, header, rest = data.split(b"\n", 2)
    last = header[-70:-69]
    return (
        b"\n".join((first, header[:-150] + (b"0" if header[-150:-149] != b"0" else b"1") + header[-149:], rest))
        if last
        else data
    )


@pytest.mark.parametrize("name", SEGMENT_EDITS)
def test_an_edited_archive_is_found(tagged: Book, name: str) -> None:
    segment = archived(tagged, START_US + 2 * DAY_US)
    edit, words = SEGMENT_EDITS[name]
    edit(segment.path)
    with pytest.raises(Damaged) as caught:
        tagged.verify(segments=(segment.path,))
    assert words in caught.value.message


def test_an_archive_of_another_ledger_is_refused(tagged: Book, make_book: Callable[..., Book], ticking: Clock) -> None:
    other = make_book("other")
    other.act()
    ticking.move(DAY_US)
    segment = archived(other, ticking.now_us)
    archived(tagged, START_US + 2 * DAY_US)
    with pytest.raises(Damaged, match="another ledger"):
        tagged.verify(segments=(segment.path,))


BEHIND_THE_ARCHIVE = {
    "the sums of what was archived, with the roll-up": (
        "UPDATE archived SET output = output + 1; UPDATE rollup_day SET output = output + 1 WHERE day < 20719;"
        "UPDATE rollup_token SET output = output + 1 WHERE day < 20719;"
        "UPDATE rollup_tag SET output = output + 1 WHERE day < 20719"
    ),
    "a team that only archived calls have": "UPDATE word SET text = 'early2' WHERE text = 'early'",
    "the base": "UPDATE ledger SET base = base - 1",
    "the base's hash": "UPDATE ledger SET base_hash = x'00'",
    "more of the start removed": (
        "UPDATE ledger SET base = 10, base_hash = (SELECT hash FROM entry WHERE id = 10);"
        "DELETE FROM entry WHERE id <= 10; DELETE FROM call WHERE id <= 10;"
    ),
}


@pytest.mark.parametrize("name", BEHIND_THE_ARCHIVE)
def test_what_stands_for_archived_entries_cannot_be_edited(book: Book, ticking: Clock, name: str) -> None:
    book.record(call(START_US, team="early", token="t", tags=(("client", "a"),)))
    for _ in range(12):
        ticking.move(DAY_US)
        book.act()
    archived(book, START_US + 3 * DAY_US)
    book.verify()
    with book.by_hand() as connection:
        connection.executescript(BEHIND_THE_ARCHIVE[name])
    with pytest.raises(Damaged):
        book.verify()


def test_sums_that_were_wrong_when_they_were_signed_are_found_with_the_archive(
    book: Book, ticking: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.record(call(START_US))
    book.act()
    ticking.move(DAY_US)
    real = archive._add_up

    def add_up(connection: sqlite3.Connection, last: int) -> None:
        real(connection, last)
        for table in ("archived", "rollup_day", "rollup_wide", "rollup_month"):
            connection.execute(f"UPDATE {table} SET output = output + 1")  # noqa: S608

    monkeypatch.setattr(archive, "_add_up", add_up)
    segment = archived(book, ticking.now_us)
    book.verify()
    with pytest.raises(Damaged, match="not those of the archives"):
        book.verify(segments=(segment.path,))


def test_a_start_cut_off_without_the_key_is_found(tagged: Book, ticking: Clock) -> None:
    from aikeys.ledger.store import Signer

    last = archive.last_before(tagged.ledger, START_US + 2 * DAY_US, FAR)
    nobody = Signer(sealing.signing_public(bytes(32)), lambda message: sealing.sign(bytes(32), message))
    segment = archive.write(tagged.ledger, last, nobody, str(tagged.folder))
    archive.remove(tagged.ledger, segment, nobody)
    with pytest.raises(Damaged, match="taken away by nobody with the key"):
        tagged.verify()


@pytest.mark.parametrize("step", ["aikeys.ledger.segments.os.fsync", "aikeys.ledger.archive._add_up", "aikeys.ledger.archive._restate",
                                  "aikeys.ledger.archive.archived_digest", "aikeys.ledger.store.Writer.checkpoint"])  # fmt: skip
def test_a_failure_at_any_step_leaves_every_entry_where_it_was(
    tagged: Book, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    head, before = tagged.ledger.head(), totals(tagged)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(step, fail)
        with pytest.raises((OSError, Exception), match="No space left"):
            archived(tagged, START_US + 2 * DAY_US)
    assert tagged.ledger.head() == head
    assert totals(tagged) == before
    assert tagged.verify().first == 1
    segment = archived(tagged, START_US + 2 * DAY_US)
    assert tagged.verify(segments=(segment.path,)).first == 1
    assert sorted(name for name in os.listdir(tagged.folder) if "segment" in name) == [Path(segment.path).name]


def test_the_same_entries_make_the_same_file(tagged: Book) -> None:
    last = archive.last_before(tagged.ledger, START_US + 2 * DAY_US, FAR)
    one = Path(archive.write(tagged.ledger, last, SIGNER, str(tagged.folder)).path).read_bytes()
    assert Path(archive.write(tagged.ledger, last, SIGNER, str(tagged.folder)).path).read_bytes() == one


def test_no_name_of_a_person_is_in_an_archive(tagged: Book) -> None:
    segment = archived(tagged, START_US + 3 * DAY_US)
    data = Path(segment.path).read_bytes()
    body = gzip.decompress(data[data.index(b"\x1f\x8b") :])
    assert b"support" in body
    assert b"ana" not in body
    assert b"bob" not in body


def test_limits_and_channels_of_archived_acts_are_stated_again(tagged: Book, ticking: Clock) -> None:
    from aikeys.ledger.store import Act

    with tagged.ledger.writing() as writer:
        head = writer.act(Act("budget set", "team:support", "limit_pusd=5 period=month", "ana"))
        writer.connection.execute(
            "INSERT INTO budget VALUES (1, 'team:support', 'month', '5', 'block', '', ?)", (head.number,)
        )
    ticking.move(DAY_US)
    archived(tagged, ticking.now_us)
    with tagged.ledger.reading() as connection:
        (entry,) = connection.execute("SELECT entry FROM budget").fetchone()
        row = connection.execute(
            "SELECT act, subject, detail, (SELECT name FROM person WHERE digest = person) FROM entry WHERE id = ?",
            (entry,),
        ).fetchone()
    assert row == ("budget set", "team:support", "limit_pusd=5 period=month", "ana")
    tagged.verify()


HAND_EDITS = {
    "an hour after the last archived day": (
        "UPDATE rollup_hour SET requests = 7 WHERE hour / 24 = 20719",
        "rollup_hour",
    ),
    "hours that were dropped": ("DELETE FROM rollup_hour WHERE hour / 24 = 20719", "rollup_hour"),
    "a person": ("UPDATE person SET name = NULL, salt = NULL WHERE name = 'bob'", "name of a person"),
    "an import put in": ("INSERT INTO imported VALUES ('x', 2)", "imported"),
    "an import taken away": ("DELETE FROM imported WHERE id = 'a1'", "imported"),
    "an import renamed": ("UPDATE imported SET id = 'a' WHERE id = 'a1'", "imported"),
    "a tag declared": ("INSERT INTO rolled_tag VALUES ('x')", "rolled_tag"),
    "a declared tag": ("DELETE FROM rolled_tag", "rolled_tag"),
}


@pytest.mark.parametrize("name", HAND_EDITS)
def test_what_was_edited_after_an_archive_is_found(make_book: Callable[..., Book], ticking: Clock, name: str) -> None:
    statement, place = HAND_EDITS[name]
    book = make_book()
    with book.ledger.writing() as writer:
        declare_tag(writer, "client")
    book.record(call(ticking.now_us, user="carl"))
    line = b'{"id":"a1","at":"2026-09-21T14:00:00Z","provider":"p","model":"m","cost_usd":"0.5"}'
    import_calls(book.ledger, [line], append_call, lambda one: one, lambda _: None)
    erase_person(book.ledger, "carl")
    for _ in range(4):
        book.record(call(ticking.now_us, user="bob", tags=(("client", "acme"),)))
        ticking.move(DAY_US)
    archived(book, START_US + DAY_US)
    book.verify()
    archived(book, START_US + 2 * DAY_US)  # what an archive stated again is archived in its turn
    book.verify()
    with book.by_hand() as connection:
        assert connection.execute(statement).rowcount
    with pytest.raises(Damaged, match=place):
        book.verify()


@pytest.mark.parametrize("names", [(), ("client",)])
def test_a_tag_that_is_no_longer_kept_stays_so_whatever_is_archived(tagged: Book, names: tuple[str, ...]) -> None:
    keep_tags(tagged.ledger, ())
    keep_tags(tagged.ledger, names)
    archived(tagged, START_US + 2 * DAY_US)
    tagged.verify()
    archived(tagged, FAR)
    tagged.verify()


@pytest.mark.parametrize("at", ["signer", "signature"])
def test_a_segment_signed_by_another_is_not_the_one_that_was_archived(tagged: Book, ticking: Clock, at: str) -> None:
    from aikeys.ledger import segments

    segment = archived(tagged, START_US + 2 * DAY_US)
    tagged.verify(segments=(segment.path,), signers=())
    magic, header, signature, body = Path(segment.path).read_bytes().split(b"\n", 3)
    if at == "signer":  # signed anew, whole, by somebody else's key
        other = segment.header._replace(signer=sealing.signing_public(bytes(32)))
        header = segments.header_bytes(other).hex().encode()
        signature = sealing.sign(bytes(32), segments.header_bytes(other)).hex().encode()
    else:
        signature = bytes(64).hex().encode()
    Path(segment.path).write_bytes(b"\n".join((magic, header, signature, body)))
    for signers in ((), (SIGNER.public,)):
        with pytest.raises(Damaged, match=r"not the file that was archived|signature is forged"):
            tagged.verify(segments=(segment.path,), signers=signers)


def test_every_earlier_segment_is_compared_with_the_act_that_archived_it(tagged: Book, ticking: Clock) -> None:
    first = archived(tagged, START_US + DAY_US)
    second = archived(tagged, START_US + 3 * DAY_US)
    ticking.move(DAY_US)
    third = archived(tagged, ticking.now_us)
    paths = tuple(one.path for one in (first, second, third))
    assert tagged.verify(segments=paths).first == 1
    raw = Path(first.path).read_bytes().split(b"\n", 3)
    body = gzip.compress(gzip.decompress(raw[3]), 1)
    Path(first.path).write_bytes(b"\n".join((*raw[:3], body)))
    with pytest.raises(Damaged, match="not the file that was archived up to entry"):
        tagged.verify(segments=paths)


def test_an_anchor_whose_act_is_archived_is_still_compared(tagged: Book, ticking: Clock) -> None:
    intent = tagged.ledger.intent(Act("add", "openai"), b"o" * 16, 5)
    tagged.ledger.outcome(intent.number, "ok", b"m" * 64)
    ticking.move(DAY_US)
    archived(tagged, ticking.now_us)
    tagged.verify()
    with tagged.by_hand() as connection:
        connection.execute("UPDATE anchor SET epoch = 2")
    with pytest.raises(Damaged, match="anchor"):
        tagged.verify()
