"""Backup and restore: one encrypted file, copied through SQLite's own backup.

A restored vault goes on from the newest epoch that ledger or vault know, so that no earlier copy passes for it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import NamedTuple

from aikeys import clock
from aikeys.errors import BadConfiguration, Damaged, ExistsAlready, MachineFailed, NotFound
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act, Ledger
from aikeys.secret import hidden
from aikeys.storage import ballast, folders, sqlite
from aikeys.tokens import chain
from aikeys.vault import backup_file, store, token_grants, token_rows
from aikeys.vault.format import Header, Rows
from aikeys.vault.opening import Opened, Place, anchored, check_manifest
from aikeys.vault.store import Queued
from aikeys.vault.token_rows import TokenRows
from aikeys.vault.tokens import revoking
from aikeys.vault.tokens.issuing import issue_act
from aikeys.vault.unlock.methods import KEYRING
from aikeys.vault.writing import settle_intents, signed


def backup(place: Place, rows: Rows, path: str) -> None:
    """Write the vault to a new file; raises BadConfiguration where only this machine's keyring could open it."""
    _refuse_useless(rows)
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
    _record(place, rows)


def backup_to_pipe(place: Place, rows: Rows, write: Callable[[bytes], None]) -> None:
    """Hand the bytes of a backup to whoever writes them; raises as `backup` does."""
    _refuse_useless(rows)
    write(backup_file.bytes_of(place.vault.path))
    _record(place, rows)


def _refuse_useless(rows: Rows) -> None:
    if all(method.kind == KEYRING for method in rows.methods):
        raise BadConfiguration(
            "only this machine's keyring opens the vault, so a backup would be useless",
            "first: aikeys unlock-method add recovery",
        )


def _record(place: Place, rows: Rows) -> None:
    with closing(place.ledger.open()) as ledger:
        ledger.event(Act("backup", "vault", f"epoch={rows.manifest.epoch}"))


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


def read_backup(path: str, shown: str = "") -> Rows:
    """Return the rows of a backup, their manifest checked against its own public key; `shown` is how it is called."""
    shown = shown or path
    backup_file.check_form(path, shown)
    another = "try another backup"
    try:
        with sqlite.translated(shown, another), closing(sqlite.connect(path, read_only=True)) as connection:
            connection.execute("BEGIN")
            rows = store.read_rows(connection, shown)
        check_manifest(rows)
    except NotFound:
        raise Damaged(f"the backup {shown} holds no vault", another) from None
    except Damaged as damage:
        raise Damaged(damage.message, another) from None
    return rows


class Restored(NamedTuple):
    """The vault as it was brought back, where a damaged one was moved to (or nothing), and how many tokens it lost."""

    opened: Opened
    aside: str
    revoked: int


def restore(place: Place, path: str, unlock: Callable[[Rows], Opened], *, keep_tokens: bool = False) -> Restored:
    """Put a backup in the vault's place. One transaction: a crash leaves the old vault or the new one.

    Its tokens, and those issued since, are revoked; with `keep_tokens` they stay, but for those that were revoked by
    then, as the backup, the vault that is here or the ledger knows.
    """
    opened = unlock(read_backup(path))
    brought = _read_tokens(path) if keep_tokens else None
    folders.make(place.home)
    ledger = place.ledger
    ledger.open_or_create(os.urandom(16), clock.local_zone(os.environ))
    aside = _move_damaged_aside(place)
    header = opened.rows.header._replace(ledger_id=ledger.ledger_id)
    opened = opened._replace(rows=opened.rows._replace(header=header))
    act = Act("restore", "vault", f"file={hidden(os.path.basename(path))}")
    put = _replace_present if place.vault.exists else _put_where_none_is
    opened, gone = put(place, ledger, opened, act, brought)
    ledger.close()
    if gone:
        revoking.tell(place, gone)
    ballast.load(place.home)
    return Restored(opened, aside, len(gone))


def _read_tokens(path: str) -> TokenRows:
    """Return the tokens of a backup."""
    with sqlite.translated(path), closing(sqlite.connect(path, read_only=True)) as connection:
        return token_rows.read_all(connection, path)


