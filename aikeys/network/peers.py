"""Responsible for whom a plain http request reaches: the addresses that a name means now, and only those it may mean.

A name is looked at once and the connection goes to the address that was looked at: whoever answers for the name cannot
answer otherwise in between.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from aikeys.network.addresses import address_in, takes_plain_http

ELSEWHERE = "plain http to an address that its key does not allow"
_AddressInfo = tuple[int, int, int, str, tuple[object, ...]]


def peers_of(host: str, port: int, *, private: bool) -> list[str]:
    """Return the addresses of a host that a key may be sent to in the clear; none also where nobody knows the name."""
    if address_in(host) is not None:
        return [host] if takes_plain_http(host, private=private) else []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    every = dict.fromkeys(str(address[0]) for *_, address in found)
    return [address for address in every if takes_plain_http(address, private=private)]


def guarded_sockets(*, private: bool) -> Callable[[_AddressInfo], socket.socket]:
    """Return what makes the sockets of a connector (aiohttp): to no address that a key may not be sent to."""

    def make(address: _AddressInfo) -> socket.socket:
        family, kind, protocol, _, place = address
        if not takes_plain_http(str(place[0]), private=private):
            raise PermissionError(errno.EACCES, ELSEWHERE)
        return socket.socket(family, kind, protocol)

    return make
