"""Check that files in a directory can be locked: SQLite would wait 30 seconds where they cannot.

SQLite takes ENOLCK (NFS without a lock service) for another program's lock, and EOPNOTSUPP for a broken disk. The
question is put to a file that nobody locks this way: closing a database's own would drop the locks this process holds.
"""

from __future__ import annotations

import errno
import os

from aikeys.errors import AikeysError, MachineFailed
from aikeys.storage import files

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None  # type: ignore[assignment]

TURN_NAME = "ledger.turn"
_ASKED = (TURN_NAME, "ballast", "ballast-for-revoking")
_WITHOUT = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


def refuse_without_locks(directory: str) -> None:
    """Raise MachineFailed where files of a directory cannot be locked; nothing where there is none to ask."""
    for name in _ASKED:
        try:
            descriptor = files.open_lock(os.path.join(directory, name), os.O_RDWR)
        except (OSError, AikeysError):  # what may decide nothing is not asked
            continue
        try:
            _ask(descriptor, directory)
        finally:
            os.close(descriptor)
        return


def _ask(descriptor: int, directory: str) -> None:
    if fcntl is None:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _WITHOUT:
            raise MachineFailed(
                f"files in {directory} cannot be locked: {error.strerror}",
                "put the home on a local disk (--home DIR); for NFS, check its lock service",
            ) from None
