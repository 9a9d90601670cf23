"""Fetches a price book for `prices update`: from a file, or from https (http only on this machine)."""

from __future__ import annotations

import os

from aikeys.errors import BadConfiguration, MachineFailed, NetworkFailed, NotFound, UsageError
from aikeys.network.addresses import is_loopback_host
from aikeys.pricing.snapshot import LARGEST_BYTES

_TIMEOUT_S = 30.0
_LONGEST_S = 120.0
_HINT = "the prices so far stay; try again, or fetch it yourself and give --from FILE"


def fetch(source: str) -> bytes:
    """Return the bytes of a file or URL, at most one more than a price book may have."""
    return _from_url(source) if "://" in source else _from_file(source)


def shown(source: str) -> str:
    """Return how a source is named in messages: an address without what may be secret in it."""
    return _host(source) if "://" in source else source


def _from_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "give a price book's file or https address") from None
    except OSError as error:
        raise MachineFailed(f"{path} cannot be read: {error.strerror}", "check the file's owner and mode") from None


def _from_url(url: str) -> bytes:
    import time

    import httpx

    from aikeys.network.certificates import why_not_trusted
    from aikeys.network.clients import client_for

    _check(url)
    data, started = bytearray(), time.monotonic()
    try:
        with (
            client_for(url, os.environ, _TIMEOUT_S) as client,
            client.stream("GET", url) as response,
        ):
            if not response.is_success:
                raise NetworkFailed(f"{_host(url)} answered {response.status_code} instead of a price book", _HINT)
            for part in response.iter_bytes():
                data += part
                if len(data) > LARGEST_BYTES:
                    break
                if time.monotonic() - started > _LONGEST_S:
                    raise NetworkFailed(f"{_host(url)} takes too long", _HINT)
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
    return bytes(data)


def _check(url: str) -> None:
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
    if scheme == "http" and not is_loopback_host(host):
        raise UsageError("a price book is not fetched over plain http from another machine", hint)


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"
