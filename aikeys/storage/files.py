"""Files that the home keeps: opened once, judged by what was opened, read within bounds.

- What decides (settings, prices, a login, keys, the databases) counts only where nobody else can have written it: it
  belongs to this user or to root, group and others cannot write it, and it is a regular file.
- Opening never waits: a FIFO, a device or a folder of that name is refused, not read. Links are followed; what they
  lead to is judged.
- Only what is not there counts as missing. What may not be entered or read is "permission denied".
- What a user names as a source (a passphrase file, `-f`, `<(…)`) is none of these, and may be a pipe.

On the hot path of `exec`: imports nothing but os and stat.
"""

from __future__ import annotations

import errno
import os
import stat

from aikeys.errors import AikeysError, BadConfiguration, MachineFailed
from aikeys.storage.record import NamedTuple

_OPEN = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_MOST_LOOKS = 100
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Fault(NamedTuple):
    """Why a file may decide nothing, and the command that mends it. `is_kind`: it is no file (or folder) at all."""

    message: str
    hint: str
    is_kind: bool = False


def fault(path: str, status: os.stat_result, *, folder: bool = False) -> Fault | None:
    """Return what is wrong with a file, or a folder, that decides something; None where nothing is."""
    kind = next((name for is_it, name in _KINDS if is_it(status.st_mode)), "")
    if kind != ("a folder" if folder else ""):
        return Fault(f"{path} is {kind or 'no folder'}", f"move it away: mv {quoted(path)} {quoted(path)}.old", True)
    if os.name != "posix":
        return None
    if status.st_uid not in (os.geteuid(), 0):
        hint = f"run aikeys as that user, or take it over: chown {os.geteuid()} {quoted(path)}"
        return Fault(f"{path} belongs to another user", hint)
    if status.st_mode & _OTHERS_WRITE:
        hint = f"run: chmod {'700' if folder else '600'} {quoted(path)}"
        return Fault(f"{path} can be written by other users", hint)
    return None


def read(path: str, limit_bytes: int, *, private: bool = False) -> bytes | None:
    """Return a kept file's bytes, at most one more than the limit; None where there is none.

    `private`: it holds a secret, so one that others can read is refused. Raises BadConfiguration, MachineFailed.
    """
    try:
        descriptor = open_kept(path)
    except FileNotFoundError:
        return None
    try:
        if private and is_readable_by_others(os.fstat(descriptor)):
            raise BadConfiguration(f"{path} can be read by other users", f"run: chmod 600 {quoted(path)}")
        return read_open(descriptor, limit_bytes)
    except OSError as error:
        raise cannot_read(path, error) from None
    finally:
        os.close(descriptor)


def open_kept(path: str) -> int:
    """Open a kept file for reading and return its descriptor; FileNotFoundError, BadConfiguration, MachineFailed."""
    try:
        found, descriptor = open_any(path)
    except FileNotFoundError:
        _refuse_loose_link(path)
        raise
    except NotADirectoryError as error:
        raise cannot_read(path, error) from None
    if found is not None:
        os.close(descriptor)
        raise BadConfiguration(found.message, found.hint)
    return descriptor


def open_any(path: str) -> tuple[Fault | None, int]:
    """Open a file for reading without waiting; return what is wrong with it, and its descriptor.

    Raises FileNotFoundError, NotADirectoryError, and what else there is in our words.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise cannot_read(path, error) from None
    return fault(path, os.fstat(descriptor)), descriptor


def open_lock(path: str, flags: int) -> int:
    """Open a file that is only locked, and return its descriptor: without waiting, and never through a link.

    Raises FileNotFoundError, BadConfiguration where it may decide nothing, MachineFailed.
    """
    try:
        descriptor = os.open(path, flags | _OPEN | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _no_lock(path, error) from None
    found = fault(path, os.fstat(descriptor))
    if found is not None:
        os.close(descriptor)
        raise BadConfiguration(found.message, found.hint)
    return descriptor


def _no_lock(path: str, error: OSError) -> AikeysError:
    """Return why a file that is only locked cannot be opened; one that is no regular file is called that."""
    away = f"move it away: mv {quoted(path)} {quoted(path)}.old"
    if os.path.islink(path):
        return BadConfiguration(f"{path} is a link", away)
    if os.path.isdir(path):
        return BadConfiguration(f"{path} is a folder", away)
    return cannot_read(path, error)


def read_open(descriptor: int, limit_bytes: int) -> bytes:
    """Return what a descriptor yields, at most one byte more than the limit; raises OSError."""
    parts, left = [], limit_bytes + 1
    while left and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def status_of(path: str) -> os.stat_result | None:
    """Return what is known of a file, None only where it is not there; BadConfiguration, MachineFailed."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        _refuse_loose_link(path)
        return None
    except OSError as error:
        raise cannot_read(path, error) from None


def is_unreadable(path: str, status: os.stat_result) -> bool:
    """Tell whether this process may not read a file; False where the file of this status went away meanwhile.

    It is not opened: closing it would drop every lock that this process holds on it (POSIX). What SQLite keeps beside a
    database comes and goes, so a refusal counts only where the same file was there before and after it.
    """
    for _ in range(_MOST_LOOKS):
        if os.access(path, os.R_OK):
            return False
        now = status_of(path)
        if now is None:
            return False
        if _which(now) == _which(status):
            return True
        status = now
    return True


def _which(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_ctime_ns  # a new file may have the number of one that went


def is_there(path: str) -> bool:
    """Tell whether there is a file, of whatever kind; BadConfiguration, MachineFailed where that cannot be seen."""
    return status_of(path) is not None


def is_readable_by_others(status: os.stat_result) -> bool:
    """Tell whether the group or everybody may read a file."""
    return os.name == "posix" and bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH))


def cannot_read(path: str, error: OSError) -> AikeysError:
    """Return in our words why a file cannot be opened."""
    if error.errno == errno.ELOOP:
        return BadConfiguration(f"{path} is a loop of links", f"remove it: rm {quoted(path)}")
    if error.errno == errno.ENXIO:
        return BadConfiguration(f"{path} is a socket", f"move it away: mv {quoted(path)} {quoted(path)}.old")
    if error.errno == errno.ENOTDIR:
        reason = "something above it is a file, not a folder"
        return MachineFailed(f"{path} cannot be read: {reason}", "check the path, or choose another place: --home DIR")
    reason = (error.strerror or "unknown reason").lower()
    if error.errno == errno.ENOTDIR:
        hint = "check the permissions above it, or choose another place: --home DIR"
        return MachineFailed(f"{path} cannot be read: {reason}", hint)
    return MachineFailed(f"{path} cannot be read: {reason}", f"check who may enter and read it: ls -ld {quoted(path)}")


def _refuse_loose_link(path: str) -> None:
    """Raise BadConfiguration where a path is a link to what is not there: settings that are away are not none."""
    if os.path.islink(path):
        raise BadConfiguration(
            f"{path} is a link to a file that is not there", f"bring that file back, or remove it: rm {quoted(path)}"
        )


def quoted(path: str) -> str:
    """Return a path as a shell takes it."""
    from shlex import quote

    return quote(path)
