"""Reads what a provider says when it refuses or fails (pure): every shape of error becomes one ApiError.

- The kind comes from the provider's own words where they are clearer than the status (no credit left is no rate limit).
- The message is the provider's, on one line, bounded, and without anything that looks like a key: some repeat it.
- How long to wait: `retry-after-ms`, `retry-after` (seconds, or a date read against the reply's own date), or the
  retryDelay of Google's details. Nothing negative, nothing over a day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aikeys.errors import AikeysError
from aikeys.providers.wire.exact_json import Table, items, read, table, text
from aikeys.providers.wire.values import ApiError, Json

Headers = Mapping[str, str]
"""Names in lower case."""

_LONGEST_MESSAGE = 500
_LONGEST_WAIT_MS = 86_400_000
_MASK = "‹secret›"
_KEY_LIKE = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|pplx|csk|hf|r8|nvapi|fw|tgp|aik|ghp|gho|api|key|token|dapi"
    r"|AKIA|ASIA|AIza|AQ|ABSK)[-_.]?[A-Za-z0-9*._-]*[0-9*][A-Za-z0-9*._-]{6,}"
    r"|\S*\*{3,}\S*"
    r"|(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"
    r"|eyJ[A-Za-z0-9._-]{20,}"
    r"|\b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{28,}"
    r"|(?i:(?<=api key provided: )|(?<=api key: )|(?<=apikey: ))[^\s,;]+"
)
_STATUSES = ("code", "status", "status_code", "http_status")
_STATUS = re.compile(r"[45][0-9]{2}", re.ASCII)
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "mistral-correlation-id")
_BY_STATUS = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    410: "not_found",
    413: "too_large",
    429: "rate_limited",
    498: "overloaded",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_BY_WORD = {
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "insufficient_balance": "quota",
    "billing_error": "quota",
    "invalid_api_key": "authentication",
    "api_key_invalid": "authentication",
    "authentication_error": "authentication",
    "unauthenticated": "authentication",
    "permission_error": "permission",
    "permission_denied": "permission",
    "not_found_error": "not_found",
    "not_found": "not_found",
    "model_not_found": "not_found",
    "deploymentnotfound": "not_found",
    "context_length_exceeded": "too_large",
    "too_many_tokens": "too_large",
    "too_many_prompt_tokens": "too_large",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "ratelimitreached": "rate_limited",
    "resource_exhausted": "rate_limited",
    "overloaded_error": "overloaded",
    "unavailable": "overloaded",
    "api_error": "server",
    "server_error": "server",
    "internal": "server",
    "internal_server_error": "server",
    "timeout_error": "timeout",
    "deadline_exceeded": "timeout",
    "content_filter": "content_filter",
    "invalid_request_error": "bad_request",
    "invalid_argument": "bad_request",
}
_TOO_LONG = re.compile(
    r"(?:prompt|input|request|messages?|conversation)\b[^.;]{0,80}\b(?:too long|too large|too many tokens)"
    r"|(?:maximum|max(?:imum)? (?:allowed )?)context (?:length|window|size)"
    r"|exceeds?[^.;]{0,60}(?:context (?:length|window|size|limit)|(?:number of|input) tokens|token (?:limit|count))"
    r"|context (?:length|window|size|limit)[^.;]{0,40}\bexceed",
    re.IGNORECASE,
)
"""How those say that the input is longer than the model's context who have no word of their own for it."""
_VAGUE = frozenset({"bad_request", "server", "rate_limited"})
"""Kinds that give way to a clearer word or status."""


def refusal(status: int, headers: Headers, body: bytes) -> ApiError:
    """Return the error that a reply with an error status is; whatever the body holds."""
    try:
        value: Json = read(body) if body else {}
    except AikeysError:
        value = {}
    error = in_body(value, status)
    wait_ms = _asked_wait_ms(headers)
    return error._replace(
        retry_after_ms=wait_ms if wait_ms is not None else error.retry_after_ms,
        request_id=request_id(headers) or error.request_id,
    )


