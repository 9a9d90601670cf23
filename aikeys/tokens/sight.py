"""Sight: what the holder of a token may see of calls, sums and budgets (pure); one answer for every command and route.

- With usage:read every call, with budget:read every budget. Else its own: what it spent itself, what its children did,
  and what its own labels did; in full the budgets token, user, team and project of those.
- A child sees no more than its parents could. Calls: under a token that had no labels, labels of its own open nothing.
  Budgets: a label opens one only where every token above that could not see it anyway has the same label.
- A budget above (of the organisation, of a key, of an environment, of a parent) limits it, too: it is told as *a higher
  limit*, with its state and without any amount.
- All else is for it as if it never was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aikeys.budgets.who import KEY, ORG, TOKEN, Who

if TYPE_CHECKING:
    from aikeys.tokens.claims import Claims

LABELS = ("team", "project", "environment", "user")
_OPENED = ("team", "project", "user")
Own = tuple[tuple[str, str], ...]


class Sight(NamedTuple):
    """`labels`: all of the token's, whom it spends for. `keys`: names of the keys it may use, where somebody asked."""

    token: str = ""
    above: tuple[str, ...] = ()
    labels: Own = ()
    sees_calls: bool = True
    """Every call."""
    sees_budgets: bool = True
    """Every budget."""
    opened: Own = ()
    """Labels whose calls it sees, those that carry all of them; without any, its own calls and its children's."""
    budgets: Own = ()
    """Labels whose budgets it sees."""
    keys: tuple[str, ...] = ()

    def tells(self, who: str) -> bool:
        """Tell whether name and amounts of a budget (for whom, as a person reads it) are for whoever asks."""
        return self.sees_budgets or who in map(str, self.own_whos)

    def owns(self, line: Sequence[Claims]) -> bool:
        """Tell whether a token (first of its line, then those above) is this one or one below it."""
        return any(each.shown_id == self.token for each in line)

    def tells_calls_of(self, line: Sequence[Claims]) -> bool:
        """Tell the same of the calls of a token: those with its labels are its own, too."""
        return self.sees_calls or self.owns(line) or (bool(self.opened) and set(self.opened) <= set(line[0].labels))

    def tells_budget_of(self, line: Sequence[Claims]) -> bool:
        """Tell the same of a token's own budget."""
        return self.sees_budgets or self.owns(line)

    @property
    def own_whos(self) -> tuple[Who, ...]:
        """Return for whom the budgets are that it sees in full, but for its children's."""
        return (Who(TOKEN, self.token), *(Who(*label) for label in self.budgets))

    @property
    def higher_whos(self) -> tuple[Who, ...]:
        """Return for whom the budgets are that limit it as well."""
        closed = (Who(*label) for label in self.labels if label[0] in LABELS)
        above = (Who(TOKEN, each) for each in self.above)
        whos = (Who(ORG), *(Who(KEY, key) for key in self.keys), *closed, *above)
        return tuple(who for who in whos if who not in self.own_whos)


EVERYTHING = Sight()
"""The sight of the vault's owner."""


def sight_of(claims: Claims | None, above: Sequence[Claims] = (), keys: Sequence[str] = ()) -> Sight:
    """Return what a token's holder sees; `above`: its parents. Without a token it is the owner."""
    if claims is None:
        return EVERYTHING
    line = (claims, *above)
    opened = claims.labels if all(each.labels or each.may("usage:read") for each in line) else ()
    budgets = tuple(
        label
        for label in claims.labels
        if label[0] in _OPENED and all(label in each.labels or each.may("budget:read") for each in above)
    )
    return Sight(
        claims.shown_id, tuple(each.shown_id for each in above), claims.labels, claims.may("usage:read"),
        claims.may("budget:read"), opened, budgets, tuple(keys),
    )  # fmt: skip
