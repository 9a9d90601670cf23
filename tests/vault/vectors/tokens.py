"""Make the vectors of tokens: those that open a key, and one file for every way in which a token is refused.

`python tests/vault/vectors/tokens.py` writes v1/tokens/, from the vault of generate.py and in its form. A vector is used
with the line `token` at the time `now`; a token that needs a gateway has its private key in the line `gateway-key`.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from aikeys import sealing
from aikeys.secret import Secret
from aikeys.tokens import credentials, text
from aikeys.tokens.claims import Claims, message
from aikeys.tokens.claims import encode as encode_claims
from aikeys.tokens.link import Link
from aikeys.tokens.text import TokenText
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault import opening
from aikeys.vault.format import Grant, checksum, vault_context
from aikeys.vault.tokens import admission as token_admission
from aikeys.vault.tokens import issuing, revoking
from tests.vault.vectors import generate


class _Issued(NamedTuple):
    """The tokens of the vectors: a parent and its child, another one for the same key, one that needs a gateway."""

    parent: issuing.Issued
    child: issuing.Issued
    other: issuing.Issued
    spender: issuing.Issued


def vectors(kept: Mapping[bytes, bytes]) -> dict[str, generate.Vector]:
    """Return every vector of tokens by its name; all are made from the vault `success`."""
    with tempfile.TemporaryDirectory() as folder, generate.fixed(kept):
        _, success = generate.history(folder)
        place = opening.place_of(folder)
        tokens, gateway = _issue(place, success)
        before = _files(place)
        revoking.revoke(place, [tokens.parent.claims.id])
        after = _files(place)
    now_s, text_of = generate.NOW_S + 2 * generate.DAY_S, tokens.child.text

    def vector(
        expect: str, token: str, about: str, files: tuple[bytes, bytes] = before, **says: str
    ) -> generate.Vector:
        first = {
            "about": about,
            "expect": expect,
            "status": str(generate.STATUS[expect]),
            "token": token,
            "now": str(now_s),
        }
        return generate.Vector(first | says, *files)

    def edited(edit: Callable[[sqlite3.Connection, _Issued], None], about: str) -> generate.Vector:
        vault = generate.edited(before[0], lambda connection: edit(connection, tokens))
        return vector("damaged", text_of, about, (vault, before[1]))

    secret = {"secret openai": generate.SECRETS["openai"]}
    foreign = text.read(text_of)._replace(fingerprint=bytes(16))
    stranger = _stranger(tokens)
    return {
        "good": vector("ok", text_of, "a child of a token of the vault's own, for openai alone", **secret),
        "good-with-gateway": vector(
            "ok", tokens.spender.text, "a token without env:read and the gateway", **{"gateway-key": gateway}, **secret
        ),
        "expired": vector(
            "token refused", text_of, "it is the second of its expiry", now=str(tokens.child.claims.expires_at)
        ),
        "typo": vector("token refused", _other_end(text_of), "the last character of the token is another"),
        "other-vault": vector("token refused", text.written(foreign), "the token names another vault"),
        "widened-claims": edited(_widen, "its parent has signed a later expiry than its own"),
        "forged-signature": edited(_forge, "a stranger has signed the same claims"),
        "edited-expiry": edited(_edit_expiry, "the expiry is a second later, the signature the old one"),
        "edited-revocation-of-nobody": edited(_revoke_wrongly, "a revocation's checksum is wrong"),
        "swapped-grant": edited(_swap_grants, "it has exchanged its grant with another token for the same key"),
        "unknown-child": vector(
            "damaged",
            text.written(stranger),
            "its parent has signed it, but the ledger never heard of it",
            (generate.edited(before[0], lambda connection: _add_child(connection, tokens)), before[1]),
        ),
        "revoked-parent": vector("token refused", text_of, "its parent was revoked", after),
        "revocation-deleted": vector(
            "damaged",
            text_of,
            "its parent was revoked, and the row that says so deleted",
            (generate.edited(after[0], lambda connection: connection.execute("DELETE FROM revocation")), after[1]),
        ),
    }


def _issue(place: opening.Place, success: generate.Vector) -> tuple[_Issued, str]:
    """Issue the tokens of the vectors; return them with the gateway's private key in hexadecimal."""
    opened = opening.Opened(place.vault.read(), Secret(bytes.fromhex(success.says["vault-key"])), b"")
    header = opened.rows.header
    sealed = sealing.unseal(
        opened.vault_key.reveal(), header.gateway_sealed, vault_context("gateway-key", header.vault_id)
    )
    scopes, keys = ("chat:write", "env:read", "keys:write"), ("openai",)
    labels = (("team", "support"),)
    parent = issuing.issue(
        place, opened, TokenRequest("parent", "ci", 30 * generate.DAY_S, scopes=scopes, keys=keys, labels=labels)
    )
    token_verifier = token_admission.TokenVerifier(place, place.ledger)
    access = token_verifier.access_of(token_verifier.admit(parent.text, generate.NOW_S + generate.DAY_S))
    child = issuing.issue_child(
        place,
        access,
        TokenRequest(
            "child", "", 10 * generate.DAY_S, scopes=("env:read",), models=("openai/*",), addresses=("10.0.0.0/8",)
        ),
    )
    token_verifier.close()
    other = issuing.issue(
        place, opened, TokenRequest("other", "", 10 * generate.DAY_S, scopes=("env:read",), keys=keys)
    )
    limits = TokenRequest("spender", "app", 10 * generate.DAY_S, budget_pusd=10**12, rpm=60, tpm=1000, is_once=True)
    spending = ("chat:read", "chat:write", "embeddings:write")  # named: what `app` stands for changes, a vector stays
    spender = issuing.issue(place, opened, limits._replace(scopes=spending))
    return _Issued(parent, child, other, spender), sealed.hex()


