"""Taking away works whatever single row of vault.db is damaged, without a ledger, and where the vault takes no row.

Every column of every row is flipped, emptied, mistyped and missing in turn. A token that is revoked then is dead at the
next request, and stays so when somebody puts the damaged row back.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aikeys import clock
from aikeys.cli.commands import token_revoke
from aikeys.cli.home import unlock_to_take_away
from aikeys.errors import AikeysError, Damaged, TokenRefused
from aikeys.ledger.store import Act, Ledger
from aikeys.storage import ballast
from aikeys.storage.sqlite import DiskFull
from aikeys.vault import changes, store
from aikeys.vault.damaged import destroy_key, named_tokens
from aikeys.vault.format import Rows
from aikeys.vault.opening import check_manifest
from aikeys.vault.tokens import revoking
from aikeys.vault.tokens.issuing import Issued
from aikeys.vault.writing import write
from tests.vault.tokens_at_hand import MAY_ISSUE, Office

TABLES = ("header", "unlock_method", "key", "key_version", "manifest", "token", "token_grant", "revocation", "queued")
HOW = ("flipped", "emptied", "mistyped", "null", "gone")


class Spot(NamedTuple):
    """One value of one row: the table, its rowid, and the column ("" for the whole row)."""

    table: str
    row: int
    column: str


def damaged(value: Any, how: str) -> Any:
    if how == "null":
        return None
    if how == "mistyped":
        return "text" if not isinstance(value, str) else b"\xff\xfe"
    if how == "emptied":
        return type(value)()
    if isinstance(value, int):
        return value + 1
    last = value[-1:]
    if isinstance(value, str):
        return value[:-1] + ("b" if last == "a" else "a")
    return value[:-1] + (bytes([last[0] ^ 1]) if last else b"x")


@contextmanager
def untyped(path: Path) -> Iterator[sqlite3.Connection]:
    """Write into the tables as a damaged disk would: whatever type."""
    with closing(sqlite3.connect(path)) as connection:
        strict = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(replace(sql, ' NOT NULL', ''), ' STRICT', '')")
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()
        connection.execute("PRAGMA writable_schema=ON")
        connection.executemany("UPDATE sqlite_master SET sql = ? WHERE name = ?", [(sql, name) for name, sql in strict])
        connection.commit()


@pytest.fixture
def office(make_home: Any) -> Office:
    """A vault with rows in every table: two keys, an old version, tokens with a child, one revoked, one act queued."""
    office = Office(make_home())
    office.home.add("openai", "sk-proj-first")
    office.home.add("second", "sk-proj-second")
    office.rotate("second", "sk-proj-third", grace_until=clock.now_s() + 10**6)
    other = office.issue(*MAY_ISSUE, name="other")
    office.child(other, name="below")
    gone = office.issue(name="gone")
    revoking.revoke(office.home.place, [gone.claims.id])
    with office.home.place.vault.writing() as connection:
        store.queue(connection, store.Queued(1, "lock", "vault"))
    return office


def spots(path: Path) -> list[Spot]:
    found = []
    with closing(sqlite3.connect(path)) as connection:
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for (row,) in connection.execute(f"SELECT rowid FROM {table}").fetchall():  # noqa: S608
                found += [Spot(table, row, column) for column in columns]
            assert found[-1].table == table, "every table has a row"
    return found


def is_dead(office: Office, token: Issued) -> bool:
    try:
        office.secret(token)
    except (TokenRefused, Damaged):
        return True
    return False


@pytest.mark.parametrize("how", HOW)
def test_a_token_is_revoked_whatever_row_is_damaged_and_stays_dead_when_the_row_is_put_back(
    office: Office, how: str, in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = office.issue(name="mine")
    assert not is_dead(office, mine)
    copy = in_memory / "copy"
    with closing(sqlite3.connect(office.home.vault)) as connection:
        (number,) = connection.execute("SELECT rowid FROM token WHERE id = ?", (mine.claims.id,)).fetchone()
    own = Spot("token", number, "checksum")
    tried, honoured = 0, []
    for spot in spots(office.home.vault):
        if how == "gone" and (spot.column not in ("checksum", "at_us") or spot == own):
            continue
        tried += 1
        shutil.rmtree(copy, ignore_errors=True)
        here = Office(office.home.at(Path(shutil.copytree(office.home.directory, copy))))
        monkeypatch.setenv("AIKEYS_HOME", str(copy))
        token_verifier = here.token_verifier()  # a gateway that goes on
        token_verifier.admit(mine.text, clock.now_s())
        before = spoil(here.home.vault, spot, how)
        take_away(here, mine, tried if how != "gone" else 6 * tried)  # --all means those that are there
        with pytest.raises((TokenRefused, Damaged)):
            token_verifier.admit(mine.text, clock.now_s())
        token_verifier.close()
        assert is_dead(here, mine), spot
        put_back(here.home.vault, spot, before, is_gone=how == "gone")
        if not is_dead(here, mine):
            honoured.append(spot)
    assert not honoured
    assert tried >= (10 if how == "gone" else 90)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A directory where a sync costs nothing, if there is one."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as path:
        yield Path(path)


def spoil(path: Path, spot: Spot, how: str) -> Sequence[Any]:
    """Damage a value, or take its row away; return the row as it was."""
    table, row, column = spot
    with untyped(path) as connection:
        before: Sequence[Any] = connection.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,)).fetchone()  # noqa: S608
        (value,) = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()  # noqa: S608
        if how == "gone":
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))  # noqa: S608
        else:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (damaged(value, how), row))  # noqa: S608
    return before


def put_back(path: Path, spot: Spot, before: Sequence[Any], *, is_gone: bool) -> None:
    with untyped(path) as connection:
        if not is_gone:
            connection.execute(f"DELETE FROM {spot.table} WHERE rowid = ?", (spot.row,))  # noqa: S608
        connection.execute(f"INSERT INTO {spot.table} VALUES ({', '.join('?' * len(before))})", before)  # noqa: S608


def take_away(office: Office, token: Issued, number: int) -> None:
    """Revoke it by its id and by --all in turn, as the command does; every third time without a ledger."""
    aside = office.home.directory / "aside"
    aside.mkdir()
    if number % 3 == 0:
        move_ledger(office.home.directory, aside)
    named = [] if number % 2 else [token.claims.shown_id]
    token_revoke.revoke(named, team="", user="", everything=not named, keep_children=False)
    move_ledger(aside, office.home.directory)
    aside.rmdir()


def move_ledger(one: Path, other: Path) -> None:
    for path in one.glob("ledger.db*"):
        path.rename(other / path.name)


@pytest.fixture(autouse=True)
def at_home(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKEYS_HOME", str(office.home.directory))
    monkeypatch.delenv("AIKEYS_TOKEN", raising=False)


@pytest.mark.parametrize("ledger", ["there", "missing", "read-only", "another vault's", "garbage"])
@pytest.mark.parametrize("vault", ["whole", "read-only", "a trigger", "no table", "garbage"])
def test_what_one_of_vault_and_ledger_takes_is_enough(
    office: Office, vault: str, ledger: str, monkeypatch: pytest.MonkeyPatch, make_home: Any
) -> None:
    mine = office.issue(name="mine")
    home = office.home
    settle_log(home.place.ledger)
    whole = home.vault.read_bytes(), home.ledger.read_bytes()
    spoil_vault(office, vault, monkeypatch)
    spoil_ledger(office, ledger, monkeypatch, make_home)
    is_possible = vault == "whole" or ledger == "there"
    try:
        token_revoke.revoke([mine.claims.shown_id], team="", user="", everything=False, keep_children=False)
    except AikeysError:
        assert not is_possible
    monkeypatch.undo()
    assert is_dead(office, mine) or not is_possible
    if vault in ("a trigger", "no table", "garbage"):
        replace(home.vault, whole[0])
    if ledger in ("missing", "another vault's", "garbage"):
        replace(home.ledger, whole[1])
    assert is_dead(office, mine) or not is_possible


def settle_log(ledger: Ledger) -> None:
    ledger.open().truncate_log()
    ledger.close()


def replace(path: Path, data: bytes | None) -> None:
    """Put another file in the place of one that may be open, with what SQLite keeps beside it; None for no file."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    if data is not None:
        path.write_bytes(data)


