"""A backup as bytes: made for a pipe, read from one once, and told from what is no backup before SQLite opens it.

The bytes are sealed as the vault is, so that a private temporary file may hold them; no secret is ever among them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

from aikeys.errors import Damaged, MachineFailed, NotFound, UsageError

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
LARGEST_BYTES = 1 << 30
_HINT = "name a file that aikeys backup wrote"


_FILES_IN_MEMORY = "/dev/shm/"  # noqa: S108  it is only told apart from devices


def is_pipe(path: str) -> bool:
    """Tell whether this is no file that stays: a pipe, a device, or a descriptor such as /dev/stdin."""
    try:
        is_regular = stat.S_ISREG(os.stat(path).st_mode) or stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False
    path = os.path.abspath(path)
    return not is_regular or (path.startswith(("/dev/", "/proc/")) and not path.startswith(_FILES_IN_MEMORY))


@contextmanager
def kept(stream: BinaryIO, shown: str) -> Iterator[str]:
    """Yield the path of a private file with all that a stream holds; it is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="aikeys-") as folder:
        path = os.path.join(folder, "backup")
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                left = LARGEST_BYTES
                while data := stream.read(min(1 << 20, left + 1)):
                    left -= len(data)
                    if left < 0:
                        raise UsageError(f"{shown} holds more than {LARGEST_BYTES >> 20} MiB", _HINT)
                    file.write(data)
        except OSError as error:
            raise MachineFailed(f"cannot keep a copy of {shown}: {error.strerror}", "make room for it") from None
        yield path


def check_form(path: str, shown: str) -> None:
    """Raise where a file is missing, empty, cut off or no backup at all; its rows are not looked at."""
    if os.path.isdir(path):
        raise NotFound(f"{shown} is a folder, not a backup", _HINT)
    if not os.path.isfile(path):
        raise NotFound(f"there is no backup at {shown}", "name the file that aikeys backup wrote")
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise MachineFailed(f"cannot read {shown}: {error.strerror}", "check its owner and permissions") from None
    if not header:
        raise Damaged(f"the backup {shown} is empty", _HINT)
    if not header.startswith(_MAGIC[: len(header)]):
        raise Damaged(f"the backup {shown} was not written by aikeys backup", _HINT)
    expected = _expected_bytes(header)
    if size < expected:
        raise Damaged(f"the backup {shown} is cut off: {size} of {expected} bytes", "bring the whole file here")


def _expected_bytes(header: bytes) -> int:
    """Return the size that a database's header states (sqlite.org/fileformat.html, 1.3)."""
    if len(header) < _HEADER_BYTES:
        return _HEADER_BYTES
    page_bytes, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    return (65536 if page_bytes == 1 else page_bytes) * pages


def bytes_of(vault_path: str) -> bytes:
    """Return a backup of a vault file as bytes, through SQLite's own copy."""
    import sqlite3

    from aikeys.storage import sqlite

    with (
        sqlite.translated(vault_path),
        closing(sqlite.connect(vault_path, read_only=True)) as source,
        closing(sqlite3.connect(":memory:")) as target,
    ):
        source.backup(target)
        return target.serialize()
