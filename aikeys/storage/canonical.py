"""Canonical bytes (pure): length-prefixed, so that no two different lists of fields share an encoding."""

from __future__ import annotations

Field = bytes | str | int | None


def pack(*fields: Field) -> bytes:
    """Encode fields one after the other: a tag, a 32-bit big-endian length, the bytes.

    Tags: 0 nothing, 1 integer (decimal ASCII), 2 bytes, 3 text (UTF-8).
    """
    out = bytearray()
    for field in fields:
        tag, data = _tagged(field)
        out.append(tag)
        out += len(data).to_bytes(4, "big")
        out += data
    return bytes(out)


def sha256(data: bytes) -> bytes:
    """Return a SHA-256. hashlib would load a second OpenSSL into `exec`; for millions of digests it is faster."""
    from cryptography.hazmat.primitives.hashes import SHA256, Hash

    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize()


def _tagged(field: Field) -> tuple[int, bytes]:
    if field is None:
        return 0, b""
    if isinstance(field, int):
        return 1, b"%d" % field
    if isinstance(field, bytes):
        return 2, field
    return 3, field.encode()


def unpack(data: bytes) -> tuple[Field, ...]:
    """Decode what `pack` made; raises ValueError for anything else."""
    fields: list[Field] = []
    at = 0
    while at < len(data):
        if at + 5 > len(data):
            raise ValueError("truncated field")
        tag, size = data[at], int.from_bytes(data[at + 1 : at + 5], "big")
        raw = data[at + 5 : at + 5 + size]
        if len(raw) != size:
            raise ValueError("truncated field")
        fields.append(_untagged(tag, raw))
        at += 5 + size
    return tuple(fields)


def _untagged(tag: int, raw: bytes) -> Field:
    match tag:
        case 0 if not raw:
            return None
        case 1:
            return int(raw)
        case 2:
            return raw
        case 3:
            return raw.decode("utf-8")
        case _:
            raise ValueError("unknown tag")
