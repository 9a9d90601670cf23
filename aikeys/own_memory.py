"""This process's memory is its own: no crash writes it to disk, and no program of the same user looks into it.

Called when a command starts, before it reads any secret. A process that is forked inherits both; a program that is
started with execve is dumpable again, and `exec` gives it the core limit that aikeys was started with.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

Limits = tuple[int, int]
_PR_SET_DUMPABLE = 4
_before: list[Limits] = []


def protect() -> Limits | None:
    """Forbid core dumps and other processes' looks; return the core limits from before, None where there are none.

    On Linux the environment in /proc is hidden with the memory: what opens the vault may stand there. However often it
    is called, the limits are those from before the first time.
    """
    if os.name == "nt":  # pragma: no cover (untested)
        return None
    import resource

    limits = resource.getrlimit(resource.RLIMIT_CORE)
    if not _before:
        _before.append(limits)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            _hide()
    return _before[0]


def _hide() -> None:
    """Make this process not dumpable: prctl(2), by the library that cryptography loads anyway, else by ctypes.

    Importing ctypes takes `exec` more than a millisecond.
    """
    try:
        import _cffi_backend as c  # type: ignore[import-untyped]

        number, word = c.new_primitive_type("int"), c.new_primitive_type("unsigned long")
        kind = c.new_function_type((number, word, word, word, word), number, False)
        if c.load_library(None).load_function(kind, "prctl")(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0:
            return
    except (ImportError, OSError, AttributeError, TypeError, ValueError):
        pass
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
