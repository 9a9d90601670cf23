"""Grants as they should be, and the way there: done inside every change of an unlocked vault.

- Every live token whose chain is right gets the current version of every key in its scope, sealed to it without knowing
  any token's secret. What is left over is destroyed: grants of revoked and expired tokens, of earlier versions.
- Administration keys are granted to nobody: neither exec nor a call uses them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from aikeys.errors import AikeysError, Damaged
from aikeys.ledger import token_acts
from aikeys.ledger.store import Ledger
from aikeys.tokens import chain, grants
from aikeys.tokens.claims import Claims
from aikeys.tokens.grants import Lock
from aikeys.vault import token_rows
from aikeys.vault.format import Grant, Key, KeyVersion, Rows
from aikeys.vault.opening import Opened
from aikeys.vault.token_rows import TokenRows

Progress = Callable[[int, int], None]
_PROGRESS_EVERY = 50


def no_progress(_done: int, _of: int) -> None:
    """Tell nobody."""


class Wanted(NamedTuple):
    """A grant that should be there."""

    claims: Claims
    key: Key
    version: KeyVersion


class When(NamedTuple):
    """The time, and the tokens that the ledger knows to be over: a revocation may have been deleted here.

    Where the ledger cannot be read (None) nothing is granted anew.
    """

    now_s: int
    over: frozenset[bytes] | None


def when(ledger: Ledger, now_s: int) -> When:
    """Return the time with the tokens that a ledger knows to be over."""
    try:
        ledger.open()
        with ledger.reading() as reading:
            return When(now_s, frozenset(token_acts.over(reading)))
    except AikeysError:
        return When(now_s, None)


def renew(connection: sqlite3.Connection, path: str, opened: Opened, at: When, advance: Progress) -> int:
    """Make the grants what they should be, in the caller's transaction; return how many were sealed."""
    rows = opened.rows
    stored = token_rows.read_all(connection, path)
    if not stored.links and not stored.grants:
        return 0
    wanted = {(each.claims.id, each.key.id, each.version.version): each for each in _wanted(rows, stored, at)}
    present = {row.identity for row in stored.grants}
    missing = [each for identity, each in wanted.items() if identity not in present and at.over is not None]
    fresh: list[Grant] = []
    for number, each in enumerate(missing):
        if number % _PROGRESS_EVERY == 0:
            advance(number, len(missing))
        data_key = opened.data_key(each.key, each.version)
        with suppress(Damaged):  # a forged child's public key that is none: nobody is kept from the others for it
            fresh.append(sealed(rows, each, data_key))
    token_rows.change_grants(connection, [row for row in stored.grants if row.identity not in wanted], fresh)
    if missing:
        advance(len(missing), len(missing))
    return len(fresh)


def sealed(rows: Rows, wanted: Wanted, data_key: bytes) -> Grant:
    """Return a grant for a token."""
    claims, key, version = wanted
    lock = lock_of(rows, key, version)
    payload = grants.payload(claims, rows.header.gateway_public, lock, data_key)
    return Grant(claims.id, key.id, version.version, grants.hand_over(claims, lock, payload))


def lock_of(rows: Rows, key: Key, version: KeyVersion) -> Lock:
    """Return what a grant of a version fits."""
    return Lock(rows.header.vault_id, key.id, key.name, key.provider, version.base_url, version.version)


def keys_for(rows: Rows, claims: Claims) -> Iterator[tuple[Key, KeyVersion]]:
    """Return the keys that a token is granted, each with its current version."""
    if claims.is_granted_keys:
        own = rows.by_key()
        for key in rows.keys:
            if claims.reaches(key.id) and not key.is_admin:
                yield key, own[key.id].version_of(key)


def live(rows: Rows, stored: TokenRows, now_s: int) -> dict[bytes, tuple[Claims, ...]]:
    """Return the tokens that still open something, each with those above it."""
    chains = chain.checked_all(stored.links, rows.header.vault_id, rows.header.signing_public)
    return {
        token_id: claims
        for token_id, claims in chains.items()
        if claims[0].expires_at > now_s and not any(each.id in stored.revoked_us for each in claims)
    }


def _wanted(rows: Rows, stored: TokenRows, at: When) -> Iterator[Wanted]:
    over = at.over or frozenset()
    for claims in live(rows, stored, at.now_s).values():
        if any(each.id in over for each in claims):
            continue
        for key, version in keys_for(rows, claims[0]):
            yield Wanted(claims[0], key, version)
