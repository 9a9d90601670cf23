"""Responsible for who else can read what is sent to an address (pure): nobody, a network of one's own, or anybody."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

_OWN_ENDS = (".local", ".internal", ".lan", ".home.arpa", ".localhost")


@lru_cache(maxsize=1024)
def is_loopback(url: str) -> bool:
    """Tell whether an address is of this machine."""
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def listeners(url: str) -> Literal["", "near", "far"]:
    """Return who can listen: nobody to https or this machine, else those of a private network, or anybody.

    Private are addresses that the Internet does not route, names without a dot, and the ends that RFC 6762, RFC 8375
    and ICANN keep for such networks.
    """
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or is_loopback(url):
        return ""
    try:
        address = ip_address(host)
    except ValueError:
        return "near" if "." not in host or host.rstrip(".").endswith(_OWN_ENDS) else "far"
    return "far" if address.is_global else "near"
