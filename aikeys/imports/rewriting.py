"""A user's own file, read whole and replaced whole (I/O edge): owner, mode and access list stay, or nothing changes.

A file is left alone where it is a link, has several names, belongs to somebody else, or changed since it was read.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import NamedTuple

from aikeys.errors import MachineFailed

_LARGEST = 4 << 20


class Original(NamedTuple):
    """A file as it was read: its bytes, and what tells whether it changed since."""

    path: str
    data: bytes
    identity: tuple[int, int, int, int]


def read_own(path: str) -> Original | str:
    """Return a file that may be replaced, or in a few words why it may not."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        return "it is a link" if os.path.islink(path) else (error.strerror or "it cannot be read").lower()
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        why = _unfit(status)
        if why:
            return why
        return Original(path, file.read(_LARGEST), _identity(status))


def replace(original: Original, data: bytes) -> None:
    """Put `data` in the place of a file; MachineFailed, and the file as it was, where that cannot be done."""
    folder, name = os.path.split(original.path)
    beside = os.path.join(folder, f".{name}.{os.getpid()}.aikeys")
    try:
        _write_beside(beside, data, original.path)
        now = read_own(original.path)
        if now != original:
            raise MachineFailed(f"{original.path} was changed meanwhile and stays as it is", "run it again")
        os.replace(beside, original.path)
        _sync_folder(folder)
    except OSError as error:
        hint = "it stays as it was; check the disk and the permissions of its folder"
        raise MachineFailed(f"cannot write {original.path}: {error.strerror}", hint) from None
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _write_beside(beside: str, data: bytes, path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(beside)
    status = os.lstat(path)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if hasattr(os, "fchown"):
            os.fchown(descriptor, -1, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        _copy_attributes(path, descriptor)
        os.fsync(descriptor)


def _copy_attributes(path: str, descriptor: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    for name in os.listxattr(path, follow_symlinks=False):
        os.setxattr(descriptor, name, os.getxattr(path, name, follow_symlinks=False))


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unfit(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_nlink != 1:
        return "it has several names (hard links)"
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return "it belongs to another user"
    return "it is too large" if status.st_size > _LARGEST else ""


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
