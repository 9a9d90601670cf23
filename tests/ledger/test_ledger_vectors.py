"""Ledger formats are frozen: the committed vectors of 1 and 2 verify, or fail, as they say; the generator makes those of
2 again."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aikeys import sealing
from aikeys.errors import Damaged
from aikeys.ledger.receipts import parse_receipt
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import Known, LedgerVerdict, verify
from tests.ledger.vectors import generate

V1, V2 = generate.V1, generate.V2
EDITS = {
    "entry-changed": {("call", "cost_pusd")},
    "column-edited": {("call", "message_id")},
    "fact-changed": {("entry", "facts")},
    "entry-removed": {("call", "row gone")},
    "word-renamed": {("word", "text")},
    "roll-up-edited": {("rollup_day", "input")},
    "token-edited": {("token", "revoked_us")},
    "checkpoint-forged": {("checkpoint", "signature")},
    "tail-cut": {("entry", "row gone"), ("raw_runs", "row gone")},
}
BEFORE = sorted(EDITS.keys() - {"column-edited", "fact-changed"})
FAILING = [*((V2, name) for name in EDITS), *((V1, name) for name in BEFORE)]


def checked(vector: generate.Vector, folder: Path, *, with_receipt: bool = True) -> LedgerVerdict:
    (folder / "ledger.db").write_bytes(vector.ledger)
    (folder / "ledger.db").chmod(0o600)
    segments: tuple[str, ...] = ()
    if vector.segment:
        (folder / "segment").write_bytes(vector.segment)
        segments = (str(folder / "segment"),)
    receipts = (parse_receipt(vector.says["receipt"]),) if with_receipt and "receipt" in vector.says else ()
    signers = frozenset({bytes.fromhex(vector.says["public-key"])})
    ledger = Ledger(str(folder)).open()
    try:
        return verify(ledger, Known(signers, sealing.is_signed, receipts, segments))
    finally:
        ledger.close()


def tables(database: bytes) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        # one byte each: this copy is not in WAL mode, which memory cannot have
        connection.deserialize(database[:18] + b"\1\1" + database[20:])
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
            found[name] = sorted((dict(row) for row in rows), key=lambda row: repr(list(row.values())[0:3]))
        return found


def edits(before: bytes, after: bytes) -> set[tuple[str, str]]:
    old, new = tables(before), tables(after)
    found = set()
    for table, rows in old.items():
        if len(new[table]) != len(rows):
            kept = [row for row in rows if row in new[table]]
            assert kept == new[table]
            found.add((table, "row gone"))
            continue
        for one, other in zip(rows, new[table], strict=True):
            found |= {(table, name) for name in one if one[name] != other[name]}
    return found


def unpacked(segment: bytes) -> bytes:
    return gzip.decompress(segment[segment.index(b"\x1f\x8b") :])


@cache
def made() -> dict[str, generate.Vector]:
    return generate.vectors()


def test_there_is_a_vector_for_every_way_to_fail() -> None:
    assert {path.stem for path in V2.glob("*.txt")} == {"good", "archived", *EDITS} == set(made())
    assert {path.stem for path in V1.glob("*.txt")} == {"good", "archived", "home", *BEFORE}


@pytest.mark.parametrize("folder", [V1, V2], ids=["1", "2"])
@pytest.mark.parametrize("name", ["good", "archived"])
def test_a_valid_vector_verifies_as_it_says(name: str, folder: Path, tmp_path: Path) -> None:
    vector = generate.read(name, folder)
    verdict = checked(vector, tmp_path)
    says = vector.says
    assert (says["expect"], says["status"]) == ("valid", "0")
    assert (verdict.first, verdict.head.number, verdict.signed) == (1, int(says["head"]), int(says["signed-to"]))
    assert verdict.head.number - verdict.signed == int(says["unsigned"])


@pytest.mark.parametrize(("folder", "name"), FAILING, ids=[f"{folder.name} {name}" for folder, name in FAILING])
def test_a_failing_vector_fails_at_its_place(folder: Path, name: str, tmp_path: Path) -> None:
    vector = generate.read(name, folder)
    with pytest.raises(Damaged) as caught:
        checked(vector, tmp_path)
    assert vector.says["place"] in caught.value.message
    assert str(caught.value.exit_status) == vector.says["status"]


def test_the_cut_tail_is_valid_to_whoever_has_no_receipt(tmp_path: Path) -> None:
    vector = generate.read("tail-cut")
    assert checked(vector, tmp_path, with_receipt=False).head.number == 17


def test_the_archived_ledger_verifies_without_its_archive_from_there_on(tmp_path: Path) -> None:
    vector = generate.read("archived")
    assert checked(vector._replace(segment=b""), tmp_path).first == 6


@pytest.mark.parametrize("name", EDITS)
def test_a_failing_vector_differs_from_the_good_one_in_one_thing(name: str) -> None:
    assert edits(generate.read("good").ledger, generate.read(name).ledger) == EDITS[name]


@pytest.mark.parametrize("name", ["good", "archived", *EDITS])
def test_the_generator_makes_the_same_again(name: str) -> None:
    stored, again = generate.read(name), made()[name]
    if again.segment != stored.segment:
        assert [unpacked(each.segment) for each in (again, stored)] == [unpacked(stored.segment)] * 2
        pytest.skip("the zlib of this Python compresses in another way; the act of archiving names the file's digest")
    assert again.says == stored.says
    assert tables(again.ledger) == tables(stored.ledger)
    assert again.segment == stored.segment
    assert generate.decode(generate.encode(stored)) == stored
