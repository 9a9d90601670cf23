"""Responsible for asking a provider whether a key works, and for sending the key to no one else.

A key goes to the host of its base URL only (or to the provider's own verify address, when the base URL is the
provider's), never over plain http to another machine, and never along a redirect. Nothing here shows the key.
"""

from __future__ import annotations

from contextlib import closing
from typing import Literal, NamedTuple

from aikeys.errors import AikeysError
from aikeys.providers.catalogue import Provider
from aikeys.providers.inquiry import InquiryAnswer, address, inquire, timeouts
from aikeys.providers.recognition import is_admin
from aikeys.providers.transport import HttpxTransport, Parcel, Transport
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret

_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 400, 401, 403, 429
_GOOGLE_REFUSAL = b"API_KEY_INVALID"  # Google answers 400, not 401, to a key that it does not know


class KeyVerdict(NamedTuple):
    """What a provider said of a key; the detail is a few words that never hold the key."""

    state: Literal["valid", "refused", "unverified"]
    detail: str


def verify(
    provider: Provider, base_url: str, secret: Secret, timeout_s: float = 10.0, transport: Transport | None = None
) -> KeyVerdict:
    """Ask the provider whether the key works; what cannot be asked is unverified."""
    if transport is None:
        with closing(HttpxTransport()) as own:
            return verify(provider, base_url, secret, timeout_s, own)
    asked = provider.verify
    path = asked.admin_path if is_admin(provider, secret.reveal().decode("ascii", "replace")) else asked.path
    try:
        base, rest = address(provider, base_url, path)
        outgoing = Outgoing(asked.method, rest, (*asked.headers, ("accept", "application/json")), b"")
        return _judged(inquire(transport, Parcel(outgoing, base, asked.auth, secret), timeouts(timeout_s)), asked.auth)
    except AikeysError as failure:
        return KeyVerdict("unverified", failure.message)


def _judged(answer: InquiryAnswer, auth: str) -> KeyVerdict:
    said = f"the provider answered {answer.status}"
    if 200 <= answer.status < 300:
        return KeyVerdict("valid", said)
    if answer.is_redirect:
        return KeyVerdict("unverified", "redirected to another address")
    if answer.status in (_UNAUTHORIZED, _FORBIDDEN):
        return KeyVerdict("refused", said)
    if answer.status == _BAD_REQUEST and auth == "x-goog-api-key" and _GOOGLE_REFUSAL in answer.body:
        return KeyVerdict("refused", said)
    if answer.status == _TOO_MANY:
        return KeyVerdict("unverified", "rate limited")
    return KeyVerdict("unverified", said)
