"""The caller's own part of a report: a sight (tokens.sight) as filters on calls.

Somebody else's token, team or person is not found, as one that never was.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.errors import NotFound
from aikeys.ledger.queries import Reading
from aikeys.ledger.questions import SLOT, TAG, Where
from aikeys.tokens.sight import Sight

_BEARER = "token"
_HINT = "leave it out; the owner of the vault can grant more: aikeys token issue --scope usage:read"


class Seen(NamedTuple):
    """`where`: filters to ask with; `said`: the same as a report tells them.

    `tokens`: whose runs count as unmetered; None for everybody's.
    """

    where: Where
    said: Where
    tokens: tuple[str, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether whoever asks sees the ledger as a whole."""
        return self.tokens is None


def seen(books: Reading, asked: Where, sight: Sight) -> Seen:
    """Return what is seen of one state of a ledger; NotFound where somebody else's was asked for."""
    if sight.sees_calls:
        return Seen(asked, asked)
    family = books.family(sight.token)
    if sight.opened:
        where = _narrowed(
            asked, {name if name in SLOT[:4] else f"{TAG}{name}": (value,) for name, value in sight.opened}
        )
        return Seen(where, where, family)
    where = _narrowed(asked, {_BEARER: family})
    said = tuple((name, values if values != family else (sight.token,)) for name, values in where)
    return Seen(where, said, family)


def _narrowed(asked: Where, own: dict[str, tuple[str, ...]]) -> Where:
    kept = dict(own)
    for name, values in asked:
        if name in own:
            kept[name] = tuple(value for value in own[name] if value in values)
            if not kept[name]:
                raise NotFound(f"there is no such {name} for this token", _HINT)
    return (*((name, values) for name, values in asked if name not in own), *kept.items())
