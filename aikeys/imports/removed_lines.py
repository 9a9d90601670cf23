"""Record of lines that were taken out of a file: what `import --undo` puts back, for thirty days.

It holds path, lines, the digests of the file before and of its rest after, and the keys that the lines held.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from aikeys.errors import Damaged
from aikeys.imports.removal import Removed
from aikeys.storage.canonical import Field, pack, unpack

KIND = "removed-lines"
KEPT_S = 30 * 86400


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


def packed(record: Record) -> bytes:
    """Return a record's bytes."""
    return pack(
        record.run,
        record.at_s,
        os.fsencode(record.path),
        record.before,
        record.rest,
        pack(*(part for one in record.removed for part in one)),
        pack(*(part for one in record.keys for part in one)),
    )


def unpacked(data: bytes) -> Record:
    """Return what `packed` wrote; raises Damaged."""
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
        raise Damaged("a record of removed lines does not have its form", "upgrade aikeys") from None


def _number(field: Field) -> int:
    if not isinstance(field, int):
        raise ValueError("not a number")  # noqa: TRY004
    return field


def _bytes(field: Field) -> bytes:
    if not isinstance(field, bytes):
        raise ValueError("not bytes")  # noqa: TRY004
    return field
