"""/v1/log and /v1/audit: calls and acts as `aikeys log` and `aikeys audit` print them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aikeys.clock import rfc3339
from aikeys.errors import Usage
from aikeys.remote.client import rows_in

if TYPE_CHECKING:
    from aikeys.remote.client import Gateway

MOST = 10_000
"""How many entries a gateway tells at once."""
_POLL_S = 2.0


def acts_at(gateway: Gateway, newest: int, filters: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the newest acts that fit, oldest first; filters: since, who, act."""
    query = [("limit", _limit(newest)), *((name, value) for name, value in filters.items() if value)]
    return [dict(row) for row in rows_in(gateway.get("/v1/audit", query), "entries")]


def calls_since(gateway: Gateway, since_s: int, most: int) -> list[dict[str, object]]:
    """Return the newest calls from an instant on, oldest first."""
    query = [("limit", _limit(most)), ("since", rfc3339(since_s))]
    return [dict(row) for row in rows_in(gateway.get("/v1/log", query), "calls")]


class Calls:
    """The calls in a gateway's ledger."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def newest(self, count: int, after: int = 0) -> list[dict[str, object]]:
        """Return the newest calls, oldest first, with a number above `after`."""
        limit = min(count, MOST) if after else count
        found = rows_in(self._gateway.get("/v1/log", [("limit", _limit(limit))]), "calls")
        return [dict(row) for row in found if isinstance(number := row.get("number"), int) and number > after]

    def wait(self) -> None:
        """Wait a little: a gateway does not say when there is more."""
        time.sleep(_POLL_S)


def _limit(count: int) -> str:
    if count > MOST:
        raise Usage(f"a gateway shows at most {MOST:,} entries at once", f"give -n {MOST} or less")
    return str(count)
