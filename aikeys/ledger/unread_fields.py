"""Fields of replies that nobody read (providers.wire.unread): they stand in the calls whose cost is a lower bound.

Such a field stands among the units without a price of its call. Its name is a path with a point in it, which no unit
has. Only the days are read in which the roll-ups know calls without a full price.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from aikeys.ledger.calls import UNPRICED, Context, read_extra
from aikeys.ledger.questions import TAG, Where

_OTHERS = "further fields"
_DAYS_BACK = 92
_MOST = 100


class UnreadField(NamedTuple):
    """A field of a provider's replies, since when it is there (µs since 1970), and how many calls had it."""

    provider: str
    field: str
    since_us: int
    requests: int


def fields_of(unpriced: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Return the fields among the unpriced units of a call."""
    return tuple(name for name, _ in unpriced if "." in name or name == _OTHERS)


def unread_fields(connection: sqlite3.Connection, first: int, end: int, where: Where = ()) -> list[UnreadField]:
    """Return the fields of the calls of some days, first ≤ day < end, the oldest first, at most a hundred.

    `since_us` looks back three months further, and no further than the calls that are not archived.
    """
    found: dict[tuple[str, str], UnreadField] = {}
    rows = connection.execute(
        "SELECT at_us, day, context, extra FROM call WHERE day IN "
        "(SELECT DISTINCT day FROM rollup_day WHERE source = ? AND day >= ? AND day < ?) "
        "AND source = ? AND corrects = 0 AND instr(extra, '.') > 0",
        (UNPRICED, first - _DAYS_BACK, end, UNPRICED),
    ).fetchall()
    if not rows:
        return []
    from aikeys.ledger.listing import Texts

    texts = Texts(connection)
    for at_us, day, number, extra in rows:
        try:
            names = fields_of(read_extra(extra).unpriced)
        except ValueError:  # `ledger verify` tells of it
            continue
        context = texts.named(number) if names else None
        if context is None or not _fits(context, where):
            continue
        for name in names:
            key = context.provider, name
            one = found.get(key, UnreadField(*key, at_us, 0))
            found[key] = one._replace(since_us=min(one.since_us, at_us), requests=one.requests + (day >= first))
    seen = [one for one in found.values() if one.requests]
    return sorted(seen, key=lambda one: (one.since_us, one))[:_MOST]


def unread_since(connection: sqlite3.Connection, provider: str, field: str) -> int | None:
    """Return when a call first had a field of a provider that nobody read, in µs since 1970; None for never.

    No further back than the calls that are not archived.
    """
    rows = connection.execute(
        "SELECT c.at_us, c.extra FROM call c JOIN context x ON x.id = c.context JOIN slot s ON s.id = x.slot "
        "JOIN word w ON w.id = s.provider WHERE c.day IN (SELECT DISTINCT day FROM rollup_day WHERE source = ?) "
        "AND c.source = ? AND w.text = ? AND instr(c.extra, ?) > 0 ORDER BY c.id",
        (UNPRICED, UNPRICED, provider, field.encode()),
    )
    for at_us, extra in rows:
        if field in fields_of(read_extra(extra).unpriced):
            return int(at_us)
    return None


def _fits(context: Context, where: Where) -> bool:
    tags = dict(context.labels.tags)
    known = {**context.labels._asdict(), **context._asdict()}
    return all(
        str(tags.get(name.removeprefix(TAG), "") if name.startswith(TAG) else known.get(name, "")) in values
        for name, values in where
    )
