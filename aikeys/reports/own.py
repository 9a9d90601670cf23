"""What a token's bearer may see of what was spent (pure).

With usage:read everything; else what its own labels spent, and without labels what the token itself did. A child sees
no more than its parents could: under one that had no labels, labels of its own open nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.errors import Denied
from aikeys.ledger.questions import TAG, Where
from aikeys.tokens.claims import LABELS, Claims

Own = tuple[tuple[str, str], ...]
_HINT = "the owner of the vault can grant more: aikeys token issue --scope usage:read"


def own_labels(claims: Claims, above: Sequence[Claims]) -> Own:
    """Return what a bearer's reports are narrowed to, nothing where they may see everything; `above`: its parents."""
    if claims.may("usage:read"):
        return ()
    if all(each.labels or each.may("usage:read") for each in (claims, *above)) and claims.labels:
        return claims.labels  # a child has its parents' labels, too
    return (("token", claims.shown_id),)


def narrowed(asked: Where, labels: Own) -> Where:
    """Return filters that leave nothing but what these labels spent; Denied where somebody else's was asked for."""
    own = {(name if name in (*LABELS, "token") else f"{TAG}{name}"): value for name, value in labels}
    for name, values in asked:
        if name in own and own[name] not in values:
            raise Denied(f"this token sees what {name} {own[name]} spent, nobody else's", _HINT)
    return (
        *((name, values) for name, values in asked if name not in own),
        *((name, (value,)) for name, value in own.items()),
    )
