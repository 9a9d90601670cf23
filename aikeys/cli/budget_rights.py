"""Rights of a token over budgets (`budget set`, `budget remove`): asked inside the transaction that changes them.

Whoever may not see a budget does not learn by changing it what it was, nor whether there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.errors import Denied, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.budgets.terms import Terms
    from aikeys.budgets.who import Who
    from aikeys.ledger.store import Ledger, Writer
    from aikeys.tokens.claims import Claims
    from aikeys.tokens.sight import Own
    from aikeys.vault.format import Rows
    from aikeys.vault.tokens.admission import Holder

_HINT = "the owner of the vault can change it"


class Rights(NamedTuple):
    """Who changes budgets: None is the owner of the vault, who may change any."""

    holder: Holder | None
    rows: Rows | None
    children: frozenset[str]

    def require_set(self, writer: Writer, who: Who, after: Terms) -> None:
        """Raise Denied where the token may not set a budget to these terms."""
        if self.holder is None:
            return
        if not self._reaches(who):
            raise Denied(f"token {self.holder.shown_id} sets budgets of its own labels, and {who} is none", _HINT)
        self._require_narrower(writer, who, after.period, after)

    def require_remove(self, writer: Writer, shown: str, period: str | None) -> None:
        """Raise Denied, or NotFound as for one that never was, where the token may not remove a budget."""
        from aikeys.budgets.changes import present_terms
        from aikeys.budgets.terms import PERIODS
        from aikeys.budgets.who import parse_who

        if self.holder is None:
            return
        try:
            who: Who | None = parse_who(shown)
        except UsageError:
            who = None
        periods = [each for each in PERIODS if period in (None, each)]
        is_there = who is not None and any(present_terms(writer.connection, who, each) for each in periods)
        if who is None or not is_there or not self._reaches(who):
            raise NotFound(f"there is no budget for {shown}", "see: aikeys budget list")
        for each in periods:
            if present_terms(writer.connection, who, each) is not None:
                self._require_narrower(writer, who, each, None)

    def tells(self, who: Who) -> bool:
        """Tell whether what a budget was, and who has calls under it, may be said."""
        from aikeys.budgets.who import TOKEN
        from aikeys.cli import authority

        return authority.sight().tells(str(who)) or (who.kind == TOKEN and who.name in self.children)

    def tells_text(self, shown: str) -> bool:
        """Tell the same of a budget by the text that names it."""
        from aikeys.budgets.who import parse_who

        return self.holder is None or self.tells(parse_who(shown))

    def _reaches(self, who: Who) -> bool:
        from aikeys.tokens.limiting import reaches

        return reaches(self._line, who, self._labels_of(who))

    def _require_narrower(self, writer: Writer, who: Who, period: str, after: Terms | None) -> None:
        from aikeys.tokens.limiting import is_narrower, limits

        if not limits(self._line, who, self._uses):
            return
        if not is_narrower(_holding(writer, who, period), after):
            raise Denied(
                f"the budget of {who} limits token {self._line[0].shown_id} or one above it: it may only lower it",
                _HINT,
            )

    @property
    def _line(self) -> tuple[Claims, ...]:
        return (self.holder.claims, *self.holder.above) if self.holder else ()

    def _uses(self, claims: Claims, key: str) -> bool:
        found = self.rows.key_named(key) if self.rows else None
        return found is not None and claims.reaches(found.id)

    def _labels_of(self, who: Who) -> Own | None:
        """Return the labels of the token that a budget is for: a run has those of whoever started it, or more."""
        from aikeys.budgets.who import TOKEN
        from aikeys.cli import home
        from aikeys.cli.tokens import register as token_register

        if who.kind != TOKEN or who.is_each or self.holder is None:
            return None
        if who.name in self.children:
            return self.holder.claims.labels
        above = next((each for each in self._line if each.shown_id == who.name), None)
        if above is not None:
            return above.labels
        chains = token_register.read(home.place()).chains
        found = next((chain[0] for chain in chains.values() if chain[0].shown_id == who.name), None)
        return found.labels if found is not None else None


def rights(ledger: Ledger) -> Rights:
    """Return what whoever runs this command may do to budgets."""
    from aikeys.cli import authority
    from aikeys.ledger.token_acts import family

    who = authority.holder()
    if who is None:
        return Rights(None, None, frozenset())
    with ledger.reading() as connection:
        children = frozenset(family(connection, who.shown_id))
    return Rights(who, authority.token_verifier().rows, children)


def _holding(writer: Writer, who: Who, period: str) -> Terms | None:
    """Return the terms that hold for somebody now: their own, else those of the budget for each."""
    from aikeys.budgets.changes import present_terms
    from aikeys.budgets.who import ORG

    own = present_terms(writer.connection, who, period)
    if own is not None or who.is_each or who.kind == ORG:
        return own
    return present_terms(writer.connection, who._replace(name="", is_each=True), period)
