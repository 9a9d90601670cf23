"""A small question to a provider that costs nothing: does the key work, what is left on the account, how long is this.

It goes through the same transport as a call, under the same rules of host, redirect and proxy, and its answer is short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.providers.catalogue import Provider, check_base_url
from aikeys.providers.transport import Parcel, Timeouts, Transport, checked_base_url

LONGEST_ANSWER_BYTES = 64 << 10
_REDIRECTS = (301, 302, 303, 307, 308)


class InquiryAnswer(NamedTuple):
    """What came back; of a body only the first LONGEST_ANSWER_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_redirect(self) -> bool:
        return self.status in _REDIRECTS and "location" in self.headers


def timeouts(seconds: float) -> Timeouts:
    """Return how long a question may take: so long for each step, and twice that as a whole."""
    return Timeouts(connect_s=seconds, first_byte_s=seconds, between_s=seconds, total_s=2 * seconds)


def inquire(transport: Transport, parcel: Parcel, limits: Timeouts) -> InquiryAnswer:
    """Send, and return the answer, whatever its status; raises NotSent or Broken."""
    with transport.send(parcel, limits) as incoming:
        body = b""
        for piece in incoming.pieces():
            body += piece
            if len(body) >= LONGEST_ANSWER_BYTES:
                break
        return InquiryAnswer(incoming.status, incoming.headers, body[:LONGEST_ANSWER_BYTES])


def address(provider: Provider, base_url: str, path: str) -> tuple[str, str]:
    """Return the base and the path where a key may be sent; UsageError says why it is sent nowhere.

    A path that is a whole address is another host of the provider's own: only a key of its own base URL goes there.
    """
    if not base_url:
        raise UsageError(f"no base URL is known for {provider.title}")
    if not path:
        raise UsageError(f"{provider.title} has no known address that checks such a key")
    base = check_base_url(base_url)
    if path.startswith("/"):
        return checked_base_url(base, provider.title), path
    if base not in {check_base_url(url) for url in (provider.base_url, *dict(provider.regions).values()) if url}:
        raise UsageError(f"only {provider.title}'s own address can be asked")
    return checked_base_url(path, provider.title), ""
