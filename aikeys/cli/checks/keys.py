"""Checks of the keys: which are due to be rotated; while the vault is open, what is odd about their secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.checks.check import Check
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.ledger.repeated_secrets import Places
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Opened, Place


def key_checks(rows: Rows) -> Iterator[Check]:
    """Yield the keys that are due."""
    from aikeys.rotation.due import due_reason

    for key in sorted(rows.keys, key=lambda key: key.name):
        reason = due_reason(rows, key, clock.now_s())
        if reason:
            yield Check(f"key {key.name}", reason, f"aikeys rotate {key.name}")


def secret_checks(where: Place, opened: Opened) -> Iterator[Check]:
    """Yield keys that are too short to be masked in a reply, and those whose secret stands in the ledger."""
    from aikeys.ledger.repeated_secrets import places
    from aikeys.providers.masking import Search

    secrets: dict[Key, list[bytes]] = {}
    for key in sorted(opened.rows.keys, key=lambda key: key.name):
        try:
            secrets[key] = opened.secrets(key)
        except AikeysError as error:
            yield Check(f"key {key.name}", error.message, error.hint or "see aikeys-vault(5)")
            continue
        yield from _too_short(opened, key, secrets[key])
    found: dict[Key, Places] = {}
    try:
        with closing(where.ledger.open()) as ledger:
            if any(places(ledger, Search([secret for each in secrets.values() for secret in each]))):
                found = {key: places(ledger, Search(own)) for key, own in secrets.items()}
    except AikeysError:
        return  # the checks of the ledger say what is wrong with it
    for key, one in found.items():
        yield from _in_ledger(key, one)


def _too_short(opened: Opened, key: Key, secrets: list[bytes]) -> Iterator[Check]:
    """A word in the place of a key is no secret; to this machine a short one can be sent."""
    from aikeys.network.addresses import is_loopback
    from aikeys.providers.masking import PLACEHOLDERS, SHORT

    base_url = opened.rows.version_of(key).base_url
    is_short = any(
        len(each) < SHORT and each.lower().decode("utf-8", "replace") not in PLACEHOLDERS for each in secrets
    )
    if is_short:
        finding = f"its secret has fewer than {SHORT} bytes: it is not masked where a reply repeats it"
        is_here = bool(base_url) and is_loopback(base_url)
        yield Check(f"key {key.name}", finding, "" if is_here else f"aikeys rotate {key.name}, to a longer one")


def _in_ledger(key: Key, found: Places) -> Iterator[Check]:
    finding = "a reply brought its secret into the ledger"
    if found.can_be_masked:
        hint = f"aikeys ledger erase --key {key.name}, then aikeys rotate {key.name}"
        yield Check(f"key {key.name}", finding, hint)
    elif any(found):
        yield Check(
            f"key {key.name}", f"its secret is in {' and in '.join(found.staying)}", f"aikeys rotate {key.name}"
        )
