"""Stale pictures, forged epochs, lost ledgers and half-finished acts: what each may and may not do to a vault."""

from __future__ import annotations

import gc
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock, names
from aikeys.cli import app, terminal
from aikeys.errors import BadConfiguration, Damaged, Locked, NotFound, UsageError, WrongPassphrase
from aikeys.ledger.entries import Entry, Head
from aikeys.ledger.store import Act
from aikeys.ledger.verify import verify
from aikeys.storage.sqlite import DiskFull
from aikeys.vault import backup, changes, store, writing
from aikeys.vault.format import Manifest, Rows, checksum
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import key_file, methods, order
from aikeys.vault.writing import signed
from tests.vault.conftest import NOW_S, Home, new_key

FIRST, SECOND, THIRD = "sk-proj-CANARY-first", "sk-proj-CANARY-second", "sk-proj-CANARY-third"
ADMIN = "sk-admin-CANARY-admin"
DAY_S = 86400
MakeHome = Callable[..., Home]
Main = Callable[..., int]


class KilledError(BaseException):
    """Stands for kill -9 between two steps: no handler of the program sees it."""


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    """Run a command in this process, as the command line would."""

    def run(home: Home, *words: str, stdin: str = "") -> int:
        monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())
        monkeypatch.setenv("AIKEYS_HOME", str(home.directory))
        monkeypatch.setenv("AIKEYS_NO_INPUT", "1")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        return app.main(list(words))

    return run


@pytest.fixture
def one_key(make_home: MakeHome) -> Home:
    home = make_home()
    home.add("openai", FIRST)
    return home


def _rotate(home: Home, name: str, secret: str) -> Opened:
    new, now = changes.Replacement(secret.encode(), False, clock.now_s() + DAY_S), clock.now_s()
    return home.change("rotate", lambda vault: changes.replace_secret(vault, name, new, now, os.urandom))


def _revoke(home: Home, name: str) -> writing.Written:
    """Revoke as the command does: it goes on without a ledger."""
    from aikeys.vault.opening import picture_without_ledger

    opened = home.open_rows(picture_without_ledger(home.place))
    act = Act("revoke", name)
    return writing.write(home.place, opened, act, lambda vault: changes.remove_key(vault, name), takes_away=True)


def _put(home: Home, rows: Rows) -> None:
    """Write rows as they are: right checksums, the manifest left to the caller."""
    with home.place.vault.writing() as connection:
        store.write_difference(connection, store.read_rows(connection, home.place.vault.path), rows)


def _entries(home: Home) -> list[Entry]:
    ledger = home.place.ledger.open()
    try:
        verify(ledger)
        return [entry for entry, _ in ledger.entries()]
    finally:
        ledger.close()


def _queued(home: Home) -> list[store.Queued]:
    with closing(sqlite3.connect(home.vault)) as connection:
        return store.queued(connection)


def _ledger_gone(home: Home, away: Path) -> None:
    for path in home.directory.glob("ledger.db*"):
        path.rename(away / path.name)


def _ledger_back(home: Home, away: Path) -> None:
    for path in away.glob("ledger.db*"):
        path.rename(home.directory / path.name)


# A picture that is no longer true


@pytest.mark.parametrize(
    "edit",
    [
        ("--team", "support"),
        ("--rename", "renamed"),
        ("--base-url", "https://example.com/v1"),
        ("--rename", "renamed", "--base-url", "https://example.com/v1", "--expires", "2099-01-01"),
    ],
    ids=["label", "name", "address", "all"],
)
def test_an_edit_that_waited_for_a_rotation_keeps_the_new_secret_and_the_one_in_grace(
    one_key: Home, main: Main, monkeypatch: pytest.MonkeyPatch, edit: tuple[str, ...]
) -> None:
    write = writing.write

    def late(*arguments: Any, **options: Any) -> writing.Written:
        monkeypatch.setattr(writing, "write", write)
        _rotate(one_key, "openai", SECOND)
        return write(*arguments, **options)

    monkeypatch.setattr(writing, "write", late)
    assert main(one_key, "edit", "openai", *edit) == 0
    opened = one_key.open()
    (key,) = opened.rows.keys
    assert opened.content(key).secret.decode() == SECOND
    previous = opened.rows.previous_of(key)
    assert previous is not None
    assert opened.content(key, previous).secret.decode() == FIRST
    assert (key.name == "renamed") == ("--rename" in edit)
    assert (key.labels == "team=support") == ("--team" in edit)
    assert (opened.rows.version_of(key).base_url == "https://example.com/v1") == ("--base-url" in edit)
    assert main(one_key, "rotate", key.name, "--undo") == 0
    assert one_key.secrets() == {key.name: FIRST}


