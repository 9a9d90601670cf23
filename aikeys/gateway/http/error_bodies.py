"""Error bodies for clients (pure): the status, the headers, and a body in the format of the route.

| status | when |
|---|---|
| 400 | the request, or the name of its model, is wrong; the provider says the request is |
| 401, 402, 403 | the token; a budget (402, because SDKs retry 429); the scope |
| 404, 409, 413 | the model or object is not there; it is there already; too large |
| 408 | the body of the request does not come |
| 422 | no price is known, so a budget cannot decide |
| 429 | a rate limit, or a budget taken up by open calls: with Retry-After |
| 500, 503 | aikeys itself failed: never with a detail |
| 502, 503, 504 | the provider failed, refuses our key, or was not reached; is overloaded; was too slow |

A provider's refusal of our key is never 401: the client's own credential is fine. `x-should-retry: false`, which the
SDKs of OpenAI and Anthropic obey, stands where trying again cannot help (`_may_retry`): else they ask three times for
every 409 and 5xx.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import AikeysError, BadConfiguration, Damaged, ProviderRefused, WrongPassphrase
from aikeys.gateway.formats.openai_replies import written
from aikeys.gateway.http.hints import for_client
from aikeys.providers.wire.refusals import refusal
from aikeys.providers.wire.values import ApiError, Json
from aikeys.secret import without_keys
from aikeys.spending.exchange import Redirected

RETRY_AFTER_S = 5
_OWN_FAILURES = (500, 503)
_NO_RETRY = ("x-should-retry", "false")
_INTERNAL = "aikeys could not serve this request; the gateway's log says why"
_CODES = {"usage": "invalid_request"}
_UPSTREAM = {
    "bad_request": 400,
    "content_filter": 400,
    "not_found": 404,
    "too_large": 413,
    "rate_limited": 429,
    "overloaded": 503,
    "timeout": 504,
}
"""Statuses by the kind of a provider's error; every other kind is 502."""
_MAY_PASS = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed; after every other it is refused again."""
_MAY_PASS_ELSEWHERE = (408, 409, 425)
"""Statuses of a provider that may be otherwise the next time, beside what the kind of its error says."""
_STAYS = (BadConfiguration, Damaged, WrongPassphrase)
_TOO_SLOW = "timeout"
_OPENAI = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT",
    422: "FAILED_PRECONDITION",
    426: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CREDENTIAL = re.compile(r"(aik_|sk-|AIza)[A-Za-z0-9_-]{8,}", re.ASCII)


class TooLarge(AikeysError):
    """The body of a request is larger than the gateway takes."""

    code = "request_too_large"
    exit_status = 2
    http_status = 413


class Told(NamedTuple):
    """An error as a client may know it. `field`: of the request's body. `retry_after_s` 0: no advice."""

    status: int
    code: str
    message: str
    field: str = ""
    retry_after_s: int = 0
    may_retry: bool = True


def told(error: BaseException) -> Told:
    """Return what a client is told of an error that arose before, or outside, a provider's reply."""
    status = error.http_status if isinstance(error, AikeysError) else 500
    if not isinstance(error, AikeysError) or status in _OWN_FAILURES:
        wait_s = RETRY_AFTER_S if status == 503 else 0
        code = "internal_error" if status == 500 else "unavailable"
        return Told(status, code, _INTERNAL, "", wait_s, _may_retry(status, error))
    field = getattr(error, "field", "")
    if status == 502 and getattr(error, "status", "") == _TOO_SLOW:  # transport.Broken, and its like in the gateway
        status = 504
    return Told(
        status,
        _CODES.get(error.code, error.code),
        _sentence(error.message, error.hint),
        field if isinstance(field, str) else "",
        _wait_s(getattr(error, "retry_after_s", None)) if status == 429 else 0,
        _may_retry(status, error),
    )


