"""Responsible for asking a provider whether a key works, and for sending the key to no one else.

A key goes to the host of its base URL only (or to the provider's own verify address, when the base URL is the
provider's), never over plain http to another machine, and never along a redirect. Nothing here shows the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from aikeys.errors import Usage
from aikeys.providers.catalogue import Provider, check_base_url
from aikeys.providers.recognition import is_admin
from aikeys.secret import Secret

if TYPE_CHECKING:
    import httpx

_HEADERS = {
    "bearer": ("Authorization", "Bearer "),
    "token": ("Authorization", "Token "),
    "x-api-key": ("x-api-key", ""),
    "x-goog-api-key": ("x-goog-api-key", ""),
    "xi-api-key": ("xi-api-key", ""),
    "api-key": ("api-key", ""),
}
UNSENDABLE = "the key holds characters that a request cannot carry"
_BODY_LIMIT = 65536
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 400, 401, 403, 429
_GOOGLE_REFUSAL = b"API_KEY_INVALID"  # Google answers 400, not 401, to a key that it does not know


class Verdict(NamedTuple):
    """What a provider said of a key; the detail is a few words that never hold the key."""

    state: Literal["valid", "refused", "unverified"]
    detail: str


def verify(provider: Provider, base_url: str, secret: Secret, timeout_s: float = 10.0) -> Verdict:
    """Ask the provider whether the key works. Never raises: what cannot be asked is unverified."""
    key = _sendable(secret)
    if not key:
        return Verdict("unverified", UNSENDABLE)
    path = provider.verify.admin_path if is_admin(provider, key) else provider.verify.path
    try:
        url = _address(provider, base_url, path)
    except Usage as error:
        return Verdict("unverified", error.message)
    return _ask(provider, url, key, timeout_s)


def _sendable(secret: Secret) -> str:
    """Return the key as visible ASCII; empty when a header cannot carry it."""
    key = secret.reveal().decode("ascii", "replace")
    return key if all("!" <= character <= "~" for character in key) else ""


def _address(provider: Provider, base_url: str, path: str) -> str:
    """Return where this key may be sent, or raise Usage with the reason why it is sent nowhere."""
    if not base_url:
        raise Usage(f"no base URL is known for {provider.title}")
    if not path:
        raise Usage(f"{provider.title} has no known address that checks such a key")
    base = check_base_url(base_url)
    relative = path.startswith("/")
    if not relative and not _is_own(provider, base):
        raise Usage(f"only {provider.title}'s own address can be asked")
    url = base + path if relative else path
    if not url.startswith("https:") and not _is_loopback(url):
        raise Usage("a key is never sent over plain http to another machine")
    return url


def _ask(provider: Provider, url: str, key: str, timeout_s: float) -> Verdict:
    import httpx

    header, prefix = _HEADERS[provider.verify.auth]
    headers = {**dict(provider.verify.headers), header: prefix + key, "Accept": "application/json"}
    # An http proxy would see a key that is meant for this machine: the environment's proxies serve https only.
    secure = url.startswith("https:")
    try:
        with (
            httpx.Client(follow_redirects=False, timeout=timeout_s, trust_env=secure) as client,
            client.stream(provider.verify.method, url, headers=headers) as response,
        ):
            return _judge(response, provider.verify.auth)
    except httpx.TimeoutException:
        return Verdict("unverified", f"no answer within {timeout_s:g} seconds")
    except httpx.ConnectError:
        return Verdict("unverified", "cannot connect")
    except Exception as error:  # noqa: BLE001  # its text may hold a header, and so the key: only its name is told
        return Verdict("unverified", f"the request failed ({type(error).__name__})")


def _judge(response: httpx.Response, auth: str) -> Verdict:
    status = response.status_code
    answered = f"the provider answered {status}"
    if response.is_success:
        return Verdict("valid", answered)
    if response.has_redirect_location:
        return Verdict("unverified", "redirected to another address")
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return Verdict("refused", answered)
    if status == _BAD_REQUEST and auth == "x-goog-api-key" and _GOOGLE_REFUSAL in _start(response):
        return Verdict("refused", answered)
    if status == _TOO_MANY:
        return Verdict("unverified", "rate limited")
    return Verdict("unverified", answered)


def _start(response: httpx.Response) -> bytes:
    start = b""
    for part in response.iter_bytes():
        start += part
        if len(start) >= _BODY_LIMIT:
            break
    return start


def _is_own(provider: Provider, base: str) -> bool:
    return base in {check_base_url(url) for url in (provider.base_url, *dict(provider.regions).values()) if url}


def _is_loopback(url: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
