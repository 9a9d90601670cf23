"""SQLite as both stores use it: explicit transactions, a vault's permissions, errors in our own words.

- Every write is BEGIN IMMEDIATE: a deferred transaction that reads and then writes fails at once under
  concurrency, whatever the busy timeout.
- Files are 0600; what another user could write is refused (files.py), the file of a log beside it, too.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from aikeys.errors import AikeysError, BadConfiguration, Damaged, MachineFailed
from aikeys.storage import files, folders
from aikeys.storage.locks import refuse_without_locks

BUSY_TIMEOUT_S = 30.0
_RESTORE = "restore a backup: aikeys restore FILE"
_BESIDE = ("-journal", "-wal", "-shm")


class DiskFull(MachineFailed):
    """No room to write; what was there before is untouched."""

    code = "disk_full"


def refuse_unfit(path: str) -> None:
    """Raise where others can have written a database, what SQLite keeps beside it, or its folder.

    Damaged where one of them is no file; BadConfiguration, MachineFailed.
    """
    folders.refuse_unfit(os.path.dirname(path) or ".")
    for suffix in ("", *_BESIDE):
        status = files.status_of(path + suffix)
        found = files.fault(path + suffix, status) if status is not None else None
        if found is not None:
            raise (Damaged if found.is_kind else BadConfiguration)(found.message, found.hint)
        if status is not None and files.is_unreadable(path + suffix, status):  # SQLite would wait for an index
            raise files.cannot_read(path + suffix, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def create_file(path: str) -> None:
    """Create an empty file with mode 0600 unless it is there.

    One that is there is not opened: closing it would drop every lock this process holds on it (POSIX).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not os.path.isfile(path) or os.path.islink(path):
            raise MachineFailed(f"{path} is there and is not an ordinary file", "move it away") from None
    except OSError as error:
        hint = "check the permissions of its folder, and that it is there"
        raise MachineFailed(f"cannot create {path}: {error.strerror}", hint) from None


def connect(path: str, *, read_only: bool = False, frozen: bool = False) -> sqlite3.Connection:
    """Open a database file that exists; the caller wraps its use in `translated`.

    `frozen`: nobody writes to it, so no lock and no shared memory is needed (a copy on a read-only disk).
    """
    if not frozen:
        refuse_without_locks(os.path.dirname(path))
    mode = "ro&immutable=1" if frozen else "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"file:{_in_uri(path)}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
    )
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def connect_without_room(path: str) -> sqlite3.Connection:
    """Open a WAL database on a full disk: the log's index is kept in memory, so nobody else can use it meanwhile.

    Everything that was committed is read; a write fails for want of room as it would otherwise.
    """
    connection = connect(path)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


def is_out_of_room(error: sqlite3.Error) -> bool:
    """Tell whether there was no room for what SQLite itself needs beside a WAL database."""
    return any(words in str(error).lower() for words in (*_FULL, "unable to open"))


def _in_uri(path: str) -> str:
    """Quote what has a meaning in a URI (sqlite.org/uri.html); urllib.parse takes exec 3 ms to import."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def is_blank(connection: sqlite3.Connection) -> bool:
    """Tell whether there is no table at all: what a process killed at its first write leaves."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One BEGIN IMMEDIATE … COMMIT; anything raised inside rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_FULL = ("database or disk is full", "disk i/o error")
_MACHINE = ("readonly", "unable to open", "locked", "busy", "interrupted")


@contextmanager
def translated(path: str, hint: str = _RESTORE) -> Iterator[None]:
    """Turn SQLite's errors about a file into ours: full or unwritable is the machine, all else is damage.

    `hint` says what to do about damage.
    """
    try:
        yield
    except AikeysError:
        raise
    except sqlite3.Error as error:
        raise _in_our_words(path, str(error), hint) from None
    except UnicodeDecodeError:  # SQLite's own message quotes a damaged schema
        raise Damaged(f"{path} is damaged", hint) from None


def _require_descriptor() -> None:
    from aikeys.storage.descriptors import require_one

    try:
        require_one()
    except OSError as lacking:
        raise MachineFailed(
            f"no file can be opened: {os.strerror(lacking.errno or 0).lower()}",
            "raise the limit on open files (ulimit -n)",
        ) from None


def _in_our_words(path: str, text: str, hint: str) -> AikeysError:
    lower = text.lower()
    if any(words in lower for words in _FULL):
        return DiskFull(f"cannot write {path}: the disk or a file size limit is full", "nothing was lost; make room")
    if any(words in lower for words in _MACHINE):
        _require_descriptor()
        return MachineFailed(f"cannot use {path}: {text}", "check that the disk is writable and no program holds it")
    return Damaged(f"{path} is damaged: {text}", hint)