def _may_retry(status: int, failure: BaseException | ApiError) -> bool:
    """Tell whether the same request may succeed if it is sent again: the one table for every error."""
    if status not in _MAY_PASS or isinstance(failure, _STAYS):
        return False
    may_pass = getattr(failure, "may_pass", True)  # of a transport's failure, or of a provider's error
    return may_pass if isinstance(may_pass, bool) else True


def advice(status: int, error: ApiError) -> tuple[tuple[str, str], ...]:
    """Return the header for a provider's own error that is handed on; its own advice counts before ours."""
    return () if status in _MAY_PASS_ELSEWHERE or _may_retry(503, error) else (_NO_RETRY,)


def concerns_our_key(error: ApiError) -> bool:
    """Tell whether a provider refuses our key, not the client's request: told in our words, never as 401."""
    return error.kind in ("authentication", "permission", "quota")


def told_of_reply(
    title: str, status: int, fields: Mapping[str, str], body: bytes
) -> tuple[Told | None, tuple[tuple[str, str], ...]]:
    """Return what a client is told instead of a reply that nobody meters, None where it goes on, and advice."""
    if status < 300:
        return None, ()
    if status < 400:
        return told(Redirected(title)), ()
    error = refusal(status, fields, body)
    if not concerns_our_key(error):
        return None, advice(status, error)
    failure = ProviderRefused(f"{title} refused the key", "aikeys verify says more")
    return told_upstream(failure, error), ()


def told_upstream(failure: AikeysError, error: ApiError | None) -> Told:
    """Return what a client is told of an attempt that failed: `Received.failure` and `Received.error`."""
    if error is None:
        return told(failure)
    status = _UPSTREAM.get(error.kind, 502)
    wait_s = 0
    if status in (429, 503):
        asked_ms = error.retry_after_ms
        wait_s = _wait_s(None if asked_ms is None else -(-asked_ms // 1000))
    message = _sentence(failure.message, failure.hint)
    return Told(status, f"provider_{error.kind}", message, "", wait_s, may_retry=_may_retry(status, error))


def headers(error: Told) -> tuple[tuple[str, str], ...]:
    """Return the headers of the answer."""
    found = [("content-type", "application/json")]
    if error.retry_after_s:
        found.append(("retry-after", str(error.retry_after_s)))
    if not error.may_retry:
        found.append(_NO_RETRY)
    return tuple(found)


def openai_body(error: Told) -> bytes:
    """Return the body on OpenAI's routes, and on our own."""
    default = "server_error" if error.status >= 500 else "invalid_request_error"
    kind = _OPENAI.get(error.status, default)
    return written(
        {"error": {"message": error.message, "type": kind, "param": error.field or None, "code": error.code}}
    )


def anthropic_body(error: Told, request_id: str = "") -> bytes:
    """Return the body on Anthropic's routes; `code` is ours, beside what their SDK reads."""
    default = "api_error" if error.status >= 500 else "invalid_request_error"
    kind = _ANTHROPIC.get(error.status, default)
    inner = {"type": kind, "message": error.message, "code": error.code}
    body: dict[str, Json] = {"type": "error", "error": inner}
    return written({**body, "request_id": request_id} if request_id else body)


def google_body(error: Told) -> bytes:
    """Return the body on Gemini's routes."""
    details: list[Json] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.code.upper(), "domain": "aikeys"}
    ]
    if error.retry_after_s:
        wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{error.retry_after_s}s"}
        details.append(wait)
    default = "INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT"
    status = _GOOGLE.get(error.status, default)
    return written({"error": {"code": error.status, "message": error.message, "status": status, "details": details}})


def without_credential(text: str) -> str:
    """Return a text without what looks like a token of ours or a key: some give it as the name of something."""
    return without_keys(_CREDENTIAL.sub(r"\1***", text))


def _sentence(message: str, hint: str) -> str:
    return without_credential(f"{for_client(message)}; {for_client(hint)}" if hint else for_client(message))


def _wait_s(asked: object) -> int:
    return asked if isinstance(asked, int) and asked > 0 else RETRY_AFTER_S
