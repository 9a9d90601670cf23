"""Header fields of a provider's reply that a client may see (pure): never a credential, an account or a cookie.

- What says how full a limit of the provider is tells what others spend through the same key: amounts are for who may
  read everybody's usage. When a refusal ends, and its state in a word, is for whoever was refused.
- A limit's field passes by its name, of known words only, and its value has to be a number, a time or a plain word: an
  account's name fits neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ALWAYS = frozenset(
    (
        *("content-type", "retry-after", "retry-after-ms", "x-should-retry"),
        *("x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid", "x-groq-request-id"),
        *("openai-processing-ms", "openai-version", "mistral-correlation-id"),
    )
)
_STARTS = (
    *("anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-"),
    *("x-ratelimit-", "x-ratelimitbysize-", "ratelimit-", "ratelimitbysize-"),
)
_WORDS = frozenset(
    (
        *(
            "limit",
            "remaining",
            "reset",
            "status",
            "requests",
            "req",
            "tokens",
            "input",
            "output",
            "images",
            "audio",
            "project",
        ),
        *(
            "prompt",
            "generated",
            "query",
            "cost",
            "used",
            "utilization",
            "unified",
            "overage",
            "disabled",
            "reason",
            "fallback",
            "percentage",
        ),
        *(
            "representative",
            "claim",
            "surpassed",
            "threshold",
            "over",
            "upgrade",
            "paths",
            "dynamic",
            "second",
            "minute",
            "hour",
            "day",
        ),
        *("week", "month", "1s", "1m", "5m", "1h", "5h", "1d", "7d", "opus", "sonnet", "haiku"),
    )
)
_STATUS = re.compile(r"[a-z_]{1,40}", re.ASCII)
_RESET = re.compile(r"[0-9][0-9TZ:.+\-hmsdu ]{0,40}", re.ASCII)
_AMOUNT = re.compile(r"[0-9][0-9.,;= w]{0,60}|[a-z_]{1,40}", re.ASCII)


def for_client(headers: Mapping[str, str], *, is_refusal: bool = False, sees_amounts: bool = False) -> dict[str, str]:
    """Return the fields of a reply (lower case) that a client may see.

    `sees_amounts`: it may read everybody's usage, so also how full the limits of a shared key are.
    """
    return {
        name: value
        for name, value in headers.items()
        if name in _ALWAYS
        or (_is_limits(name) and _may_pass(name, value, is_refusal=is_refusal, sees_amounts=sees_amounts))
    }


def of_refusal(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the fields about a provider's limit that go along with a refusal told in our own words."""
    return {name: value for name, value in for_client(headers, is_refusal=True).items() if name not in _ALWAYS}


def _is_limits(name: str) -> bool:
    start = next((each for each in _STARTS if name.startswith(each)), "")
    return bool(start) and set(name.removeprefix(start).split("-")) <= _WORDS


def _may_pass(name: str, value: str, *, is_refusal: bool, sees_amounts: bool) -> bool:
    words = name.split("-")
    if words[-1] == "status":
        return (is_refusal or sees_amounts) and _STATUS.fullmatch(value) is not None
    if "reset" in words:
        return (is_refusal or sees_amounts) and _RESET.fullmatch(value) is not None
    return sees_amounts and _AMOUNT.fullmatch(value) is not None
