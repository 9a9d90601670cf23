"""Budgets and how full they are, for whoever asks: all, or one's own in full and what is above by its state alone.

- Somebody else's budget is answered as one that never was, also where it is asked for by name.
- Whatever limits a token from above (the organisation, its keys, its environment, its parents) becomes one line, *a
  higher limit*: no name, no amount, no count.
- A token that no budget of its own limits has a line for itself, with what it spent: there is nothing to exceed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from aikeys.budgets import check
from aikeys.budgets.check import OK, UNDECIDED, BudgetState, budget_states_of, state_with, worst_of
from aikeys.budgets.counters import span_of, sums_of
from aikeys.budgets.store import read_budgets
from aikeys.budgets.terms import MONTH
from aikeys.budgets.who import HIGHER, TOKEN, Who, limited_who
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.token_acts import family
from aikeys.money import shown_usd
from aikeys.reports import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.ledger.store import Ledger
    from aikeys.tokens.sight import Sight


class BudgetQuestion(NamedTuple):
    """Whose budgets are asked for (all where nobody is named), and from which share without a price on none is ok."""

    wanted: Sequence[Who] = ()
    max_unpriced: Decimal | None = None


def checked(ledger: Ledger, question: BudgetQuestion, now_us: int, sight: Sight) -> tuple[list[BudgetState], list[str]]:
    """Return how full budgets are, and what else there is to say."""
    if sight.sees_budgets:
        return check.checked(ledger, question.wanted, now_us, question.max_unpriced)
    own = _Own(ledger, now_us, sight, question.max_unpriced)
    found = own.asked(question.wanted) if question.wanted else own.all()
    told = [one for one in found if one.who != HIGHER]
    return found, [*check.notes_of(ledger, told, own.family), *check.late_notes(ledger, told, now_us)]


def listed(ledger: Ledger, now_us: int, sight: Sight) -> list[dict[str, object]]:
    """Return budgets as `budget list` prints them."""
    if sight.sees_budgets:
        return [records.budget(*row) for row in records.budgets(ledger, now_us)]
    own = _Own(ledger, now_us, sight, None)
    rows = [records.own_budget(one.who, one.terms, one) for one in own.budgets() if one.terms]
    return rows + [records.closed_budget(one) for one in own.higher(sight.higher_whos)]


class _Own:
    """The budgets of one sight, at one time."""

    def __init__(self, ledger: Ledger, now_us: int, sight: Sight, max_unpriced: Decimal | None) -> None:
        self._ledger = ledger
        self._now_us = now_us
        self._sight = sight
        self._max_unpriced = max_unpriced
        with ledger.reading() as connection:
            self.family = family(connection, sight.token)
            limited = {limited_who(one.who) for one in read_budgets(connection)}
        self._children = [who for who in (Who(TOKEN, each) for each in self.family[1:]) if who in limited]

    def all(self) -> list[BudgetState]:
        """Return every budget that may be seen; the token itself where none is its own."""
        return (self.budgets() or [self._itself()]) + self.higher(self._sight.higher_whos)

    def budgets(self) -> list[BudgetState]:
        """Return those that may be seen in full."""
        return self._full([*self._sight.own_whos, *self._children])

    def asked(self, wanted: Sequence[Who]) -> list[BudgetState]:
        """Return what somebody named, each in its turn."""
        own = {*self._sight.own_whos, *(Who(TOKEN, each) for each in self.family)}
        found: list[BudgetState] = []
        for who in wanted:
            rows = self._full([who]) if who in own else []
            rows = self.higher([who]) if who in self._sight.higher_whos else rows
            found += rows or [BudgetState(str(who), None, 0, 0, 0, 0, 0, UNDECIDED, "there is no budget")]
        return found

    def higher(self, whos: Sequence[Who]) -> list[BudgetState]:
        """Return the one line for what limits from above, nothing where nothing does."""
        found = self._standings(whos, None)
        return [BudgetState(HIGHER, None, 0, 0, 0, 0, 0, worst_of(one.state for one in found))] if found else []

    def _full(self, whos: Sequence[Who]) -> list[BudgetState]:
        return self._standings(whos, self._max_unpriced)

    def _standings(self, whos: Sequence[Who], max_unpriced: Decimal | None) -> list[BudgetState]:
        found = budget_states_of(self._ledger, list(dict.fromkeys(whos)), self._now_us, max_unpriced) if whos else []
        return [one for one in found if one.terms is not None]

    def _itself(self) -> BudgetState:
        who = Who(TOKEN, self._sight.token)
        with self._ledger.reading() as connection:
            span = span_of(MONTH, Calendar(self._ledger.zone).day_of(self._now_us))
            sums = sums_of(connection, who.somebody, span)
        state, doubt = state_with(OK, sums, self._max_unpriced)
        said = f"no budget of its own; it spent {shown_usd(sums.spent_pusd)} this month"
        reason = f"{said}; {doubt}" if doubt else said
        return BudgetState(str(who), None, span.start, sums.spent_pusd, 0, sums.requests, sums.unpriced, state, reason)
