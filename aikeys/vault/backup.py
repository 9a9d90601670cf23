"""Backup and restore: one encrypted file, copied through SQLite's own backup.

A restored vault goes on from the newest epoch that ledger or vault know, so that no earlier copy passes for it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aikeys import clock
from aikeys.errors import BadConfiguration, Damaged, ExistsAlready, MachineFailed, NotFound
from aikeys.ledger.store import Act, Ledger
from aikeys.storage import ballast, sqlite
from aikeys.vault import store
from aikeys.vault.format import Rows
from aikeys.vault.opening import Opened, Place, anchored, check_manifest
from aikeys.vault.unlock.methods import KEYRING
from aikeys.vault.writing import settle_intents, signed


def backup(place: Place, rows: Rows, path: str) -> None:
    """Write the vault to a new file; raises BadConfiguration where only this machine's keyring could open it."""
    if all(method.kind == KEYRING for method in rows.methods):
        raise BadConfiguration(
            "only this machine's keyring opens the vault, so a backup would be useless",
            "first: aikeys unlock-method add recovery",
        )
    if os.path.exists(path):
        raise ExistsAlready(f"{path} exists", "name a new file")
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise MachineFailed(f"cannot write {path}: there is no folder {folder}", "make it, or name another file")
    temporary = f"{path}.{os.urandom(4).hex()}"
    sqlite.create_file(temporary)
    try:
        with sqlite.translated(temporary), _copying(place.vault.path, temporary) as (source, target):
            source.backup(target)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.replace(temporary, path)
    except OSError as error:
        raise MachineFailed(f"cannot write {path}: {error.strerror}", "check the disk and its permissions") from None
    finally:
        _remove(temporary)
    ledger = place.ledger.open()
    ledger.event(Act("backup", "vault", f"epoch={rows.manifest.epoch}"))
    ledger.close()


@contextmanager
def _copying(source: str, target: str) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    first = sqlite.connect(source, read_only=True)
    try:
        second = sqlite.connect(target)
        try:
            yield first, second
        finally:
            second.close()
    finally:
        first.close()


def read_backup(path: str) -> Rows:
    """Return the rows of a backup, their manifest checked against its own public key."""
    if not os.path.isfile(path):
        raise NotFound(f"there is no backup at {path}", "name the file that aikeys backup wrote")
    with sqlite.translated(path):
        connection = sqlite.connect(path, read_only=True)
        try:
            connection.execute("BEGIN")
            rows = store.read_rows(connection, path)
        finally:
            connection.close()
    check_manifest(rows)
    return rows


def restore(place: Place, path: str, unlock: Callable[[Rows], Opened]) -> tuple[Opened, str]:
    """Put a backup in the vault's place; returns it opened, and where a damaged vault was moved to (or nothing).

    One transaction: a crash leaves the old vault or the new one.
    """
    opened = unlock(read_backup(path))
    sqlite.make_directory(place.home)
    ledger = place.ledger
    ledger.open_or_create(os.urandom(16), clock.local_zone(os.environ))
    aside = _move_damaged_aside(place)
    header = opened.rows.header._replace(ledger_id=ledger.ledger_id)
    opened = opened._replace(rows=opened.rows._replace(header=header))
    act = Act("restore", "vault", f"file={os.path.basename(path)}")
    put = _replace_present if place.vault.exists else _put_where_none_is
    opened = put(place, ledger, opened, act)
    ledger.close()
    ballast.load(place.home)
    return opened, aside


def _replace_present(place: Place, ledger: Ledger, opened: Opened, act: Act) -> Opened:
    """Change the vault's rows into the backup's under the write lock, like any other change."""
    vault_id = opened.rows.header.vault_id
    with place.vault.writing() as connection:
        present = store.read_rows(connection, place.vault.path)
        if present.header.vault_id == vault_id:
            settle_intents(ledger, present)
        epoch = _next_epoch(ledger, opened.rows, present)
        intent = ledger.intent(act, vault_id, epoch)
        opened = opened._replace(rows=signed(opened, epoch, intent.head))
        store.write_difference(connection, present, opened.rows)
    ledger.outcome(intent.entry, "ok", anchored(opened.rows), opened.signer())
    return opened


def _put_where_none_is(place: Place, ledger: Ledger, opened: Opened, act: Act) -> Opened:
    epoch = _next_epoch(ledger, opened.rows, None)
    intent = ledger.intent(act, opened.rows.header.vault_id, epoch)
    opened = opened._replace(rows=signed(opened, epoch, intent.head))
    place.vault.create(opened.rows)
    ledger.outcome(intent.entry, "ok", anchored(opened.rows), opened.signer())
    return opened


def _next_epoch(ledger: Ledger, rows: Rows, present: Rows | None) -> int:
    """Return an epoch above all that were seen of this vault; only what its own key signed counts."""
    vault_id = rows.header.vault_id
    seen = [rows.manifest.epoch]
    anchor = ledger.anchors().get(vault_id)
    if anchor is not None:
        seen.append(anchor.epoch)
    seen += [epoch for _, epoch in ledger.open_intents(vault_id)]
    if present is not None and present.header.vault_id == vault_id:
        try:
            check_manifest(present, rows.header.signing_public)
            seen.append(present.manifest.epoch)
        except Damaged:
            return max(seen) + 1
    return max(seen) + 1


def _move_damaged_aside(place: Place) -> str:
    """Move a vault that SQLite itself cannot read out of the way, its journal with it."""
    if not place.vault.exists:
        return ""
    try:
        place.vault.read()
    except Damaged:
        aside = f"{place.vault.path}.damaged-{clock.now_s()}"
        for suffix in ("", "-journal", "-wal", "-shm"):
            if os.path.exists(place.vault.path + suffix):
                os.rename(place.vault.path + suffix, aside + suffix)
        return aside
    return ""


def _remove(path: str) -> None:
    for suffix in ("", "-journal"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