def _files(place: opening.Place) -> tuple[bytes, bytes]:
    ledger = place.ledger.open()
    ledger.truncate_log()
    ledger.close()
    return Path(place.vault.path).read_bytes(), Path(place.ledger.path).read_bytes()


def _other_end(written: str) -> str:
    return written[:-1] + ("0" if written[-1] != "0" else "1")


def _put_claims(connection: sqlite3.Connection, claims: Claims, private: bytes | None) -> None:
    """Write a token's claims with a right checksum, signed by a key or by nobody anew."""
    data = encode_claims(claims)
    row = connection.execute("SELECT signature FROM token WHERE id = ?", (claims.id,)).fetchone()
    link = Link(claims.id, data, sealing.sign(private, message(data)) if private else row[0])
    connection.execute("DELETE FROM token WHERE id = ?", (claims.id,))
    connection.execute("INSERT INTO token VALUES (?, ?, ?, ?)", (*link, checksum(link)))


def _parents_key(tokens: _Issued) -> bytes:
    return credentials.child_signing_key(text.read(tokens.parent.text)).reveal()


def _widen(connection: sqlite3.Connection, tokens: _Issued) -> None:
    later = tokens.child.claims._replace(expires_at=tokens.parent.claims.expires_at + 1)
    _put_claims(connection, later, _parents_key(tokens))


def _forge(connection: sqlite3.Connection, tokens: _Issued) -> None:
    _put_claims(connection, tokens.child.claims, bytes(32))


def _edit_expiry(connection: sqlite3.Connection, tokens: _Issued) -> None:
    claims = tokens.child.claims
    _put_claims(connection, claims._replace(expires_at=claims.expires_at + 1), None)


def _revoke_wrongly(connection: sqlite3.Connection, _tokens: _Issued) -> None:
    connection.execute("INSERT INTO revocation VALUES (?, 1, ?)", (bytes(8), bytes(8)))


def _stranger(tokens: _Issued) -> TokenText:
    """Return a token that the parent's holder made up, without asking anybody."""
    return TokenText(bytes(8), text.read(tokens.parent.text).fingerprint, Secret(bytes(32)))


def _add_child(connection: sqlite3.Connection, tokens: _Issued) -> None:
    stranger = _stranger(tokens)
    claims = tokens.child.claims._replace(id=stranger.id, **credentials.public_halves(stranger)._asdict())
    _put_claims(connection, claims, _parents_key(tokens))


def _swap_grants(connection: sqlite3.Connection, tokens: _Issued) -> None:
    query = f"SELECT {', '.join(Grant._fields)} FROM token_grant WHERE token_id = ?"  # noqa: S608
    one, other = (
        Grant(*connection.execute(query, (each.claims.id,)).fetchone()) for each in (tokens.child, tokens.other)
    )
    for row, source in ((one, other), (other, one)):
        new = row._replace(envelope=source.envelope)
        connection.execute(
            "UPDATE token_grant SET envelope = ?, checksum = ? WHERE token_id = ?",
            (new.envelope, checksum(new), new.token_id),
        )


if __name__ == "__main__":
    generate.write(generate.TOKENS, vectors(generate.kept_envelopes()))
