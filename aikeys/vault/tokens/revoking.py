"""Take tokens away: needs no key, works without a ledger, and cannot be undone by deleting a row.

- Vault first (row and queued entry in one commit), then the ledger: killed between the two, the next writer tells it.
- No other row needs to be whole. Where the vault takes no row at all, the entry in its ledger counts alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from aikeys import clock, sealing
from aikeys.budgets.counters import drop_counters
from aikeys.budgets.terms import PERIODS
from aikeys.budgets.who import TOKEN, Who
from aikeys.errors import AikeysError, Damaged
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act, Ledger
from aikeys.storage import ballast
from aikeys.tokens import chain
from aikeys.tokens.claims import Claims, encode, message
from aikeys.tokens.link import Link
from aikeys.vault import store, token_rows
from aikeys.vault.damaged import own_ledger
from aikeys.vault.format import Rows
from aikeys.vault.opening import Opened, Place, check_manifest
from aikeys.vault.store import Queued
from aikeys.vault.token_rows import TokenRows
from aikeys.vault.tokens.issuing import issue_act
from aikeys.vault.writing import queued_detail


class Tokens(NamedTuple):
    """The tokens of a vault with what is known of each: claims (of rightful ones), when revoked."""

    rows: Rows
    chains: dict[bytes, tuple[Claims, ...]]
    revoked_us: dict[bytes, int]
    wrong: tuple[str, ...]
    """Ids of rows whose claims were edited or forged: they open nothing."""
    used: frozenset[bytes] = frozenset()
    """Single-use tokens that were used, as far as a ledger was asked."""

    @property
    def claims(self) -> dict[bytes, Claims]:
        return {token_id: line[0] for token_id, line in self.chains.items()}

    def state(self, token_id: bytes, now_s: int) -> str:
        """Return active, used, expired or revoked; with its parent a token is revoked, too."""
        line = self.chains[token_id]
        if any(each.id in self.revoked_us for each in line):
            return "revoked"
        if min(each.expires_at for each in line) <= now_s:
            return "expired"
        return "used" if token_id in self.used else "active"


def read_tokens(place: Place, ledger: Ledger | None = None) -> Tokens:
    """Return every token of a vault; a revocation that only the ledger has counts, too."""
    found = read_without_ledger(place)
    given, ledger = ledger, ledger or place.ledger
    try:
        if ledger.exists and ledger.open().ledger_id == found.rows.header.ledger_id:
            with ledger.reading() as reading:
                over = frozenset(token_acts.over(reading))
            told_us = revoked_in(ledger)
            found = found._replace(revoked_us={**told_us, **found.revoked_us}, used=over - told_us.keys())
    finally:
        if given is None:
            ledger.close()
    return found


def read_without_ledger(place: Place) -> Tokens:
    """Return every token as the vault alone knows it: enough to take one away."""
    with place.vault.reading() as connection:
        rows = store.read_rows(connection, place.vault.path)
        stored = token_rows.read_all(connection, place.vault.path)
    check_manifest(rows)
    return _tokens(rows, stored)


def read_chain(place: Place, token_id: bytes) -> tuple[tuple[Claims, ...], bool]:
    """Return a token with those above it, and whether the vault knows it to be revoked.

    Nothing where it is not there, or where its row was edited: such a token opens nothing.
    """
    with place.vault.reading() as connection:
        rows = store.read_rows(connection, place.vault.path)
        links = token_rows.read_chain(connection, place.vault.path, token_id)
        revoked = token_rows.read_revoked(connection, place.vault.path)
    check_manifest(rows)
    try:
        found = chain.checked(links, rows.header.vault_id, rows.header.signing_public)
    except Damaged:
        return (), False
    return found, any(each.id in revoked for each in found)


def revoked_in(ledger: Ledger) -> dict[bytes, int]:
    """Return when which tokens were revoked as far as the ledger knows."""
    with ledger.reading() as reading:
        known = token_acts.read_tokens(reading)
    return {bytes.fromhex(name): row[2] for name, row in known.items() if row[2] and _is_id(name)}


def missing_revocations(place: Place, ledger: Ledger) -> tuple[str, ...]:
    """Return the tokens whose revocation the ledger holds and the vault has lost, though the token is still there."""
    with place.vault.reading() as connection:
        stored = token_rows.read_all(connection, place.vault.path)
    with ledger.reading() as reading:
        known = token_acts.read_tokens(reading)
    return tuple(
        token_id.hex()
        for token_id in stored.links
        if token_id not in stored.revoked_us and known.get(token_id.hex(), ("", "", 0, 0))[2]
    )


class Revoked(NamedTuple):
    """Where it is written that tokens are revoked; in one of the two at least, which is enough to refuse them."""

    in_vault: bool
    in_ledger: bool


def revoke(place: Place, token_ids: Iterable[bytes]) -> Revoked:
    """Revoke tokens, and with each everything below it; raises where neither vault nor ledger can be written."""
    at_us = clock.now_us()
    items = [Queued(at_us + number, token_acts.REVOKE, token_id.hex()) for number, token_id in enumerate(token_ids)]

    def write() -> None:
        with place.vault.writing() as connection:
            _put(connection, items)

    try:
        ballast.with_room(place.home, write)
    except AikeysError:
        if not _told(place, items):
            raise
        return Revoked(in_vault=False, in_ledger=True)
    return Revoked(in_vault=True, in_ledger=tell(place, items))


def _put(connection: sqlite3.Connection, items: Iterable[Queued]) -> None:
    for item in items:
        token_rows.put_revocation(connection, bytes.fromhex(item.subject), item.at_us)
        store.queue(connection, item)


def take_over_children(place: Place, opened: Opened, token_id: bytes) -> list[Claims]:
    """Make the children of a token those of its parent, or the vault's own, signed by the vault; return them.

    Vault first: until the ledger hears of it they go on, and count for the token they had, which is not revoked yet.
    Done once more it tells the ledger of those that the vault moved already.
    """
    private = opened.signing_key()
    ledger = place.ledger.open()
    try:
        with place.vault.writing() as connection:
            rows = store.read_rows(connection, place.vault.path)
            check_manifest(rows, opened.rows.header.signing_public)
            found = _tokens(rows, token_rows.read_all(connection, place.vault.path))
            parent = found.claims[token_id].parent
            moved = [claims._replace(parent=parent) for claims in found.claims.values() if claims.parent == token_id]
            for claims in moved:
                data = encode(claims)
                token_rows.put_token(connection, Link(claims.id, data, sealing.sign(private, message(data))))
        moved += [found.claims[each] for each, before in moved_untold(found, ledger).items() if before == token_id]
        with ledger.writing() as writer:
            for claims in moved:
                writer.act(issue_act(claims))
            for period in PERIODS:  # what the children spent counts no longer for it
                drop_counters(writer.connection, Who(TOKEN, token_id.hex()).limited, period)
    finally:
        ledger.close()
    return moved


def moved_untold(tokens: Tokens, ledger: Ledger) -> dict[bytes, bytes]:
    """Return the tokens that the vault gave another parent while the ledger did not hear of it, with the old one.

    A process that kept the children of a token was killed: the same command, once more, tells it.
    """
    with ledger.reading() as reading:
        known = token_acts.read_tokens(reading)
    found = {}
    for token_id, claims in tokens.claims.items():
        before = known.get(claims.shown_id, ("", "", 0, 0))[1]
        if before and before != claims.parent.hex() and _is_id(before):
            found[token_id] = bytes.fromhex(before)
    return found


def prune(place: Place, now_s: int) -> list[str]:
    """Delete tokens that are expired or revoked, and those that were forged; return their ids."""
    found = read_tokens(place)
    gone = [token_id for token_id in found.chains if found.state(token_id, now_s) != "active"]
    gone += [bytes.fromhex(name) for name in found.wrong]
    ledger = place.ledger.open()
    try:
        with place.vault.writing() as connection:
            if gone:
                ledger.event(Act("token prune", "vault", f"tokens={len(gone)}"))
            token_rows.delete_tokens(connection, gone)
    finally:
        ledger.close()
    return [token_id.hex() for token_id in gone]


def revoke_all(connection: sqlite3.Connection, path: str) -> list[Queued]:
    """Revoke every token inside another change of the vault (restore); `tell` the acts after its commit."""
    stored = token_rows.read_all(connection, path)
    alive = sorted(token_id for token_id in stored.links if token_id not in stored.revoked_us)
    at_us = clock.now_us()
    items = [Queued(at_us + number, token_acts.REVOKE, token_id.hex()) for number, token_id in enumerate(alive)]
    _put(connection, items)
    return items


def _tokens(rows: Rows, stored: TokenRows) -> Tokens:
    chains = chain.checked_all(stored.links, rows.header.vault_id, rows.header.signing_public)
    wrong = tuple(sorted(token_id.hex() for token_id in stored.links if token_id not in chains))
    return Tokens(rows, chains, stored.revoked_us, wrong)


def tell(place: Place, items: list[Queued]) -> bool:
    """Put the acts into the ledger and off the queue; where that fails they wait for the next writer."""
    if not _told(place, items):
        return False
    try:
        with place.vault.writing() as connection:
            for item in items:
                store.unqueue(connection, item)
    except AikeysError:
        return False
    return True


def _told(place: Place, items: list[Queued]) -> bool:
    """Put the acts into the ledger, unless it is another vault's; tell whether they are there."""
    try:
        with closing(own_ledger(place)) as ledger, ledger.writing() as writer:
            for item in items:
                writer.act(Act(item.act, item.subject, queued_detail(item)))
    except AikeysError:
        return False
    return True


def _is_id(name: str) -> bool:
    try:
        return len(bytes.fromhex(name)) == 8
    except ValueError:
        return False
