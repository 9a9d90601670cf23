"""Budgets that a token may set and remove with budget:write (pure).

- Within its own labels and those of every token above it; without labels any.
- Never one that limits it, or a token above it, unless the new one is narrower: a lower limit, over the same period,
  that refuses no less, tells no less and counts no less. What limits a token that cannot spend is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aikeys.budgets.decisions import AT_LIMIT
from aikeys.budgets.terms import WORST, Terms
from aikeys.budgets.who import KEY, ORG, TOKEN, Who
from aikeys.tokens.claims import Claims
from aikeys.tokens.sight import LABELS, Own

_SEVERITY = {"warn": 0, "block": 1, "revoke": 2}
assert set(_SEVERITY) == set(AT_LIMIT)  # noqa: S101  a new way to act has to be given its place


def reaches(line: Sequence[Claims], who: Who, target: Own | None) -> bool:
    """Tell whether a token (first of its line, then those above) may limit somebody at all.

    `target`: the labels of the token that is to be limited, None where it is no token, or one it may not see.
    """
    return all(_is_within(each.labels, who, target) for each in line)


def limits(line: Sequence[Claims], who: Who, uses: Callable[[Claims, str], bool]) -> bool:
    """Tell whether a budget limits a token or one above it; `uses` tells whether one may use a key by its name."""
    spending = [each for each in line if each.is_granted_keys]
    match who.kind:
        case kind if kind == ORG:
            return bool(spending)
        case kind if kind == KEY:
            return any(who.is_each or uses(each, who.name) for each in spending)
        case kind if kind == TOKEN:
            return any(who.is_each or each.shown_id == who.name for each in spending)
    return any(
        who.kind in dict(each.labels) if who.is_each else (who.kind, who.name) in each.labels for each in spending
    )


def is_narrower(before: Terms | None, after: Terms | None) -> bool:
    """Tell whether terms only take away: `before` is what holds now over the same period, None for no limit."""
    if before is None or after is None:
        return after is not None
    return (
        after.limit_pusd < before.limit_pusd
        and _SEVERITY[after.at_limit] >= _SEVERITY[before.at_limit]
        and set(before.alerts) <= set(after.alerts)
        and after.when_unknown in (WORST, before.when_unknown)
    )


def _is_within(labels: Own, who: Who, target: Own | None) -> bool:
    if not labels:
        return True
    if who.is_each:
        return False
    if who.kind == TOKEN:
        return target is not None and set(labels) <= set(target)
    return who.kind in LABELS and (who.kind, who.name) in labels