def spoil_vault(office: Office, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "read-only":
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(office.home.vault) and real(path, mode))
    elif how == "a trigger":
        office.run("CREATE TRIGGER undo AFTER INSERT ON revocation BEGIN DELETE FROM revocation; END")
    elif how == "no table":
        office.run("DROP TABLE revocation")
    elif how == "garbage":
        replace(office.home.vault, b"garbage" * 1000)


def spoil_ledger(office: Office, how: str, monkeypatch: pytest.MonkeyPatch, make_home: Any) -> None:
    path = office.home.ledger
    if how == "missing":
        replace(path, None)
    elif how == "read-only":
        real = Ledger.writing

        def refuse(ledger: Ledger) -> Any:
            if ledger.path == str(path):
                raise sqlite3.OperationalError("attempt to write a readonly database")
            return real(ledger)

        monkeypatch.setattr(Ledger, "writing", translated(refuse))
    elif how == "another vault's":
        replace(path, anothers_ledger(make_home))
    elif how == "garbage":
        replace(path, b"garbage" * 1000)


def anothers_ledger(make_home: Any) -> bytes:
    another = make_home("another")
    settle_log(another.place.ledger)
    data: bytes = another.ledger.read_bytes()
    return data


def translated(work: Any) -> Any:
    from aikeys.storage.sqlite import translated as in_our_words

    @contextmanager
    def writing(ledger: Ledger) -> Iterator[Any]:
        with in_our_words(ledger.path), work(ledger) as writer:
            yield writer

    return writing


def test_a_foreign_ledger_is_told_nothing(office: Office, make_home: Any) -> None:
    mine = office.issue(name="mine")
    replace(office.home.ledger, anothers_ledger(make_home))
    count = Ledger(str(office.home.directory)).open().head().number
    assert revoking.revoke(office.home.place, [mine.claims.id]) == (True, False)
    assert Ledger(str(office.home.directory)).open().head().number == count


