"""A bit flipped anywhere in ledger.db is damage, or changes nothing that the ledger says."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aikeys.errors import BadConfiguration, Damaged, MachineFailed
from tests.ledger.conftest import Book

FLIPS = 120


def content(path: str) -> list[list[tuple[object, ...]]]:
    """Return all rows, found without any index, and the schema.

    Without checkpoints: one whose signer is another counts for nothing, and what it vouched for is then unsigned.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'checkpoint' ORDER BY 1"
            )
        ]
        tables = [connection.execute(f"SELECT * FROM {name} NOT INDEXED").fetchall() for name in names]  # noqa: S608
        return [connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall(), *tables]


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_found_or_means_nothing(filled: Book, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    whole = filled.copy(tmp_path / "whole")
    whole.ledger.truncate_log()
    whole.ledger.close()
    data, said = Path(whole.ledger.path).read_bytes(), content(whole.ledger.path)
    used = [place for place in range(len(data)) if data[max(0, place - 2) : place + 3].strip(b"\0")]
    found = 0
    for _ in range(FLIPS):
        place, bit = dice.choice(used), 1 << dice.randrange(8)
        edited = bytearray(data)
        edited[place] ^= bit
        Path(whole.ledger.path).write_bytes(edited)
        for suffix in ("-wal", "-shm"):
            Path(whole.ledger.path + suffix).unlink(missing_ok=True)
        try:
            whole.ledger.open()
            whole.verify()
        except (Damaged, BadConfiguration, MachineFailed):
            found += 1
        else:
            assert content(whole.ledger.path) == said, f"byte {place}, bit {bit}"
        finally:
            whole.ledger.close()
    assert found