def _replace_present(
    place: Place, ledger: Ledger, opened: Opened, act: Act, brought: TokenRows | None
) -> tuple[Opened, list[Queued]]:
    """Change the vault's rows into the backup's under the write lock, like any other change."""
    vault_id = opened.rows.header.vault_id
    with place.vault.writing() as connection:
        present = store.read_rows(connection, place.vault.path)
        if present.header.vault_id == vault_id:
            settle_intents(ledger, present)
        epoch = _next_epoch(ledger, opened.rows, present)
        intent = ledger.intent(act, vault_id, epoch)
        opened = opened._replace(rows=signed(opened, epoch, intent))
        store.write_difference(connection, present, opened.rows)
        gone = _settle_tokens(connection, place, ledger, opened, brought)
    ledger.outcome(intent.number, "ok", anchored(opened.rows), opened.signer())
    return opened, gone


def _put_where_none_is(
    place: Place, ledger: Ledger, opened: Opened, act: Act, brought: TokenRows | None
) -> tuple[Opened, list[Queued]]:
    epoch = _next_epoch(ledger, opened.rows, None)
    intent = ledger.intent(act, opened.rows.header.vault_id, epoch)
    opened = opened._replace(rows=signed(opened, epoch, intent))
    place.vault.create(opened.rows)
    ledger.outcome(intent.number, "ok", anchored(opened.rows), opened.signer())
    if brought is not None:
        with place.vault.writing() as connection:
            _settle_tokens(connection, place, ledger, opened, brought)
    return opened, []


def _settle_tokens(
    connection: sqlite3.Connection, place: Place, ledger: Ledger, opened: Opened, brought: TokenRows | None
) -> list[Queued]:
    """Revoke the tokens that are here, or add those of the backup; then make the grants anew.

    What another signing key issued opens nothing in the restored vault, and goes. Grants go all: a version that has the
    same number may have another data key.
    """
    path, header = place.vault.path, opened.rows.header
    try:
        here = token_rows.read_all(connection, path)
    except Damaged:
        here = TokenRows({}, (), {})
    rightful = chain.checked_all(here.links, header.vault_id, header.signing_public)
    if len(rightful) < len(here.links) or not here.links:
        token_rows.delete_all(connection)
        for token_id in rightful:
            token_rows.put_token(connection, here.links[token_id])
        for token_id in rightful.keys() & here.revoked_us.keys():
            token_rows.put_revocation(connection, token_id, here.revoked_us[token_id])
    token_rows.change_grants(connection, here.grants, ())
    gone: list[Queued] = []
    if brought is None:
        gone = revoking.revoke_all(connection, path)
    else:
        _bring(connection, here, brought, revoking.revoked_in(ledger))
        _announce(ledger, brought, header)
    with ledger.reading() as reading:
        when = token_grants.When(clock.now_s(), frozenset(token_acts.over(reading)))
    token_grants.renew(connection, path, opened, when, token_grants.no_progress)
    return gone


def _bring(connection: sqlite3.Connection, here: TokenRows, brought: TokenRows, told_us: Mapping[bytes, int]) -> None:
    """Add the tokens of a backup that are not here, and every revocation that anybody knows of."""
    for token_id, link in brought.links.items():
        if token_id not in here.links:
            token_rows.put_token(connection, link)
    for token_id, at_us in {**told_us, **brought.revoked_us, **here.revoked_us}.items():
        if token_id in brought.links or token_id in here.links:
            token_rows.put_revocation(connection, token_id, at_us)


def _announce(ledger: Ledger, brought: TokenRows, header: Header) -> None:
    """Tell a ledger of the tokens it has not heard of: what a child spends has to count for those above it."""
    chains = chain.checked_all(brought.links, header.vault_id, header.signing_public)
    with ledger.reading() as reading:
        known = token_acts.read_tokens(reading)
    unknown = [line[0] for line in chains.values() if line[0].shown_id not in known]
    if unknown:
        with ledger.writing() as writer:
            for claims in unknown:
                writer.act(issue_act(claims))


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
