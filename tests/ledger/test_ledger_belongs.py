"""Commands that need no vault take no other vault's ledger, and say what to do where theirs is gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aikeys.ledger.store import Ledger
from tests.conftest import Aikeys, make_aikeys

LINE = {"id": "x", "at": "2026-09-01T10:00:00Z", "provider": "openai", "model": "gpt-5", "cost_usd": "0.25"}
READING = (
    ("report",),
    ("log",),
    ("audit",),
    ("budget", "list"),
    ("budget", "check"),
    ("config", "export"),
    ("alert", "list"),
    ("ledger", "verify"),
    ("ledger", "head"),
    ("ledger", "export"),
)
WRITING = (
    ("ledger", "import", "in.jsonl"),
    ("ledger", "resolve"),
    ("ledger", "erase", "--user", "x", "--yes"),
    ("budget", "set", "org", "5"),
)


@pytest.fixture
def other(tmp_path: Path) -> Aikeys:
    """Another home with a vault and a budget."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_aikeys(folder)
    assert other.run("init", "--key-file", str(folder / "key")).returncode == 0
    assert other.run("budget", "set", "org", "5").returncode == 0
    return other


@pytest.mark.parametrize("words", [*READING, *WRITING], ids=" ".join)
def test_another_vaults_ledger_is_neither_read_nor_written(
    ready_home: Aikeys, other: Aikeys, words: tuple[str, ...]
) -> None:
    (ready_home.folder / "in.jsonl").write_text(json.dumps(LINE))
    before = other.run("ledger", "head").stdout
    done = ready_home.run(*words, env={"AIKEYS_LEDGER": str(other.home)})
    assert done.returncode == 13, (words, done.stdout, done.stderr)
    assert "belongs to another vault" in done.stderr
    assert other.run("ledger", "head").stdout == before


def test_a_ledger_alone_needs_no_vault(bare_home: Aikeys, other: Aikeys) -> None:
    for words in (*READING, *WRITING[1:2]):
        done = bare_home.run(*words, env={"AIKEYS_LEDGER": str(other.home)})
        assert done.returncode == 0, (words, done.stderr)


def test_a_ledger_from_elsewhere_is_verified_with_its_public_key(ready_home: Aikeys, other: Aikeys) -> None:
    head = json.loads(other.run("ledger", "head", "--json").stdout)
    elsewhere = {"AIKEYS_LEDGER": str(other.home)}
    assert ready_home.run("ledger", "verify", "--public-key", head["public_key"], env=elsewhere).returncode == 0
    assert ready_home.run("ledger", "verify", "--expect", head["receipt"], env=elsewhere).returncode == 0


def test_a_vault_that_cannot_be_read_vouches_for_no_ledger(ready_home: Aikeys) -> None:
    (ready_home.home / "vault.db").write_bytes(b"no database at all, but long enough to look like one" * 100)
    assert ready_home.run("budget", "list").returncode == 13


@pytest.mark.parametrize(
    "words", [("ledger", "verify"), ("audit",), ("log",), ("ledger", "head"), ("budget", "list"), ("list",)]
)
def test_a_vault_that_lost_its_ledger_says_how_to_go_on(ready_home: Aikeys, words: tuple[str, ...]) -> None:
    assert ready_home.add("openai", "sk-x-0123456789abcdef01234567", "--provider", "openai").returncode == 0
    for suffix in ("", "-wal", "-shm"):
        (ready_home.home / f"ledger.db{suffix}").unlink(missing_ok=True)
    done = ready_home.run(*words)
    assert done.returncode == 13, done.stderr
    assert "the ledger of this vault is missing" in done.stderr
    assert "put an unchanged copy of ledger.db back" in done.stderr
    assert "aikeys ledger import --new-ledger" in done.stderr


@pytest.mark.parametrize("script", ["DELETE FROM ledger", "DELETE FROM word", "DELETE FROM slot", "garbage"])
def test_a_damaged_ledger_is_not_to_be_restored_from_a_backup_that_has_none(ready_home: Aikeys, script: str) -> None:
    (ready_home.folder / "in.jsonl").write_text(json.dumps(LINE))
    assert ready_home.run("ledger", "import", "in.jsonl").returncode == 0
    ledger = ready_home.home / "ledger.db"
    if script != "garbage":
        with closing(sqlite3.connect(ledger)) as connection, connection:
            connection.execute(script)
    else:
        ledger.write_bytes(b"no database at all, but long enough to look like one" * 100)
    done = ready_home.run("report", "--month", "2026-09")
    assert done.returncode == 13, done.stderr
    assert "restore FILE" not in done.stderr
    assert "aikeys ledger import --new-ledger" in done.stderr


def test_a_ledger_whose_vault_is_missing_is_not_called_new(ready_home: Aikeys) -> None:
    (ready_home.home / "vault.db").unlink()
    for words in (("list",), ("token", "list"), ("add", "openai", "--stdin"), ("prompt", "-m", "openai/gpt-5", "hi")):
        done = ready_home.run(*words, input="x")
        assert done.returncode == 13, (words, done.stderr)
        assert "the vault of this ledger is missing" in done.stderr
        assert "aikeys restore FILE" in done.stderr
    (check,) = json.loads(ready_home.run("doctor", "--json").stdout)["checks"]
    assert "the vault of this ledger is missing" in check["finding"]
    assert "aikeys restore FILE" in check["hint"]


def test_a_new_vault_for_such_a_ledger_is_made_on_purpose_only_and_verify_says_so(ready_home: Aikeys) -> None:
    before = json.loads(ready_home.run("ledger", "verify", "--json").stdout)
    assert before["signer_changes"] == []
    (ready_home.home / "vault.db").unlink()
    init = ("init", "--key-file", str(ready_home.folder / "other"))
    asked = ready_home.run(*init)
    assert asked.returncode == 3, asked.stderr
    assert "is missing" in asked.stderr
    assert not (ready_home.home / "vault.db").exists()
    assert not (ready_home.folder / "other").exists()
    assert ready_home.run(*init, "--yes").returncode == 0
    after = json.loads(ready_home.run("ledger", "verify", "--json").stdout)
    (change,) = after["signer_changes"]
    assert (change["act"], change["public_key"]) == ("init", after["public_key"])
    assert after["public_key"] != before["public_key"]
    assert (
        f"entry {change['entry']} (init): from here on another key signs" in ready_home.run("ledger", "verify").stdout
    )


def test_a_ledger_that_never_had_a_vault_gets_one_without_a_question(bare_home: Aikeys) -> None:
    Ledger(str(bare_home.home)).open_or_create(b"L" * 16).close()
    assert bare_home.run("list").returncode == 10
    assert bare_home.run("init", "--key-file", str(bare_home.key_file)).returncode == 0
