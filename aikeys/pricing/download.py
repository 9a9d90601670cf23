"""Fetches prices for `prices update`: a price book from a file or address, or the published tables.

https only, http only on this machine where the user gave the address; no redirect is followed; at most 16 MiB of what
was sent, which comes as it is, not packed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from aikeys.errors import BadConfiguration, MachineFailed, NetworkFailed, NotFound, UsageError
from aikeys.network.addresses import is_loopback_host
from aikeys.pricing.snapshot import LARGEST_BYTES

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 30.0
_LONGEST_S = 120.0
_HINT = "the prices so far stay; try again, or fetch it yourself and give --from FILE"


def fetch(source: str) -> bytes:
    """Return the bytes of a file or URL, at most one more than a price book may have."""
    return _from_url(source) if "://" in source else _from_file(source)


def shown(source: str) -> str:
    """Return how a source is named in messages: an address without what may be secret in it."""
    return _host(source) if "://" in source else source


def published(addresses: Mapping[str, str], own: Collection[str], date: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the price book of published tables, and which of their rows were not understood.

    `own`: the tables whose addresses the user gave. NetworkFailed (31) where one cannot be fetched, BadConfiguration
    where one is no such table.
    """
    from aikeys.pricing.tables import making

    tables: dict[str, object] = {}
    sources = []
    for name, url in addresses.items():
        data = _from_url(url, may_be_http=name in own)
        if len(data) > LARGEST_BYTES:
            raise _no_table(name, "it is larger than 16 MiB")
        try:
            tables[name] = making.parsed(data)
        except ValueError:
            raise _no_table(name, "it is not JSON") from None
        sources.append(f"{name} {sha256(data).hexdigest()[:12]} (MIT)")
    try:
        made = making.made(tables["genai-prices"], tables["litellm"], date, sources)
        lines = [making.text(document) for document in made.documents if document["models"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_table("genai-prices or litellm", str(error)[:80]) from None
    from aikeys.pricing import snapshot

    source = " ".join(shown(url) for url in addresses.values())
    return snapshot.packed(date, lines, source), made.left_out


def _no_table(name: str, why: str) -> BadConfiguration:
    return BadConfiguration(f"the table of {name} is not a price table that is known: {why}", _HINT)


def _from_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "give a price book's file or https address") from None
    except OSError as error:
        raise MachineFailed(f"{path} cannot be read: {error.strerror}", "check the file's owner and mode") from None


def _from_url(url: str, *, may_be_http: bool = True) -> bytes:
    import httpx

    from aikeys.network.certificates import why_not_trusted
    from aikeys.network.clients import client_for

    _check(url, may_be_http=may_be_http)
    try:
        with (
            client_for(url, os.environ, _TIMEOUT_S) as client,
            client.stream("GET", url, headers={"accept-encoding": "identity"}) as response,
        ):
            return _received(response, url)
    except httpx.TimeoutException:
        raise NetworkFailed(f"no answer from {_host(url)} within {_TIMEOUT_S:g} seconds", _HINT) from None
    except BadConfiguration as wrong:
        raise NetworkFailed(wrong.message, wrong.hint) from None
    except httpx.ConnectError as failure:
        if reason := why_not_trusted(failure):
            raise NetworkFailed(
                f"the certificate of {_host(url)} is not trusted: {reason}", "SSL_CERT_FILE may name your own CA"
            ) from None
        raise NetworkFailed(f"cannot connect to {_host(url)}", _HINT) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NetworkFailed(f"the download from {_host(url)} failed ({type(error).__name__})", _HINT) from None


def _received(response: httpx.Response, url: str) -> bytes:
    """Return what an address sends, at most one piece more than a price book may have."""
    import time

    if not response.is_success:
        raise NetworkFailed(f"{_host(url)} answered {response.status_code} instead of a price book", _HINT)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NetworkFailed(f"{_host(url)} sends packed what was asked for as it is", _HINT)
    data, started = bytearray(), time.monotonic()
    for part in response.iter_raw():
        data += part
        if len(data) > LARGEST_BYTES:
            break
        if time.monotonic() - started > _LONGEST_S:
            raise NetworkFailed(f"{_host(url)} takes too long", _HINT)
    return bytes(data)


def _check(url: str, *, may_be_http: bool) -> None:
    """Refuse what could be read or changed on the way."""
    from urllib.parse import urlsplit

    hint = "give an https address, or fetch it yourself and give the file"
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname, parts.scheme
    except ValueError:
        raise UsageError("that is not an address", hint) from None
    if scheme not in ("http", "https") or not host:
        raise UsageError("a price book is fetched from https only", hint)
    if scheme == "http" and not (may_be_http and is_loopback_host(host)):
        raise UsageError("a price book is not fetched over plain http from another machine", hint)


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"
