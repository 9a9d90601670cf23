"""Acts, calls, budgets and how costs are known, as programs read them (pure but for `budgets`).

The command line's `--json` and the gateway's routes print the same: fields are added, never removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.money import usd_text

if TYPE_CHECKING:
    from aikeys.budgets.check import BudgetState
    from aikeys.budgets.store import Budget
    from aikeys.budgets.terms import Terms
    from aikeys.ledger.entries import Entry
    from aikeys.ledger.listing import Recorded
    from aikeys.ledger.store import ActNames, Ledger
    from aikeys.ledger.unread_fields import UnreadField
    from aikeys.reports.values import Coverage

FROM = "local"
"""The origin of acts: the machine of the ledger."""
_OPEN = ("", "unknown", "abandoned")
_FIGURES = ("spent_usd", "reserved_usd", "remaining_usd", "percent", "state", "unpriced_requests", "doubt_usd")

Listed = tuple["Budget", str, "BudgetState | None"]
"""A budget, for whom as a person reads it, and how full it is."""


def act(entry: Entry, names: ActNames) -> dict[str, object]:
    """Return an act. A person stands in the subject where that is whom it is about (`user:ana`), else beside it."""
    return {
        "id": entry.id,
        "at": clock.rfc3339(entry.at_us / 1e6),
        "actor": names.actor or None,
        "from": FROM,
        "phase": entry.phase,
        "act": entry.act,
        "subject": entry.subject + names.person if entry.subject.endswith(":") else entry.subject,
        "person": names.person or None,
        "status": entry.status or None,
        "granted": None if entry.status in _OPEN else entry.status == "ok",
        "detail": entry.said or None,
        "facts": dict(entry.pairs) if entry.facts else None,
        "intent": entry.intent,
        "epoch": entry.epoch,
    }


def call(ledger: Ledger, one: Recorded) -> dict[str, object]:
    """Return a call."""
    from aikeys.ledger.import_ids import identity
    from aikeys.ledger.interchange import FIELDS, call_row

    row = call_row(one, identity(ledger, one.number, one.call), "")
    known = {name: row.get(name) for name in FIELDS if name != "kind"}
    return known | {"corrects": one.call.corrects, "aikeys_request_id": one.call.reservation.hex() or None}


def budgets(ledger: Ledger, now_us: int) -> list[Listed]:
    """Return every budget with its standing, None for one that is for each of many."""
    from aikeys.budgets.check import budget_states_of
    from aikeys.budgets.store import read_budgets, shown_limited

    with ledger.reading() as connection:
        found = [(budget, shown_limited(connection, budget.who)) for budget in read_budgets(connection)]
    states = {(one.who, one.terms.period): one for one in budget_states_of(ledger, (), now_us) if one.terms}
    return [(budget, who, states.get((who, budget.terms.period))) for budget, who in found]


def budget(budget: Budget, who: str, state: BudgetState | None) -> dict[str, object]:
    """Return a budget with how full it is."""
    from aikeys.budgets.who import limited_who

    is_full = state is not None and not limited_who(budget.who).is_each
    return own_budget(who, budget.terms, state, is_full=is_full)


def own_budget(who: str, terms: Terms, state: BudgetState | None, *, is_full: bool = True) -> dict[str, object]:
    """Return the same of terms, wherever they come from; `is_full`: with what is spent of them."""
    from aikeys.ledger.calendar import date_of

    figures = budget_state(state) if state is not None and is_full else {}
    started = state is not None and terms.period != "total"
    return {
        "who": who,
        "period": terms.period,
        "period_start": date_of(state.start).isoformat() if state is not None and started else None,
        "limit_usd": usd_text(terms.limit_pusd),
        "at_limit": terms.at_limit,
        "alerts": list(terms.alerts),
        "when_unknown": terms.when_unknown,
        **{name: figures.get(name) for name in _FIGURES},
    }


def closed_budget(one: BudgetState) -> dict[str, object]:
    """Return a budget of which whoever asks may know the state alone."""
    names = ("who", "period", "period_start", "limit_usd", "at_limit", "alerts", "when_unknown", *_FIGURES)
    return {**dict.fromkeys(names), "who": one.who, "state": one.state}


def budget_state(one: BudgetState) -> dict[str, object]:
    """Return how full a budget is, as `budget check` prints it."""
    terms, left = one.terms, one.remaining_pusd
    return {
        "who": one.who,
        "period": terms.period if terms else None,
        "limit_usd": usd_text(terms.limit_pusd) if terms else None,
        "spent_usd": usd_text(one.spent_pusd) if one.is_counted else None,
        "reserved_usd": usd_text(one.reserved_pusd) if terms else None,
        "remaining_usd": None if left is None else usd_text(left),
        "percent": None if one.tenths is None else one.tenths / 10,
        "state": one.state,
        "reason": one.reason or None,
        "requests": one.requests if one.is_counted else None,
        "unpriced_requests": one.unpriced if one.is_counted else None,
        "at_limit": terms.at_limit if terms else None,
        "when_unknown": terms.when_unknown if terms else None,
        "doubt_usd": usd_text(one.doubt_pusd) if terms else None,
    }


def coverage(known: Coverage) -> dict[str, object]:
    """Return how the cost is known, by cost source, how many programs nobody metered, and what lost calls hold."""
    by_source = {
        source: {
            "requests": figures.requests,
            "tokens": figures.input + figures.output,
            "cost_usd": usd_text(figures.cost_pusd),
            **({"doubt_usd": usd_text(figures.doubt_pusd)} if figures.doubt_pusd else {}),
        }
        for source, figures in known.sources
    }
    runs = {"exec_runs_not_metered": known.runs.known, "exec_runs_complete": known.runs.is_all}
    lost = {"lost": {"requests": known.lost, "reserved_usd": usd_text(known.lost_pusd)}} if known.lost else {}
    unread = {"unread_fields": [unread_field(one) for one in known.unread]} if known.unread else {}
    return {**by_source, **runs, **lost, **unread, **lost_ledger(known.lost_before_us)}


def unread_field(one: UnreadField) -> dict[str, object]:
    """Return a field of replies that nobody read."""
    since = clock.rfc3339(one.since_us // 1_000_000)
    return {"provider": one.provider, "field": one.field, "since": since, "requests": one.requests}


def lost_ledger(before_us: int | None) -> dict[str, object]:
    """Return what JSON says where nothing is known of the time before an instant, whose ledger was lost."""
    return {} if before_us is None else {"lost_ledger": {"before": clock.rfc3339(before_us / 1e6)}}
