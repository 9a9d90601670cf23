"""Is a budget kept? For a CI job that acts on the answer: ok, warning, exceeded, or undecided.

- What is not known is never ok: no ledger, no budget, more unpriced requests than allowed are `undecided`.
- Exceeded means used up: nothing is left. Warning means that the lowest threshold is reached.
- Read from the roll-ups, without a vault and without writing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from aikeys.budgets.counters import PeriodRun, Sums, each_with_calls, reserved_pusd, span_of, sums_of
from aikeys.budgets.late import told
from aikeys.budgets.store import Budget, applying, read_budgets, shown_text, somebody_known
from aikeys.budgets.terms import Terms
from aikeys.budgets.thresholds import percent_tenths
from aikeys.budgets.who import USER, Somebody, Who, limited_who, somebody
from aikeys.errors import UsageError
from aikeys.ledger import lost_ledgers
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.queries import raw_runs
from aikeys.ledger.store import Ledger
from aikeys.money import shown_usd

OK, WARNING, UNDECIDED, EXCEEDED = STATES = ("ok", "warning", "undecided", "exceeded")  # from good to bad
_EVER_US = 1 << 62
_NOBODY = somebody(USER, "0" * 64)


class BudgetState(NamedTuple):
    """How full a budget is. `who` as a person reads it; without a budget `terms` is None and the state undecided."""

    who: str
    terms: Terms | None
    start: int
    spent_pusd: int
    reserved_pusd: int
    requests: int
    unpriced: int
    state: str
    reason: str = ""
    doubt_pusd: int = 0
    """What may be missing in `spent_pusd`: ends that were estimated."""

    @property
    def is_soft(self) -> bool:
        """Tell whether more may be spent than is counted."""
        return self.terms is not None and self.terms.is_soft

    @property
    def is_counted(self) -> bool:
        """Tell whether anybody looked up what was spent: else no amount is true."""
        return self.terms is not None or self.requests > 0

    @property
    def remaining_pusd(self) -> int | None:
        """What is left below the limit for calls to come: reservations are taken off, too. Negative beyond it."""
        return None if self.terms is None else self.terms.limit_pusd - self.spent_pusd - self.reserved_pusd

    @property
    def tenths(self) -> int | None:
        """Spent in tenths of a percent of the limit, rounded down; None without a limit or at one of zero."""
        return None if self.terms is None else percent_tenths(self.spent_pusd, self.terms.limit_pusd)


def parse_percent(text: str) -> Decimal:
    """Return a share between 0 and 100 percent; UsageError for anything else."""
    try:
        share = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        share = Decimal(-1)
    if not (share.is_finite() and 0 <= share <= 100):
        raise UsageError(f"{ascii(text)[1:-1]!r} is not a percentage", "write a number from 0 to 100: --max-unpriced 5")
    return share


def state_of(spent_pusd: int, terms: Terms) -> str:
    """Return how much of a budget is used, as a state."""
    if spent_pusd > 0 and spent_pusd >= terms.limit_pusd:
        return EXCEEDED
    lowest = min(terms.alerts, default=100)
    return WARNING if spent_pusd > 0 and spent_pusd * 100 >= lowest * terms.limit_pusd else OK


def worst_of(states: Iterable[str]) -> str:
    """Return the state that decides about several; undecided where there is none."""
    return max(states, key=STATES.index, default=UNDECIDED)


def tightest(states: Sequence[BudgetState]) -> BudgetState | None:
    """Return the budget that decides: of the worst state the fullest."""
    return max(states, key=lambda one: (STATES.index(one.state), one.tenths or 0), default=None)


def budget_states_of(
    ledger: Ledger, wanted: Sequence[Who], now_us: int, max_unpriced: Decimal | None = None
) -> list[BudgetState]:
    """Return how full the budgets of some WHOs are, of all where none is named.

    A budget for each becomes one line for everybody it applies to who had calls in its period.
    """
    with ledger.reading() as connection:
        day = Calendar(ledger.zone).day_of(now_us)
        view = _View(connection, Calendar(ledger.zone), day, max_unpriced)
        if not wanted:
            return [one for budget in read_budgets(connection) for one in view.of_budget(budget)]
        return [one for who in wanted for one in view.of_who(who)]


def checked(
    ledger: Ledger, wanted: Sequence[Who], now_us: int, max_unpriced: Decimal | None
) -> tuple[list[BudgetState], list[str]]:
    """Return the budgets, and what else there is to say: that there are none, what could mislead."""
    states = budget_states_of(ledger, wanted, now_us, max_unpriced)
    if not states:
        return [], ["; ".join(["there is no budget", *_lost_note(ledger)])]
    return states, [*notes_of(ledger, states), *late_notes(ledger, states, now_us)]


def notes_of(ledger: Ledger, states: Sequence[BudgetState], tokens: Sequence[str] | None = None) -> list[str]:
    """Return what could mislead about some budgets; with `tokens` of the runs only theirs count."""
    if not states:
        return []
    notes = [said for said in _lost_note(ledger) if any(said in one.reason for one in states)]
    unpriced = max(one.unpriced for one in states)
    if unpriced == 1:
        notes.append("1 request has no price and is not in the sums")
    elif unpriced:
        notes.append(f"{unpriced} requests have no price and are not in the sums")
    runs = unmetered_runs(ledger, states, tokens)
    if runs == 1:
        notes.append("1 exec run was not metered: what it spent is not in the sums")
    elif runs:
        notes.append(f"{runs} exec runs were not metered: what they spent is not in the sums")
    return notes + [soft_note(one.who, one.doubt_pusd) for one in states if one.doubt_pusd > 0]


def soft_note(who: str, doubt_pusd: int) -> str:
    """Return what may be missing in what somebody has spent."""
    return (
        f"up to {shown_usd(doubt_pusd)} may be missing in what {who} has spent (≈): "
        "where the provider broke a reply off, the estimate counts"
    )


def _lost_note(ledger: Ledger) -> list[str]:
    """Return what is not known where this ledger stands for a lost one."""
    with ledger.reading() as connection:
        lost = lost_ledgers.find(connection)
    return [lost.sentence] if lost else []


def late_notes(ledger: Ledger, states: Sequence[BudgetState], now_us: int) -> list[str]:
    """Return what calls that are under way can take beyond these budgets."""
    shown = {one.who for one in states if one.terms is not None}
    with ledger.reading() as connection:
        day = Calendar(ledger.zone).day_of(now_us)
        return [said for who, said in told(connection, read_budgets(connection), day) if who in shown]


def state_with(state: str, sums: Sums, max_unpriced: Decimal | None) -> tuple[str, str]:
    """Return a state, and why, where more requests than this share (percent) may have no price."""
    if max_unpriced is not None and sums.unpriced * 100 > max_unpriced * sums.requests:
        return worst_of((state, UNDECIDED)), f"{sums.unpriced} of {sums.requests} requests have no price"
    return state, ""


def unmetered_runs(ledger: Ledger, states: Sequence[BudgetState], tokens: Sequence[str] | None = None) -> int:
    """Return how many raw exec runs, whose cost is unknown, fall into the longest of these periods."""
    starts = [
        None if one.terms and one.terms.period == "total" else one.start for one in states if one.terms or one.start
    ]
    first = 0 if None in starts or not starts else min(start for start in starts if start is not None)
    with ledger.reading() as connection:
        since_us = Calendar(ledger.zone).start_us(first)
        return raw_runs(connection, since_us, _EVER_US, tokens)


class _View:
    """One reading of the ledger on one day."""

    def __init__(
        self, connection: sqlite3.Connection, calendar: Calendar, day: int, max_unpriced: Decimal | None
    ) -> None:
        self.connection = connection
        self.calendar = calendar
        self.lost = lost_ledgers.find(connection)
        self.day = day
        self.max_unpriced = max_unpriced

    def of_budget(self, budget: Budget) -> list[BudgetState]:
        who = limited_who(budget.who)
        if not who.is_each:
            return [self._budget_cache(who.somebody, budget)]
        span = span_of(budget.terms.period, self.day)
        everybody = each_with_calls(self.connection, who.kind, span)
        under_it = [one for one in applying(self.connection, everybody) if one.budget == budget]
        if not under_it:
            state, reason = self.doubted(span, OK, "nobody had calls")
            return [BudgetState(str(who), budget.terms, span.start, 0, 0, 0, 0, state, reason)]
        return [self._budget_cache(*one) for one in under_it]

    def of_who(self, who: Who) -> list[BudgetState]:
        if who.is_each:
            budgets = [budget for budget in read_budgets(self.connection) if budget.who == who.limited]
            found = [one for budget in budgets for one in self.of_budget(budget)]
        else:
            stored = somebody_known(self.connection, who) or _NOBODY
            found = [self._budget_cache(*one, shown=str(who)) for one in applying(self.connection, [stored])]
        return found or [BudgetState(str(who), None, 0, 0, 0, 0, 0, UNDECIDED, "there is no budget")]

    def _budget_cache(self, who: Somebody, budget: Budget, shown: str = "") -> BudgetState:
        terms = budget.terms
        span = span_of(terms.period, self.day)
        sums = sums_of(self.connection, who, span)
        held = reserved_pusd(self.connection, who, span)
        state, reason = state_with(state_of(sums.spent_pusd, terms), sums, self.max_unpriced)
        state, reason = self.doubted(span, state, reason)
        name = shown or shown_text(self.connection, who)
        figures = (span.start, sums.spent_pusd, held, sums.requests, sums.unpriced)
        return BudgetState(name, terms, *figures, state, reason, sums.doubt_pusd)

    def doubted(self, span: PeriodRun, state: str, reason: str) -> tuple[str, str]:
        """Return a state, and why: of a period that began in a lost ledger nothing is ok."""
        if self.lost is None:
            return state, reason
        if span.period != "total" and self.calendar.start_us(span.start) >= self.lost.before_us:
            return state, reason
        return worst_of((state, UNDECIDED)), "; ".join(filter(None, (reason, self.lost.sentence)))
