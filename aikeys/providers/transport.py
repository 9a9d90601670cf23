"""Sends one request to one provider and hands its reply on as it comes; httpx here, another client elsewhere.

- The key goes to the base URL it is stored with, and nowhere else: no redirect is followed, no base URL is read from
  the environment. Plain http is for this machine, and for a private network where the key's sealed row allows it
  (KeySecret): whom the name means is looked at before each connection (network.peers).
- Proxies of the environment serve https only (network.proxies), and one that opens the sealed bytes fails the
  certificate check. A certificate that is not trusted is called that; the same request would fail again.
- Nothing here repeats the key or a library's own words: those may hold a header. `fields_of` reveals the key.
- A reply goes through `masking.intake` before anybody sees it: one that repeats the key does not hand it on.
- Every wait is bounded (`Timeouts`), and so is the size of a reply; no compressed reply is asked for.

An error says what is known: `NotSent` (no byte of the request went out) or `Broken` (it did, and the end is missing).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from aikeys.errors import BadConfiguration, NetworkFailed, UsageError
from aikeys.network.addresses import address_in, is_loopback, joined, takes_plain_http
from aikeys.network.deadlines import HeadDeadline
from aikeys.network.proxies import Proxy, proxy_for, unreadable
from aikeys.providers.catalogue import check_base_url
from aikeys.providers.masking import intake
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import KeySecret, Secret

if TYPE_CHECKING:
    import httpx

CREDENTIALS: Mapping[str, tuple[str, str]] = {
    "bearer": ("authorization", "Bearer "),
    "token": ("authorization", "Token "),
    "x-api-key": ("x-api-key", ""),
    "x-goog-api-key": ("x-goog-api-key", ""),
    "xi-api-key": ("xi-api-key", ""),
    "api-key": ("api-key", ""),
}
_UNTRUSTED_HINT = "if it is of an authority of your own (a proxy's, a company's), name it: SSL_CERT_FILE=/path/ca.pem"
UNSENDABLE = "the key holds characters that a request cannot carry"
_CHECK_NETWORK = "check the network and the key's base URL"
_PROXY_ADVICE = {
    403: "ask who runs the proxy, or list the host in NO_PROXY",
    407: "give its login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
}
LARGEST_REPLY_BYTES = 64 << 20
TOO_LARGE = "too_large"


class NotSent(NetworkFailed):
    """No byte of the request reached the provider: nothing can have been spent. `may_pass`: worth another try."""

    code = "not_sent"

    def __init__(self, message: str, hint: str = "", *, may_pass: bool = False) -> None:
        super().__init__(message, hint)
        self.may_pass = may_pass


class NoPlainHttp(UsageError):
    """A key would travel in the clear to another machine, and its sealed row does not allow that."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} is not sent over plain http to another machine",
            f"give it an https base URL; or, in a private network: aikeys edit {key} --allow-http",
        )


