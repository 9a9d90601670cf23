"""Liveness of a process: it lives as long as it holds the lock on a file of its own.

- The kernel drops the lock when the process is gone, however it went; a stopped or sleeping process keeps it. No
  clock and no heartbeat is asked, and a number that another process got later is no confusion: names are random.
- The file is 0600 and closed in programs that are started; a forked child closes it, so it dies with its owner.
- A file without a lock is what a dead process left. Whoever removes one holds its lock, and whoever takes a lock makes
  sure that the file is still there by that name.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aikeys.errors import AikeysError, MachineFailed
from aikeys.storage import files

_PREFIX, _SUFFIX = "process-", ".lock"
_FLAGS = os.O_CLOEXEC | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK"))


class ProcessLock:
    """The lock of this process, held from `take` to `close`; `name` says whose it is."""

    def __init__(self, directory: str, name: str) -> None:
        self.directory = directory
        self.name = name
        self._descriptor = -1
        self._owner = 0

    @classmethod
    def take(cls, directory: str) -> ProcessLock:
        """Make the file and take its lock; MachineFailed where the directory cannot be written."""
        lock = cls(directory, f"{os.getpid()}-{os.urandom(6).hex()}")
        path = path_of(directory, lock.name)
        while lock._descriptor < 0:
            lock._descriptor = _locked(path)
        lock._owner = os.getpid()
        _open_locks.add(lock)
        return lock

    @property
    def is_held(self) -> bool:
        """Tell whether this very process holds the lock; a forked child does not."""
        return self._descriptor >= 0 and self._owner == os.getpid()

    def close(self) -> None:
        """Remove the file and drop the lock."""
        if self.is_held:
            with suppress(OSError):
                os.unlink(path_of(self.directory, self.name))
        self.leave()

    def leave(self) -> None:
        """Let go of the file and leave it there: with reservations open it tells that their process is gone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)  # closing drops the lock with the last copy; unlocking would drop it for all
            self._descriptor = -1


def path_of(directory: str, name: str) -> str:
    """Return where the file of a process stands."""
    return os.path.join(directory, f"{_PREFIX}{name}{_SUFFIX}")


@contextmanager
def buried(directory: str, name: str) -> Iterator[bool]:
    """Yield whether a process is gone; if so nobody else is told the same meanwhile, and its file is removed after."""
    path = path_of(directory, name)
    try:
        descriptor = files.open_lock(path, os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        is_gone = _lock(descriptor, wait=False)
        yield is_gone
        if is_gone:
            with suppress(OSError):
                os.unlink(path)
    finally:
        os.close(descriptor)


def is_gone(directory: str, name: str) -> bool:
    """Tell whether a process is gone, without writing; one whose file may decide nothing is taken to live."""
    try:
        descriptor = files.open_lock(path_of(directory, name), os.O_RDONLY)
    except FileNotFoundError:
        return True
    except AikeysError:
        return False
    try:
        return _lock(descriptor, wait=False)
    except MachineFailed:
        return False
    finally:
        os.close(descriptor)


def left_behind(directory: str) -> list[str]:
    """Return the names of all processes whose files are there, living or not; MachineFailed."""
    try:
        files = os.listdir(directory)
    except OSError as error:
        raise MachineFailed(f"cannot read {directory}: {error.strerror}", "check its owner and mode") from None
    return sorted(
        file.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        for file in files
        if file.startswith(_PREFIX) and file.endswith(_SUFFIX)
    )


def _locked(path: str) -> int:
    """Return the descriptor of a file that is locked and still there, or -1 where it was removed meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    except OSError as error:
        raise MachineFailed(
            f"cannot create {path}: {error.strerror}", "check that its directory can be written"
        ) from None
    try:
        _lock(descriptor, wait=True)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


if sys.platform == "win32":  # untested there

    def _lock(descriptor: int, *, wait: bool) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _lock(descriptor: int, *, wait: bool) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError as error:
            raise MachineFailed(f"cannot lock a file: {error.strerror}", "put the ledger on a local disk") from None
        return True


_open_locks: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for lock in list(_open_locks):
        lock.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
