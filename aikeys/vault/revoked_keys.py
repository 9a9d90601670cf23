"""Record of a key that was revoked: what `revoke --undo` brings back within its grace, and nothing lends meanwhile."""

from __future__ import annotations

from aikeys.errors import Damaged
from aikeys.storage.canonical import pack, unpack
from aikeys.vault.changes import NewKey
from aikeys.vault.format import decode_content, encode_content
from aikeys.vault.opening import Opened

KIND = "revoked-keys"


def packed(opened: Opened, name: str) -> bytes:
    """Return all of a key that is needed to add it again."""
    key = opened.rows.key_named(name)
    if key is None:
        raise KeyError(name)
    base_url = opened.rows.version_of(key).base_url
    facts = (key.name, key.provider, key.region, base_url, key.labels, key.is_admin, key.rotate_every_s, key.expires_at)
    return pack(*facts, encode_content(opened.content(key)))


def unpacked(data: bytes) -> NewKey:
    """Return the key of a record; raises Damaged."""
    try:
        name, provider, region, base_url, labels, is_admin, rotate_every_s, expires_at, content = unpack(data)
        numbers = [value for value in (is_admin, rotate_every_s, expires_at) if isinstance(value, int)]
        if len(numbers) != 3 or not isinstance(content, bytes):
            raise ValueError("not of format 1")
    except ValueError:
        raise Damaged("a record of a revoked key does not have its form", "upgrade aikeys") from None
    texts = (str(name), str(provider), str(region), str(base_url), str(labels))
    return NewKey(*texts, bool(numbers[0]), numbers[1], numbers[2], decode_content(content))
