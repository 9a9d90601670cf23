"""Check that a process can open one more file: where it cannot, many things seem missing or damaged that are not."""

from __future__ import annotations

import os


def require_one() -> None:
    """Return where a file can be opened; raises the machine's OSError (too many open files) where none can."""
    os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
