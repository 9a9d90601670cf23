"""/v1/log and /v1/audit: calls and acts as `aikeys log` and `aikeys audit` print them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aikeys.clock import rfc3339
from aikeys.errors import Usage
from aikeys.providers.wire.exact_json import table, text
from aikeys.remote.client import rows_in
from aikeys.remote.usage import instant_us

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
        self._known: frozenset[tuple[object, ...]] = frozenset()
        self._lost_us: int | None = None

    def newest(self, count: int) -> list[dict[str, object]]:
        """Return the newest calls, oldest first."""
        told = self._gateway.get("/v1/log", [("limit", _limit(count))])
        self._lost_us = instant_us(text(table(told, "lost_ledger"), "before"))
        found = rows_in(told, "calls")
        new = [dict(row) for row in found if _which(row) not in self._known]
        self._known = frozenset(map(_which, found))
        return new

    def more(self) -> list[dict[str, object]]:
        """Return the calls that came since the last question; a gateway names one's own by id, not by number."""
        return self.newest(MOST)

    def wait(self) -> None:
        """Wait a little: a gateway does not say when there is more."""
        time.sleep(_POLL_S)

    def lost_us(self) -> int | None:
        """Return up to when the gateway knows nothing, because the ledger of that time was lost."""
        return self._lost_us


def _which(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("number", "id", "corrects", "settled_at", "cost_usd", "status"))


def _limit(count: int) -> str:
    if count > MOST:
        raise Usage(f"a gateway shows at most {MOST:,} entries at once", f"give -n {MOST} or less")
    return str(count)
