"""Tokens that a token's holder may see and revoke, and those that are about to end (pure).

- A holder sees itself and everything below it, at any depth.
- With keys:read it sees the tokens that carry all of its own labels, too: those of its team, of everybody where it has
  none.
- What it sees it may revoke with keys:write, but for the tokens above it.
- Chains are a token's claims and those above it, parent first.
"""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.tokens.claims import Claims
from aikeys.tokens.token_request import DAY_S

SOON_S = 3 * DAY_S
_LASTING_S = 7 * DAY_S


def visible(caller: Claims, chain: Sequence[Claims]) -> bool:
    """Tell whether the holder of `caller` may see the first token of a chain."""
    if any(each.id == caller.id for each in chain):
        return True
    return caller.may("keys:read") and set(caller.labels) <= set(chain[0].labels)


def may_revoke(caller: Sequence[Claims], chain: Sequence[Claims]) -> bool:
    """Tell the same of revoking; `caller` is a chain, too."""
    is_above = any(each.id == chain[0].id for each in caller[1:])
    return caller[0].may("keys:write") and visible(caller[0], chain) and not is_above


def ends_soon(claims: Claims, now_s: int) -> bool:
    """Tell whether somebody should hear that a token ends: within three days, and made to last a week or more."""
    left_s = claims.expires_at - now_s
    return 0 < left_s <= SOON_S and claims.expires_at - claims.issued_at >= _LASTING_S


def left_text(expires_at: int, now_s: int) -> str:
    """Return when a token ends, as a person says it: `in 3 days`, `in 50 minutes`, `2 days ago`."""
    left_s = expires_at - now_s
    size = abs(left_s)
    unit_s, unit = next(((each, name) for each, name in _UNITS if size > 1.5 * each), (1, "second"))
    count = (size + unit_s // 2) // unit_s
    amount = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {amount}" if left_s > 0 else f"{amount} ago"


_UNITS = ((DAY_S, "day"), (3600, "hour"), (60, "minute"))
