"""Opens the keys that alerts need (passwords, signing keys), as of the moment they are needed.

- The vault and the token are looked at anew each time: what was revoked, expired or rotated since the start opens
  nothing more, or the present secret. Each look has connections of its own: alerts have a thread of their own.
- Every opening is in the ledger before it is used, with the token; of refusals one of a kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.errors import AikeysError, TokenRefused
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act, Ledger
from aikeys.secret import Secret
from aikeys.vault.names import exact_key
from aikeys.vault.tokens.admission import Holder, TokenVerifier

if TYPE_CHECKING:
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access

OPEN = "alert-open"


class AlertKeys:
    """What `opened`, the vault or a service token, opens for alerts, for as long as it may."""

    def __init__(self, place: Place, opened: Opened | Access) -> None:
        self._place = place
        self._opened = opened
        self._refused = ""

    def __call__(self, names: Sequence[str]) -> dict[str, Secret]:
        """Return keys by name; TokenRefused, Denied, NotFound, Damaged: then nothing is opened."""
        with (
            closing(self._place.ledger.open()) as ledger,
            closing(TokenVerifier(self._place, ledger)) as token_verifier,
        ):
            try:
                opened = self._as_of_now(token_verifier)
                found = {name: Secret(opened.content(exact_key(opened.rows, name)).secret) for name in names}
            except AikeysError as refusal:
                self._note(ledger, refusal)
                raise
            _record(ledger, getattr(opened, "holder", None), names)
        self._refused = ""
        return found

    def _as_of_now(self, token_verifier: TokenVerifier) -> Opened | Access:
        opened = self._opened
        holder: Holder | None = getattr(opened, "holder", None)
        if holder is not None:
            return token_verifier.access_of(token_verifier.admit(holder.given.reveal().decode(), clock.now_s()))
        if token_verifier.rows.header.signing_public != opened.rows.header.signing_public:
            raise TokenRefused(
                "the vault was replaced, or compromised, while this gateway ran", "start the gateway again"
            )
        return opened._replace(rows=token_verifier.rows)

    def _note(self, ledger: Ledger, refusal: AikeysError) -> None:
        holder: Holder | None = getattr(self._opened, "holder", None)
        if holder is not None and self._refused != refusal.code:
            ledger.event(Act("access", holder.shown_id, "command=gateway"), refusal.code)
            self._refused = refusal.code


def _record(ledger: Ledger, holder: Holder | None, names: Sequence[str]) -> None:
    """Write down what is opened; a single-use token is used up in the same transaction."""
    with ledger.writing() as writer:
        if holder is not None and holder.claims.is_once:
            token_acts.use_up(writer, holder.shown_id)
        for name in names:
            writer.act(Act(OPEN, name, f"token={holder.shown_id}" if holder else ""))
