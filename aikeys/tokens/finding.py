"""Finding a token by its id, the beginning of it, or its name (pure).

One that is active goes before those that are over: a name may be given again when its token has ended. Of several that
fit none is taken; they are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from aikeys.errors import NotFound, UsageError
from aikeys.tokens.claims import Claims
from aikeys.tokens.visibility import left_text

ACTIVE = "active"
_SHORTEST_BEGINNING = 4
_MOST_LISTED = 5
_LONGEST_SHOWN = 40


def find_token(known: Mapping[bytes, tuple[Claims, str]], wanted: str, now_s: int) -> Claims:
    """Return the token meant, of those known with their states; NotFound, UsageError where several fit."""
    lower = wanted.strip().lower()
    exact = [claims for claims, _ in known.values() if claims.shown_id == lower]
    if exact:
        return exact[0]
    fit = [(claims, state) for claims, state in known.values() if _fits(claims, wanted, lower)]
    fit = [each for each in fit if each[1] == ACTIVE] or fit
    if len(fit) == 1:
        return fit[0][0]
    shown = ascii(wanted)[1:-1] if len(wanted) <= _LONGEST_SHOWN else "with this long name"
    if not fit:
        raise NotFound(f"there is no token {shown}", "see: aikeys token list --all")
    fit.sort(key=lambda each: (-each[0].issued_at, each[0].id))
    listed = [f"{claims.shown_id} ({_about(claims, state, now_s)})" for claims, state in fit[:_MOST_LISTED]]
    more = f" and {len(fit) - _MOST_LISTED} more" if len(fit) > _MOST_LISTED else ""
    raise UsageError(f"{len(fit)} tokens fit {shown}: {', '.join(listed)}{more}", "name one by its id")


def _fits(claims: Claims, wanted: str, lower: str) -> bool:
    begins = len(lower) >= _SHORTEST_BEGINNING and claims.shown_id.startswith(lower)
    return begins or (bool(wanted) and claims.name == wanted)


def _about(claims: Claims, state: str, now_s: int) -> str:
    ends = "ended" if claims.expires_at <= now_s else "ends"
    return f"{state}, {ends} {left_text(claims.expires_at, now_s)}" if state in (ACTIVE, "expired") else state
