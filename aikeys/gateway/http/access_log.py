"""The access log of a worker: lines wait up to 100 ms and are written together, the last ones when the worker ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

_PAUSE_S = 0.1
_MOST_LINES = 1000
Write = Callable[[Sequence[str]], None]


class AccessLog:
    """Lines on their way. Used in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Write) -> None:
        self._loop = loop
        self._write = write
        self._lines: list[str] = []

    def note(self, line: str) -> None:
        """Take a line."""
        if not self._lines:
            self._loop.call_later(_PAUSE_S, self.flush)
        self._lines.append(line)
        if len(self._lines) >= _MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        lines, self._lines = self._lines, []
        if lines:
            self._write(lines)
