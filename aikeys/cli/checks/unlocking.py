"""Checks of the ways to unlock the vault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys.cli import home
from aikeys.cli.checks.check import Check
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.format import Rows, UnlockMethod
    from aikeys.vault.opening import Opened


def opened_quietly(rows: Rows) -> Opened | AikeysError | None:
    """Return the vault, None where opening it takes a question, or why it cannot be opened."""
    from aikeys.vault.unlock.order import quietly

    try:
        return quietly(rows, home.means())
    except AikeysError as error:
        return error


def unlock_checks(rows: Rows, opened: Opened | AikeysError | None) -> Iterator[Check]:
    """Yield which ways there are, and whether each of them still works."""
    from aikeys.vault.unlock import key_file
    from aikeys.vault.unlock.methods import KEY_FILE, KEYRING, RECOVERY

    kinds = {method.kind for method in rows.methods}
    if KEYRING in kinds and len(kinds) == 1:
        yield Check("unlock", "only the OS keyring opens the vault", "aikeys unlock-method add recovery")
    elif RECOVERY not in kinds and len(rows.methods) == 1:
        yield Check("unlock", "one unlock method and no recovery code", "aikeys unlock-method add recovery")
    else:
        yield Check("unlock", ", ".join(sorted(kinds)))
    for method in rows.methods:
        if method.kind == KEYRING and (lost := _lost_entry(rows, method)):
            yield Check("keyring", lost, "aikeys unlock-method remove keyring, then aikeys unlock-method add keyring")
        if method.kind == KEY_FILE and key_file.readable_by_others(method.place):
            yield Check("key file", f"{method.place} can be read by others", f"chmod 600 {method.place}")
        if weak := weakness(method):
            yield Check("passphrase", weak, "set a new one: aikeys passphrase")
    if isinstance(opened, AikeysError):
        yield Check("open", opened.message, opened.hint)
    else:
        yield Check("open", "opens without a question" if opened else "needs a passphrase or code")


def weakness(method: UnlockMethod) -> str:
    """Return how a passphrase is guessed more cheaply than one that is set now, empty where it is not."""
    from aikeys.sealing import STANDARD

    if method.kind != "passphrase":
        return ""
    if method.memory_kib >= STANDARD.memory_kib and method.passes >= STANDARD.passes:
        return ""
    has, standard = (f"{cost.memory_kib} KiB × {cost.passes}" for cost in (method, STANDARD))
    return f"it is cheap to guess: Argon2id with {has}; a passphrase that is set now has {standard}"


def _lost_entry(rows: Rows, method: UnlockMethod) -> str:
    """Return why the OS keyring does not open the vault, empty where it does."""
    from aikeys.vault.unlock import os_keyring
    from aikeys.vault.unlock.order import entry_name

    try:
        found = os_keyring.load(method.place, entry_name(rows.header, method))
    except AikeysError as error:
        return error.message
    return "" if found else "the OS keyring has no entry for this vault: it was deleted, or this is another machine"
