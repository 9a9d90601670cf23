"""Refusals of a gateway (pure): the error and the exit status that the same command has at home.

| HTTP | exit status |
|---|---|
| 400, 405, 413, 421 | 2 usage |
| 401 | 21 token |
| 402 | 22 budget |
| 403 | 20 scope |
| 404 | 10 not found |
| 409 | 15 exists already |
| 422 | 23 cannot decide |
| 429 | 32 rate limited |
| 3xx | 31: an address that redirects is not the gateway's |
| everything else, and what a provider refused | 30 |
"""

from __future__ import annotations

from collections.abc import Mapping

from aikeys.errors import (
    AikeysError,
    CannotDecide,
    Denied,
    ExistsAlready,
    NetworkFailed,
    NotFound,
    ProviderRefused,
    RateLimited,
    TokenRefused,
    UsageError,
)
from aikeys.providers.wire.refusals import refusal
from aikeys.providers.wire.values import ApiError

_LATER = "try again later"
_UPSTREAM = "provider_"
"""The beginnings of codes for what a provider refused."""


class OverBudget(AikeysError):
    """A budget at the gateway has no room for the call."""

    code = "budget_exceeded"
    exit_status = 22
    http_status = 402


_ERRORS: Mapping[int, type[AikeysError]] = {
    400: UsageError,
    401: TokenRefused,
    402: OverBudget,
    403: Denied,
    404: NotFound,
    405: UsageError,
    409: ExistsAlready,
    413: UsageError,
    421: UsageError,
    422: CannotDecide,
    429: RateLimited,
}
_HINTS = {401: "log in again (aikeys login URL), or set AIKEYS_TOKEN to a token of this gateway's vault"}


def refused(status: int, headers: Mapping[str, str], body: bytes, url: str) -> AikeysError:
    """Return the error for an answer of 300 and more."""
    if status < 400:
        return NetworkFailed(
            f"{url} answered with a redirect, which is not followed: a token goes to its own address only",
            "give the address where the gateway itself is",
        )
    told = refusal(status, headers, body)
    if not told.code:
        message = f"{url} answered with status {status}"
        if status in (401, 403, 404):  # somebody else's server: nothing is known of the token or of what was asked
            return NetworkFailed(f"{message}, and not as a gateway of aikeys does", "check the gateway's address")
        return (_ERRORS.get(status) or ProviderRefused)(message, _LATER)
    return of_error(told)


def of_error(told: ApiError) -> AikeysError:
    """Return the error that a gateway tells, in an answer or in a stream (status 0)."""
    wait_ms = told.retry_after_ms
    is_upstream = told.code.startswith(_UPSTREAM) or told.status == 0
    kind = _ERRORS.get(told.status, ProviderRefused)
    if is_upstream:
        kind = RateLimited if told.kind == "rate_limited" else ProviderRefused
    hint = _HINTS.get(told.status, "")
    if kind is RateLimited:
        hint = f"try again in {-(-wait_ms // 1000)} seconds" if wait_ms else _LATER
    return kind(told.message.removesuffix("."), hint)