def in_body(value: Json, status: int = 0) -> ApiError:
    """Return the error that an object (of a stream: status 0) describes."""
    if isinstance(value, list) and value:
        value = value[0]
    whole = value if isinstance(value, dict) else {}
    inner = whole.get("error")
    error = inner if isinstance(inner, dict) else whole
    words = [_word(error.get(name)) for name in ("code", "type", "status", "error_type")]
    words += [text(detail, "reason") for detail in items(error, "details")] + [_word(whole.get("error_type"))]
    kind = _kind(status or _status_in(error), [word.lower() for word in words if word])
    message = _message(whole, error, inner)
    if not message:
        message = f"the provider answered with status {status}" if status else "the provider reported an error"
    if kind == "bad_request" and _TOO_LONG.search(message):
        kind = "too_large"
    code = next((word for word in words if word and not word.isdigit()), "")
    wait_ms = next(
        filter(None, (_seconds_ms(text(each, "retryDelay").rstrip("s")) for each in items(error, "details"))), None
    )
    return ApiError(kind, message, status, clean(code)[:80], wait_ms, clean(text(whole, "request_id"))[:200])


def clean(message: str) -> str:
    """Return a provider's text on one line, bounded, without control characters and what looks like a key."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message[: 4 * _LONGEST_MESSAGE]).split())
    line = _KEY_LIKE.sub(_MASK, line)
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def request_id(headers: Headers) -> str:
    """Return the provider's id of the request, which its support asks for."""
    return next((_plain(headers[name]) for name in _REQUEST_IDS if headers.get(name)), "")


def _plain(value: str) -> str:
    if not value.isprintable() or " " in value:
        value = "".join(c for c in value if c.isprintable() and c != " ")
    return value[:200]


def _kind(status: int, words: list[str]) -> str:
    by_status = _BY_STATUS.get(status) or ("server" if status >= 500 else "bad_request" if status >= 400 else "server")
    kinds = [_BY_WORD[word] for word in words if word in _BY_WORD]
    clear = next((kind for kind in kinds if kind not in _VAGUE), None)
    if clear and (by_status in _VAGUE or status == 0):
        return clear
    return by_status if status >= 400 else next(iter(kinds), by_status)


def _status_in(error: Table) -> int:
    for code in map(error.get, _STATUSES):
        number = int(code) if isinstance(code, str) and _STATUS.fullmatch(code) else code
        if type(number) is int and 400 <= number <= 599:
            return number
    return 0


def _message(whole: Table, error: Table, inner: Json) -> str:
    if isinstance(inner, str):
        return clean(inner)
    for found in (error.get("message"), whole.get("message"), whole.get("detail"), error.get("detail")):
        if isinstance(found, str) and found:
            raw = text(table(error, "metadata"), "raw")
            return clean(f"{found}: {raw}" if raw else found)
        for each in items(found):
            if text(each, "msg"):
                return clean(text(each, "msg"))
    return ""


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _asked_wait_ms(headers: Headers) -> int | None:
    exact = headers.get("retry-after-ms", "").strip()
    if exact.isascii() and exact.isdigit():
        return min(int(exact[:12]), _LONGEST_WAIT_MS)
    asked = headers.get("retry-after", "").strip()
    if not asked:
        return None
    wait_ms = _seconds_ms(asked)
    return wait_ms if wait_ms is not None else _until_ms(asked, headers.get("date", ""))


def _seconds_ms(asked: str) -> int | None:
    match = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?", asked, re.ASCII)
    if match is None:
        return None
    return min(int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0")[:3]), _LONGEST_WAIT_MS)


def _until_ms(asked: str, now: str) -> int | None:
    from email.utils import parsedate_to_datetime

    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, min(int(wait.total_seconds() * 1000), _LONGEST_WAIT_MS))
