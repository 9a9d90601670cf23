"""Sealed record of lines that were taken out of files: what `import --undo` puts back, for thirty days.

One file for each that was changed, in the home's folder `removed`, 0600, sealed under the vault key; it is on the disk
before the other one changes. It holds path, lines, the digests of the file before and of its rest after, and the keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from aikeys import sealing
from aikeys.errors import Damaged
from aikeys.imports.removal import Removed
from aikeys.secret import Secret
from aikeys.storage import folders
from aikeys.storage.canonical import Field, pack, unpack

FOLDER = "removed"
KEPT_S = 30 * 86400
_LARGEST = 16 << 20
_SUFFIX = ".sealed"


class Record(NamedTuple):
    """What was taken out of one file, at which time (seconds since 1970); those of one run share `run`."""

    run: str
    at_s: int
    path: str
    before: bytes
    rest: bytes
    removed: tuple[Removed, ...]
    keys: tuple[tuple[str, int], ...]
    """Names and versions of the keys that the lines held."""


def write(home: str, record: Record, vault_key: Secret, vault_id: bytes, number: int) -> str:
    """Put a record on the disk and return its name."""
    folder = os.path.join(home, FOLDER)
    folders.make(folder)
    name = f"{record.at_s}-{record.run}-{number}{_SUFFIX}"
    plain = pack(
        record.run,
        record.at_s,
        os.fsencode(record.path),
        record.before,
        record.rest,
        pack(*(part for one in record.removed for part in one)),
        pack(*(part for one in record.keys for part in one)),
    )
    sealed = sealing.seal(vault_key.reveal(), os.urandom(sealing.NONCE_BYTES), plain, _context(vault_id, name))
    folders.write_kept(folder, name, sealed)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return name


def read_all(home: str, vault_key: Secret, vault_id: bytes) -> Iterator[tuple[str, Record]]:
    """Yield the records, the newest first; Damaged for one that this vault did not write."""
    for name in _names(home):
        data = folders.read_kept(os.path.join(home, FOLDER), name, _LARGEST, private=True)
        if data is not None:
            yield name, _record(sealing.unseal(vault_key.reveal(), data, _context(vault_id, name)), name)


def forget(home: str, name: str) -> None:
    """Delete a record."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(home, FOLDER, name))


def forget_old(home: str, now_s: int) -> None:
    """Delete the records whose time is over."""
    for name in _names(home):
        at = name.partition("-")[0]
        if at.isdigit() and int(at) + KEPT_S < now_s:
            forget(home, name)


def _names(home: str) -> list[str]:
    try:
        found = os.listdir(os.path.join(home, FOLDER))
    except FileNotFoundError:
        return []
    return sorted((name for name in found if name.endswith(_SUFFIX)), reverse=True)


def _context(vault_id: bytes, name: str) -> bytes:
    return pack("aikeys/1/removed-lines", vault_id, name)


def _record(data: bytes, name: str) -> Record:
    try:
        run, at_s, path, before, rest, parts, keys = unpack(data)
        lines, pairs = unpack(_bytes(parts)), unpack(_bytes(keys))
        removed = tuple(
            Removed(_number(at), _bytes(taken), _bytes(comment))
            for at, taken, comment in zip(lines[::3], lines[1::3], lines[2::3], strict=True)
        )
        named = tuple((str(key), _number(version)) for key, version in zip(pairs[::2], pairs[1::2], strict=True))
        return Record(str(run), _number(at_s), os.fsdecode(_bytes(path)), _bytes(before), _bytes(rest), removed, named)
    except (ValueError, TypeError):
        raise Damaged(f"{name} is not a record of removed lines", "upgrade aikeys, or remove it") from None


def _number(field: Field) -> int:
    if not isinstance(field, int):
        raise ValueError("not a number")  # noqa: TRY004
    return field


def _bytes(field: Field) -> bytes:
    if not isinstance(field, bytes):
        raise ValueError("not bytes")  # noqa: TRY004
    return field
