"""The writers' turn: a lock file beside a database, so that a writer is woken when its turn has come.

SQLite's own wait for a writer sleeps up to 100 ms between tries, so with several busy processes it passes over whoever
has waited longest. The kernel's queue for a lock does not.

- It is a courtesy, never what keeps two writers apart: that is BEGIN IMMEDIATE. Where the file cannot be made or locked
  (a read-only home, a file system without locks) or is one that others own or can write, or no file at all, everybody
  goes on without it, as do older programs.
- The kernel takes the lock back when its process is gone, however it went. A forked child closes its copy.
- The wait has an end: it is spent in a thread of its own, because a wait in the kernel has none.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aikeys.errors import AikeysError
from aikeys.storage import files

try:
    import fcntl
except ImportError:  # Windows: SQLite's own wait
    fcntl = None  # type: ignore[assignment]

_open: set[int] = set()


class TurnMissed(sqlite3.OperationalError):
    """Somebody else has been writing for as long as one may wait; told as SQLite tells it."""

    def __init__(self) -> None:
        super().__init__("database is locked")


@contextmanager
def turn(path: str, longest_s: float) -> Iterator[None]:
    """Hold the lock file while the block runs; TurnMissed where that takes too long to begin."""
    descriptor = _opened(path)
    if descriptor >= 0 and not _is_taken_at_once(descriptor):
        _await(descriptor, longest_s)
    try:
        yield
    finally:
        _give_back(descriptor)


def _opened(path: str) -> int:
    """Return the descriptor of the lock file, -1 where there can be none."""
    if fcntl is None:
        return -1
    try:
        descriptor = files.open_lock(path, os.O_RDWR | os.O_CREAT)
    except (OSError, AikeysError):
        return -1
    _open.add(descriptor)
    return descriptor


def _is_taken_at_once(descriptor: int) -> bool:
    """Tell whether nobody else is writing; a file that cannot be locked counts as free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _await(descriptor: int, longest_s: float) -> None:
    """Wait in the kernel's queue; a thread that was given up on gives its turn back when it comes."""
    import _thread  # the layer below threading, which `exec` does not load

    is_come, is_decided = _thread.allocate_lock(), _thread.allocate_lock()
    is_come.acquire()

    def wait() -> None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_decided.acquire(blocking=False):
            is_come.release()
        else:
            _give_back(descriptor)

    try:
        _thread.start_new_thread(wait, ())
    except RuntimeError:  # no more threads: SQLite's own wait
        return
    try:
        if is_come.acquire(timeout=longest_s):
            return
    except BaseException:
        if not is_decided.acquire(blocking=False):
            _give_back(descriptor)
        raise
    if is_decided.acquire(blocking=False):
        raise TurnMissed


def _give_back(descriptor: int) -> None:
    if descriptor in _open:
        _open.discard(descriptor)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _close_in_child() -> None:
    for descriptor in list(_open):
        with suppress(OSError):
            os.close(descriptor)  # not unlocked: that would take the parent's turn
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
