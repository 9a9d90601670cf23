"""Files that only take up room, so that a full disk stops neither what records a call nor what takes access away.

There are two. The first is for both; the second is for taking access away alone, whatever has used up the first.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TypeVar

from aikeys.storage.sqlite import DiskFull

T = TypeVar("T")
SIZE_BYTES = 256 * 1024
FIRST, FOR_REVOKING = "ballast", "ballast-for-revoking"


def load(home: str) -> None:
    """Put the ballast in place, that for revoking first; a disk without room for it is no error."""
    for name in (FOR_REVOKING, FIRST):
        _load(os.path.join(home, name))


def _load(path: str) -> None:
    if _is_whole(path):
        return
    _drop(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    try:
        written = os.write(handle, os.urandom(SIZE_BYTES))  # zeros take no room where a file system compresses
    except OSError:
        written = 0
    finally:
        os.close(handle)
    if written < SIZE_BYTES:
        _drop(path)


def is_there(home: str) -> bool:
    """Tell whether all ballast is in place."""
    return all(_is_whole(os.path.join(home, name)) for name in (FIRST, FOR_REVOKING))


def _is_whole(path: str) -> bool:
    """Tell whether a file takes up the room it should: a link, a FIFO or an empty file gives none back."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size >= SIZE_BYTES


def with_room(home: str, work: Callable[[], T]) -> T:
    """Do what takes access away; where the disk is full, throw off one file after the other and try again."""
    is_dropped = False
    try:
        for name in (FIRST, FOR_REVOKING):
            try:
                return work()
            except DiskFull:
                is_dropped |= _drop(os.path.join(home, name))
        return work()
    finally:
        if is_dropped:
            load(home)


def drop(home: str) -> bool:
    """Throw off the first file, for what records a call; true when that made room."""
    return _drop(os.path.join(home, FIRST))


def _drop(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