class Broken(NetworkFailed):
    """The request went out and its reply did not come to an end. `status` is what the ledger keeps of it.

    `may_pass`: worth another try, for who would pay once more. `by_upstream`: the provider broke it off, and
    neither whoever asked nor a limit of ours on the whole did.
    """

    code = "broken"

    def __init__(
        self, message: str, hint: str = "", status: str = "broken", *, may_pass: bool = True, by_upstream: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.may_pass = may_pass and status != TOO_LARGE
        self.by_upstream = by_upstream


class Timeouts(NamedTuple):
    """Seconds: to connect, until the first byte of a reply, between two pieces of it, and for all of it."""

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    between_s: float = 60.0
    total_s: float = 900.0


class Parcel(NamedTuple):
    """A request with its address and credential, ready to go; `auth` is a key of CREDENTIALS.

    `earlier`: the keys that earlier attempts of the same call carried; a reply may repeat those, too.
    """

    outgoing: Outgoing
    base_url: str
    auth: str
    secret: Secret
    earlier: tuple[Secret, ...] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return what its reply may not hold."""
        return self.secret, *(each for each in self.earlier if each != self.secret)

    @property
    def url(self) -> str:
        return joined(self.base_url, self.outgoing.path)

    @property
    def allows_http(self) -> bool:
        """Tell whether the key's row lets it travel in the clear within a private network."""
        return isinstance(self.secret, KeySecret) and self.secret.allows_http


class Incoming(Protocol):
    """A reply as it comes in; header names are in lower case. `pieces` raises Broken."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        ...


class Transport(Protocol):
    """A way to send: raises NotSent or Broken; leaving the block gives the connection up."""

    def send(self, parcel: Parcel, timeouts: Timeouts) -> AbstractContextManager[Incoming]: ...


@lru_cache(maxsize=1024)
def checked_base_url(base_url: str, title: str) -> str:
    """Return the address a key may be sent to; UsageError says why it may not."""
    if not base_url:
        raise UsageError(f"no base URL is known for this key of {title}", "store it again with --base-url URL")
    base = check_base_url(base_url)
    if not may_be_plain(base):
        raise UsageError("a key is never sent over plain http to another network", "give the key an https base URL")
    return base


@lru_cache(maxsize=1024)
def may_be_plain(base: str) -> bool:
    """Tell whether a key's row may allow an address in the clear; whom a name means is looked at later."""
    host = urlsplit(base).hostname or ""
    is_named_or_near = address_in(host) is None or takes_plain_http(host, private=True)
    return base.startswith("https:") or (base.startswith("http:") and is_named_or_near)


def is_open_way(base: str) -> bool:
    """Tell whether any key may be sent to a checked address: over https, or to this machine."""
    return base.startswith("https:") or is_loopback(base)


def require_way(base: str, key: str, secret: Secret) -> None:
    """Raise NoPlainHttp where a key's row does not allow to send it to a checked address."""
    if not is_open_way(base) and not (isinstance(secret, KeySecret) and secret.allows_http):
        raise NoPlainHttp(key)


def cannot_connect(host: str, proxy: Proxy | None, environ: Mapping[str, str]) -> NotSent:
    """Return the failure where no connection was made, with the proxy it was tried through."""
    way = f" through the proxy {proxy.url}" if proxy is not None else ""
    advice = "check the network, the proxy and the key's base URL" if proxy is not None else _CHECK_NETWORK
    return NotSent(f"cannot connect to {host}{way}", _with_exceptions(advice, environ), may_pass=True)


def proxy_refused(host: str, proxy: Proxy | None, status: int, environ: Mapping[str, str]) -> NotSent:
    """Return the failure where the proxy makes no connection: 407 wants a login, 403 is its own rules."""
    way = f"the proxy {proxy.url}" if proxy is not None else "the proxy"
    said = f" (status {status})" if status else ""
    advice = _PROXY_ADVICE.get(status, "ask who runs the proxy")
    may_pass = status not in _PROXY_ADVICE
    return NotSent(f"{way} refused to connect to {host}{said}", _with_exceptions(advice, environ), may_pass=may_pass)


def not_private(host: str) -> NotSent:
    """Return the failure of plain http to what is neither this machine nor allowed: no connection was made."""
    return NotSent(
        f"{host} is not an address that this key may be sent to over plain http",
        "give the key an https base URL; aikeys edit NAME --allow-http allows those of a private network",
    )


def not_trusted(host: str, reason: str) -> NotSent:
    """Return the failure of a certificate: no byte of the request went out, and none would the next time."""
    return NotSent(f"the certificate of {host} is not trusted: {reason}", _UNTRUSTED_HINT)


def _with_exceptions(advice: str, environ: Mapping[str, str]) -> str:
    unread = unreadable(environ)
    return f"{advice}; NO_PROXY has entries that say nothing: {', '.join(unread)}" if unread else advice


class HttpxTransport:
    """One httpx client for the life of a command."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        largest_reply_bytes: int = LARGEST_REPLY_BYTES,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._now_s = now_s
        self._largest_bytes = largest_reply_bytes
        self._environ = os.environ if environ is None else environ
        self._clients: dict[Proxy | None, httpx.Client] = {}

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    @contextmanager
    def send(self, parcel: Parcel, timeouts: Timeouts) -> Iterator[Incoming]:
        """Send, and yield the reply when its head is there."""
        import httpx

        until_s = self._now_s() + timeouts.total_s
        proxy = self._proxy_for(parcel.url)
        client = self._client(proxy)
        limits = httpx.Timeout(timeouts.first_byte_s, connect=timeouts.connect_s)
        outgoing = parcel.outgoing
        try:
            request = client.build_request(
                outgoing.method, parcel.url, headers=fields_of(parcel), content=outgoing.body, timeout=limits
            )
        except (httpx.InvalidURL, ValueError, TypeError):
            raise NotSent("the request cannot be written: its address or a header is not valid") from None
        response = self._sent_to_peer(client, request, timeouts, parcel, proxy)
        try:
            yield _Reply(self, parcel.secrets, response, until_s, timeouts)
        finally:
            response.close()

    def left_s(self, until_s: float, between_s: float) -> float:
        """Return how long the next piece may take; Broken when the time for the whole reply is over."""
        left_s = until_s - self._now_s()
        if left_s <= 0:
            raise Broken("the reply took too long as a whole", "ask for less output", "timeout")
        return min(left_s, between_s)

    def counted(self, so_far_bytes: int) -> None:
        """Refuse a reply that is larger than any real one."""
        if so_far_bytes > self._largest_bytes:
            raise Broken(f"the reply is larger than {self._largest_bytes >> 20} MiB", status=TOO_LARGE)

    def _sent_to_peer(
        self, client: httpx.Client, request: httpx.Request, timeouts: Timeouts, parcel: Parcel, proxy: Proxy | None
    ) -> httpx.Response:
        """Send; plain http to an address that the name means now and that was looked at, one after the other."""
        if request.url.scheme == "https":
            return self._sent(client, request, timeouts, proxy)
        from aikeys.network.peers import peers_of

        name = request.url
        failure = not_private(name.netloc.decode())
        for peer in peers_of(name.host, name.port or 80, private=parcel.allows_http):
            request.url = name.copy_with(host=peer)  # the Host header still has the name
            try:
                return self._sent(client, request, timeouts, proxy)
            except NotSent as refused:
                failure = refused
        raise failure

    def _proxy_for(self, url: str) -> Proxy | None:
        try:
            return proxy_for(url, self._environ)
        except BadConfiguration as wrong:
            raise NotSent(wrong.message, wrong.hint) from None

    def _client(self, proxy: Proxy | None) -> httpx.Client:
        if proxy not in self._clients:
            from aikeys.network.clients import client_through

            try:
                # no kept connection: one that the provider closed meanwhile looks like a call whose reply was lost
                self._clients[proxy] = client_through(proxy, self._environ)
            except BadConfiguration as wrong:
                raise NotSent(wrong.message, wrong.hint) from None
        return self._clients[proxy]

    def _sent(
        self, client: httpx.Client, request: httpx.Request, timeouts: Timeouts, proxy: Proxy | None
    ) -> httpx.Response:
        import httpx

        host = request.headers["host"]  # with its port, where it has one of its own
        deadline = HeadDeadline(min(timeouts.first_byte_s, timeouts.total_s))
        request.extensions["trace"] = deadline.trace
        try:
            with deadline:
                return client.send(request, stream=True)
        except httpx.ConnectTimeout:
            words = f"{host} did not take the connection within {timeouts.connect_s:g} seconds"
            raise NotSent(words, "check the network", may_pass=True) from None
        except (httpx.ConnectError, httpx.ProxyError, httpx.PoolTimeout, httpx.UnsupportedProtocol) as failure:
            raise self._why_not(host, failure, proxy) from None
        except httpx.LocalProtocolError:
            raise NotSent("the request cannot be written: a header is not valid") from None
        except (httpx.TimeoutException, httpx.HTTPError) as failure:
            if deadline.is_over or isinstance(failure, httpx.TimeoutException):
                words = f"{host} did not answer within {timeouts.first_byte_s:g} seconds"
                raise Broken(words, status="timeout") from None
            raise Broken(f"{host} closed the connection without a whole answer", "try again") from None

    def _why_not(self, host: str, failure: httpx.TransportError, proxy: Proxy | None) -> NotSent:
        import httpx

        from aikeys.network.certificates import why_not_trusted

        if reason := why_not_trusted(failure):
            return not_trusted(host, reason)
        if isinstance(failure, httpx.ProxyError):
            said = str(failure)[:3]  # httpx has the status in its text alone, which goes on with the proxy's own words
            status = int(said) if said.isascii() and said.isdigit() else 0
            return proxy_refused(host, proxy, status, self._environ)
        return cannot_connect(host, proxy, self._environ)


class _Reply:
    """A response of httpx as an Incoming."""

    def __init__(
        self,
        transport: HttpxTransport,
        secrets: tuple[Secret, ...],
        response: httpx.Response,
        until_s: float,
        timeouts: Timeouts,
    ) -> None:
        self.status = response.status_code
        self._intake = intake(secrets, self.status, response.headers.items())
        self.headers = self._intake.headers
        self._transport = transport
        self._limits = response.request.extensions["timeout"]  # httpcore reads it when the body is begun
        self._response = response
        self._until_s = until_s
        self._between_s = timeouts.between_s

    def pieces(self) -> Iterator[bytes]:
        import httpx

        from aikeys.providers.unpacking import NotUnpacked, unpacker

        size_bytes = 0
        try:
            unpack = unpacker(self.headers.get("content-encoding", ""))
            self._limits["read"] = self._transport.left_s(self._until_s, self._between_s)
            for raw in self._response.iter_raw():
                for piece in unpack(raw) if unpack else (raw,):
                    size_bytes += len(piece)
                    self._transport.counted(size_bytes)
                    if passed := self._intake.feed(piece):
                        yield passed
                self._transport.left_s(self._until_s, self._between_s)
            if unpack is not None and not unpack.is_whole:
                raise Broken("the reply ends in the middle of its compressed body", "try again", by_upstream=True)
            if rest := self._intake.close():
                yield rest
        except NotUnpacked as wrong:
            raise Broken(str(wrong), status="unreadable") from None
        except httpx.TimeoutException:
            self._transport.left_s(self._until_s, self._between_s)  # the time for the whole reply may be what is over
            raise Broken("the reply stopped coming", "try again later", "timeout", by_upstream=True) from None
        except (httpx.HTTPError, httpx.StreamError):
            raise Broken("the connection broke in the middle of the reply", "try again", by_upstream=True) from None


def fields_of(parcel: Parcel) -> dict[str, str]:
    """Return the header fields of a request, with the credential; NotSent where no header can carry it."""
    from aikeys import __version__

    name, prefix = CREDENTIALS[parcel.auth]
    key = parcel.secret.reveal().decode("ascii", "replace")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise NotSent(UNSENDABLE, "replace it: aikeys rotate NAME")
    extra = {"accept-encoding": "identity", "user-agent": f"aikeys/{__version__}"}
    return {**dict(parcel.outgoing.headers), **extra, name: prefix + key}
