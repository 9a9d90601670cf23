"""Rotation as acts on a vault. The ledger's intent and outcome are its journal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aikeys import clock
from aikeys.ledger.store import Act
from aikeys.vault import changes
from aikeys.vault.token_grants import Progress, no_progress
from aikeys.vault.writing import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from aikeys.secret import Secret
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened, Place


class NewSecret(NamedTuple):
    """A secret to rotate to; the one before stays for `grace_s` seconds."""

    secret: Secret
    is_admin: bool
    grace_s: int


def replace(place: Place, opened: Opened, key: Key, new: NewSecret, *, advance: Progress = no_progress) -> Opened:
    """Make a secret current; the one before stays for its grace, for `undo`. `advance`: grants sealed, of how many."""
    now = clock.now_s()
    replacement = changes.Replacement(new.secret.reveal(), new.is_admin, now + new.grace_s)

    def change(vault: Opened) -> Opened:
        vault = changes.purge_grace(vault, now)
        return changes.replace_secret(vault, key.name, replacement, now, os.urandom)

    return write(place, opened, Act("rotate", key.name, f"grace_s={new.grace_s}"), change, advance=advance).opened


def undo(
    place: Place, opened: Opened, key: Key, is_admin: Callable[[bytes], bool], *, advance: Progress = no_progress
) -> Opened:
    """Go back to the secret before, while it is in grace; raises NotFound after."""
    now = clock.now_s()
    act = Act("rotate-undo", key.name)

    def change(vault: Opened) -> Opened:
        return changes.undo_rotation(vault, key.name, is_admin, now)

    return write(place, opened, act, change, advance=advance).opened