def test_two_edits_computed_from_one_picture_both_last(
    one_key: Home, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = writing.write

    def late(*arguments: Any, **options: Any) -> writing.Written:
        monkeypatch.setattr(writing, "write", write)
        assert main(one_key, "edit", "openai", "--team", "support", "--rotate-every", "90d") == 0
        return write(*arguments, **options)

    monkeypatch.setattr(writing, "write", late)
    assert main(one_key, "edit", "openai", "--project", "chat", "--expires", "2099-01-01") == 0
    (key,) = one_key.rows().keys
    assert (key.labels, key.rotate_every_s) == ("project=chat\nteam=support", 90 * DAY_S)
    assert key.expires_at > NOW_S


def test_a_change_of_a_key_that_was_revoked_meanwhile_is_not_found_and_writes_nothing(one_key: Home) -> None:
    stale = one_key.open()
    (key,) = stale.rows.keys
    one_key.change("revoke", lambda vault: changes.remove_key(vault, "openai"))
    one_key.add("openai", SECOND)
    before = one_key.vault.read_bytes()
    edit = changes.Edit(key.id, lambda row: row._replace(labels="team=support"))
    with pytest.raises(NotFound):
        writing.write(
            one_key.place, stale, Act("edit", "openai"), lambda vault: changes.edit_key(vault, edit, os.urandom)
        )
    assert one_key.vault.read_bytes() == before


# Names


@pytest.mark.parametrize("name", ["open", "openai", "OPENAI-work", "openai-work-2", "openai-wor", "mistral"])
@pytest.mark.parametrize("words", [("revoke",), ("edit", "--team", "x"), ("rotate", "--undo"), ("rotate", "--stdin")])
def test_what_changes_a_key_takes_its_exact_name_and_harms_no_other(
    make_home: MakeHome, main: Main, words: tuple[str, ...], name: str
) -> None:
    home = make_home()
    home.add("openai-work", FIRST)  # the default key of its provider, which `show openai` would take
    home.add("openai-home", SECOND)
    before, entries = home.vault.read_bytes(), len(_entries(home))
    assert main(home, words[0], name, *words[1:], stdin=THIRD) == NotFound.exit_status
    assert home.vault.read_bytes() == before
    assert len(_entries(home)) == entries


def test_a_second_revoke_of_a_name_is_not_found_and_harms_no_other_key(one_key: Home, main: Main) -> None:
    one_key.add("openai-2", SECOND)
    assert main(one_key, "revoke", "openai", "--yes") == 0
    assert one_key.rows().keys[0].is_default
    before = one_key.vault.read_bytes()
    assert main(one_key, "revoke", "openai", "--yes") == NotFound.exit_status
    assert one_key.vault.read_bytes() == before
    assert one_key.secrets() == {"openai-2": SECOND}


KEYS_AS_NAMES = {
    "openai": "sk-proj-CANARY0123456789abcdefghij",
    "google": "AIzaSyCANARY0123456789abcdefghijklmnop",
    "groq": "gsk_CANARY0123456789abcdefghijklmnopqrst",
    "hex": "0123456789abcdef0123456789abcdef",
    "letters and digits": "Qr7TzCANARYk2mVw9XbN4sLp8HdJ3fGy",
    "fireworks": "fw_CANARY0123456789abcdefgh",
    "nvidia": "nvapi-CANARY0123456789abcdefghijklmnop",
    "cerebras": "csk-canary0123456789abcdefghijklmnopqrs",
    "databricks": "dapi0123456789abcdef0123456789abcdef",
    "64 digits": "0123456789abcdef" * 4,
    "too long": "0123456789abcdef" * 8,
}


@pytest.mark.parametrize("kind", KEYS_AS_NAMES)
def test_a_name_that_looks_like_a_key_is_refused_and_not_repeated(
    one_key: Home, main: Main, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    pasted = KEYS_AS_NAMES[kind]
    before = one_key.vault.read_bytes()
    statuses = [
        main(one_key, "add", pasted, "--provider", "openai", "--stdin", "--no-verify", stdin=SECOND),
        main(one_key, "add", pasted, "--stdin", "--no-verify", stdin=SECOND),
        main(one_key, "edit", "openai", "--rename", pasted),
        main(one_key, "revoke", pasted),
        main(one_key, "rotate", pasted, "--stdin", "--no-verify", stdin=SECOND),
        main(one_key, "show", pasted),
    ]
    shown = "".join(capfd.readouterr())
    usage, not_found = UsageError.exit_status, NotFound.exit_status
    assert pasted not in shown
    assert statuses == [usage, usage, usage, not_found, not_found, not_found], shown
    assert one_key.vault.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["openai-production-2026", "team.support_eu-west-1.key-2", "gpt4", "a" * 64, "openai-2026-11-23-staging"]
)
def test_a_long_name_made_of_words_is_a_name(name: str) -> None:
    assert names.key_name(name) == name


# Rotation


def test_the_admin_mark_follows_the_secret_through_rotation_and_undo(make_home: MakeHome, main: Main) -> None:
    home = make_home()
    add = ("add", "openai", "--stdin", "--no-verify")
    rotate = ("rotate", "openai", "--stdin", "--no-verify")

    def mark() -> tuple[str, int]:
        (key,) = home.rows().keys
        return home.secrets()["openai"], key.is_admin

    assert main(home, *add, stdin=FIRST) == 0
    assert mark() == (FIRST, 0)
    assert main(home, *rotate, stdin=ADMIN) == 0
    assert mark() == (ADMIN, 1)
    lent = home.run("exec", "openai", "--", "true")
    assert lent.returncode == 125, lent.stderr
    assert main(home, "edit", "openai", "--rename", "renamed", "--team", "support") == 0
    assert home.rows().keys[0].is_admin == 1
    assert main(home, "edit", "renamed", "--rename", "openai") == 0
    assert main(home, "rotate", "openai", "--undo") == 0
    assert mark() == (FIRST, 0)
    assert main(home, "rotate", "openai", "--undo") == 0
    assert mark() == (ADMIN, 1)
    assert main(home, *rotate, stdin=SECOND) == 0
    assert mark() == (SECOND, 0)


def test_undo_goes_back_to_the_secret_just_replaced_and_again_to_the_one_undone(one_key: Home, main: Main) -> None:
    _rotate(one_key, "openai", SECOND)
    _rotate(one_key, "openai", THIRD)
    opened = one_key.open()
    assert sorted(opened.content(opened.rows.keys[0], row).secret.decode() for row in opened.rows.versions) == [
        SECOND, THIRD,
    ]  # fmt: skip
    for wanted in (SECOND, THIRD, SECOND):
        assert main(one_key, "rotate", "openai", "--undo") == 0
        assert one_key.secrets() == {"openai": wanted}


def test_undo_after_the_grace_is_not_found_and_changes_nothing(one_key: Home) -> None:
    _rotate(one_key, "openai", SECOND)
    opened = one_key.open()
    over = opened.rows.versions[0].grace_until or opened.rows.versions[1].grace_until
    with pytest.raises(NotFound):
        changes.undo_rotation(opened, "openai", lambda _: False, over)
    changes.undo_rotation(opened, "openai", lambda _: False, over - 1)


def test_a_rotation_without_grace_leaves_nothing_to_go_back_to(one_key: Home, main: Main) -> None:
    rotate = ("rotate", "openai", "--stdin", "--no-verify", "--grace", "0s")
    assert main(one_key, *rotate, stdin=SECOND) == 0
    assert main(one_key, "rotate", "openai", "--undo") == NotFound.exit_status
    assert one_key.secrets() == {"openai": SECOND}
    assert len(one_key.rows().versions) == 1


# A forged or foreign vault


def _renewed(make_home: MakeHome, main: Main) -> tuple[Home, Opened]:
    """Return a home after `--compromised`, and its vault as someone opened it before."""
    home = make_home(passphrase=True)
    home.add("openai", FIRST)
    before = home.open()
    assert main(home, "unlock-method", "remove", "passphrase", "--compromised") == 0
    home.add("second", SECOND)
    return home, before


def _heads(home: Home, old: Opened) -> dict[str, Head]:
    ledger = home.place.ledger.open()
    newest, manifest = ledger.head(), old.rows.manifest
    ledger.close()
    return {"its own": Head(manifest.ledger_count, manifest.ledger_head), "the newest": newest}


@pytest.mark.parametrize("head", ["its own", "the newest"])
@pytest.mark.parametrize("ahead", [0, 1, 10])
@pytest.mark.parametrize("left_open", [False, True], ids=["settled", "an act left open"])
def test_after_a_compromise_nothing_signed_by_the_old_signing_key_is_taken(
    make_home: MakeHome, main: Main, left_open: bool, ahead: int, head: str
) -> None:
    home, old = _renewed(make_home, main)
    epoch = home.rows().manifest.epoch + ahead
    if left_open:  # what an `add` killed before its commit leaves in the ledger
        home.place.ledger.open().intent(Act("add", "third"), old.rows.header.vault_id, epoch)
    content = new_key("evil", "sk-CANARY-evil")
    forged = changes.add_key(old, content, NOW_S, os.urandom)
    _put(home, signed(forged, epoch, _heads(home, old)[head]))
    with pytest.raises(Damaged):
        home.rows()
    shown = home.run("show", "openai", "--reveal", "--raw")
    assert (shown.returncode, shown.stdout) == (Damaged.exit_status, ""), shown.stderr


def test_a_compromise_killed_before_its_outcome_still_opens_by_the_new_signing_key(
    make_home: MakeHome, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(passphrase=True)
    home.add("openai", FIRST)
    old = home.rows().header.signing_public
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_note_success", lambda *_: None)
        assert main(home, "unlock-method", "remove", "passphrase", "--compromised") == 0
    assert home.rows().header.signing_public != old
    home.add("second", SECOND)
    assert home.secrets() == {"openai": FIRST, "second": SECOND}
    assert [entry.status for entry in _entries(home) if entry.phase == "outcome"][-2:] == ["ok", "ok"]


def test_after_removing_an_unlock_method_the_vault_of_before_is_older(make_home: MakeHome, main: Main) -> None:
    home = make_home(passphrase=True)
    home.add("openai", FIRST)
    before = home.vault.read_bytes()
    assert main(home, "unlock-method", "remove", "passphrase") == 0
    home.vault.write_bytes(before)
    with pytest.raises(Damaged, match="older"):
        home.rows()


@pytest.mark.parametrize("head", ["genesis", "the newest"])
def test_a_vault_that_the_ledger_has_never_seen_is_damage_although_it_is_valid(
    one_key: Home, main: Main, head: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = one_key.place.ledger.open()
    heads = {"genesis": Head(0, ledger.hash_at(0) or b""), "the newest": ledger.head()}
    method = methods.NewMethod(methods.KEY_FILE, str(one_key.key_path), one_key.key)
    other = changes.new_vault([method], ledger.ledger_id, NOW_S, os.urandom)
    ledger.close()
    one_key.vault.unlink()
    one_key.place.vault.create(signed(other, 50, heads[head]))
    with pytest.raises(Damaged, match="never seen"):
        one_key.rows()
    assert main(one_key, "list") == Damaged.exit_status
    assert main(one_key, "add", "evil", "--provider", "openai", "--stdin", stdin=SECOND) == Damaged.exit_status
    assert capfd.readouterr().err.count("has never seen this vault") == 2


# Acts that went on without the ledger


def _queued_at(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.act, entry.subject) for entry in entries if entry.detail.startswith("queued_at=")]


def test_acts_without_a_ledger_are_written_to_it_once_and_in_order_by_the_next_write(
    make_home: MakeHome, main: Main, tmp_path: Path
) -> None:
    home, away = make_home(), tmp_path / "away"
    away.mkdir()
    for name in ("one", "two", "three"):
        home.add(name, FIRST)
    _ledger_gone(home, away)
    assert main(home, "revoke", "one", "--yes") == 0
    assert main(home, "revoke", "two", "--yes") == 0
    assert [(item.act, item.subject) for item in _queued(home)] == [("revoke", "one"), ("revoke", "two")]
    _ledger_back(home, away)
    assert home.secrets() == {"three": FIRST}
    assert _queued_at(_entries(home)) == []
    for name in ("four", "five"):
        home.add(name, FIRST)
        assert _queued(home) == []
        assert _queued_at(_entries(home)) == [("revoke", "one"), ("revoke", "two")]
    entries = _entries(home)
    assert [entry.phase for entry in entries if entry.act == "revoke"] == ["event", "event"]
    assert {entry.status for entry in entries if entry.phase == "outcome"} == {"ok"}


def test_a_revoke_of_one_name_twice_without_a_ledger_is_two_entries(
    one_key: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    _ledger_gone(one_key, away)
    assert _revoke(one_key, "openai").queued
    with one_key.place.vault.writing() as connection:  # the same act within the same second
        (first,) = store.queued(connection)
        store.queue(connection, first._replace(at_us=first.at_us // 1_000_000 * 1_000_000 + 999_999))
    _ledger_back(one_key, away)

    def end(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(store, "unqueue", end)
        with pytest.raises(KilledError):
            one_key.add("next", SECOND)
    assert _queued_at(_entries(one_key)) == [("revoke", "openai")]
    one_key.add("next", SECOND)
    assert _queued_at(_entries(one_key)) == [("revoke", "openai")] * 2


@pytest.mark.parametrize("step", ["unqueue", "write_difference"])
@pytest.mark.parametrize("ending", [KilledError, DiskFull], ids=["killed", "disk full"])
def test_a_queued_act_is_written_once_also_where_the_write_ends_after_its_entry(
    make_home: MakeHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, ending: type[BaseException]
) -> None:
    home, away = make_home(), tmp_path / "away"
    away.mkdir()
    home.add("one", FIRST)
    home.add("two", FIRST)
    _ledger_gone(home, away)
    _revoke(home, "one")
    _revoke(home, "two")
    _ledger_back(home, away)

    def end(*_: Any) -> None:
        raise ending("the disk is full")

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(store, step, end)
            with pytest.raises(ending):
                home.add("three", THIRD)
    assert home.secrets() == {}
    home.add("three", THIRD)
    assert Counter(_queued_at(_entries(home))) == {("revoke", "one"): 1, ("revoke", "two"): 1}
    assert _queued(home) == []


def test_a_lock_that_the_ledger_cannot_take_is_queued_and_written_once(
    one_key: Home, main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aikeys.vault.unlock import kernel_keyring

    away = tmp_path / "away"
    away.mkdir()
    _ledger_gone(one_key, away)
    monkeypatch.setattr(kernel_keyring, "drop", lambda _: True)
    assert main(one_key, "lock") == 0
    assert [(item.act, item.subject) for item in _queued(one_key)] == [("lock", "vault")]
    _ledger_back(one_key, away)
    one_key.add("second", SECOND)
    one_key.add("third", SECOND)
    assert _queued_at(_entries(one_key)) == [("lock", "vault")]


# Restore

_OPEN_AND_CLOSE = """
import sys
from aikeys.ledger.store import Ledger
ledger = Ledger(sys.argv[1])
ledger.open().head()
ledger.close()
"""


def test_a_ledger_opened_twice_in_one_process_stays_locked_against_another_process(one_key: Home) -> None:
    held = one_key.place.ledger.open()
    held.event(Act("lock", "vault"))
    log = one_key.directory / "ledger.db-wal"
    inode = log.stat().st_ino
    again = one_key.place.ledger.open_or_create(b"")
    again.head()
    subprocess.run([sys.executable, "-c", _OPEN_AND_CLOSE, str(one_key.directory)], env=one_key.environ(), check=True)
    try:  # the last to close deletes the log, and this process is not yet done with it
        assert log.exists()
        assert log.stat().st_ino == inode
    finally:
        again.close()
        held.close()


def test_a_backup_leaves_the_ledger_closed(one_key: Home, tmp_path: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        _backup(one_key, tmp_path / "backup")
        assert not list(one_key.directory.glob("ledger.db-*"))
    finally:
        gc.enable()


def _backup(home: Home, path: Path) -> Path:
    backup.backup(home.place, home.rows(), str(path))
    return path


def _restored(home: Home, path: Path) -> Opened:
    return backup.restore(home.place, str(path), home.open_rows)[0]


def _waits_for_the_vault(process: subprocess.Popen[str], vault: Path) -> None:
    """Return when the process keeps the vault open and goes to sleep again and again: it waits for the lock."""
    asleep = None
    while process.poll() is None:
        slept = int(_field(process.pid, "voluntary_ctxt_switches"))
        if str(vault) not in _open_files(process.pid):
            asleep = None
        elif asleep is None:
            asleep = slept
        elif slept - asleep >= 8:
            return
        os.sched_yield()
    raise AssertionError(process.communicate())


def _field(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((line.split(":")[1] for line in lines if line.startswith(name)), "0")


def _open_files(pid: int) -> set[str]:
    found = set()
    for link in list(Path(f"/proc/{pid}/fd").iterdir()):
        with suppress(OSError):  # closed between the two looks
            found.add(os.readlink(link))
    return found


def _start(home: Home, *words: str, stdin: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        home.command(*words), env=home.environ(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None
    return process


def _consistent(home: Home, *also: str) -> None:
    home.open()
    ledger = home.place.ledger.open()
    verify(ledger)
    assert ledger.open_intents(home.rows().header.vault_id) == []
    ledger.close()
    assert {entry.status for entry in _entries(home) if entry.phase == "outcome"} == {"ok", *also}


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc tells who waits for the vault")


@needs_proc
def test_a_restore_that_waits_for_a_writer_replaces_what_it_wrote(one_key: Home, tmp_path: Path) -> None:
    path = _backup(one_key, tmp_path / "backup")
    one_key.add("second", SECOND)
    started: list[subprocess.Popen[str]] = []

    def change(vault: Opened) -> Opened:
        started.append(_start(one_key, "--yes", "restore", str(path)))
        _waits_for_the_vault(started[0], one_key.vault)
        return changes.add_key(vault, new_key("third", THIRD), NOW_S, os.urandom)

    written = one_key.change("add", change)
    _, errors = started[0].communicate(timeout=60)
    assert started[0].returncode == 0, errors
    assert one_key.secrets() == {"openai": FIRST}
    assert one_key.rows().manifest.epoch == written.rows.manifest.epoch + 1
    _consistent(one_key)


@needs_proc
def test_a_writer_that_waits_for_a_restore_writes_into_the_restored_vault(
    one_key: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _backup(one_key, tmp_path / "backup")
    one_key.add("second", SECOND)
    started: list[subprocess.Popen[str]] = []

    def slowly(*arguments: Any) -> Rows:  # restore holds the lock when it signs
        started.append(_start(one_key, "add", "third", "--provider", "openai", "--stdin", "--no-verify", stdin=THIRD))
        _waits_for_the_vault(started[0], one_key.vault)
        return signed(*arguments)

    monkeypatch.setattr(backup, "signed", slowly)
    restored = _restored(one_key, path)
    _, errors = started[0].communicate(timeout=60)
    assert started[0].returncode == 0, errors
    assert one_key.secrets() == {"openai": FIRST, "third": THIRD}
    assert one_key.rows().manifest.epoch == restored.rows.manifest.epoch + 1
    _consistent(one_key)


def test_a_writer_whose_vault_was_restored_to_another_vault_key_writes_nothing(one_key: Home, tmp_path: Path) -> None:
    path = _backup(one_key, tmp_path / "backup")
    one_key.change("rekey", lambda vault: changes.rekey(vault, os.urandom))
    stale = one_key.open()
    restored = _restored(one_key, path)
    new = new_key("second", SECOND)
    with pytest.raises(Locked):
        writing.write(
            one_key.place, stale, Act("add", "second"), lambda vault: changes.add_key(vault, new, NOW_S, os.urandom)
        )
    assert one_key.rows() == restored.rows
    _consistent(one_key)


def _edit_epoch(path: Path, epoch: int) -> None:
    """Move a vault file's epoch without the signing key, its checksum put right."""
    with closing(sqlite3.connect(path)) as connection:
        *row, _ = connection.execute("SELECT * FROM manifest").fetchone()
        edited = Manifest(*row)._replace(epoch=epoch)
        connection.execute("UPDATE manifest SET epoch = ?, checksum = ?", (epoch, checksum(edited)))
        connection.commit()


@pytest.mark.parametrize("epoch", [1, 1_000_000, 2**63 - 1])
def test_a_backup_with_an_edited_epoch_is_damage_and_moves_nothing(
    one_key: Home, main: Main, tmp_path: Path, epoch: int
) -> None:
    path = _backup(one_key, tmp_path / "backup")
    one_key.add("second", SECOND)
    _edit_epoch(path, epoch)
    before, entries = one_key.vault.read_bytes(), _entries(one_key)
    assert main(one_key, "restore", str(path), "--yes") == Damaged.exit_status
    assert one_key.vault.read_bytes() == before
    assert _entries(one_key) == entries


@pytest.mark.parametrize("epoch", [1, 1_000_000, 2**63 - 1])
def test_an_edited_epoch_of_the_vault_in_place_does_not_move_what_a_restore_makes(
    one_key: Home, tmp_path: Path, epoch: int
) -> None:
    path = _backup(one_key, tmp_path / "backup")
    newest = one_key.add("second", SECOND).rows.manifest.epoch
    _edit_epoch(one_key.vault, epoch)
    assert _restored(one_key, path).rows.manifest.epoch == newest + 1
    assert one_key.secrets() == {"openai": FIRST}
    _consistent(one_key)


# What must work when other things do not

_LOCK_A_DAMAGED_VAULT = """
import os, subprocess, sys
from aikeys.vault.unlock import kernel_keyring

vault, keyring_id = sys.argv[1:]
def aikeys(*words):
    return subprocess.run([sys.executable, "-m", "aikeys", "--no-input", *words], stdout=sys.stderr).returncode
if aikeys("unlock", "--ttl", "10m") != 0:
    sys.exit(77)
assert kernel_keyring.get(keyring_id) is not None
with open(vault, "r+b") as file:
    file.seek(int(os.environ["DAMAGE_FROM"]))
    file.write(b"\\xff" * 2048)
status = aikeys("lock")
assert kernel_keyring.get(keyring_id) is None, "the session survived"
sys.exit(status)
"""


@pytest.mark.parametrize("start", [0, 1024, 3072])
def test_lock_ends_the_session_of_a_vault_that_was_damaged_meanwhile(one_key: Home, start: int) -> None:
    alone = ["unshare", "--user", "--map-current-user"]  # a user keyring of its own: other tests' sessions live on
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a user namespace is not permitted here")
    keyring_id = one_key.rows().header.vault_id.hex()
    ended = subprocess.run(
        [*alone, sys.executable, "-c", _LOCK_A_DAMAGED_VAULT, str(one_key.vault), keyring_id],
        env=one_key.environ() | {"DAMAGE_FROM": str(start)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode == 77:
        pytest.skip(f"no kernel keyring: {ended.stderr}")
    assert ended.returncode == 0, ended.stderr
    assert "every unlocked session of this user was ended" in ended.stderr
    assert "Traceback" not in ended.stderr


def _spoiled(path: Path, how: str) -> None:
    good = path.read_bytes()
    path.unlink()
    match how:
        case "missing":
            return
        case "another key":
            key_file.create(str(path), os.urandom(32))
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(good[:40])
        case "garbage":
            path.write_bytes(b"\xff\x00" * 60)
        case "writable by others":
            path.write_bytes(good)
            path.chmod(0o666)
        case "a directory":
            path.mkdir()
        case "a named pipe":
            os.mkfifo(path)
        case "a link to itself":
            path.symlink_to(path)


SPOILED = {
    "missing": Locked, "another key": WrongPassphrase, "empty": Damaged, "cut": Damaged, "garbage": Damaged,
    "writable by others": Damaged, "a directory": Damaged, "a named pipe": Damaged, "a link to itself": BadConfiguration,
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_key_file_hides_no_working_passphrase_and_is_named_without_one(make_home: MakeHome, how: str) -> None:
    home = make_home(passphrase=True)
    home.add("openai", FIRST)
    rows = home.rows()
    _spoiled(home.key_path, how)
    nothing = order.UnlockInputs({}, None)
    with pytest.raises(SPOILED[how]) as failed:
        order.open_rows(rows, nothing)
    assert failed.value.exit_status == SPOILED[how].exit_status
    passphrase = home.passphrase.decode()
    for means in (
        nothing._replace(environ={"AIKEYS_PASSPHRASE": passphrase}),
        nothing._replace(ask=lambda _: passphrase),
    ):
        used = order.open_rows(rows, means)
        assert used.opened.content(rows.keys[0]).secret.decode() == FIRST


def test_a_damaged_key_file_hides_no_second_key_file(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home()
    home.add("openai", FIRST)
    second = methods.NewMethod(methods.KEY_FILE, str(tmp_path / "second.key"), os.urandom(32))
    key_file.create(second.place, second.secret)
    home.change("add", lambda vault: changes.add_method(vault, second, NOW_S, os.urandom))
    rows = home.rows()
    for spoiled, kept in ((home.key_path, second.place), (Path(second.place), str(home.key_path))):
        good = spoiled.read_bytes()
        spoiled.write_bytes(b"garbage")
        opened = order.open_rows(rows, order.UnlockInputs({}, None)).opened
        assert next(row.place for row in rows.methods if row.id == opened.method_id) == kept
        spoiled.write_bytes(good)


# Acts whose outcome nobody wrote


def _unfinished(home: Home, act: str) -> int:
    """Leave an intent as a process does that is killed before its commit."""
    rows = home.rows()
    ledger = home.place.ledger.open()
    entry = ledger.intent(Act(act, "x"), rows.header.vault_id, rows.manifest.epoch + 1).number
    ledger.close()
    return entry


def _outcomes(home: Home) -> dict[int, list[tuple[str, bytes | None]]]:
    found: dict[int, list[tuple[str, bytes | None]]] = {}
    for entry in _entries(home):
        if entry.intent is not None:
            found.setdefault(entry.intent, []).append((entry.status, entry.manifest))
    return found


@pytest.fixture
def no_outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Opened]], Opened]:
    """Run a write that is killed between its commit and its outcome."""

    def run(work: Callable[[], Opened]) -> Opened:
        with monkeypatch.context() as patch:
            patch.setattr(writing, "_note_success", lambda *_: None)
            return work()

    return run


def test_an_act_killed_before_its_commit_is_abandoned(one_key: Home) -> None:
    entry = _unfinished(one_key, "add")
    assert one_key.secrets() == {"openai": FIRST}
    one_key.add("second", SECOND)
    one_key.add("third", THIRD)
    assert _outcomes(one_key)[entry] == [("abandoned", None)]


def test_an_act_killed_after_its_commit_is_ok_and_anchors_the_vault_as_it_left_it(
    one_key: Home, no_outcome: Any
) -> None:
    written = no_outcome(lambda: one_key.add("second", SECOND))
    entry = written.rows.manifest.ledger_count
    assert entry not in _outcomes(one_key)
    one_key.add("third", THIRD)
    one_key.add("fourth", THIRD)
    state = written.rows.manifest.digest + written.rows.header.signing_public
    assert _outcomes(one_key)[entry] == [("ok", state)]


def test_an_abandoned_act_is_not_called_ok_by_a_revoke_that_reached_its_epoch_without_the_ledger(
    one_key: Home, tmp_path: Path
) -> None:
    one_key.add("second", SECOND)
    entry, away = _unfinished(one_key, "add"), tmp_path / "away"
    away.mkdir()
    _ledger_gone(one_key, away)
    assert _revoke(one_key, "second").queued
    _ledger_back(one_key, away)
    one_key.add("third", THIRD)
    assert _outcomes(one_key)[entry] == [("abandoned", None)]
    assert one_key.secrets() == {"openai": FIRST, "third": THIRD}


@pytest.mark.parametrize("committed", [False, True], ids=["killed before its commit", "killed after its commit"])
def test_an_act_that_later_acts_without_the_ledger_went_past_is_unknown(
    one_key: Home, tmp_path: Path, no_outcome: Any, committed: bool
) -> None:
    one_key.add("second", SECOND)
    one_key.add("third", THIRD)
    if committed:
        entry = no_outcome(lambda: one_key.add("fourth", THIRD)).rows.manifest.ledger_count
    else:
        entry = _unfinished(one_key, "add")
    away = tmp_path / "away"
    away.mkdir()
    _ledger_gone(one_key, away)
    _revoke(one_key, "second")
    _revoke(one_key, "third")
    _ledger_back(one_key, away)
    one_key.add("fifth", THIRD)
    assert _outcomes(one_key)[entry] == [("unknown", None)]


def test_an_act_left_open_is_settled_by_a_restore_too(one_key: Home, tmp_path: Path, no_outcome: Any) -> None:
    path = _backup(one_key, tmp_path / "backup")
    done = no_outcome(lambda: one_key.add("second", SECOND)).rows.manifest.ledger_count
    _restored(one_key, path)
    assert [status for status, _ in _outcomes(one_key)[done]] == ["ok"]
    undone = _unfinished(one_key, "add")
    _restored(one_key, path)
    assert _outcomes(one_key)[undone] == [("abandoned", None)]
    _consistent(one_key, "abandoned")
