"""A file that only takes up room, so that taking access away still works when the disk is full."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from aikeys.storage.sqlite import DiskFull

T = TypeVar("T")
SIZE_BYTES = 256 * 1024
_NAME = "ballast"


def load(home: str) -> None:
    """Put the ballast in place; a disk without room for it is no error."""
    path = os.path.join(home, _NAME)
    try:
        if os.path.exists(path):
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    try:
        written = os.write(handle, b"\0" * SIZE_BYTES)
    except OSError:
        written = 0
    finally:
        os.close(handle)
    if written < SIZE_BYTES:
        drop(home)


def is_there(home: str) -> bool:
    """Tell whether the ballast is in place."""
    return os.path.exists(os.path.join(home, _NAME))


def with_room(home: str, work: Callable[[], T]) -> T:
    """Do what takes access away; where the disk is full, throw the ballast off and try once more."""
    try:
        return work()
    except DiskFull:
        if not drop(home):
            raise
    try:
        return work()
    finally:
        load(home)


def drop(home: str) -> bool:
    """Throw the ballast off; true when that made room."""
    try:
        os.unlink(os.path.join(home, _NAME))
    except OSError:
        return False
    return True
