"""The home as a folder: nobody else can write it, and nobody else can put another one in its place.

- A new home, and what is missing above it, is 0700.
- Each folder above it belongs to this user or to root, and nobody else can write it, unless it is sticky: there only
  an entry's owner moves it. The same holds for the folders on the way through a link, and for the link's owner.
- The group may write where it is the user's own (of the user's name, with no other member), as many systems have it.
- In a user namespace (containers, sandboxes) what belongs to nobody in it is the machine's: / and the like.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from aikeys.errors import BadConfiguration, MachineFailed
from aikeys.storage.files import Fault, cannot_read, fault, quoted, read, status_of

_LINKS_AT_MOST = 40
_ANOTHER = "choose another place: --home DIR"


def make(path: str) -> None:
    """Create a folder and those above it that are missing, all 0700; one that others can write is refused."""
    missing = []
    at = os.path.abspath(path)
    while not os.path.lexists(at) and os.path.dirname(at) != at:
        missing.append(at)
        at = os.path.dirname(at)
    if missing:
        _refuse(replaceable_at(missing[-1]))
    try:
        for folder in reversed(missing):
            _make_one(folder)
    except OSError as error:
        hint = "check the permissions above it, or choose another place: --home DIR"
        raise MachineFailed(f"cannot create {path}: {error.strerror}", hint) from None
    refuse_unfit(path)


def refuse_unfit(folder: str) -> None:
    """Raise BadConfiguration where others can write a folder of kept files, or put another in its place."""
    status = status_of(folder)
    if status is None:
        raise MachineFailed(f"{folder} cannot be read: there is no such folder", "name another with --home DIR")
    _refuse(fault(folder, status, folder=True) or replaceable_at(folder))


def read_kept(folder: str, name: str, limit_bytes: int, *, private: bool = False) -> bytes | None:
    """Return the bytes of a file that a home keeps, at most one more than the limit; None where there is none.

    Both are judged: the file as it was opened, and the folder. Raises BadConfiguration, MachineFailed.
    """
    data = read(os.path.join(folder, name), limit_bytes, private=private)
    if data is not None:
        refuse_unfit(folder)
    return data


def write_kept(folder: str, name: str, data: bytes) -> None:
    """Put a file of 0600 in place of the one that a home keeps: all of it, on the disk, or nothing. MachineFailed."""
    path = os.path.join(folder, name)
    beside = f"{path}.{os.getpid()}.new"
    try:
        with suppress(FileNotFoundError):
            os.unlink(beside)  # of a process that was killed, and had the same number
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        hint = "what was there stays; check the disk, and the owner and mode of its folder"
        raise MachineFailed(f"cannot write {path}: {error.strerror}", hint) from None


def _refuse(found: Fault | None) -> None:
    if found is not None:
        raise BadConfiguration(found.message, found.hint)


def _make_one(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:  # another process was quicker
        if not os.path.isdir(folder):
            raise


def replaceable_at(folder: str) -> Fault | None:
    """Return the first folder above, or link on the way, by which others can replace this one; None without any."""
    for path, status in _on_the_way(os.path.abspath(folder)):
        words = _unfit(path, status)
        if words:
            name = "the link" if stat.S_ISLNK(status.st_mode) else "the folder"
            return Fault(f"{folder} is not a safe place: {name} {path} {words[0]}", words[1])
    return None


def _on_the_way(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the folders above, and the links on the way with the folders above what they lead to."""
    waiting, seen, links = [folder], {folder}, 0
    while waiting:
        path = waiting.pop()
        _wait(waiting, seen, os.path.dirname(path))
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise cannot_read(path, error) from None
        if stat.S_ISLNK(status.st_mode) and links < _LINKS_AT_MOST:
            links += 1
            target = os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path))
            _wait(waiting, seen, os.path.normpath(target))
        if path != folder or stat.S_ISLNK(status.st_mode):
            yield path, status


def _wait(waiting: list[str], seen: set[str], path: str) -> None:
    if path not in seen:
        seen.add(path)
        waiting.append(path)


def _unfit(path: str, status: os.stat_result) -> tuple[str, str] | None:
    if status.st_uid not in (os.geteuid(), 0) and not _is_the_machines(status.st_uid):
        return "belongs to another user", _ANOTHER
    mode = status.st_mode
    if stat.S_ISLNK(mode) or mode & stat.S_ISVTX:
        return None
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(status.st_gid)):
        return "can be written by other users", f"run: chmod go-w {quoted(path)}; or {_ANOTHER}"
    return None


def _is_own_group(gid: int) -> bool:
    import grp
    import pwd

    try:
        name, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}


def _is_the_machines(uid: int) -> bool:
    """Tell whether an owner is one that a user namespace has no number for (user_namespaces(7))."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            whole = file.read(4096).split() == ["0", "0", "4294967295"]
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
            return not whole and int(file.read(32)) == uid
    except (OSError, ValueError):
        return False
