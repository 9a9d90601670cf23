"""Vault format 1 is frozen: the committed vectors open, or fail, as they say; the generator makes the same rows."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from vectors import generate

from aikeys.errors import AikeysError, Damaged, WrongPassphrase
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.vault import opening
from aikeys.vault.format import Rows
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import methods, order, recovery_code

NAMES = sorted(path.stem for path in generate.V1.glob("*.txt"))
FAILURES = [name for name in NAMES if name != "success"]
CLASSES = {
    "success",
    "plain-http",
    "wrong-passphrase",
    "damaged-header",
    "damaged-entry",
    "swapped-entries",
    "deleted-entry",
    "rolled-back",
    "unsupported-version",
}
EDITS = {
    "wrong-passphrase": set(),
    "damaged-header": {("header", "commitment")},
    "damaged-entry": {("key_version", "sealed")},
    "swapped-entries": {("key_version", "wrapped_key"), ("key_version", "sealed"), ("key_version", "checksum")},
    "deleted-entry": {("key", "row gone"), ("key_version", "row gone")},
    "unsupported-version": {("header", "format"), ("file", "user_version")},
}


def put(vector: generate.Vector, home: Path) -> opening.Place:
    place = opening.place_of(str(home))
    for name, data in (("vault.db", vector.vault), ("ledger.db", vector.ledger)):
        (home / name).write_bytes(data)
        (home / name).chmod(0o600)
    return place


def opened(vector: generate.Vector, home: Path) -> Opened:
    means = order.UnlockInputs({"AIKEYS_PASSPHRASE": vector.says["passphrase"]}, None)
    return order.open_rows(opening.picture(put(vector, home)), means).opened


def tables(database: bytes) -> dict[str, dict[int, dict[str, Any]]]:
    """Return every row of every table by its number, and what the file itself says."""
    with closing(sqlite3.connect(":memory:")) as connection:
        # one byte each: this copy is not in WAL mode, which memory cannot have
        connection.deserialize(database[:18] + b"\1\1" + database[20:])
        connection.row_factory = sqlite3.Row
        found = {}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608
            found[table] = {number: dict(row) for number, row in enumerate(rows)}
        pragmas = ("application_id", "user_version")
        found["file"] = {0: {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}}
    return found


def brought_up(ledger: bytes) -> bytes:
    """Return a ledger in today's format: the vectors hold one of the format in which they were made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.db")
        path.touch(0o600)
        path.write_bytes(ledger)
        Ledger(folder).open().close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def schema(database: bytes) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database[:18] + b"\1\1" + database[20:])
        return [row[0] for row in connection.execute("SELECT sql FROM sqlite_master ORDER BY name")]


def edits(before: bytes, after: bytes) -> set[tuple[str, str]]:
    old, new = tables(before), tables(after)
    assert schema(before) == schema(after)
    found = set()
    for table, rows in old.items():
        assert new[table].keys() <= rows.keys(), "a row was inserted"
        for number, row in rows.items():
            if number not in new[table]:
                found.add((table, "row gone"))
            else:
                found |= {(table, name) for name in row if row[name] != new[table][number][name]}
    return found


def test_there_is_a_vector_for_every_way_to_fail() -> None:
    assert set(NAMES) == CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_opens_or_fails_as_it_says(name: str, tmp_path: Path) -> None:
    vector = generate.read(name)
    says = vector.says
    assert int(says["status"]) == generate.STATUS[says["expect"]]
    if says["expect"] == "ok":
        vault = opened(vector, tmp_path)
        for key in vault.rows.keys:
            assert vault.content(key).secret.decode() == says[f"secret {key.name}"]
            assert vault.content(key).allows_http is (key.name == says.get("plain-http"))
        return
    with pytest.raises(AikeysError) as caught:
        opened(vector, tmp_path)
    assert caught.value.exit_status == int(says["status"])
    assert caught.value.code.replace("_", " ") == says["expect"]


