"""Edits by someone who knows the format and recomputes every checksum, but has no key."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from aikeys import sealing
from aikeys.errors import Damaged
from aikeys.ledger.verify import verify
from aikeys.secret import Secret
from aikeys.vault import changes, store
from aikeys.vault.format import Rows
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import methods
from aikeys.vault.writing import signed

NOW_S = 1_800_000_000


def _two_keys(make_home: Any) -> Any:
    home = make_home()
    home.add("openai", "sk-first")
    home.add("second", "sk-second")
    return home


def _put(home: Any, rows: Rows) -> None:
    """Write rows as they are: right checksums, the manifest left to the caller."""
    with home.place.vault.writing() as connection:
        old = store.read_rows(connection, home.place.vault.path)
        store.write_difference(connection, old, rows)


def _first_version(rows: Rows, **fields: Any) -> Rows:
    first, *others = rows.versions
    return rows._replace(versions=(first._replace(**fields), *others))


def _first_key(rows: Rows, **fields: Any) -> Rows:
    first, *others = rows.keys
    return rows._replace(keys=(first._replace(**fields), *others))


def _swapped(rows: Rows) -> Rows:
    one, two = rows.versions
    pair = (
        one._replace(wrapped_key=two.wrapped_key, sealed=two.sealed),
        two._replace(wrapped_key=one.wrapped_key, sealed=one.sealed),
    )
    return rows._replace(versions=pair)


EDITS: dict[str, Callable[[Rows], Rows]] = {
    "ciphertexts swapped": _swapped,
    "a version deleted": lambda rows: rows._replace(versions=rows.versions[1:]),
    "a key deleted": lambda rows: rows._replace(keys=rows.keys[1:]),
    "a key and its version deleted": lambda rows: rows._replace(
        keys=rows.keys[1:], versions=tuple(row for row in rows.versions if row.key_id != rows.keys[0].id)
    ),
    "a version doubled": lambda rows: rows._replace(versions=(*rows.versions, rows.versions[0]._replace(version=9))),
    "a key renamed": lambda rows: _first_key(rows, name="renamed"),
    "the names exchanged": lambda rows: rows._replace(
        keys=(rows.keys[0]._replace(name=rows.keys[1].name), rows.keys[1]._replace(name=rows.keys[0].name))
    ),
    "another provider": lambda rows: _first_key(rows, provider="evil"),
    "another base URL": lambda rows: _first_version(rows, base_url="https://evil.example/v1"),
    "another grace": lambda rows: _first_version(rows, grace_until=2_000_000_000),
    "another date of creation": lambda rows: _first_version(rows, created_at=1),
    "no unlock method": lambda rows: rows._replace(methods=()),
    "another gateway key": lambda rows: rows._replace(header=rows.header._replace(gateway_public=b"\1" * 32)),
    "another signing key": lambda rows: rows._replace(header=rows.header._replace(signing_public=b"\1" * 32)),
    "epoch raised": lambda rows: rows._replace(manifest=rows.manifest._replace(epoch=99)),
    "epoch lowered": lambda rows: rows._replace(manifest=rows.manifest._replace(epoch=1)),
    "another ledger head": lambda rows: rows._replace(manifest=rows.manifest._replace(ledger_head=b"\1" * 32)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_with_right_checksums_is_damage(make_home: Any, edit: str) -> None:
    home = _two_keys(make_home)
    _put(home, EDITS[edit](home.rows()))
    with pytest.raises(Damaged):
        home.rows()


@pytest.mark.parametrize("edit", ["ciphertexts swapped", "another base URL", "another provider", "a key renamed"])
def test_sealed_values_open_only_where_they_were_sealed_even_without_the_manifest(make_home: Any, edit: str) -> None:
    home = _two_keys(make_home)
    opened = home.open()
    edited = opened._replace(rows=EDITS[edit](opened.rows))
    with pytest.raises(Damaged):
        edited.content(edited.rows.keys[0])


def test_an_old_row_put_back_is_damage(make_home: Any) -> None:
    home = _two_keys(make_home)
    before = home.rows()
    home.change(
        "rotate",
        lambda vault: changes.replace_secret(
            vault, "openai", changes.Replacement(b"sk-new", False, 0), NOW_S, os.urandom
        ),
    )
    now = home.rows()
    old = next(row for row in before.versions if row not in now.versions)
    fresh = next(row for row in now.versions if row not in before.versions)
    _put(home, now._replace(versions=tuple(old if row == fresh else row for row in now.versions), keys=before.keys))
    with pytest.raises(Damaged, match="changed, removed or put back"):
        home.rows()


def test_an_older_copy_of_the_whole_vault_is_reported_as_older(make_home: Any) -> None:
    home = _two_keys(make_home)
    old = home.vault.read_bytes()
    home.add("third", "sk-third")
    home.vault.write_bytes(old)
    with pytest.raises(Damaged, match="older than its last recorded state"):
        home.rows()
    ended = home.run("show", "openai", "--reveal", "--raw")
    assert (ended.returncode, ended.stdout) == (13, "")
    assert "older" in ended.stderr


def test_a_vault_without_its_ledger_is_damage(make_home: Any) -> None:
    home = _two_keys(make_home)
    home.ledger.unlink()
    with pytest.raises(Damaged, match="ledger"):
        home.rows()


def test_the_ledger_of_another_vault_is_damage(make_home: Any) -> None:
    home, other = _two_keys(make_home), make_home("other")
    other.add("openai", "sk-other")
    shutil.copy(other.ledger, home.ledger)
    with pytest.raises(Damaged, match="another vault"):
        home.rows()


def test_an_older_ledger_is_damage(make_home: Any) -> None:
    home = _two_keys(make_home)
    old = home.ledger.read_bytes()
    home.add("third", "sk-third")
    home.ledger.write_bytes(old)
    with pytest.raises(Damaged, match="lacks entries"):
        home.rows()


@pytest.mark.parametrize("kept", [0.8, 0.5, 0.1, 0.0])  # 0.9 cuts only unused room of the last page
def test_a_truncated_ledger_is_damage(make_home: Any, kept: float) -> None:
    home = _two_keys(make_home)
    data = home.ledger.read_bytes()
    home.ledger.write_bytes(data[: int(len(data) * kept)])

    def look() -> None:
        home.rows()
        verify(home.place.ledger.open())

    with pytest.raises(Damaged):
        look()


def _forged(rows: Rows, *, keep_public: bool) -> Rows:
    """Build a vault with the attacker's keys around the unlock methods' stored public keys and bindings."""
    vault_key, signing = os.urandom(32), os.urandom(32)
    vault_id = rows.header.vault_id
    header = rows.header._replace(
        signing_public=sealing.signing_public(signing),
        signing_sealed=sealing.seal(vault_key, os.urandom(12), signing, changes.vault_context("signing-key", vault_id)),
        commitment=methods.commitment(vault_key),
    )
    handed = tuple(
        row._replace(envelope=methods.envelope(row.public_key, vault_id, row.id, vault_key)) for row in rows.methods
    )
    content = changes.Content(b"sk-evil", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "https://evil.example", (), ())
    evil = changes.NewKey("openai", "openai", "", "https://evil.example", "", False, 0, 0, content)
    opened = Opened(Rows(header, handed, (), (), rows.manifest), Secret(vault_key), b"")
    opened = changes.add_key(opened, evil, NOW_S, os.urandom)
    head = changes_head(rows)
    forged = signed(opened, rows.manifest.epoch + 10, head)
    if keep_public:
        forged = forged._replace(header=forged.header._replace(signing_public=rows.header.signing_public))
    return forged


def changes_head(rows: Rows) -> Any:
    from aikeys.ledger.entries import Head

    return Head(rows.manifest.ledger_count, rows.manifest.ledger_head)


@pytest.mark.parametrize("keep_public", [False, True])
@pytest.mark.parametrize("kind", [methods.KEY_FILE, methods.PASSPHRASE])
def test_a_vault_forged_around_the_stored_public_keys_is_damage(make_home: Any, kind: str, keep_public: bool) -> None:
    home = make_home(passphrase=True)
    home.add("openai", "sk-first")
    _put(home, _forged(home.rows(), keep_public=keep_public))
    with pytest.raises(Damaged):
        home.open(kind)
    ended = home.run("show", "openai", "--reveal", "--raw")
    assert (ended.returncode, ended.stdout) == (13, "")


def test_a_vault_exchanged_under_a_running_command_is_not_written(make_home: Any) -> None:
    home = make_home()
    opened = home.add("openai", "sk-first")
    _put(home, _forged(home.rows(), keep_public=False))
    before = home.vault.read_bytes()
    from aikeys.errors import AikeysError
    from aikeys.ledger.store import Act
    from aikeys.vault.writing import write

    with pytest.raises(AikeysError):
        write(home.place, opened, Act("revoke", "openai"), lambda vault: changes.remove_key(vault, "openai"))
    assert home.vault.read_bytes() == before


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER spy AFTER INSERT ON key_version BEGIN DELETE FROM unlock_method; END",
        "CREATE VIEW spy AS SELECT * FROM key",
    ],
)
def test_a_planted_trigger_or_view_is_damage(make_home: Any, planted: str) -> None:
    home = make_home()
    with closing(sqlite3.connect(home.vault)) as connection:
        connection.execute(planted)
        connection.commit()
    with pytest.raises(Damaged, match="trigger or a view"):
        home.rows()


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TABLE spy(a INTEGER) STRICT",
        "CREATE UNIQUE INDEX spy ON revocation(checksum)",
        "DROP TABLE queued",
    ],
)
def test_a_table_or_an_index_that_is_not_of_the_format_is_damage(make_home: Any, planted: str) -> None:
    home = make_home()
    home.place.vault.check_schema()
    with closing(sqlite3.connect(home.vault)) as connection:
        connection.execute(planted)
        connection.commit()
    with pytest.raises(Damaged, match=r"(spy|queued) is not as format"):
        home.place.vault.check_schema()
    done = home.run("ledger", "verify")
    assert (done.returncode, done.stdout) == (13, "")
