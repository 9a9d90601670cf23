"""A vault with tokens, as tests use it: issue, admit, borrow, and rows edited by whoever knows the format."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from aikeys import clock, sealing
from aikeys.secret import Secret
from aikeys.tokens import credentials, text
from aikeys.tokens.claims import Claims, encode, message
from aikeys.tokens.link import Link
from aikeys.tokens.text import TokenText
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault import changes, token_rows
from aikeys.vault.format import Grant, vault_context
from aikeys.vault.opening import Opened
from aikeys.vault.token_grants import Wanted, sealed
from aikeys.vault.token_rows import TokenRows
from aikeys.vault.tokens import issuing
from aikeys.vault.tokens.admission import Access, Holder, TokenVerifier
from tests.vault.conftest import NOW_S, Home

RAW = ("chat:write", "env:read")
MAY_ISSUE = ("chat:write", "env:read", "keys:write")


class Office(NamedTuple):
    """A home, with what a test does to it as its owner or as somebody's holder."""

    home: Home

    def issue(self, *scopes: str, **token_request: Any) -> issuing.Issued:
        return issuing.issue(self.home.place, self.home.open(), TokenRequest(scopes=scopes or RAW, **token_request))

    def child(self, parent: issuing.Issued, *scopes: str, **token_request: Any) -> issuing.Issued:
        return issuing.issue_child(
            self.home.place, self.access_of(parent), TokenRequest(scopes=scopes or RAW, **token_request)
        )

    def token_verifier(self) -> TokenVerifier:
        return TokenVerifier(self.home.place, self.home.place.ledger)

    def admit(self, issued: issuing.Issued, now_s: int | None = None) -> Holder:
        with (
            closing(self.home.place.ledger) as ledger,
            closing(TokenVerifier(self.home.place, ledger)) as token_verifier,
        ):
            return token_verifier.admit(issued.text, clock.now_s() if now_s is None else now_s)

    def access_of(self, issued: issuing.Issued, gateway: Secret | None = None) -> Access:
        token_verifier = self.token_verifier()
        try:
            return token_verifier.access_of(token_verifier.admit(issued.text, clock.now_s()), gateway)
        finally:
            token_verifier.close()

    def secret(self, issued: issuing.Issued, name: str = "openai", gateway: Secret | None = None) -> str:
        access = self.access_of(issued, gateway)
        key = access.rows.key_named(name)
        assert key is not None
        return access.content(key).secret.decode()

    def gateway(self) -> Secret:
        opened = self.home.open()
        header = opened.rows.header
        context = vault_context("gateway-key", header.vault_id)
        return Secret(sealing.unseal(opened.vault_key.reveal(), header.gateway_sealed, context))

    def rotate(self, name: str, secret: str, grace_until: int = 0) -> Opened:
        new = changes.Replacement(secret.encode(), False, grace_until)
        return self.home.change("rotate", lambda vault: changes.replace_secret(vault, name, new, NOW_S, os.urandom))

    def rows(self) -> TokenRows:
        with closing(self.home.place.vault.connect()) as connection:
            return token_rows.read_all(connection, self.home.place.vault.path)

    def put(self, link: Link) -> None:
        """Write a token's row with a right checksum."""
        with self.home.place.vault.writing() as connection:
            token_rows.put_token(connection, link)

    def many(self, count: int, name: str = "openai") -> None:
        """Put that many live tokens for a key into the vault, in one transaction and without the ledger."""
        opened = self.home.open()
        rows, private = opened.rows, opened.signing_key()
        key = rows.key_named(name)
        assert key is not None
        first = self.issue("env:read", keys=(name,)).claims
        with self.home.place.vault.writing() as connection:
            for _ in range(count - 1):
                token = TokenText(os.urandom(8), text.fingerprint(rows.header.signing_public), Secret(os.urandom(32)))
                claims = first._replace(id=token.id, **credentials.public_halves(token)._asdict())
                wanted = Wanted(claims, key, rows.version_of(key))
                token_rows.put_token(connection, signed(claims, private))
                token_rows.change_grants(connection, (), [sealed(rows, wanted, opened.data_key(key, wanted.version))])

    def put_grants(self, gone: list[Grant], new: list[Grant]) -> None:
        with self.home.place.vault.writing() as connection:
            token_rows.change_grants(connection, gone, new)

    def run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.home.vault)) as connection, connection:
            connection.execute(statement, values)

    def copy(self, directory: Path) -> Office:
        """Return a home that has a copy of vault.db and nothing else, as a CI machine."""
        directory.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.home.vault, directory / "vault.db")
        return Office(self.home.at(directory))


def taken_apart(issued: issuing.Issued) -> TokenText:
    return text.read(issued.text)


def child_key(issued: issuing.Issued) -> bytes:
    return credentials.child_signing_key(taken_apart(issued)).reveal()


def signed(claims: Claims, private: bytes) -> Link:
    return Link(claims.id, encode(claims), sealing.sign(private, message(encode(claims))))


def forged_child(parent: issuing.Issued, /, **fields: object) -> issuing.Issued:
    """Return what the holder of a token can make of it without asking anybody; its row is for `put`."""
    token = TokenText(os.urandom(8), taken_apart(parent).fingerprint, Secret(os.urandom(32)))
    halves = credentials.public_halves(token)._asdict()
    claims = parent.claims._replace(**{"id": token.id, "parent": parent.claims.id, **halves, **fields})
    return issuing.Issued(text.written(token), claims, ())