def test_every_unlock_method_of_the_vector_gives_the_same_vault_key(tmp_path: Path) -> None:
    vector = generate.read("success")
    rows = opening.picture(put(vector, tmp_path))
    secrets = {
        methods.PASSPHRASE: methods.passphrase_bytes(vector.says["passphrase"]),
        methods.RECOVERY: recovery_code.decode(vector.says["recovery-code"]).reveal(),
        methods.KEY_FILE: bytes.fromhex(vector.says["key-file"]),
    }
    assert {row.kind for row in rows.methods} == set(secrets)
    for row in rows.methods:
        assert methods.open_with(row, secrets[row.kind], rows.header).hex() == vector.says["vault-key"]
        with pytest.raises(WrongPassphrase):
            methods.open_with(row, b"x" * 32, rows.header)


def test_the_secret_in_grace_still_opens(tmp_path: Path) -> None:
    vector = generate.read("success")
    vault = opened(vector, tmp_path)
    key = vault.rows.key_named("openai")
    assert key is not None
    previous = vault.rows.previous_of(key)
    assert previous is not None
    assert vault.content(key, previous).secret.decode() == vector.says["earlier secret openai"]


def test_the_ledger_of_a_vector_verifies_and_anchors_its_epoch(tmp_path: Path) -> None:
    vector = generate.read("success")
    place = put(vector, tmp_path)
    ledger = place.ledger.open()
    verify(ledger)
    anchor = ledger.anchors()[bytes.fromhex(vector.says["vault-id"])]
    ledger.close()
    assert anchor.epoch == int(vector.says["anchor-epoch"]) == place.vault.read().manifest.epoch


@pytest.mark.parametrize("name", sorted(EDITS))
def test_a_failing_vector_differs_from_the_good_one_in_one_thing(name: str) -> None:
    good, bad = generate.read("success"), generate.read(name)
    assert edits(good.vault, bad.vault) == EDITS[name]
    assert bad.ledger == good.ledger
    said = {line for line in good.says if good.says[line] != bad.says[line]} - {"about", "expect", "status"}
    assert said == ({"passphrase"} if name == "wrong-passphrase" else set())


def test_the_rolled_back_vault_is_sound_in_itself_and_one_epoch_old(tmp_path: Path) -> None:
    good, old = generate.read("success"), generate.read("rolled-back")
    assert (old.ledger, old.says["passphrase"]) == (good.ledger, good.says["passphrase"])
    rows = put(old, tmp_path).vault.read()
    opening.check_manifest(rows)
    assert rows.manifest.epoch == int(old.says["anchor-epoch"]) - 1


def test_swapped_secrets_do_not_open_even_where_nobody_looks_at_the_manifest(tmp_path: Path) -> None:
    vector = generate.read("swapped-entries")
    rows: Rows = put(vector, tmp_path).vault.read()
    means = order.UnlockInputs({"AIKEYS_PASSPHRASE": vector.says["passphrase"]}, None)
    vault = order.open_rows(rows, means).opened
    for key in rows.keys:
        with pytest.raises(Damaged):
            vault.content(key)


def test_the_generator_makes_the_same_rows_again() -> None:
    kept = generate.kept_envelopes()
    made = generate.vectors(kept)
    assert set(made) == set(NAMES)
    for name, vector in made.items():
        stored = generate.read(name)
        assert vector.says == stored.says
        assert tables(vector.vault) == tables(stored.vault), name
        assert tables(vector.ledger) == tables(brought_up(stored.ledger)), name


def test_without_the_kept_envelopes_only_what_covers_an_envelope_differs() -> None:
    fresh, stored = generate.vectors({})["success"], generate.read("success")
    assert edits(stored.vault, fresh.vault) == {
        ("unlock_method", "envelope"),
        ("unlock_method", "checksum"),
        *(("manifest", column) for column in ("ledger_head", "digest", "signature", "checksum")),
    }
    assert edits(brought_up(stored.ledger), fresh.ledger) == {
        *(("entry", column) for column in ("manifest", "hash")),
        *(("checkpoint", column) for column in ("hash", "signature")),
        ("anchor", "digest"),
    }


def test_fresh_envelopes_open_too(tmp_path: Path) -> None:
    vector = generate.vectors({})["success"]
    assert opened(vector, tmp_path).vault_key.reveal().hex() == vector.says["vault-key"]
