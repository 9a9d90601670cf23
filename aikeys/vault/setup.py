"""Make a vault: ledger first, then an announced and finished `init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.errors import ExistsAlready
from aikeys.ledger.store import Act
from aikeys.storage import ballast, folders
from aikeys.vault import changes
from aikeys.vault.opening import anchored
from aikeys.vault.writing import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.unlock.methods import NewMethod


def make_vault(place: Place, new: Sequence[NewMethod], prepare: Callable[[Opened], None] = lambda _: None) -> Opened:
    """Make a vault that these methods open; raises ExistsAlready.

    `prepare` stores what opens it elsewhere (the OS keyring) before the vault exists: a failure leaves nothing.
    """
    vault, ledger = place.vault, place.ledger
    if vault.exists:
        raise ExistsAlready(f"there is a vault in {place.home} already", "add a key: aikeys add NAME")
    folders.make(place.home)
    ledger.open_or_create(os.urandom(16), clock.local_zone(os.environ))
    opened = changes.new_vault(new, ledger.ledger_id, clock.now_s(), os.urandom)
    prepare(opened)
    kinds = ",".join(method.kind for method in new)
    intent = ledger.intent(Act("init", "vault", f"methods={kinds}"), opened.rows.header.vault_id, 1)
    opened = opened._replace(rows=signed(opened, 1, intent))
    vault.create(opened.rows)
    ledger.outcome(intent.number, "ok", anchored(opened.rows), opened.signer())
    ledger.close()
    ballast.load(place.home)
    return opened
