"""Claims, and whole trees of them, without a vault."""

from __future__ import annotations

from typing import NamedTuple

from aikeys import sealing
from aikeys.secret import Secret
from aikeys.tokens import credentials, text
from aikeys.tokens.claims import Claims, encode, message
from aikeys.tokens.link import Link
from aikeys.tokens.text import TokenText
from aikeys.tokens.token_request import Identity, TokenRequest, claims_of

NOW_S = 1_800_000_000
VAULT_ID, LEDGER_ID = bytes(range(16)), bytes(range(16, 32))
VAULT_PRIVATE = bytes(range(32))
VAULT_PUBLIC = sealing.signing_public(VAULT_PRIVATE)
MAY_ALL = ("chat:read", "chat:write", "env:read", "keys:write", "usage:read")


class Made(NamedTuple):
    """A token: its secret, its claims and its row."""

    token: TokenText
    claims: Claims
    link: Link

    @property
    def child_key(self) -> bytes:
        return credentials.child_signing_key(self.token).reveal()


def token_text(number: int) -> TokenText:
    return TokenText(number.to_bytes(8, "big"), text.fingerprint(VAULT_PUBLIC), Secret(bytes([number % 256]) * 32))


def signed(claims: Claims, private: bytes) -> Link:
    return Link(claims.id, encode(claims), sealing.sign(private, message(encode(claims))))


def make(number: int, token_request: TokenRequest, parent: Made | None = None, now_s: int = NOW_S) -> Made:
    """Issue a token without a vault; its id is its number."""
    token = token_text(number)
    identity = Identity(VAULT_ID, LEDGER_ID, token.id, credentials.public_halves(token), now_s)
    claims = claims_of(token_request, identity, parent.claims if parent else None)
    return Made(token, claims, signed(claims, parent.child_key if parent else VAULT_PRIVATE))


def forge(made: Made, private: bytes, **fields: object) -> Made:
    """Return a token with other claims, signed by whomever."""
    claims = made.claims._replace(**fields)
    return Made(made.token, claims, signed(claims, private))
