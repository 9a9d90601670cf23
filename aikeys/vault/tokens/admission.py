"""Admission of a token: its holder, checked against the vault file and the ledger at every use.

- Order: typo, vault, claims' chain, secret, expiry, revocation, ledger. An edited row is Damaged (13), all else is
  TokenRefused (21); neither repeats the token.
- A revocation that the ledger holds and the vault lacks counts, and is Damaged: somebody took its row away.
- On a copy of a home the ledger is another one: there only the copy's own rows count, and a token with a budget, a rate
  limit or a single use is refused.
- Checked chains are remembered until the vault file changes; a `TokenVerifier` asks the file at every request.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from aikeys import sealing
from aikeys.errors import Damaged, Denied, TokenRefused
from aikeys.ledger import token_acts
from aikeys.ledger.store import Ledger, Signer
from aikeys.secret import Secret
from aikeys.storage import sqlite
from aikeys.storage.record import NamedTuple
from aikeys.tokens import chain, credentials, grants, text
from aikeys.tokens.claims import Claims
from aikeys.tokens.text import TokenText
from aikeys.vault import token_rows
from aikeys.vault.format import Content, Grant, Key, KeyVersion, Rows, decode_content, secret_context
from aikeys.vault.opening import Place, check_anchor, check_manifest
from aikeys.vault.store import read_rows
from aikeys.vault.token_grants import lock_of

_MOST_REMEMBERED = 100_000
_ISSUE_AGAIN = "issue another: aikeys token issue"


class Holder(NamedTuple):
    """A checked token: its claims, those above it (parent first), and what was given, which is secret."""

    claims: Claims
    above: tuple[Claims, ...]
    given: Secret

    @property
    def token(self) -> TokenText:
        """Return the token taken apart."""
        return text.read(self.given.reveal().decode())

    @property
    def shown_id(self) -> str:
        return self.claims.shown_id

    def may(self, scope: str) -> bool:
        return self.claims.may(scope)


class Access(NamedTuple):
    """The vault as a token opens it: the keys in its scope, and nothing else. `gateway`: the gateway's private key."""

    rows: Rows
    holder: Holder
    grants: Mapping[bytes, Grant]
    gateway: Secret | None = None

    def content(self, key: Key, row: KeyVersion | None = None) -> Content:
        """Open a key's current version; Denied (20) outside the scope, Damaged where the grant was exchanged."""
        row, claims = row or self.rows.version_of(key), self.holder.claims
        if self.gateway is None and claims.reaches(key.id) and not claims.holds_raw_keys:
            raise _needs_gateway(self.holder)
        payload = self.payload(key, row)
        if self.gateway is not None and not claims.holds_raw_keys:
            payload = grants.from_gateway(self.gateway.reveal(), lock_of(self.rows, key, row), payload)
        context = secret_context("secret", self.rows.header.vault_id, key, row.base_url, row.version)
        return decode_content(sealing.unseal(payload, row.sealed, context))

    def payload(self, key: Key, row: KeyVersion) -> bytes:
        """Return what this token was handed for a version, to hand it on to a child."""
        private = credentials.private_key(self.holder.token).reveal()
        return grants.take_over(
            private, self.holder.claims, lock_of(self.rows, key, row), self._grant(key, row).envelope
        )

    def signer(self) -> Signer | None:
        """Nobody vouches for the ledger with a token."""
        return None

    def _grant(self, key: Key, row: KeyVersion) -> Grant:
        claims = self.holder.claims
        if not claims.reaches(key.id):
            raise Denied(
                f"token {claims.shown_id} is not for the key {key.name}",
                f"the owner of the vault can issue one that is: aikeys token issue --key {key.name}",
            )
        grant = self.grants.get(key.id)
        if key.is_admin:
            raise Denied(f"{key.name} is an administration key: no token opens it", "name a key for calls")
        if grant is None or grant.version != row.version:
            raise Denied(
                f"token {claims.shown_id} holds no grant for the present secret of {key.name}",
                "whoever holds the vault renews grants with the next change of it; on a copy: copy vault.db again",
            )
        return grant


class _Seen(NamedTuple):
    """A vault file as it was read: while its mark stays, so does everything in it."""

    mark: tuple[int, ...]
    rows: Rows
    revoked: Mapping[bytes, int]
    is_own_ledger: bool
    admitted: dict[bytes, tuple[Claims, ...]]
    """By the digest of a token's text: what needs no second look while the file stays as it is."""
    grants: dict[bytes, dict[bytes, Grant]]


