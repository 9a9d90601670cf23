"""Whoever edits ledger.db by hand is found out, and told where."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aikeys import sealing
from aikeys.errors import Damaged, UsageError
from aikeys.ledger import raw_runs
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels, call_hash
from aikeys.ledger.entries import Entry, Head, chain_hash, checkpoint_message, genesis
from aikeys.ledger.importing import import_calls
from aikeys.ledger.receipts import parse_receipt, receipt_of, receipt_text
from aikeys.ledger.recording import append_call
from aikeys.ledger.rollups import _days, _made, _naming, add, declare_tag, first_wrong
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import Known, context_digests, verify
from aikeys.providers.usage import Usage
from tests.ledger.conftest import SIGNER, START_US, Book, call

Edit = Callable[[sqlite3.Connection], Any]
_NUMBERS = """id, at_us, settled_us, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, cost_pusd,
  latency_ms, first_token_ms, corrects, CAST(source AS BLOB), CAST(status AS BLOB), context, extra"""


def rechain(connection: sqlite3.Connection, *, keep_numbers: bool = False) -> None:
    """Number all entries anew and recompute every hash, as an attacker who knows the format would."""
    count_runs(connection)
    ledger_id, zone = connection.execute("SELECT ledger_id, zone FROM ledger").fetchone()
    digest, digests = genesis(ledger_id, zone).hash, context_digests(connection)
    ids = [row[0] for row in connection.execute("SELECT id FROM entry UNION ALL SELECT id FROM call ORDER BY 1")]
    for place, old in enumerate(ids, 1):
        number = old if keep_numbers else place
        act = connection.execute(f"SELECT {', '.join(Entry._fields)} FROM entry WHERE id = ?", (old,)).fetchone()  # noqa: S608
        if act:
            digest = chain_hash(digest, Entry(number, *act[1:]))
            connection.execute("UPDATE entry SET id = ?, hash = ? WHERE id = ?", (number, digest, old))
            continue
        *numbers, source, status, context, extra = connection.execute(
            f"SELECT {_NUMBERS} FROM call WHERE id = ?",  # noqa: S608
            (old,),
        ).fetchone()
        digest = call_hash(digest, (number, *numbers[1:]), (source, status, digests[context], extra))
        connection.execute("UPDATE call SET id = ?, hash = ? WHERE id = ?", (number, digest, old))


def entry_swap(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET id = 100 WHERE id = 1")
    connection.execute("UPDATE entry SET id = 1 WHERE id = 4")
    connection.execute("UPDATE entry SET id = 4 WHERE id = 100")


def call_swap(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE call SET id = 100 WHERE id = 2")
    connection.execute("UPDATE call SET id = 2 WHERE id = 3")
    connection.execute("UPDATE call SET id = 3 WHERE id = 100")


def call_insert(connection: sqlite3.Connection) -> None:
    """Insert a free call behind an act of the same number, so that no sum changes."""
    connection.execute(
        "INSERT INTO call SELECT 4, at_us, settled_us, 0, 0, 0, 0, 0, 0, 0, -1, -1, 2, source, status, context, x'', day, hash, x'', '', '', '', 0, 0 FROM call WHERE id = 2"
    )


EDITS: dict[str, tuple[Edit, str]] = {
    "a month's sum a second time, on another day": (
        lambda db: db.execute(
            f"INSERT INTO rollup_month SELECT month + 5, {', '.join(row[1] for row in db.execute('PRAGMA table_info(rollup_month)').fetchall()[1:])} "  # noqa: S608
            "FROM rollup_month LIMIT 1"
        ),
        "rollup_month",
    ),
    "a sum of an hour far away": (
        lambda db: db.execute(
            f"INSERT INTO rollup_hour SELECT 4194304, {', '.join(row[1] for row in db.execute('PRAGMA table_info(rollup_hour)').fetchall()[1:])} "  # noqa: S608
            "FROM rollup_hour LIMIT 1"
        ),
        "rollup_hour",
    ),
    "a token's sum of the last hour there is": (
        lambda db: db.execute(
            f"INSERT INTO rollup_token_hour SELECT 9223372036854775807, {', '.join(row[1] for row in db.execute('PRAGMA table_info(rollup_token_hour)').fetchall()[1:])} "  # noqa: S608
            "FROM rollup_token_hour LIMIT 1"
        ),
        "no calendar has",
    ),
    "a sum of a day far away": (
        lambda db: db.execute(
            f"INSERT INTO rollup_day SELECT 1125899906842624, {', '.join(row[1] for row in db.execute('PRAGMA table_info(rollup_day)').fetchall()[1:])} "  # noqa: S608
            "FROM rollup_day LIMIT 1"
        ),
        "no calendar has",
    ),
    "the cost of a call": (lambda db: db.execute("UPDATE call SET cost_pusd = 1 WHERE id = 2"), "entry 2 "),
    "the tokens of a call": (lambda db: db.execute("UPDATE call SET reasoning = 0 WHERE id = 5"), "entry 5 "),
    "the time of a call": (lambda db: db.execute("UPDATE call SET at_us = at_us + 1 WHERE id = 3"), "entry 3 "),
    "the cost source of a call": (lambda db: db.execute("UPDATE call SET source = 'billed' WHERE id = 3"), "entry 3 "),
    "a cost source with a hidden end": (
        lambda db: [db.execute(f"UPDATE {table} SET source = source || char(0) || 'x' WHERE source = 'estimated'") for table in ("call", "rollup_day", "rollup_hour")],  # noqa: S608
        "entry 3 ",
    ),
    "what a call alone has": (lambda db: db.execute("UPDATE call SET extra = x'' WHERE id = 3"), "entry 3 "),
    "the context of a call": (lambda db: db.execute("UPDATE call SET context = 1 WHERE id = 3"), "entry 3 "),
    "the context to none": (lambda db: db.execute("UPDATE call SET context = 99 WHERE id = 3"), "entry 3 "),
    "the hash of a call": (lambda db: db.execute("UPDATE call SET hash = x'00' WHERE id = 3"), "entry 3 "),
    "the detail of an act": (lambda db: db.execute("UPDATE entry SET detail = 'x' WHERE id = 4"), "entry 4 "),
    "the actor of an act": (lambda db: db.execute("UPDATE entry SET actor = x'01' WHERE id = 4"), "entry 4 "),
    "the person of an act": (lambda db: db.execute("UPDATE entry SET person = NULL WHERE id = 1"), "entry 1 "),
    "an act of another type": (lambda db: (db.execute("PRAGMA ignore_check_constraints=1"), db.execute("UPDATE entry SET intent = 5 WHERE id = 4")), "entry 4 "),
    "an act removed": (lambda db: db.execute("DELETE FROM entry WHERE id = 4"), "entry 4 "),
    "a call removed": (lambda db: db.execute("DELETE FROM call WHERE id = 5"), "entry 5 "),
    "the first entry removed": (lambda db: db.execute("DELETE FROM entry WHERE id = 1"), "entry 1 "),
    "acts exchanged": (entry_swap, "entry 1 "),
    "calls exchanged": (call_swap, "entry 2 "),
    "a call inserted": (call_insert, "outside of its chain"),
    "a team renamed": (lambda db: db.execute("UPDATE word SET text = 'other' WHERE text = 'support'"), "entry 2 "),
    "a tag renamed": (lambda db: db.execute("UPDATE word SET text = 'client=b' WHERE text = 'client=acme'"), "entry 2 "),
    "a tag with a line more": (lambda db: db.execute("UPDATE word SET text = text || char(10) WHERE text = 'client=acme'"), "entry 2 "),
    "a slot of another project": (lambda db: db.execute("UPDATE slot SET project = team WHERE id = 2"), "entry 2 "),
    "a slot of another user": (lambda db: db.execute("UPDATE slot SET person = (SELECT digest FROM person WHERE name = 'bob') WHERE id = 2"), "entry 2 "),
    "a context of another token": (lambda db: db.execute("UPDATE context SET token = door WHERE id = 1"), "entry 2 "),
    "a person renamed": (lambda db: db.execute("UPDATE person SET name = 'eve' WHERE name = 'bob'"), "the name of a person"),
    "a person erased unsaid": (lambda db: db.execute("UPDATE person SET name = NULL, salt = NULL WHERE name = 'bob'"), "the name of a person"),
    "a person removed": (lambda db: db.execute("DELETE FROM person WHERE name = 'ana'"), "a person was removed"),
    "a day's total": (lambda db: db.execute("UPDATE rollup_day SET cost_low = cost_low - 1 WHERE slot = 2"), "(rollup_day)"),
    "a day's total removed": (lambda db: db.execute("DELETE FROM rollup_day"), "2026-09-21 (rollup_day)"),
    "an hour's total": (lambda db: db.execute("UPDATE rollup_hour SET requests = 7"), "(rollup_hour)"),
    "an hour removed": (lambda db: db.execute("DELETE FROM rollup_hour WHERE hour = (SELECT max(hour) FROM rollup_hour)"), "(rollup_hour)"),
    "a token's total": (lambda db: db.execute("UPDATE rollup_token SET output = 0"), "(rollup_token)"),
    "a tag's total": (lambda db: db.execute("UPDATE rollup_tag SET output = 0"), "(rollup_tag)"),
    "a declared tag removed": (lambda db: db.execute("DELETE FROM rolled_tag"), "(rolled_tag)"),
    "a tag declared by hand": (lambda db: db.execute("INSERT INTO rolled_tag VALUES ('x')"), "(rolled_tag)"),
    "the day of a call": (lambda db: db.execute("UPDATE call SET day = day + 1 WHERE id = 2"), "another day"),
    "where the entries begin, without a hash": (lambda db: db.execute("UPDATE ledger SET base = 5"), "where its entries begin"),
    "the day of a call to none": (lambda db: db.execute("UPDATE call SET day = 9223372036854775807 WHERE id = 2"), "day 9223372036854775807"),
    "all hours removed": (lambda db: db.execute("DELETE FROM rollup_hour"), "(rollup_hour)"),
    "an anchor put in": (lambda db: db.execute("INSERT INTO anchor VALUES (x'01', 9, x'02')"), "anchor"),
    "an open intent put in": (lambda db: db.execute("INSERT INTO open_intent VALUES (4, x'01', 9)"), "entry 4 "),
    "an import put in": (lambda db: db.execute("INSERT INTO imported VALUES ('x', 2)"), "imported"),
    "sums of archived calls": (lambda db: db.execute("INSERT INTO archived SELECT day, slot, 1, 1, source, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM rollup_day LIMIT 1"), ""),
    "a trigger planted": (lambda db: db.execute("CREATE TRIGGER t AFTER INSERT ON call BEGIN DELETE FROM call WHERE id = new.id; END"), "t is not as"),
    "an index removed": (lambda db: db.execute("DROP INDEX call_day"), "call_day"),
    "a view put in": (lambda db: db.execute("CREATE VIEW v AS SELECT 1"), "v is not as"),
    "the checkpoint's hash": (lambda db: db.execute("UPDATE checkpoint SET hash = x'00'"), "forged"),
    "the checkpoint moved": (lambda db: db.execute("UPDATE checkpoint SET number = number + 1"), "forged"),
    "the checkpoint's time": (lambda db: db.execute("UPDATE checkpoint SET at_us = at_us + 1"), "forged"),
    "the ledger's id": (lambda db: db.execute("UPDATE ledger SET ledger_id = x'00112233445566778899aabbccddeeff'"), "entry 1 "),
    "the ledger's zone": (lambda db: db.execute("UPDATE ledger SET zone = 'Asia/Tokyo'"), "entry 1 "),
    "the start moved up": (lambda db: (db.execute("UPDATE ledger SET base = 4, base_hash = (SELECT hash FROM entry WHERE id = 4)"), db.execute("DELETE FROM entry WHERE id <= 4"), db.execute("DELETE FROM call WHERE id <= 4")), ""),
}  # fmt: skip


@pytest.fixture
def tagged(filled: Book) -> Book:
    with filled.ledger.writing() as writer:
        declare_tag(writer, "client")
    return filled


def test_an_untouched_ledger_says_how_far_it_is_signed_and_no_more(filled: Book) -> None:
    verdict = filled.verify()
    assert (verdict.first, verdict.entries, verdict.head.number, verdict.signed) == (1, 14, 14, 11)
    assert verdict.signer == SIGNER.public
    assert verdict.signed_at_us == START_US + 2 * 86_400_000_000
    unknown = filled.verify(signers=())
    assert (unknown.signed, unknown.signed_at_us, unknown.signer) == (0, None, None)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found_and_its_place_named(tagged: Book, name: str) -> None:
    edit, place = EDITS[name]
    tagged.verify()
    with tagged.by_hand() as connection:
        edit(connection)
    with pytest.raises(Damaged) as caught:
        tagged.verify()
    assert place in caught.value.message
    assert caught.value.exit_status == 13


REMADE: dict[str, Edit] = {
    "changed": lambda db: db.execute("UPDATE entry SET detail = 'x' WHERE id = 4"),
    "removed": lambda db: db.execute("DELETE FROM entry WHERE id = 4"),
    "exchanged": entry_swap,
    "inserted": lambda db: db.execute("INSERT INTO entry SELECT 100, at_us, phase, act, subject, actor, person, 'more', status, intent, vault_id, epoch, manifest, x'', hash FROM entry WHERE id = 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in REMADE if name != "inserted"])
def test_entries_before_the_checkpoint_with_all_hashes_recomputed_are_not_those_signed(filled: Book, name: str) -> None:
    with filled.by_hand() as connection:
        REMADE[name](connection)
        rechain(connection)
    with pytest.raises(Damaged, match="entries up to 11 are not those that were signed"):
        filled.verify()


def after_the_checkpoint(name: str) -> Edit:
    edits: dict[str, Edit] = {
        "changed": lambda db: db.execute("UPDATE entry SET detail = 'x' WHERE id = 14"),
        "removed": lambda db: db.execute("DELETE FROM entry WHERE id = 14"),
        "inserted": REMADE["inserted"],
    }
    return edits[name]


@pytest.mark.parametrize("name", ["changed", "removed", "inserted"])
def test_an_unsigned_tail_remade_is_called_unsigned_and_a_receipt_contradicts(filled: Book, name: str) -> None:
    receipt = receipt_of(filled.ledger)
    assert filled.verify(receipt).head.number - filled.verify(receipt).signed == 3
    with filled.by_hand() as connection:
        after_the_checkpoint(name)(connection)
        rechain(connection)
    verdict = filled.verify()
    assert verdict.signed == 11
    assert verdict.head.number - verdict.signed == {"changed": 3, "removed": 2, "inserted": 4}[name]
    if name == "inserted":  # what the receipt has seen is still there
        filled.verify(receipt)
        return
    with pytest.raises(Damaged, match="the receipt"):
        filled.verify(receipt)


def test_a_gap_in_the_numbers_is_found_with_all_hashes_recomputed(book: Book) -> None:
    book.record(*(call(START_US + number) for number in range(4)))
    with book.by_hand() as connection:
        connection.execute("DELETE FROM call WHERE id = 3")
        rechain(connection, keep_numbers=True)
    with pytest.raises(Damaged, match="entry 3 "):
        book.verify()


def cut_tail(connection: sqlite3.Connection, after: int) -> None:
    """Cut off all after an entry, with every roll-up made anew."""
    for table in ("entry", "call"):
        connection.execute(f"DELETE FROM {table} WHERE id > ?", (after,))  # noqa: S608
    connection.execute("DELETE FROM checkpoint WHERE number > ?", (after,))
    naming, days = _naming(connection), _days(connection)
    made = [_made(connection, naming, day) for day in days]
    for table in made[0]:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    for table, rows in ((table, rows) for tables in made for table, rows in tables.items()):
        for key, sums in rows.items():
            add(connection, table, (*key, *sums))
    for table in ("rollup_hour", "rollup_token_hour"):
        connection.execute(f"DELETE FROM {table} WHERE hour > (SELECT max(at_us) FROM call) / 3600000000")  # noqa: S608
    count_runs(connection)


def count_runs(connection: sqlite3.Connection) -> None:
    """Count the programs again, of the acts that are left."""
    connection.execute("DELETE FROM raw_runs")
    for row in connection.execute(f"SELECT {', '.join(Entry._fields)} FROM entry WHERE act = 'exec'").fetchall():  # noqa: S608
        raw_runs.project(connection, Entry(*row))


def test_a_tail_cut_off_is_caught_by_a_receipt_and_else_nothing_is_claimed(filled: Book) -> None:
    receipt = receipt_of(filled.ledger)
    with filled.by_hand() as connection:
        cut_tail(connection, 11)
    assert filled.verify().head.number == filled.verify().signed == 11
    with pytest.raises(Damaged, match="ends at entry 11, the receipt has seen 14"):
        filled.verify(receipt)


def test_a_tail_cut_off_with_its_checkpoint_leaves_less_signed(filled: Book) -> None:
    with filled.by_hand() as connection:
        cut_tail(connection, 7)
    assert (filled.verify().head.number, filled.verify().signed) == (7, 0)


def test_a_checkpoint_that_stays_when_the_tail_is_cut_gives_it_away(filled: Book) -> None:
    with filled.by_hand() as connection:
        row = connection.execute("SELECT * FROM checkpoint").fetchone()
        cut_tail(connection, 7)
        connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", row)
    with pytest.raises(Damaged, match="entries up to 11 are not those that were signed"):
        filled.verify()


def test_a_checkpoint_by_an_own_key_counts_for_nothing(filled: Book) -> None:
    other = bytes(32)
    with filled.by_hand() as connection:
        connection.execute("UPDATE entry SET detail = 'x' WHERE id = 4")
        rechain(connection)
        number, digest = connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
        signature = sealing.sign(other, checkpoint_message(bytes(16), Head(number, digest), START_US))
        row = (START_US // 86_400_000_000, number, digest, START_US, sealing.signing_public(other), signature)
        connection.execute("DELETE FROM checkpoint")
        connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", row)
    assert filled.verify().signed == 0
    with filled.by_hand() as connection:
        connection.execute("UPDATE checkpoint SET signer = ?", (SIGNER.public,))
    with pytest.raises(Damaged, match="forged"):
        filled.verify()


def test_a_receipt_of_another_ledger_is_refused(filled: Book) -> None:
    receipt = receipt_of(filled.ledger)
    with pytest.raises(Damaged, match="not the ledger of the receipt"):
        filled.verify(receipt._replace(ledger_id=b"x" * 16))


def test_a_receipt_is_one_line_that_reads_back(filled: Book) -> None:
    receipt = receipt_of(filled.ledger)
    line = receipt_text(receipt)
    assert line.count("\n") == 0
    assert line.isprintable()
    assert parse_receipt(f" {line}\n") == receipt
    for wrong in ("", "x", line[:-1], line.replace("receipt-1", "receipt-2"), line.upper(), line + ":"):
        with pytest.raises(UsageError):
            parse_receipt(wrong)


def test_the_verdict_is_the_same_wherever_the_file_lies(filled: Book, tmp_path: Path) -> None:
    assert filled.copy(tmp_path / "elsewhere").verify() == filled.verify()


def test_every_advance_is_told(book: Book) -> None:
    book.record(*(call(START_US + number) for number in range(40_000)))
    passed: list[int] = []
    verify(book.ledger, Known(), passed.append)
    assert sum(passed) == 40_000
    assert len(passed) > 2


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        ("UPDATE anchor SET epoch = 1", "anchor"),
        ("UPDATE anchor SET digest = x'00'", "anchor"),
        ("DELETE FROM anchor", "anchor"),
        ("DELETE FROM open_intent", "entry 3"),
        ("UPDATE open_intent SET epoch = 4", "entry 3"),
    ],
)
def test_anchors_and_open_intents_are_those_of_the_acts(book: Book, edit: str, place: str) -> None:
    vault = b"v" * 16
    first = book.ledger.intent(Act("add", "openai"), vault, 2)
    book.ledger.outcome(first.number, "ok", b"m" * 64, SIGNER)
    book.ledger.intent(Act("add", "other"), vault, 3)
    assert book.verify().signed == 2
    with book.by_hand() as connection:
        connection.execute(edit)
    with pytest.raises(Damaged, match=place):
        book.verify()


def test_an_imported_id_shortened_by_hand_is_found(book: Book) -> None:
    line = b'{"id":"a5","at":"2026-09-21T14:00:00Z","provider":"p","model":"m","cost_usd":"0.5"}'
    import_calls(book.ledger, [line], append_call, lambda one: one, lambda _: None)
    book.verify()
    with book.by_hand() as connection:
        connection.execute("UPDATE imported SET id = 'a'")
    with pytest.raises(Damaged, match="imported"):
        book.verify()


def test_the_memory_of_a_verdict_does_not_grow_with_the_days(tmp_path: Path) -> None:
    """Roll-ups are compared a day at a time."""
    import tracemalloc

    ledger = Ledger(str(tmp_path)).open_or_create(b"l" * 16)
    calendar = Calendar(ledger.zone)

    def peak_bytes(days: range) -> int:
        for day in days:
            with ledger.writing() as writer:
                for user in range(100):
                    at_us = (20_000 + day) * 86_400_000_000 + user
                    context = Context(Labels("support", "", "", f"u{user}"), key="openai", provider="openai", model="m")
                    append_call(writer, Call(at_us, at_us, context, Usage(1, 0, 0, 0, 1, 0), cost_pusd=user), calendar)
        with ledger.reading() as connection:
            first_wrong(connection)  # what is read once is in the memory of SQLite now
            tracemalloc.start()
            try:
                assert first_wrong(connection) is None
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    few = peak_bytes(range(3))
    assert peak_bytes(range(3, 60)) < 1.5 * few
    ledger.close()
