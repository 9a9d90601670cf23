"""Issue tokens: by an unlocked vault, or by a token that may (a child of it).

The ledger hears of it first, with the token's budget, then the vault is written: a token nobody could account for never
exists. What a killed process leaves is an entry about a token that was never shown to anybody.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from aikeys import clock, sealing
from aikeys.errors import Denied, Locked
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act, Ledger, Signer
from aikeys.money import usd_text
from aikeys.secret import Secret
from aikeys.tokens import chain, credentials, grants, text
from aikeys.tokens.claims import ALL_KEYS, Claims, encode, message
from aikeys.tokens.link import Link
from aikeys.tokens.text import TokenText
from aikeys.tokens.token_request import Identity, TokenRequest, claims_of
from aikeys.vault import store, token_rows
from aikeys.vault.format import Grant, Key, KeyVersion, Rows
from aikeys.vault.names import require_key
from aikeys.vault.opening import Opened, Place, check_manifest
from aikeys.vault.token_grants import Wanted, keys_for, lock_of, sealed
from aikeys.vault.token_rows import TokenRows
from aikeys.vault.tokens.admission import Access
from aikeys.vault.unlock.methods import commitment


class Issued(NamedTuple):
    """A new token: its text, to be shown once, and what it may do."""

    text: str
    claims: Claims
    key_names: tuple[str, ...]


class _Issuer(NamedTuple):
    """Who issues: what signs the claims, what is handed over for a version, and who vouches for the ledger."""

    sign: Callable[[bytes], bytes]
    grant: Callable[[Rows, Claims, Key, KeyVersion], Grant]
    parent: Claims | None
    signer: Signer | None


def issue(place: Place, opened: Opened, token_request: TokenRequest) -> Issued:
    """Issue a token of the vault's own; UsageError, NotFound where the request cannot be."""
    private = opened.signing_key()

    def grant(rows: Rows, claims: Claims, key: Key, version: KeyVersion) -> Grant:
        return sealed(rows, Wanted(claims, key, version), opened._replace(rows=rows).data_key(key, version))

    def check(rows: Rows) -> None:
        if rows.header.commitment != commitment(opened.vault_key.reveal()):
            raise Locked("the vault got a new key while this command ran", "run the command again")
        check_manifest(rows, opened.rows.header.signing_public)

    issuer = _Issuer(lambda claims: sealing.sign(private, message(claims)), grant, None, opened.signer())
    return _issue(place, issuer, token_request, check)


def issue_child(place: Place, access: Access, token_request: TokenRequest) -> Issued:
    """Issue a child of a token; Denied (20) where it would be wider than its parent."""
    parent = access.holder.claims
    if len(access.holder.above) >= chain.DEEPEST:
        raise Denied(f"token {parent.shown_id} is {chain.DEEPEST} generations deep", "issue from a token further up")
    private = credentials.child_signing_key(access.holder.token).reveal()

    def grant(rows: Rows, claims: Claims, key: Key, version: KeyVersion) -> Grant:
        payload = access.payload(key, version)
        if parent.holds_raw_keys and not claims.holds_raw_keys:
            payload = grants.for_gateway(rows.header.gateway_public, lock_of(rows, key, version), payload)
        return Grant(claims.id, key.id, version.version, grants.hand_over(claims, lock_of(rows, key, version), payload))

    def check(rows: Rows) -> None:
        check_manifest(rows, access.rows.header.signing_public)
        if rows.manifest.epoch != access.rows.manifest.epoch:
            raise Locked("the vault was changed while this command ran", "run the command again")

    issuer = _Issuer(lambda claims: sealing.sign(private, message(claims)), grant, parent, None)
    return _issue(place, issuer, token_request, check)


