"""Rules for retries and for models that stand in (pure).

- Again: where the provider turned the request away or failed with a status of its own (429, 5xx), which costs nothing,
  or no connection was made. Never once something of a reply was there, never after a failure that may have cost
  something.
- The provider's Retry-After counts; one that is too long is no wait but an answer. Without one: growing pauses, spread
  so that not everybody comes back at once.
- Another model: where waiting did not help, or would not, and where the context is too long for this one. Never for a
  request that is itself wrong.
"""

from __future__ import annotations

from aikeys.providers.transport import Broken, NotSent
from aikeys.spending.exchange import Received

TRIES = 3
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 500, 8_000
LONGEST_ASKED_MS = 30_000
_TURNED_AWAY = ("rate_limited", "overloaded", "server")
_ELSEWHERE = (*_TURNED_AWAY, "timeout", "quota", "authentication", "permission", "not_found", "too_large")


def pause_ms(received: Received, number: int, spread: int) -> int | None:
    """Return how long to wait before attempt `number` + 1 (the first is 1), None for no more.

    `spread` is 0 to 255, by chance: up to half a pause is added to what the provider asks or to ours.
    """
    if number >= TRIES or received.began or received.used.may_cost or received.used.metered.usage is not None:
        return None
    asked_ms = None
    if isinstance(received.failure, NotSent):
        if not received.failure.may_pass:
            return None
    elif received.error is not None and received.error.kind in _TURNED_AWAY:
        asked_ms = received.error.retry_after_ms
    else:
        return None
    if asked_ms is not None and asked_ms > LONGEST_ASKED_MS:
        return None
    own_ms = min(_FIRST_PAUSE_MS << (number - 1), _LONGEST_PAUSE_MS)
    return (own_ms if asked_ms is None else asked_ms) + own_ms * spread // 512


def may_go_elsewhere(received: Received) -> bool:
    """Tell whether another model may be asked instead."""
    if received.began or received.failure is None:
        return False
    if received.error is not None:
        return received.error.kind in _ELSEWHERE
    return isinstance(received.failure, NotSent | Broken)
