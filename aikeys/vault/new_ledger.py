"""Give a vault another ledger after its own was lost or exchanged: on purpose, with the key, and written down."""

from __future__ import annotations

import os
from collections.abc import Callable

from aikeys import clock
from aikeys.errors import Damaged, Locked, UsageError
from aikeys.ledger.lost_ledgers import NEW
from aikeys.ledger.store import Act
from aikeys.tokens.claims import decode
from aikeys.vault import store, token_rows
from aikeys.vault.format import Rows
from aikeys.vault.opening import Opened, Place, anchored, check_manifest, picture, picture_without_ledger
from aikeys.vault.tokens.issuing import announce_unknown
from aikeys.vault.unlock.methods import commitment
from aikeys.vault.writing import signed


def take_new_ledger(place: Place, unlock: Callable[[Rows], Opened]) -> Opened:
    """Bind the vault to the ledger that is there, a new one where none is; UsageError where it has its own.

    Everything that the lost ledger knew is gone: what was spent, who did what, which state of the vault was the newest.
    """
    try:
        picture(place)
    except Damaged:
        rows = picture_without_ledger(place)
    else:
        raise UsageError("the vault has its ledger", "leave --new-ledger out")
    opened = unlock(rows)
    ledger = place.ledger.open_or_create(os.urandom(16), clock.local_zone(os.environ))
    try:
        with place.vault.writing() as connection:
            present = store.read_rows(connection, place.vault.path)
            check_manifest(present, opened.rows.header.signing_public)
            if present.header.commitment != commitment(opened.vault_key.reveal()):
                raise Locked("the vault got a new key while this command ran", "run the command again")
            announce_unknown(ledger, present, token_rows.read_all(connection, place.vault.path))
            vault_id = present.header.vault_id
            anchor = ledger.anchors().get(vault_id)
            seen = [epoch for _, epoch in ledger.open_intents(vault_id)]
            epoch = max([present.manifest.epoch, *([anchor.epoch] if anchor else []), *seen]) + 1
            act = Act(NEW, "vault", f"instead_of={present.header.ledger_id.hex()}")
            intent = ledger.intent(act, vault_id, epoch)
            header = present.header._replace(ledger_id=ledger.ledger_id)
            opened = opened._replace(rows=present._replace(header=header))
            opened = opened._replace(rows=signed(opened, epoch, intent))
            store.write_difference(connection, present, opened.rows)
        ledger.outcome(intent.number, "ok", anchored(opened.rows), opened.signer())
    finally:
        ledger.close()
    return opened


def bound_elsewhere(place: Place, ledger_id: bytes) -> list[str]:
    """Return the tokens, by name and id, whose limits only another ledger can count: they are refused here."""
    with place.vault.reading() as connection:
        over = token_rows.read_revoked(connection, place.vault.path)
        links = list(token_rows.read_links(connection, place.vault.path))
    found = [decode(link.claims) for link in links if link.id not in over]
    return [
        f"{one.name} ({one.shown_id})" if one.name else one.shown_id
        for one in found
        if one.ledger_id not in (b"", ledger_id)
    ]
