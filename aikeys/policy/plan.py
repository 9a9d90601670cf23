"""Differences between a policy and the home (pure): one change a thing, as a person reads a diff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aikeys.budgets.terms import WORST, Terms, alerts_text
from aikeys.money import shown_usd
from aikeys.policy.text import SECTIONS, Policy, channel_table

_ONE = {"budgets": "budget", "alerts": "alert", "aliases": "alias", "prices": "price"}


class PolicyChange(NamedTuple):
    """One thing that differs: `before` or `after` is None where it is made or removed."""

    section: str
    name: Any
    before: Any
    after: Any

    @property
    def action(self) -> str:
        """Return add, remove or change."""
        return "add" if self.before is None else "remove" if self.after is None else "change"

    @property
    def lines(self) -> list[str]:
        """Return it as a diff: what goes with a minus, what comes with a plus."""
        name = self.name[0] if self.section == "budgets" else self.name
        found = [(sign, value) for sign, value in (("-", self.before), ("+", self.after)) if value is not None]
        return [f"{sign} {_ONE[self.section]} {name}  {_shown(value)}" for sign, value in found]


def changes(now: Policy, wanted: Policy) -> list[PolicyChange]:
    """Return what has to change so that what is wanted holds; sections it does not speak of stay."""
    found = []
    for section in SECTIONS:
        after: Mapping[Any, Any] | None = getattr(wanted, section)
        if after is not None:
            before: Mapping[Any, Any] = getattr(now, section) or {}
            names = sorted({*before, *after})
            found += [
                PolicyChange(section, name, before.get(name), after.get(name))
                for name in names
                if before.get(name) != after.get(name)
            ]
    return found


def summary(found: list[PolicyChange]) -> str:
    """Return the counts for the ledger: `budgets=+1~2-0 alerts=+0~0-1`."""
    counts = []
    for section in SECTIONS:
        actions = [change.action for change in found if change.section == section]
        if actions:
            added, changed, removed = (actions.count(action) for action in ("add", "change", "remove"))
            counts.append(f"{section}=+{added}~{changed}-{removed}")
    return " ".join(counts)


def spoken(found: list[PolicyChange]) -> str:
    """Return the counts for a person: `1 budget changed, 2 aliases added`."""
    counts = []
    for section in SECTIONS:
        actions = [change.action for change in found if change.section == section]
        for action, done in (("add", "added"), ("change", "changed"), ("remove", "removed")):
            count = actions.count(action)
            if count:
                counts.append(f"{count} {_ONE[section] if count == 1 else section} {done}")
    return ", ".join(counts)


def _shown(value: Any) -> str:
    if isinstance(value, Terms):
        over = "in total" if value.period == "total" else f"a {value.period}"
        alerts = alerts_text(value.alerts) or "none"
        unknown = "" if value.when_unknown == WORST else f", when unknown {value.when_unknown}"
        return f"{shown_usd(value.limit_pusd)} {over}, at limit {value.at_limit}, alerts at {alerts}{unknown}"
    if isinstance(value, str):
        return value
    table = value if isinstance(value, Mapping) else channel_table(value)
    return ", ".join(f"{name} {_value(one)}" for name, one in table.items())


def _value(one: Any) -> str:
    return " ".join(map(str, one)) if isinstance(one, list) else str(one)
