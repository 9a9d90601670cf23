"""How connections are served: what is no HTTP is answered in our words, and who takes no bytes is let go.

- aiohttp writes what it cannot read, and why, into its answer and its log: a header with a token in it may be that.
  Here neither repeats a byte of it.
- A request's head has to be there within `idle_s`; its body is awaited by `bodies.whole`.
- A client that takes nothing of its reply for `slow_client_s` is cut: it would hold money reserved, and memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web

from aikeys.errors import Usage
from aikeys.gateway import error_bodies
from aikeys.gateway.settings import Settings

Say = Callable[[str], None]
_MOST_HEADER_BYTES = 16 << 10
_LINGERS_S = 1.0
"""How long a body that nobody wants is thrown away: closed at once, a client would see a reset and not its refusal."""


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_cut", "_say", "_slow_client_s")

    def __init__(self, manager: web.Server, slow_client_s: float, say: Say, **options: Any) -> None:
        super().__init__(manager, **options)
        self._slow_client_s = slow_client_s
        self._say = say
        self._cut: asyncio.TimerHandle | None = None

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
        failure = Usage("the request cannot be read", "send plain HTTP/1.1") if status < 500 else RuntimeError()
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


class _Server(web.Server):
    """Makes connections of ours."""

    slow_client_s = 60.0
    say: Say

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self.slow_client_s, self.say, loop=self._loop, **self._kwargs)


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
        server = _Server(made.request_handler, request_factory=made.request_factory, **options)
        server.slow_client_s, server.say = self._settings.slow_client_s, self._say
        return server
