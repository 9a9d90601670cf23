"""Responsible for ending a blocking request whose answer's head does not come, whatever comes instead of it.

A library's own time-out is between two pieces: an upstream that sends informational answers or a header by drops never
reaches it. Here the socket is shut down when the time is over, which the waiting thread sees as its end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

_OPENED = ("connect_tcp.complete", "start_tls.complete")


class HeadDeadline:
    """A time limit for one request of httpx, whose extension `trace` it is; `is_over`: it was reached."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Note the socket that the request goes through."""
        if event.endswith(_OPENED):
            told = getattr(info["return_value"], "get_extra_info", lambda _: None)("socket")
            self._socket = told if isinstance(told, socket.socket) else None
            if self.is_over:
                self._shut()

    def _end(self) -> None:
        self.is_over = True
        self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # that of a TLS socket would not end the wait
