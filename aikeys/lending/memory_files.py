"""Files in memory that only the program sees (Linux): a secret of several lines, at a path that ends with the process.

The file has no name on any disk. It is sealed (memfd_create(2), fcntl F_ADD_SEALS): nobody can change it, the program
included. The path names this process: `exec` becomes the program, so it is the program's own.
"""

from __future__ import annotations

import os
import sys

from aikeys.errors import MachineFailed, UsageError


def path_of(name: str, secret: bytes) -> str:
    """Return the path of a sealed file with a secret, which the program inherits; MachineFailed, UsageError."""
    if sys.platform != "linux":
        raise UsageError("--as-file is available on Linux only", "set the key in a variable: --env VAR=NAME")
    import fcntl

    try:
        descriptor = os.memfd_create(f"aikeys-{name}", os.MFD_ALLOW_SEALING)
        _write(descriptor, secret)
        os.lseek(descriptor, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        os.set_inheritable(descriptor, True)
    except OSError as error:
        raise MachineFailed(f"a file in memory cannot be made: {error.strerror}", "see memfd_create(2)") from None
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
