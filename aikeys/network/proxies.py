"""Responsible for which proxy a request takes by the variables of an environment (pure): the one reader of them.

- Only https goes through a proxy, which then sees the host's name and sealed bytes (CONNECT). Plain http never does:
  it is for this machine and private networks, and a proxy would read the key. Nor does what is for this machine.
- Read are https_proxy, HTTPS_PROXY, all_proxy and ALL_PROXY, in this order; an empty one is none. One that names no
  proxy we can use gives way to the next; where none is left, that is an error and never a connection without a proxy.
- A proxy speaks http or https. SOCKS is named and not supported.
- no_proxy or NO_PROXY lists what takes no proxy, parted by commas or white space: `*`; a name with all below it,
  with a dot or `*.` in front or without; a pattern such as `10.0.*`; an address, IPv6 with brackets or without; a
  network (`10.0.0.0/8`); each with `:port` or without; a URL counts as its host and port.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aikeys.errors import BadConfiguration
from aikeys.network.addresses import address_in, is_loopback_host

PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_PATTERN = re.compile(r"[a-z0-9_.*-]+", re.ASCII)
_NUMBERS = re.compile(r"[0-9.-]+", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.ASCII | re.IGNORECASE)
_LONGEST_PORT, _LONGEST_SHOWN = 5, 60


class BadProxy(BadConfiguration):
    """A variable names a proxy that cannot be used, and none that can."""

    code = "bad_proxy"


class Proxy(NamedTuple):
    """A proxy. `url` is its address as it may be shown; who logs in there is apart."""

    url: str
    user: str = ""
    password: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """Return the header that logs in at the proxy, none where nobody does. Only its own CONNECT carries it."""
        if not (self.user or self.password):
            return {}
        from base64 import b64encode

        return {"proxy-authorization": f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"}

    def __repr__(self) -> str:
        return f"Proxy({self.url})"


class _Exception(NamedTuple):
    """An entry of NO_PROXY; `port` 0 stands for every port."""

    host: str
    port: int


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that a request to `url` takes, None for none; BadProxy names the variable that is wrong."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or not host or is_loopback_host(host):
        return None
    if is_exempt(host, parts.port or _PORTS["https"], environ):
        return None
    wrong = ""
    for name in PROXIES:
        value = environ.get(name, "").strip()
        if value:
            found, why = _proxy_in(value)
            if found is not None:
                return found
            wrong = wrong or f"{name} {why}"
    if wrong:
        raise BadProxy(wrong, "give http://HOST:PORT, or list the host in NO_PROXY")
    return None


def is_exempt(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Tell whether NO_PROXY lists a host."""
    return any(_fits(entry, host.lower(), port) for entry, _ in _exceptions(environ) if entry is not None)


def without_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that names no proxy, for who is told to take none."""
    return {name: value for name, value in environ.items() if name not in PROXIES}


def unreadable(environ: Mapping[str, str]) -> list[str]:
    """Return the entries of NO_PROXY that say nothing, as they may be shown."""
    return [ascii(text[:_LONGEST_SHOWN])[1:-1] for entry, text in _exceptions(environ) if entry is None]


def _proxy_in(value: str) -> tuple[Proxy | None, str]:
    """Return a variable's proxy, or what is wrong with it: never a part of its value that may hold a password."""
    scheme = _SCHEME.match(value)
    kind = scheme[0].lower() if scheme else "http"
    if kind.startswith("socks"):
        return None, "names a SOCKS proxy, and SOCKS is not supported"
    if kind not in _PORTS:
        return None, "names a proxy that speaks neither http nor https"
    try:
        parts = urlsplit(value if scheme else f"http://{value}")
        host, port = parts.hostname or "", parts.port or _PORTS[kind]
        user, password = unquote(parts.username or "", errors="strict"), unquote(parts.password or "", errors="strict")
    except ValueError:
        return None, "is not an address of a proxy"
    if not _is_host(host) or not (user + password).isprintable():
        return None, "is not an address of a proxy"
    return Proxy(f"{kind}://{f'[{host}]' if ':' in host else host}:{port}", user, password), ""


def _is_host(host: str) -> bool:
    return _NAME.fullmatch(host) is not None or address_in(host) is not None


def _exceptions(environ: Mapping[str, str]) -> Iterator[tuple[_Exception | None, str]]:
    value = next((environ[name] for name in EXCEPTIONS if environ.get(name, "").strip()), "")
    for text in re.split(r"[\s,]+", value):
        if text:
            yield _exception(text.lower()), text


def _exception(text: str) -> _Exception | None:
    """Read one entry; None where it says nothing."""
    whole = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text, flags=re.ASCII)
    if whole != text:
        whole = whole.partition("/")[0].rpartition("@")[2]  # of a URL only its host and port
    network = _network(whole)
    if network:
        return _Exception(network, 0)
    host, port = _host_and_port(whole)
    host = host.rstrip(".")
    if address_in(host) is None and _NUMBERS.fullmatch(host):
        return None  # a part of an address, or a range: it would pass for a name that no host has
    if address_in(host) is not None or _PATTERN.fullmatch(host):
        return _Exception(host, port)
    return None


def _network(text: str) -> str:
    """Return a network as it is written, brackets or not, "" where it is none."""
    from ipaddress import ip_network

    plain = text.replace("[", "", 1).replace("]", "", 1) if text.startswith("[") else text
    try:
        ip_network(plain, strict=False)
    except ValueError:
        return ""
    return plain if "/" in plain else ""


def _host_and_port(text: str) -> tuple[str, int]:
    """Part an entry; what is no port is left out, as the host says enough."""
    if address_in(text) is not None:
        return text.removeprefix("[").removesuffix("]"), 0
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest.removeprefix(":"))
    host, _, port = text.partition(":")
    return host, _port(port)


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_PORT else 0


def _fits(entry: _Exception, host: str, port: int) -> bool:
    if entry.port not in (0, port):
        return False
    address = address_in(host)
    if "/" in entry.host:
        return address is not None and _contains(entry.host, host)
    listed = address_in(entry.host)
    if listed is not None or entry.host == "*":
        return listed is None or listed == address
    name = entry.host.removeprefix("*").lstrip(".")
    if "*" in name:
        from fnmatch import fnmatchcase

        return fnmatchcase(host, entry.host)
    return host == name or (address is None and host.endswith(f".{name}"))


def _contains(network: str, host: str) -> bool:
    from ipaddress import ip_network

    address = address_in(host)
    return address is not None and address in ip_network(network, strict=False)
