"""Connections of clients: what is no HTTP is answered in our words, and a client that takes no bytes is let go.

- aiohttp writes what it cannot read, and why, into its answer and its log: a header with a token in it may be that.
  Here neither repeats a byte of it.
- A request's head has to be there within `idle_s`; its body is awaited by `bodies.whole`.
- A client that takes nothing of its reply for `slow_client_s` is cut: it would hold money reserved, and memory.
- There are never more connections than half of the files that the process may open: the ledger and the providers need
  theirs. One more is answered with 503 and closed.
"""

from __future__ import annotations

import asyncio
import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from aiohttp import web

from aikeys.errors import MachineFailed, UsageError
from aikeys.gateway.http import error_bodies
from aikeys.gateway.settings import Settings

Say = Callable[[str], None]
_MOST_HEADER_BYTES = 16 << 10
_MOST_CONNECTIONS, _FEWEST_CONNECTIONS = 4096, 8
_OWN_FILES = 64
_UNLIMITED_FILES = 1 << 20
_TELLS_EVERY_S = 1.0
_OUT_OF = {errno.EMFILE: "open files", errno.ENFILE: "open files", errno.ENOBUFS: "memory", errno.ENOMEM: "memory"}
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
_LINGERS_S = 1.0
"""Seconds for which an unwanted body is read and dropped: else a client sees a reset and not its refusal."""


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_cut", "_is_one_too_many", "_say", "_server", "_slow_client_s")

    def __init__(self, manager: _GatewayServer, slow_client_s: float, say: Say, **options: Any) -> None:
        super().__init__(manager, **options)
        self._slow_client_s = slow_client_s
        self._say = say
        self._cut: asyncio.TimerHandle | None = None
        self._server = manager
        self._is_one_too_many = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or say that there is no room, and close."""
        if self._server.has_room():
            super().connection_made(transport)
            return
        self._is_one_too_many = True
        body = error_bodies.openai_body(error_bodies.told(MachineFailed("there are too many connections")))
        cast("asyncio.Transport", transport).write(_FULL % (len(body), body))
        transport.close()

    def pause_writing(self) -> None:
        """Start to count: the client takes nothing."""
        super().pause_writing()
        self._cut = self._loop.call_later(self._slow_client_s, self._abort)

    def resume_writing(self) -> None:
        """Stop counting."""
        super().resume_writing()
        self._uncount()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go."""
        self._uncount()
        if not self._is_one_too_many:
            super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be read, and what went wrong outside the application; the connection ends."""
        del message
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("the client left, or has a part of the answer already")
        self._say(f"{request.remote or '-'} - a request that cannot be read {status}")
        failure = UsageError("the request cannot be read", "send plain HTTP/1.1") if status < 500 else RuntimeError()
        told = error_bodies.told(failure)
        fields = {**dict(error_bodies.headers(told)), "server": "aikeys"}  # else aiohttp names its version
        answer = web.Response(status=told.status, headers=fields, body=error_bodies.openai_body(told))
        answer.force_close()
        return answer

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Say that something broke, and not what: it may hold a secret."""
        failure = sys.exc_info()[1]
        if not isinstance(failure, web.RequestPayloadError | ConnectionError):  # the client's: it was told, or it left
            self._say(f"a connection broke: {type(failure).__name__}")

    def _abort(self) -> None:
        self._cut = None
        if self.transport is not None:
            self.transport.abort()

    def _uncount(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None


class _GatewayServer(web.Server):
    """Makes connections of ours."""

    slow_client_s = 60.0
    most_connections = _MOST_CONNECTIONS
    say: Say

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self.slow_client_s, self.say, loop=self._loop, **self._kwargs)

    def has_room(self) -> bool:
        """Tell whether another connection may be taken."""
        return len(self._connections) < self.most_connections


class Runner(web.AppRunner):
    """Runs the application of one worker on such connections."""

    __slots__ = ("_say", "_settings")

    def __init__(self, app: web.Application, settings: Settings, say: Say) -> None:
        super().__init__(
            app, access_log=None, keepalive_timeout=settings.idle_s, max_line_size=_MOST_HEADER_BYTES,
            max_field_size=_MOST_HEADER_BYTES, lingering_time=_LINGERS_S, handle_signals=False,
            shutdown_timeout=settings.stop_s,
        )  # fmt: skip
        self._settings = settings
        self._say = say

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = made._kwargs  # noqa: SLF001  aiohttp has no public way to a connection of one's own
        server = _GatewayServer(made.request_handler, request_factory=made.request_factory, **options)
        server.slow_client_s, server.say = self._settings.slow_client_s, self._say
        server.most_connections = room_for_connections()
        return server


class Unforeseen:
    """The loop's handler of what nobody awaits: one line a second at most, and no text of others."""

    def __init__(self, say: Say, now_s: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._now_s = now_s
        self._again_s = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell what happened. asyncio takes new connections again after a second where it has run out of something."""
        del loop
        now_s, failure = self._now_s(), context.get("exception")
        if now_s < self._again_s:
            return
        self._again_s = now_s + _TELLS_EVERY_S
        missing = _OUT_OF.get(failure.errno or 0) if isinstance(failure, OSError) else None
        if missing is not None:
            self._say(f"there are not enough {missing} for another connection; trying again in a second")
        else:
            self._say(f"something broke beside the requests: {type(failure).__name__}")


def more_files() -> None:
    """Let this process open as many files as it may."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _UNLIMITED_FILES if hard == resource.RLIM_INFINITY else hard
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for_connections() -> int:
    """Return how many connections a worker takes: each may need another one to a provider."""
    try:
        import resource
    except ImportError:
        return _MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return min(_MOST_CONNECTIONS, max(_FEWEST_CONNECTIONS, (soft - _OWN_FILES) // 2))
