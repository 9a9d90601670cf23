"""Vaults with damaged rows: what they still say, and what can be taken away: enough to end access, never to give any.

- Nothing here is checked against a signature, so nothing of it opens anything, and no manifest is signed over it.
- What was damaged stays damaged: until a backup is restored, every use of a key or a token is refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aikeys import clock
from aikeys.errors import AikeysError, Damaged
from aikeys.ledger import token_acts
from aikeys.ledger.store import FOREIGN_HINT, Ledger
from aikeys.vault import store, token_rows
from aikeys.vault.format import Header, Key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from aikeys.tokens.claims import Claims
    from aikeys.vault.opening import Place
    from aikeys.vault.store import VaultFile

_DEEPEST = 16


class Named(NamedTuple):
    """Tokens as their rows name them, unchecked. `ids`: every token that may be there, readable or not."""

    chains: dict[bytes, tuple[Claims, ...]]
    ids: frozenset[bytes]
    revoked_us: dict[bytes, int]


def named_tokens(place: Place) -> Named:
    """Return every token that the vault or its ledger names; nothing of it is checked."""
    try:
        with place.vault.salvaging() as connection:
            found = token_rows.salvage(connection)
    except AikeysError:
        found = token_rows.Salvaged({}, frozenset(), {})
    ids = set(found.ids)
    ledger = place.ledger
    try:
        if ledger.exists:
            with ledger.open().reading() as reading:
                known = token_acts.read_tokens(reading).values()
            ids.update(bytes.fromhex(name) for name, _parent, revoked_us, _used in known if not revoked_us)
    except (AikeysError, ValueError):
        pass
    finally:
        ledger.close()
    return Named(_chains(found), frozenset(filter(token_rows.is_id, ids)), found.revoked_us)


def _chains(found: token_rows.Salvaged) -> dict[bytes, tuple[Claims, ...]]:
    """Return what whole rows say of themselves, each with those above it as far as they can be read."""
    from aikeys.tokens.claims import decode

    claims: dict[bytes, Claims] = {}
    for token_id, link in found.links.items():
        with suppress(Damaged):
            claims[token_id] = decode(link.claims)
    return {token_id: _line(claims, token_id) for token_id in claims}


def _line(claims: Mapping[bytes, Claims], token_id: bytes) -> tuple[Claims, ...]:
    line: list[Claims] = []
    while token_id in claims and len(line) < _DEEPEST:
        line.append(claims[token_id])
        token_id = claims[token_id].parent
    return tuple(line)


def own_ledger(place: Place) -> Ledger:
    """Return the ledger, opened; Damaged where a whole header of the vault names another one."""
    ledger = place.ledger.open()
    header = _header(place.vault)
    if header is not None and header.ledger_id != ledger.ledger_id:
        ledger.close()
        raise Damaged(f"{ledger.path} belongs to another vault", FOREIGN_HINT)
    return ledger


def _header(vault: VaultFile) -> Header | None:
    found: list[Header] = []
    with suppress(AikeysError), vault.salvaging() as connection:
        found = [row for row, is_whole in store.readable_rows(connection, "header", Header) if is_whole]
    return found[0] if len(found) == 1 else None


def destroy_key(place: Place, name: str) -> store.Queued | None:
    """Destroy every secret of a key in a vault that cannot be signed anew; return its queued entry.

    None where no key of that name can be read.
    """
    with place.vault.writing() as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        keys = [key.id for key, _ in store.readable_rows(connection, "key", Key) if key.name == name]
        if not keys:
            return None
        for key_id in keys:
            _destroy(connection, key_id)
        item = store.Queued(clock.now_us(), "revoke", name)
        store.queue(connection, item)
    return item


def _destroy(connection: sqlite3.Connection, key_id: object) -> None:
    """Delete a key with its secrets and grants; those without a key are its own where nothing else is."""
    connection.execute("DELETE FROM key WHERE id = ?", (key_id,))
    connection.execute("DELETE FROM token_grant WHERE key_id = ?", (key_id,))
    if not connection.execute("DELETE FROM key_version WHERE key_id = ?", (key_id,)).rowcount:
        connection.execute("DELETE FROM key_version WHERE key_id NOT IN (SELECT id FROM key)")
