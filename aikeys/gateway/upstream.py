"""Sends one request to one provider from an event loop, by the rules of providers.transport; aiohttp here.

- The key goes to the origin of the base URL it is stored with: no redirect, no cookie. A path cannot lead elsewhere.
- Of the environment count the proxy (https only) and where certificates are, read as at the command line.
- Connections are kept for 4 seconds: less than any provider keeps one, so that none is closed under a request. One
  that is would look like a call whose reply was lost.
- Every wait is bounded, and so is the size of a reply, unpacked: no compressed reply is asked for, gzip and deflate
  are understood. A watch over the connection costs nothing per piece.
- Nothing here repeats the key or a library's own words, and what the provider repeats is masked as it comes in.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import unquote, urlsplit

from aikeys.errors import BadConfiguration
from aikeys.network.addresses import joined
from aikeys.network.certificates import client_context, why_not_trusted
from aikeys.network.peers import ELSEWHERE, guarded_sockets
from aikeys.network.proxies import Proxy, proxy_for
from aikeys.providers.masking import Intake, intake
from aikeys.providers.transport import (
    LARGEST_REPLY_BYTES,
    TOO_LARGE,
    Broken,
    NotSent,
    Parcel,
    Timeouts,
    cannot_connect,
    fields_of,
    may_be_plain,
    not_private,
    not_trusted,
    proxy_refused,
)
from aikeys.providers.unpacking import NotUnpacked, unpacker
from aikeys.providers.wire.exact_json import LARGE_BYTES

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from yarl import URL

_KEPT_S = 4.0
_LOOK_FOR_CLIENT_S = 1.0
_LATE_S = 5.0
"""Who looks so much later than it was due stood still itself: that nothing came is not the provider's doing."""
_SECURE, _LOOPBACK, _PRIVATE = "https", "loopback", "private"
"""Kinds of connections: plain http to this machine, and to a private network where the key's row allows it."""
_INVALID = "the request cannot be written: its address or a header is not valid"


class _ProxyOptions(TypedDict, total=False):
    proxy: str
    proxy_headers: dict[str, str]


