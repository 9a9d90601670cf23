"""Responsible for the one way to make an httpx client: by our own reading of proxies and certificates.

httpx reads the environment by itself only if it is let to: then an entry of NO_PROXY that it does not know ends the
program, and the TLS secrets of a connection go wherever SSLKEYLOGFILE says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aikeys.network.certificates import client_context
from aikeys.network.proxies import Proxy, proxy_for

if TYPE_CHECKING:
    import httpx


def client_for(url: str, environ: Mapping[str, str], timeout_s: float = 5.0) -> httpx.Client:
    """Return a client for one address, which follows no redirect; BadConfiguration names a variable that is wrong."""
    return client_through(proxy_for(url, environ), environ, timeout_s)


def client_through(proxy: Proxy | None, environ: Mapping[str, str], timeout_s: float = 5.0) -> httpx.Client:
    """Return a client that goes through a proxy, None for none. It keeps no connection."""
    import httpx

    context = client_context(environ)
    way = None
    if proxy is not None:
        own = context if proxy.url.startswith("https:") else None  # else httpx makes one of its own
        way = httpx.Proxy(proxy.url, headers=proxy.fields, ssl_context=own)
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(
        follow_redirects=False, trust_env=False, verify=context, proxy=way, limits=limits, timeout=timeout_s
    )
