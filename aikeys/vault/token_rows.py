"""The tokens in a vault file: their rows, and nothing of what they mean. All SQL of these three tables.

They lie outside the manifest: whoever can write the file can delete them, which only denies.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeGuard

from aikeys.errors import Damaged
from aikeys.storage.record import NamedTuple
from aikeys.tokens.link import Link
from aikeys.tokens.text import ID_BYTES
from aikeys.vault.format import Grant, Revocation
from aikeys.vault.store import checked_rows, insert, readable_rows

_DEEPEST = 16
_BY_ID = "WHERE id = ?"


class TokenRows(NamedTuple):
    """Every token of a vault file, unchecked: by id, the grants, and when which were revoked."""

    links: dict[bytes, Link]
    grants: tuple[Grant, ...]
    revoked_us: dict[bytes, int]


def read_all(connection: sqlite3.Connection, path: str) -> TokenRows:
    """Return everything there is; Damaged where a row is."""
    links = {row.id: row for row in read_links(connection, path)}
    return TokenRows(links, read_grants(connection, path), read_revoked(connection, path))


def read_links(connection: sqlite3.Connection, path: str) -> Iterator[Link]:
    """Yield every token, unchecked."""
    yield from checked_rows(connection, path, "token", Link)


def read_chain(connection: sqlite3.Connection, path: str, token_id: bytes) -> tuple[Link, ...]:
    """Return a token and those above it, nothing where it is not there; what they say is not checked yet."""
    from aikeys.tokens.claims import decode

    found: list[Link] = []
    while token_id and len(found) < _DEEPEST:
        rows = list(checked_rows(connection, path, "token", Link, _BY_ID, (token_id,)))
        if len(rows) > 1:
            raise Damaged(f"{path}: token {token_id.hex()} is there twice", "restore a backup: aikeys restore FILE")
        if not rows:
            return ()
        found.append(rows[0])
        token_id = decode(rows[0].claims).parent
    return tuple(found)


def read_grants(connection: sqlite3.Connection, path: str, token_id: bytes | None = None) -> tuple[Grant, ...]:
    """Return the grants of one token, or of all."""
    if token_id is None:
        return tuple(checked_rows(connection, path, "token_grant", Grant))
    return tuple(checked_rows(connection, path, "token_grant", Grant, "WHERE token_id = ?", (token_id,)))


def read_revoked(connection: sqlite3.Connection, path: str) -> dict[bytes, int]:
    """Return when which tokens were revoked."""
    rows = checked_rows(connection, path, "revocation", Revocation)
    return {row.token_id: row.at_us for row in rows}


class Salvaged(NamedTuple):
    """What a damaged file still says of tokens: whole rows, unchecked, and every id that stands anywhere."""

    links: dict[bytes, Link]
    ids: frozenset[bytes]
    revoked_us: dict[bytes, int]


def salvage(connection: sqlite3.Connection) -> Salvaged:
    """Return what can be read of tokens where no row need be whole."""
    from aikeys.tokens.claims import decode

    links: dict[bytes, Link] = {}
    ids: set[object] = set()
    for link, is_whole in readable_rows(connection, "token", Link):
        ids.add(link.id)
        with suppress(Damaged, TypeError):
            ids.add(decode(link.claims).id)  # its own id may be what is damaged
        if is_whole:
            links[link.id] = link
    ids.update(grant.token_id for grant, _ in readable_rows(connection, "token_grant", Grant))
    revoked = (row for row, is_whole in readable_rows(connection, "revocation", Revocation) if is_whole)
    revoked_us = {row.token_id: row.at_us for row in revoked}
    return Salvaged(links, frozenset(each for each in ids if is_id(each)), revoked_us)


def is_id(value: object) -> TypeGuard[bytes]:
    """Tell whether this can be the id of a token."""
    return isinstance(value, bytes) and len(value) == ID_BYTES


def put_token(connection: sqlite3.Connection, link: Link) -> None:
    """Write a token, in the place of the one with its id."""
    connection.execute("DELETE FROM token WHERE id = ?", (link.id,))
    insert(connection, "token", link)


def change_grants(connection: sqlite3.Connection, gone: Iterable[Grant], new: Iterable[Grant]) -> None:
    """Delete grants and write others."""
    connection.executemany(
        "DELETE FROM token_grant WHERE token_id = ? AND key_id = ? AND version = ?", [row.identity for row in gone]
    )
    for row in new:
        insert(connection, "token_grant", row)


def put_revocation(connection: sqlite3.Connection, token_id: bytes, at_us: int) -> None:
    """Write that a token is revoked; the first time counts, a damaged row does not. Damaged where it does not stand."""
    wanted = "WHERE token_id = ?"
    with suppress(Damaged):
        if any(checked_rows(connection, "", "revocation", Revocation, wanted, (token_id,))):
            return
    connection.execute(f"DELETE FROM revocation {wanted}", (token_id,))  # noqa: S608
    insert(connection, "revocation", Revocation(token_id, at_us))
    if not any(checked_rows(connection, "", "revocation", Revocation, wanted, (token_id,))):
        raise Damaged("the vault takes no revocation", "restore a backup: aikeys restore FILE")


def delete_tokens(connection: sqlite3.Connection, token_ids: Iterable[bytes]) -> None:
    """Delete tokens with their grants and revocations."""
    ids = [(token_id,) for token_id in token_ids]
    connection.executemany("DELETE FROM token WHERE id = ?", ids)
    for table in ("token_grant", "revocation"):
        connection.executemany(f"DELETE FROM {table} WHERE token_id = ?", ids)  # noqa: S608


def delete_grants_of_no_key(connection: sqlite3.Connection) -> None:
    """Delete the grants of versions that are no more."""
    kept = "SELECT key_id, version FROM key_version"
    connection.execute(f"DELETE FROM token_grant WHERE (key_id, version) NOT IN ({kept})")  # noqa: S608


def delete_all(connection: sqlite3.Connection) -> None:
    """Delete every token, grant and revocation."""
    for table in ("token", "token_grant", "revocation"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