class Upstream:
    """One aiohttp client for the life of a worker. Made anywhere, used in one event loop, closed in it."""

    def __init__(
        self,
        largest_reply_bytes: int = LARGEST_REPLY_BYTES,
        certificates: ssl.SSLContext | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.largest_bytes = largest_reply_bytes
        self._certificates = certificates
        self._environ = os.environ if environ is None else environ
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def send(self, parcel: Parcel, timeouts: Timeouts) -> AsyncIterator[UpstreamReply]:
        """Send, and yield the reply when its head is there; leaving the block gives up what was not read.

        Raises NotSent or Broken; where it is cancelled, the request may have gone out.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeouts.total_s
        response = await self._sent(parcel, timeouts)
        reply = None
        try:
            came = intake(parcel.secrets, response.status, response.headers.items())
            reply = UpstreamReply(response, came, self.largest_bytes, until_s, timeouts.between_s)
            yield reply
        finally:
            if reply is not None:
                reply.unwatch()
            response.close()

    async def _sent(self, parcel: Parcel, timeouts: Timeouts) -> aiohttp.ClientResponse:
        import aiohttp

        url, fields, outgoing = address_of(parcel), _checked(fields_of(parcel)), parcel.outgoing
        host = url.host_port_subcomponent or ""  # with its port, where it has one of its own
        proxy, certificates = self._way(url)
        limits = _limits(timeouts.connect_s)
        try:
            async with asyncio.timeout(min(timeouts.first_byte_s, timeouts.total_s)):
                return await self._opened(_kind(url, parcel)).request(
                    outgoing.method, url, data=_in_pieces(outgoing.body), headers=fields, timeout=limits,
                    allow_redirects=False, ssl=certificates, **_through(proxy),
                )  # fmt: skip
        except aiohttp.ConnectionTimeoutError:
            words = f"{host} did not take the connection within {timeouts.connect_s:g} seconds"
            raise NotSent(words, "check the network", may_pass=True) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as failure:
            raise self._why_not(host, failure, proxy) from None
        except aiohttp.InvalidURL:
            raise NotSent(_INVALID) from None
        except TimeoutError:
            words = f"{host} did not answer within {timeouts.first_byte_s:g} seconds"
            raise Broken(words, status="timeout") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Broken(f"{host} closed the connection without a whole answer", "try again") from None

    def _why_not(self, host: str, failure: aiohttp.ClientError, proxy: Proxy | None) -> NotSent:
        import aiohttp

        if reason := why_not_trusted(failure):
            return not_trusted(host, reason)
        if ELSEWHERE in str(failure):
            return not_private(host)
        if isinstance(failure, aiohttp.ClientHttpProxyError):
            return proxy_refused(host, proxy, failure.status, self._environ)
        return cannot_connect(host, proxy, self._environ)

    def warm_up(self) -> None:
        """Read the certificates, which takes a while: in a thread, before the first request needs them.

        BadConfiguration where what the environment names cannot be used.
        """
        if self._certificates is None:
            self._certificates = client_context(self._environ)

    def _way(self, url: URL) -> tuple[Proxy | None, ssl.SSLContext | bool]:
        """Return the proxy and the certificates of a request; NotSent where the environment has them wrong."""
        if url.scheme != "https":
            return None, True
        try:
            self.warm_up()
            return proxy_for(str(url.origin()), self._environ), self._certificates or True
        except BadConfiguration as wrong:
            raise NotSent(wrong.message, wrong.hint) from None

    def _opened(self, kind: str) -> aiohttp.ClientSession:
        """Return the session of a kind: what is connected for one is never used for another."""
        import aiohttp

        found = self._sessions.get(kind)
        if found is None:
            sockets = guarded_sockets(private=kind == _PRIVATE) if kind != _SECURE else None
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S, socket_factory=sockets)
            found = self._sessions[kind] = aiohttp.ClientSession(
                connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )  # fmt: skip
        return found


class UpstreamReply:
    """A reply as it comes in; header names are in lower case."""

    def __init__(
        self, response: aiohttp.ClientResponse, came: Intake, largest_bytes: int, until_s: float, between_s: float
    ) -> None:
        self.status = response.status
        self.headers = came.headers
        self._came = came
        self._response = response
        self._largest_bytes = largest_bytes
        self._until_s = until_s
        self._between_s = between_s
        self._loop = asyncio.get_running_loop()
        self._last_s = self._loop.time()
        self._late, self._late_status, self._is_stalled = "", "timeout", False
        self._listening: asyncio.TimerHandle | None = None
        self._is_reading = False
        self._watch = self._loop.call_at(min(until_s, self._last_s + between_s), self._look)

    def unwatch(self) -> None:
        """Stop watching the time, and who listens."""
        self._watch.cancel()
        if self._listening is not None:
            self._listening.cancel()

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Look every second whether anybody still wants the reply, also while the provider says nothing."""
        if self._listening is not None and is_over():
            self.abandon()
        else:
            self._listening = self._loop.call_later(_LOOK_FOR_CLIENT_S, self.watch, is_over)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, unpacked; raises Broken. The time a reader takes does not count."""
        import aiohttp

        size_bytes = 0
        try:
            unpack = unpacker(self.headers.get("content-encoding", ""))
            self._reads(True)
            async for raw in self._response.content.iter_any():
                self._reads(False)
                for piece in unpack(raw) if unpack else (raw,):
                    size_bytes += len(piece)
                    self._refuse_if_larger(size_bytes)
                    if passed := self._came.feed(piece):
                        yield passed
                self._reads(True)
        except NotUnpacked as wrong:
            raise Broken(str(wrong), status="unreadable") from None
        except (aiohttp.ClientError, OSError):
            if not self._late:
                raise Broken("the connection broke in the middle of the reply", "try again", by_upstream=True) from None
        if self._late:
            raise Broken(self._late, "try again later", self._late_status, by_upstream=self._is_stalled)
        if unpack is not None and not unpack.is_whole:
            raise Broken("the reply ends in the middle of its compressed body", "try again", by_upstream=True)
        if rest := self._came.close():
            yield rest

    def abandon(self) -> None:
        """Give the rest up, because nobody wants it: `pieces` raises Broken (cancelled)."""
        self._late, self._late_status, self._is_stalled = "nobody reads the reply any more", "cancelled", False
        self._response.close()

    def _refuse_if_larger(self, size_bytes: int) -> None:
        if size_bytes > self._largest_bytes:
            raise Broken(f"the reply is larger than {self._largest_bytes >> 20} MiB", status=TOO_LARGE)

    def _reads(self, is_reading: bool) -> None:
        self._is_reading = is_reading
        self._last_s = self._loop.time()

    def _look(self) -> None:
        """Give the connection up when a time is over; look again when the next one could be."""
        if self._late:
            return
        now_s = self._loop.time()
        since_s = self._last_s if self._is_reading else now_s
        due_s = min(self._until_s, since_s + self._between_s)
        if now_s < due_s:
            self._watch = self._loop.call_at(due_s, self._look)
            return
        is_whole = now_s >= self._until_s
        self._is_stalled = not is_whole and now_s < due_s + _LATE_S
        self._late = "the reply took too long as a whole" if is_whole else "the reply stopped coming"
        self._response.close()


def _kind(url: URL, parcel: Parcel) -> str:
    return _SECURE if url.scheme == "https" else _PRIVATE if parcel.allows_http else _LOOPBACK


def address_of(parcel: Parcel) -> URL:
    """Return where a request goes, as it is written; NotSent where that is not below the key's own base URL."""
    return _address(parcel.base_url, parcel.outgoing.path)


@lru_cache(maxsize=256)
def _address(base: str, path: str) -> URL:
    from yarl import URL

    url = joined(base, path)
    try:
        if not may_be_plain(base):
            raise NotSent("a key is never sent over plain http to another network", "give the key an https base URL")
        here, there = urlsplit(base), urlsplit(url)
        is_below = path.startswith("/") and (here.scheme, here.netloc) == (there.scheme, there.netloc)
        segments = unquote(there.path).replace("\\", "/").split("/")
        if not is_below or ".." in segments or "@" in here.netloc or not url.isprintable() or " " in url:
            raise NotSent("the request leads away from the key's base URL")
        return URL(url, encoded=True)
    except ValueError:
        raise NotSent(_INVALID) from None


def _checked(fields: dict[str, str]) -> dict[str, str]:
    """Return header fields that can be written as they are: after this, what fails may have been sent."""
    for name, value in fields.items():
        if not (name.isascii() and name.replace("-", "").isalnum() and value.isascii() and value.isprintable()):
            raise NotSent(_INVALID)
    return fields


@lru_cache(maxsize=16)
def _limits(connect_s: float) -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s)


def _in_pieces(body: bytes) -> bytes | BytesIO | None:
    """Return a body as aiohttp is to take it: a large one is written piece by piece."""
    return BytesIO(body) if len(body) > LARGE_BYTES else body or None


def _through(proxy: Proxy | None) -> _ProxyOptions:
    """Return how aiohttp is told of a proxy."""
    return {"proxy": proxy.url, "proxy_headers": proxy.fields} if proxy is not None else {}