def test_tokens_of_a_team_are_found_in_a_damaged_vault_and_those_that_cannot_be_read_are_said(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    support = office.issue(name="mine", labels=(("team", "support"),))
    sales = office.issue(name="theirs", labels=(("team", "sales"),))
    office.run("UPDATE unlock_method SET place = 'elsewhere'")
    office.run("UPDATE token SET signature = x'00' WHERE id = ?", sales.claims.id)
    token_revoke.revoke([], team="support", user="", everything=False, keep_children=False)
    named = named_tokens(office.home.place)
    assert support.claims.id in named.revoked_us
    assert sales.claims.id not in named.revoked_us
    said = capsys.readouterr().err
    assert "a row of" in said
    assert "whose 1 token cannot be read" in said


# Keys.


def remaining(office: Office) -> bytes:
    return b"".join(path.read_bytes() for path in office.home.directory.glob("vault.db*"))


def sealed_of(office: Office, name: str) -> bytes:
    rows = office.home.place.vault.read()
    key = rows.key_named(name)
    assert key is not None
    return rows.version_of(key).sealed


def test_the_secret_of_a_key_is_destroyed_in_a_vault_that_cannot_be_signed(office: Office) -> None:
    gone, kept = sealed_of(office, "openai"), sealed_of(office, "second")
    office.run("UPDATE unlock_method SET place = 'elsewhere'")
    with pytest.raises(Damaged):
        unlock_to_take_away(office.home.place)
    assert destroy_key(office.home.place, "nobody") is None
    item = destroy_key(office.home.place, "openai")
    assert item is not None
    assert revoking.tell(office.home.place, [item])
    assert gone not in remaining(office)
    assert kept in remaining(office)
    with office.home.place.ledger.open().reading() as connection:
        acts = connection.execute("SELECT subject FROM entry WHERE act = 'revoke'").fetchall()
    assert acts == [("openai",)]


def test_a_damaged_row_of_a_token_keeps_no_key_in_the_vault(office: Office) -> None:
    office.run("UPDATE token SET signature = x'00' WHERE rowid = 1")
    with pytest.raises(Damaged):
        office.home.change("add", lambda vault: vault)
    opened = office.home.open()
    act = Act("revoke", "openai")
    write(office.home.place, opened, act, lambda vault: changes.remove_key(vault, "openai"), takes_away=True)
    assert office.home.rows().key_named("openai") is None
    key_ids = {key.id for key in office.home.rows().keys}
    with closing(office.home.place.vault.connect()) as connection:
        assert {row[0] for row in connection.execute("SELECT key_id FROM token_grant")} <= key_ids


@pytest.mark.parametrize("ledger", ["another vault's", "garbage"])
def test_a_ledger_of_no_use_is_not_written_and_the_vault_stays_whole(
    office: Office, ledger: str, monkeypatch: pytest.MonkeyPatch, make_home: Any
) -> None:
    spoil_ledger(office, ledger, monkeypatch, make_home)
    before = office.home.ledger.read_bytes()
    opened_by_hand(office, monkeypatch)
    where, opened = unlock_to_take_away(office.home.place)
    done = write(
        where, opened, Act("revoke", "openai"), lambda vault: changes.remove_key(vault, "openai"), takes_away=True
    )
    assert done.queued
    assert office.home.ledger.read_bytes() == before
    rows = office.home.place.vault.read()
    check_manifest(rows)
    assert rows.key_named("openai") is None


def opened_by_hand(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikeys.vault.unlock import order

    def opened(rows: Rows, _means: Any) -> Any:
        return order.UnlockedBy(office.home.open_rows(rows), "key file")

    monkeypatch.setattr(order, "open_rows", opened)


def test_an_older_vault_is_not_signed_anew_to_take_a_key_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    older = office.home.vault.read_bytes()
    office.home.add("third", "sk-proj-third")
    office.home.vault.write_bytes(older)
    opened_by_hand(office, monkeypatch)
    with pytest.raises(Damaged, match="older than its last recorded state"):
        unlock_to_take_away(office.home.place)


# Room.


def test_what_records_a_call_uses_up_the_first_reserve_and_revoking_has_the_other(office: Office) -> None:
    folder = str(office.home.directory)
    ballast.load(folder)
    assert ballast.drop(folder)
    assert not ballast.drop(folder), "nothing else is given to it"
    tries = []

    def work() -> str:
        tries.append(os.path.exists(os.path.join(folder, ballast.FOR_REVOKING)))
        if tries[-1]:
            raise DiskFull("full", "")
        return "done"

    assert ballast.with_room(folder, work) == "done"
    assert tries == [True, True, False]
    assert ballast.is_there(folder), "and both are put back where there is room"


def test_revoking_goes_on_without_any_room_in_the_ledger(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = office.issue(name="mine")

    @contextmanager
    def full(_ledger: Ledger) -> Iterator[Any]:
        raise DiskFull("cannot write ledger.db: the disk is full", "")
        yield

    monkeypatch.setattr(Ledger, "writing", full)
    assert revoking.revoke(office.home.place, [mine.claims.id]) == (True, False)
    assert is_dead(office, mine)
