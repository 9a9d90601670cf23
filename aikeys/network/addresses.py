"""Responsible for whose a host or an address is (pure): this machine's, a private network's, or anybody's."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_AZURES = ("/openai", "/openai/v1")
_OWN_ENDS = (".local", ".internal", ".lan", ".home.arpa", ".localhost")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""RFC 1918 and RFC 4193. Link-local addresses are not among them: 169.254.169.254 hands out a cloud's credentials."""


def joined(base_url: str, path: str) -> str:
    """Return the URL of a path below a base URL.

    Azure's paths begin with `/openai`, and its documents give a base URL with `/openai/v1`: once is enough.
    """
    if path.startswith("/openai/") and base_url.endswith(_AZURES):
        return base_url.removesuffix("/v1").removesuffix("/openai") + path
    return base_url + path


def address_in(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a host is written as, brackets or not; None for a name."""
    from ipaddress import IPv6Address, ip_address

    try:
        found = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@lru_cache(maxsize=1024)
def is_loopback(url: str) -> bool:
    """Tell whether a URL is of this machine."""
    from urllib.parse import urlsplit

    try:
        return is_loopback_host(urlsplit(url).hostname or "")
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    found = address_in(host)
    return found is not None and found.is_loopback


def takes_plain_http(address: str, *, private: bool) -> bool:
    """Tell whether a key may be sent in the clear to an address that a connection is made to: this machine's.

    `private`: also one of RFC 1918 or a unique local one, where the key's row allows it.
    """
    from ipaddress import ip_network

    found = address_in(address.partition("%")[0])
    if found is None:
        return False
    return found.is_loopback or (
        private and "%" not in address and any(found in ip_network(network) for network in _PRIVATE)
    )


def plain_http_reach(url: str) -> Literal["", "near", "far"]:
    """Return who can listen: nobody to https or this machine, else those of a private network, or anybody.

    Private are addresses that the Internet does not route, names without a dot, and the ends that RFC 6762, RFC 8375
    and ICANN keep for such networks.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or is_loopback(url):
        return ""
    found = address_in(host)
    if found is None:
        return "near" if "." not in host or host.rstrip(".").endswith(_OWN_ENDS) else "far"
    return "far" if found.is_global else "near"
