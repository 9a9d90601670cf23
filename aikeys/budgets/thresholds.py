"""Tell when a budget reaches a threshold: once per WHO, period, its first day, threshold and limit.

The message goes to the outbox of the transaction that reached it. It says total, limit and percent, who spent most of
it and what to type next.
"""

from __future__ import annotations

import shlex
import sqlite3
from typing import NamedTuple

from aikeys.alerts import outbox
from aikeys.alerts.messages import BUDGET, AlertMessage
from aikeys.budgets.counters import COLUMNS, Counter, PeriodRun, column_value, sums_of, word_text
from aikeys.budgets.decisions import BLOCKING
from aikeys.budgets.store import Budget, shown_text
from aikeys.budgets.who import ORG, TOKEN, USER, Somebody, Who, somebody
from aikeys.ledger.calendar import date_of
from aikeys.ledger.store import Writer
from aikeys.money import about_usd, joined, shown_usd, usd_text

_MOST_SPENDERS = 3
_DIMENSIONS = ("team", "project", "user", "key")
_THIS = {"day": "today", "week": "this week", "month": "this month", "total": "in total"}


class Spender(NamedTuple):
    """Who spent part of a budget, as a person reads it: `team:support`."""

    who: str
    pusd: int


def reached(before_pusd: int, after_pusd: int, limit_pusd: int, alerts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the thresholds (percent) that a sum reaches on its way; at a limit of zero the first cost reaches all."""
    if limit_pusd == 0:
        return alerts if before_pusd <= 0 < after_pusd else ()
    return tuple(percent for percent in alerts if before_pusd * 100 < percent * limit_pusd <= after_pusd * 100)


def percent_tenths(spent_pusd: int, limit_pusd: int) -> int | None:
    """Return spent ÷ limit in tenths of a percent, rounded down; None at a limit of zero."""
    return spent_pusd * 1000 // limit_pusd if limit_pusd else None


def percent_text(spent_pusd: int, limit_pusd: int) -> str:
    """Return spent ÷ limit for a person: `83.4 %`, empty at a limit of zero."""
    tenths = percent_tenths(spent_pusd, limit_pusd)
    return "" if tenths is None else f"{tenths / 10:.1f} %".replace(".0 ", " ")


def tell(writer: Writer, budget: Budget, counter: Counter, before_pusd: int) -> None:
    """Queue an alert for every threshold between what was spent before and what the counter says now."""
    limit = budget.terms.limit_pusd
    for percent in reached(before_pusd, counter.spent_pusd, limit, budget.terms.alerts):
        writer.write_out()  # the message names who spent most, from the roll-ups
        once = f"budget {counter.who} {counter.period} {counter.start} {percent} of {limit}"
        outbox.put(writer, once, message_of(writer.connection, budget, counter, percent))


def message_of(connection: sqlite3.Connection, budget: Budget, counter: Counter, percent: int) -> AlertMessage:
    """Return what an alert says."""
    who = shown_text(connection, counter.who)
    terms, spent = budget.terms, counter.spent_pusd
    limit = about_usd(terms.limit_pusd) if terms.is_soft else shown_usd(terms.limit_pusd)
    amounts = f"{shown_usd(spent)} of {limit}"
    doubt = (
        sums_of(connection, counter.who, PeriodRun(counter.period, counter.start)).doubt_pusd if terms.is_soft else 0
    )
    reach = percent_text(spent, terms.limit_pusd)
    lines = [f"{who} has spent {amounts} {_THIS[counter.period]}" + (f", {reach}." if reach else ".")]
    if counter.reserved_pusd:
        lines.append(f"Open reservations hold another {shown_usd(counter.reserved_pusd)}.")
    if doubt > 0:
        lines.append(
            f"Up to {shown_usd(doubt)} may be missing: where the provider broke a reply off, the estimate counts."
        )
    spenders = most_spent(connection, counter.who, PeriodRun(counter.period, counter.start))
    if spenders:
        lines += ["", "Most was spent by:", *(f"  {one.who}  {shown_usd(one.pusd)}" for one in spenders)]
    lines += ["", _consequence(terms.at_limit), *_next_steps(who, counter)]
    facts = (
        ("who", who),
        ("period", counter.period),
        ("period_start", date_of(counter.start).isoformat() if counter.period != "total" else ""),
        ("threshold_percent", str(percent)),
        ("limit_usd", usd_text(terms.limit_pusd)),
        ("spent_usd", usd_text(spent)),
        ("reserved_usd", usd_text(counter.reserved_pusd)),
        ("remaining_usd", usd_text(terms.limit_pusd - spent - counter.reserved_pusd)),
        ("at_limit", terms.at_limit),
        *((("when_unknown", terms.when_unknown), ("doubt_usd", usd_text(doubt))) if terms.is_soft else ()),
        ("most_spent_by", ", ".join(f"{one.who} {usd_text(one.pusd)}" for one in spenders)),
    )
    return AlertMessage(BUDGET, f"budget {who}: {amounts} ({percent} % reached)", "\n".join(lines), facts)


def most_spent(connection: sqlite3.Connection, who: Somebody, span: PeriodRun) -> list[Spender]:
    """Return who spent most of a sum, by the first of team, project, user and key that tells anybody apart.

    Roll-ups know what a token spent, not for whom: a token's list is empty.
    """
    kind, _, name = who.partition(":")
    if kind == TOKEN:
        return []
    for dimension in _DIMENSIONS:
        if dimension != kind:
            spenders = _by(connection, dimension, "" if kind == ORG else kind, name, span)
            if spenders:
                return spenders[:_MOST_SPENDERS]
    return []


def _by(connection: sqlite3.Connection, dimension: str, kind: str, name: str, span: PeriodRun) -> list[Spender]:
    condition, values = "", [*span.days]
    if kind:
        known = column_value(connection, kind, name)
        condition, values = f"AND {COLUMNS[kind]} = ?", [*span.days, known]  # type: ignore[list-item]
    rows = connection.execute(
        f"SELECT {COLUMNS[dimension]}, sum(r.cost_high), sum(r.cost_low) FROM rollup_day r "  # noqa: S608
        f"JOIN slot s ON s.id = r.slot WHERE r.day >= ? AND r.day < ? {condition} GROUP BY 1",
        values,
    ).fetchall()
    spenders = [Spender(_name(connection, dimension, row[0]), joined(row[1], row[2])) for row in rows]
    named = [one for one in spenders if one.who and one.pusd > 0]
    return sorted(named, key=lambda one: (-one.pusd, one.who))


def _name(connection: sqlite3.Connection, dimension: str, value: int | bytes) -> str:
    if isinstance(value, bytes):
        return shown_text(connection, somebody(USER, value.hex())) if value else ""
    text = word_text(connection, value)
    return str(Who(dimension, text)) if text else ""


def _consequence(at_limit: str) -> str:
    if at_limit in BLOCKING:
        more = ", and their token is revoked" if at_limit == "revoke" else ""
        return f"Calls that do not fit below the limit are refused{more}."
    return "Calls go on: this budget only warns."


def _next_steps(who: str, counter: Counter) -> list[str]:
    quoted = shlex.quote(who)
    period = "" if counter.period == "month" else f" --period {counter.period}"
    return [
        "",
        "See how full it is:   aikeys budget check " + quoted,
        "See what it went to:  aikeys report --by model,project",
        f"Change the limit:     aikeys budget set {quoted} USD{period}",
    ]
