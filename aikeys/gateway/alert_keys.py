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
from aikeys.vault.bearers import Bearer, Doorkeeper
from aikeys.vault.names import exact_key

if TYPE_CHECKING:
    from aikeys.vault.bearers import Borrowed
    from aikeys.vault.opening import Opened, Place

OPEN = "alert-open"


class AlertKeys:
    """What `opened`, the vault or a service token, opens for alerts, for as long as it may."""

    def __init__(self, place: Place, opened: Opened | Borrowed) -> None:
        self._place = place
        self._opened = opened
        self._refused = ""

    def __call__(self, names: Sequence[str]) -> dict[str, Secret]:
        """Return keys by name; TokenRefused, Denied, NotFound, Damaged: then nothing is opened."""
        with closing(self._place.ledger.open()) as ledger, closing(Doorkeeper(self._place, ledger)) as keeper:
            try:
                opened = self._as_of_now(keeper)
                found = {name: Secret(opened.content(exact_key(opened.rows, name)).secret) for name in names}
            except AikeysError as refusal:
                self._note(ledger, refusal)
                raise
            _record(ledger, getattr(opened, "bearer", None), names)
        self._refused = ""
        return found

    def _as_of_now(self, keeper: Doorkeeper) -> Opened | Borrowed:
        opened = self._opened
        bearer: Bearer | None = getattr(opened, "bearer", None)
        if bearer is not None:
            return keeper.borrow(keeper.admit(bearer.given.reveal().decode(), clock.now_s()))
        if keeper.rows.header.signing_public != opened.rows.header.signing_public:
            raise TokenRefused(
                "the vault was replaced, or compromised, while this gateway ran", "start the gateway anew"
            )
        return opened._replace(rows=keeper.rows)

    def _note(self, ledger: Ledger, refusal: AikeysError) -> None:
        bearer: Bearer | None = getattr(self._opened, "bearer", None)
        if bearer is not None and self._refused != refusal.code:
            ledger.event(Act("access", bearer.shown_id, "command=gateway"), refusal.code)
            self._refused = refusal.code


def _record(ledger: Ledger, bearer: Bearer | None, names: Sequence[str]) -> None:
    """Write down what is opened; a single-use token is used up in the same transaction."""
    with ledger.writing() as writer:
        if bearer is not None and bearer.claims.is_once:
            token_acts.use_up(writer, bearer.shown_id)
        for name in names:
            writer.act(Act(OPEN, name, f"token={bearer.shown_id}" if bearer else ""))
