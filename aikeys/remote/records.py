"""/v1/log and /v1/audit: calls and acts as `aikeys log` and `aikeys audit` print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aikeys.errors import NotFound, UsageError
from aikeys.ledger.ranges import RangeWords
from aikeys.providers.wire.exact_json import table, text
from aikeys.remote.client import rows_in
from aikeys.remote.usage import instant_us

if TYPE_CHECKING:
    from aikeys.remote.client import Gateway

MOST = 10_000
"""The number of entries that a gateway returns at once."""


def acts_at(gateway: Gateway, newest: int, words: RangeWords, filters: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the newest acts of a range of time that fit, oldest first; filters: who, act."""
    query = [("limit", _limit(newest)), *_time(words), *((name, value) for name, value in filters.items() if value)]
    return [dict(row) for row in rows_in(gateway.get("/v1/audit", query), "entries")]


def newest_calls_at(gateway: Gateway, count: int, words: RangeWords) -> tuple[list[dict[str, object]], int | None]:
    """Return the newest calls of a range of time, oldest first.

    And up to when nothing is known of the time that was asked for, because its ledger was lost; None for nothing.
    """
    told = gateway.get("/v1/log", [("limit", _limit(count)), *_time(words)])
    lost_us = instant_us(text(table(told, "lost_ledger"), "before"))
    return [dict(row) for row in rows_in(told, "calls")], lost_us


def call_at(gateway: Gateway, which: str) -> dict[str, object]:
    """Return one call in full, by its number, its request id or a provider's; NotFound."""
    found = dict(table(gateway.get("/v1/log", [("id", which)]), "call"))
    if not found:  # an older gateway answers with its newest calls
        raise NotFound("the gateway shows no single call", "aikeys log -n 100 --json has every field of a call")
    return found


def _time(words: RangeWords) -> list[tuple[str, str]]:
    return [(name, value) for name, value in words._asdict().items() if value]


def _limit(count: int) -> str:
    if count > MOST:
        raise UsageError(f"a gateway shows at most {MOST:,} entries at once", f"give -n {MOST} or less")
    return str(count)