def _issue(place: Place, issuer: _Issuer, token_request: TokenRequest, check: Callable[[Rows], None]) -> Issued:
    ledger = place.ledger.open()
    try:
        with place.vault.writing() as connection:
            rows = store.read_rows(connection, place.vault.path)
            check(rows)
            token = TokenText(
                os.urandom(text.ID_BYTES), text.fingerprint(rows.header.signing_public),
                Secret(os.urandom(text.SECRET_BYTES)),
            )  # fmt: skip
            identity = Identity(
                rows.header.vault_id, ledger.ledger_id, token.id, credentials.public_halves(token), clock.now_s()
            )
            claims = claims_of(token_request._replace(keys=key_ids(rows, token_request.keys)), identity, issuer.parent)
            link = Link(claims.id, encode(claims), issuer.sign(encode(claims)))
            new = [issuer.grant(rows, claims, key, version) for key, version in keys_for(rows, claims)]
            _announce(ledger, claims, issuer.signer)
            _write(connection, link, new)
    finally:
        ledger.close()
    return Issued(text.written(token), claims, names_of(rows, claims))


def key_ids(rows: Rows, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids of keys named as people name them; `*` is every key, also those to come. Raises NotFound."""
    if "*" in names:
        return ALL_KEYS
    return tuple(require_key(rows, name).id.hex() for name in names)


def names_of(rows: Rows, claims: Claims) -> tuple[str, ...]:
    """Return the names of the keys in a token's scope, `*` for all; one that is gone has none any more."""
    if claims.keys == ALL_KEYS:
        return ALL_KEYS
    return tuple(sorted(key.name for key in rows.keys if claims.reaches(key.id)))


def _announce(ledger: Ledger, claims: Claims, signer: Signer | None) -> None:
    """Put the token and its budget into the ledger, in one transaction."""
    with ledger.writing() as writer:
        writer.act(issue_act(claims))
        if claims.budget_pusd is not None:
            from aikeys.budgets.changes import set_budget  # listing tokens needs none of this
            from aikeys.budgets.terms import TOTAL, Terms
            from aikeys.budgets.who import TOKEN, Who

            terms = Terms(claims.budget_pusd, TOTAL, "block")
            set_budget(writer, Who(TOKEN, claims.shown_id), terms)
        if signer is not None:
            writer.checkpoint(signer)


def announce_unknown(ledger: Ledger, rows: Rows, stored: TokenRows) -> None:
    """Tell a ledger of the tokens it has not heard of, and which are revoked: a vault may get another ledger."""
    with ledger.writing() as writer:
        known = token_acts.read_tokens(writer.connection)
        for claims, *_ in chain.checked_all(stored.links, rows.header.vault_id, rows.header.signing_public).values():
            if claims.shown_id not in known:
                writer.act(issue_act(claims))
        for token_id in stored.revoked_us:
            if not known.get(token_id.hex(), ("", "", 0, 0))[2]:
                writer.act(Act(token_acts.REVOKE, token_id.hex()))


def issue_act(claims: Claims) -> Act:
    """Return the act by which the ledger hears of a token; its user stands in it as a person."""
    return Act(token_acts.ISSUE, claims.shown_id, issue_detail(claims), dict(claims.labels).get("user", ""))


def issue_detail(claims: Claims) -> str:
    """Return what the ledger says of a new token, in words that no label can imitate; its user stands apart.

    A label is `label.NAME=VALUE`, spaces in it underlined: rows that a token's holder signed get here, too.
    """
    words = [f"expires={clock.rfc3339(claims.expires_at)}", f"scopes={','.join(claims.scopes)}"]
    if claims.parent:
        words.insert(0, f"parent={claims.parent.hex()}")
    words += [f"label.{name}={value}".replace(" ", "_") for name, value in claims.labels if name != "user"]
    if claims.budget_pusd is not None:
        words.append(f"budget_usd={usd_text(claims.budget_pusd)}")
    return " ".join(words)


def _write(connection: sqlite3.Connection, link: Link, new: list[Grant]) -> None:
    token_rows.put_token(connection, link)
    token_rows.change_grants(connection, (), new)
