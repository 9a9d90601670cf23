"""Runs work on large bodies in a thread so that it does not block the event loop; small ones are done at once.

What is given here is pure, and lets others run between its steps: a thread alone does not help, one long step of
Python's own C code (json) keeps every other thread waiting (see exact_json.LARGE_BYTES).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from aikeys.providers.wire.exact_json import LARGE_BYTES

P = ParamSpec("P")
R = TypeVar("R")


async def off_the_loop(size_bytes: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what `work` returns, done here where its data is small."""
    if size_bytes <= LARGE_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
