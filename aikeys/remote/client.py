"""Asks a gateway, by the rules of providers/transport: its token goes to its address and nowhere else.

- Plain http is for this machine only, no redirect is followed, no proxy is taken to this machine.
- An address may end in /v1, as other clients want it.
- What is no answer of aikeys (a page of somebody else's server) is told as such, never half understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from aikeys.errors import NetworkFailed, UsageError
from aikeys.network.addresses import is_loopback
from aikeys.providers.catalogue import check_base_url
from aikeys.providers.transport import HttpxTransport, Parcel, Timeouts
from aikeys.providers.wire.values import Outgoing, Unreadable
from aikeys.remote.refusals import refused

if TYPE_CHECKING:
    from aikeys.providers.transport import Incoming, Transport
    from aikeys.providers.wire.exact_json import Table
    from aikeys.secret import Secret

VARIABLE = "AIKEYS_GATEWAY"
Query = Sequence[tuple[str, str]]
_EXAMPLE = "such as http://127.0.0.1:8787 or https://aikeys.example.com"
_JSON = (("content-type", "application/json"),)
_PATIENCE = Timeouts(first_byte_s=60.0, total_s=180.0)
_LARGEST_REFUSAL_BYTES = 1 << 20


class NoGateway(NetworkFailed):
    """Somebody answered, and it is no gateway of aikeys."""

    code = "no_gateway"


class GatewayAnswer(NamedTuple):
    """What came back, of a status below 300; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def checked_url(text: str) -> str:
    """Return the address of a gateway in its one spelling; UsageError says what is wrong with it."""
    try:
        url = check_base_url(text.strip()).removesuffix("/v1")
    except UsageError as wrong:
        raise UsageError(wrong.message.replace("the base URL", "the gateway's address"), _EXAMPLE) from None
    if not url.startswith("https:") and not is_loopback(url):
        raise UsageError(
            "a token is never sent over plain http to another machine",
            "give the gateway's https address: it needs TLS files, or a proxy in front of it",
        )
    return url


class Gateway:
    """One gateway, for the life of a command. `url` as `checked_url` returns it."""

    def __init__(self, url: str, token: Secret, transport: Transport | None = None) -> None:
        self.url = url
        self._token = token
        self._transport: Transport = transport or HttpxTransport()

    @property
    def token_id(self) -> str:
        """Return the id of the token that asks, which is no secret."""
        from aikeys.tokens import text

        return text.read(self._token.reveal().decode("ascii", "replace")).name

    def get(self, path: str, query: Query = ()) -> Table:
        """Return the object that a route answers with; raises what refuses it."""
        return _table(self.ask(Outgoing("GET", path + _written(query), (), b"")))

    def post(self, path: str, body: Mapping[str, object]) -> Table:
        """Send an object and return the one that comes back."""
        from aikeys.providers.wire.exact_json import write

        return _table(self.ask(Outgoing("POST", path, _JSON, write(dict(body)))))

    def delete(self, path: str) -> None:
        """Delete something."""
        self.ask(Outgoing("DELETE", path, (), b""))

    def ask(self, outgoing: Outgoing, timeouts: Timeouts = _PATIENCE) -> GatewayAnswer:
        """Send a request and read its whole answer."""
        with self.open(outgoing, timeouts) as incoming:
            try:
                return GatewayAnswer(incoming.status, incoming.headers, b"".join(incoming.pieces()))
            except NetworkFailed as failure:
                raise self._unreached(failure) from None

    @contextmanager
    def open(self, outgoing: Outgoing, timeouts: Timeouts = _PATIENCE) -> Iterator[Incoming]:
        """Send a request and yield its answer as it comes; what is refused is raised."""
        parcel = Parcel(outgoing, self.url, "bearer", self._token)
        sending = self._transport.send(parcel, timeouts)
        try:
            incoming = sending.__enter__()
        except NetworkFailed as failure:
            raise self._unreached(failure) from None
        try:
            if incoming.status >= 300:
                raise refused(incoming.status, incoming.headers, self._refusal(incoming), self.url)
            yield incoming
        finally:
            sending.__exit__(None, None, None)

    def _refusal(self, incoming: Incoming) -> bytes:
        """Return the body of a refusal, as much of it as came."""
        body = b""
        try:
            for piece in incoming.pieces():
                body += piece
                if len(body) > _LARGEST_REFUSAL_BYTES:
                    break
        except NetworkFailed:
            pass
        return body

    def _unreached(self, failure: NetworkFailed) -> NetworkFailed:
        return NetworkFailed(f"{failure.message} (the gateway {self.url})", "is it running, and is this its address?")


def rows_in(answer: Table, name: str) -> list[Table]:
    """Return the objects of the list that an answer must have; NoGateway without it."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise no_gateway()
    return found


def _written(query: Query) -> str:
    from urllib.parse import urlencode

    return f"?{urlencode(list(query))}" if query else ""


def _table(answer: GatewayAnswer) -> Table:
    from aikeys.providers.wire.exact_json import read_table

    try:
        return read_table(answer.body)
    except Unreadable:
        raise no_gateway() from None


def no_gateway() -> NoGateway:
    """Return the error for an answer that no gateway of aikeys gives."""
    return NoGateway("what answered is not a gateway of aikeys", f"check its address ({_EXAMPLE})")