class TokenVerifier:
    """Checks tokens for one process. Not for several threads at once: it holds a connection.

    With a `digest` (SHA-256) what was checked is remembered by it: no token's text is kept. With `at_turn_end` (an
    event loop's call_soon) file and ledger are looked at once in a turn of the loop: a request that came after a change
    is handled in a later turn.
    """

    def __init__(
        self,
        place: Place,
        ledger: Ledger,
        digest: Callable[[bytes], bytes] | None = None,
        at_turn_end: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._digest = digest
        self._at_turn_end = at_turn_end
        self._is_fresh = False
        self._asked: set[bytes] = set()
        """Tokens that the ledger let pass in this turn."""
        self._place = place
        self._path = place.vault.path
        self._ledger = ledger
        self._connection: sqlite3.Connection | None = None
        self._seen: _Seen | None = None

    @property
    def rows(self) -> Rows:
        """Return the vault's rows as of now, their manifest checked."""
        return self._look().rows

    @property
    def is_copy(self) -> bool:
        """Tell whether this is a copy of a home: the ledger that the vault names is not here."""
        return not self._look().is_own_ledger

    def admit(self, given: str, now_s: int, *, in_use: bool = False) -> Holder:
        """Return who stands behind a token's text; TokenRefused (21), Damaged (13).

        `in_use`: it was admitted before for what is still under way, so a single use is no reason to refuse it.
        """
        seen = self._look()
        raw = given.strip().encode("utf-8", "replace")
        digest = self._digest(raw) if self._digest else b""
        line = seen.admitted.get(digest)
        if line is None:
            line = self._checked(seen, text.read(given))
            if digest and len(seen.admitted) < _MOST_REMEMBERED:
                seen.admitted[digest] = line
        holder = Holder(line[0], line[1:], Secret(raw))
        self._refuse_ended(seen, holder, now_s, in_use=in_use)
        return holder

    def _checked(self, seen: _Seen, token: TokenText) -> tuple[Claims, ...]:
        """Look a token up and check what does not change with time."""
        if token.fingerprint != text.fingerprint(seen.rows.header.signing_public):
            raise TokenRefused(
                f"token {token.name} belongs to another vault, or to this one before it was compromised", _ISSUE_AGAIN
            )
        path = self._place.vault.path
        with sqlite.translated(path):
            links = token_rows.read_chain(self._connected(), path, token.id)
        if not links:
            raise TokenRefused(f"there is no token {token.name} in this vault: deleted, or never issued", _ISSUE_AGAIN)
        header = seen.rows.header
        claims = chain.checked(links, header.vault_id, header.signing_public)
        if not credentials.is_same(credentials.verifier_digest(token), claims[0].verifier):
            raise TokenRefused(f"the secret of token {token.name} is wrong", _ISSUE_AGAIN)
        return claims

    def access_of(self, holder: Holder, gateway: Secret | None = None) -> Access:
        """Return the vault as this token opens it."""
        seen = self._look()
        token_id = holder.claims.id
        if token_id not in seen.grants:
            with sqlite.translated(self._place.vault.path):
                found = token_rows.read_grants(self._connected(), self._place.vault.path, token_id)
            current = {(key.id, key.version) for key in seen.rows.keys}
            seen.grants[token_id] = {row.key_id: row for row in found if (row.key_id, row.version) in current}
        return Access(seen.rows, holder, seen.grants[token_id], gateway)

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None
        self._turn_ends()

    def _refuse_ended(self, seen: _Seen, holder: Holder, now_s: int, *, in_use: bool) -> None:
        line = (holder.claims, *holder.above)
        gone = next((each for each in line if each.id in seen.revoked), None)
        if gone is not None:
            raise _revoked(holder, gone.shown_id)
        is_own = seen.is_own_ledger
        if is_own and not (self._is_fresh and holder.claims.id in self._asked):
            self._ask_ledger(holder, line, in_use=in_use)
        if min(each.expires_at for each in line) <= now_s:
            from aikeys.clock import rfc3339

            raise TokenRefused(f"token {holder.shown_id} expired {rfc3339(holder.claims.expires_at)}", _ISSUE_AGAIN)
        if holder.claims.is_limited and not (is_own and holder.claims.ledger_id == self._ledger.ledger_id):
            raise TokenRefused(
                f"token {holder.shown_id} has a budget, a rate limit or a single use, which only the ledger it was "
                "issued with can count; this home has another one",
                "issue a token without limits for use on a copy, or use it where it was issued",
            )

    def _ask_ledger(self, holder: Holder, line: Sequence[Claims], *, in_use: bool) -> None:
        """Raise where the ledger knows what ends a token."""
        with self._ledger.looking() as connection:
            taken_away = token_acts.revoked(connection, [each.shown_id for each in line])
            used = holder.claims.is_once and not in_use and token_acts.is_used(connection, holder.shown_id)
            unheard = _unheard_of(connection, line)
        if taken_away:
            raise Damaged(
                f"token {taken_away} was revoked, and its revocation was removed from the vault",
                "the token stays revoked; compare the vault with a backup: aikeys restore FILE",
            )
        if unheard:
            raise Damaged(
                f"the ledger knows of no token {unheard} of this parent: its row was forged, or put back",
                "it opens nothing here: aikeys token prune; and compare the vault with a backup",
            )
        if used:
            raise TokenRefused(f"token {holder.shown_id} was for a single use, and it was used", _ISSUE_AGAIN)
        if self._is_fresh and not (in_use and holder.claims.is_once):
            self._asked.add(holder.claims.id)

    def _look(self) -> _Seen:
        """Return the file's state; read it anew where it was changed or replaced."""
        if self._is_fresh and self._seen is not None:
            return self._seen
        with sqlite.translated(self._path):
            mark = self._mark()
            if self._seen is None or self._seen.mark != mark:
                self._seen = self._read(mark)
        if self._at_turn_end is not None:
            self._is_fresh = True
            self._at_turn_end(self._turn_ends)
        return self._seen

    def _turn_ends(self) -> None:
        self._is_fresh = False
        self._asked.clear()

    def _read(self, mark: tuple[int, ...]) -> _Seen:
        """Read the file; where its own ledger is here, an older vault than the ledger has seen is Damaged."""
        path, connection = self._place.vault.path, self._connected()
        anchors = self._ledger.open().anchors() if self._ledger.exists else {}
        connection.execute("BEGIN")
        try:
            rows = read_rows(connection, path)
            revoked = token_rows.read_revoked(connection, path)
        finally:
            connection.execute("ROLLBACK")
        check_manifest(rows)
        is_own = self._is_own_ledger(rows)
        if is_own:
            check_anchor(rows, anchors.get(rows.header.vault_id), self._ledger)
        return _Seen(mark, rows, revoked, is_own, {}, {})

    def _is_own_ledger(self, rows: Rows) -> bool:
        return self._ledger.exists and self._ledger.open().ledger_id == rows.header.ledger_id

    def _mark(self) -> tuple[int, ...]:
        try:
            state = os.stat(self._path)
        except FileNotFoundError:
            self._place.vault.require()
            raise
        if self._seen is not None and self._seen.mark[:2] != (state.st_dev, state.st_ino):
            self.close()
        version = self._connected().execute("PRAGMA data_version").fetchone()[0]
        return state.st_dev, state.st_ino, version

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._place.vault.connect()
        return self._connection


def _unheard_of(connection: sqlite3.Connection, line: Sequence[Claims]) -> str:
    """Return the first child that was never announced: what it spends would count for nobody above it.

    One that the vault moved up (`token revoke --keep-children`) may wait for the ledger: there it still counts for the
    token it had, and so for all above.
    """
    for each in line:
        if each.parent and not token_acts.is_below(connection, each.shown_id, each.parent.hex()):
            return each.shown_id
    return ""


def _revoked(holder: Holder, gone: str) -> TokenRefused:
    because = "" if gone == holder.shown_id else f" with {gone}, which issued it"
    return TokenRefused(f"token {holder.shown_id} was revoked{because}", _ISSUE_AGAIN)


def _needs_gateway(holder: Holder) -> Denied:
    return Denied(
        f"token {holder.shown_id} may not hold raw keys: it lacks the scope env:read",
        "use it with a gateway: set AIKEYS_GATEWAY; or the owner of the vault grants it: aikeys token issue --scope "
        "env:read --key NAME",
    )
