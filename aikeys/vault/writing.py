"""The one way to change a vault: intent in the ledger -> vault commit -> outcome in the ledger.

- Everything happens under the vault's write lock, on rows read and checked inside it.
- An intent without an outcome is resolved by the next writer: the vault's epoch tells whether it happened.
- What only takes access away goes on without a ledger, and queues its entry inside the vault. The next writer puts
  it into the ledger, once: a writer killed before it took the entry off the queue is noticed by the entry itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from aikeys import clock, sealing
from aikeys.errors import AikeysError, Damaged, Locked, MachineFailed
from aikeys.ledger.entries import Head
from aikeys.ledger.store import Act, Ledger
from aikeys.storage import ballast
from aikeys.vault import store, token_grants, token_rows
from aikeys.vault.format import Manifest, Rows, manifest_digest, manifest_message
from aikeys.vault.opening import Opened, Place, anchored, check_manifest
from aikeys.vault.unlock.methods import commitment

_QUEUED_ACTS = ("lock", "revoke", "token revoke")
"""Changes that only take access away: nothing else ever waits for the ledger."""
Change = Callable[[Opened], Opened]


class Written(NamedTuple):
    """The vault after a change, and whether its entry had to be queued."""

    opened: Opened
    queued: bool


def write(
    place: Place,
    opened: Opened,
    act: Act,
    change: Change,
    *,
    takes_away: bool = False,
    advance: token_grants.Progress = token_grants.no_progress,
) -> Written:
    """Apply a pure change to the vault as it is now; raises what the change raises, and nothing is written then.

    The grants of tokens follow in the same transaction; `advance` is told how many of how many are sealed.
    """
    ledger = place.ledger
    intent = None
    try:
        with place.vault.writing() as connection:
            current = _refreshed(connection, place, opened)
            changed = change(current)
            _settle(connection, ledger, current.rows, takes_away=takes_away)
            epoch = current.rows.manifest.epoch + 1
            intent, head = _announce(connection, ledger, act, current.rows, takes_away=takes_away)
            result = changed._replace(rows=signed(changed, epoch, head))
            store.write_difference(connection, current.rows, result.rows)
            if result.rows.header.signing_public != current.rows.header.signing_public:
                token_rows.delete_all(connection)  # none of them is signed by this vault any more
            try:
                token_grants.renew(
                    connection, place.vault.path, result, token_grants.when(ledger, clock.now_s()), advance
                )
            except Damaged:  # a damaged row of a token keeps nobody from taking a key away
                if not takes_away:
                    raise
                token_rows.delete_grants_of_no_key(connection)
    except AikeysError as error:
        if intent is not None:
            _note_failure(ledger, intent, error.code)
        ledger.close()
        raise
    if intent is not None:
        _note_success(ledger, intent, result)
    ledger.close()
    ballast.load(place.home)  # a write before this one may have had to throw it off
    return Written(result, queued=intent is None)


def signed(opened: Opened, epoch: int, head: Head) -> Rows:
    """Return the rows with a manifest for them."""
    rows = opened.rows
    blank = Manifest(epoch, head.number, head.hash, manifest_digest(rows), b"")
    signature = sealing.sign(opened.signing_key(), manifest_message(rows.header.vault_id, blank))
    return rows._replace(manifest=blank._replace(signature=signature))


def _refreshed(connection: sqlite3.Connection, place: Place, opened: Opened) -> Opened:
    rows = store.read_rows(connection, place.vault.path)
    header = opened.rows.header
    if rows.header.commitment != commitment(opened.vault_key.reveal()):
        raise Locked("the vault got a new key while this command ran", "run the command again")
    check_manifest(rows, header.signing_public)
    return opened._replace(rows=rows)


def _settle(connection: sqlite3.Connection, ledger: Ledger, rows: Rows, *, takes_away: bool) -> None:
    """Resolve what a killed process left open, and write what was queued."""
    try:
        settle_intents(ledger, rows)
        waiting = store.queued(connection)
        if any(item.act not in _QUEUED_ACTS for item in waiting):
            hint = "restore a backup: aikeys restore FILE"
            raise Damaged("the vault's queue holds an act that is never queued", hint)
        written = {(entry.act, entry.subject, entry.detail) for entry, _ in ledger.entries()} if waiting else set()
        for item in waiting:
            known = (item.act, item.subject, queued_detail(item))
            if known not in written:  # a writer may have ended between its entry and its commit
                ledger.event(Act(*known))
            store.unqueue(connection, item)
    except AikeysError:
        if not takes_away:
            raise


def queued_detail(item: store.Queued) -> str:
    """Return what an entry says that had to wait: when it happened, which is also how it is recognised."""
    return f"queued_at={_to_the_microsecond(item.at_us)}"


def _to_the_microsecond(at_us: int) -> str:
    seconds, rest_us = divmod(at_us, 1_000_000)
    return f"{clock.rfc3339(seconds).removesuffix('Z')}.{rest_us:06d}Z"


def settle_intents(ledger: Ledger, rows: Rows) -> None:
    """Give every open intent of this vault its outcome; the caller holds the vault's write lock."""
    epoch = rows.manifest.epoch
    for entry, intended in ledger.open_intents(rows.header.vault_id):
        if epoch == intended and rows.manifest.ledger_count == entry:
            ledger.outcome(entry, "ok", anchored(rows))
        else:
            ledger.outcome(entry, "unknown" if epoch > intended else "abandoned")


def _announce(
    connection: sqlite3.Connection, ledger: Ledger, act: Act, rows: Rows, *, takes_away: bool
) -> tuple[int | None, Head]:
    try:
        head = ledger.intent(act, rows.header.vault_id, rows.manifest.epoch + 1)
    except AikeysError:
        if not takes_away:
            raise
        store.queue(connection, store.Queued(clock.now_us(), act.act, act.subject))
        return None, Head(rows.manifest.ledger_count, rows.manifest.ledger_head)
    return head.number, head


def _note_success(ledger: Ledger, intent: int, opened: Opened) -> None:
    """Write the outcome; the vault has changed already, so where this fails the next writer says it."""
    try:
        ledger.outcome(intent, "ok", anchored(opened.rows), opened.signer())
    except MachineFailed:
        return


def _note_failure(ledger: Ledger, intent: int, status: str) -> None:
    """Say in the ledger that an announced act failed; where that fails too, the next writer says it."""
    try:
        ledger.outcome(intent, status)
    except AikeysError:
        return
