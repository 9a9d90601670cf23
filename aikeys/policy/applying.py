"""Read the policy that holds, and make another hold: all or nothing, audited.

The ledger's part is one transaction, and config.toml is replaced as its last step: if either fails, neither changes.
"""

from __future__ import annotations

import os
import sqlite3

from aikeys import config
from aikeys.alerts import outbox
from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.late import told
from aikeys.budgets.store import ERASED, Budget, read_budgets, shown_limited
from aikeys.budgets.who import USER, parse_who
from aikeys.errors import Cancelled
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Act, Ledger, Writer
from aikeys.policy import plan
from aikeys.policy.editing import edited
from aikeys.policy.plan import PolicyChange
from aikeys.policy.text import Policy
from aikeys.pricing import overrides
from aikeys.storage import files, folders

APPLY = "config apply"
_ERASED = f"{USER}:{ERASED}"


def holding(ledger: Ledger, home: str) -> Policy:
    """Return the policy that holds; budgets of persons who were erased have no name and are left out."""
    with ledger.reading() as connection:
        return _of(connection, home)


def check(wanted: Policy) -> None:
    """Raise BadConfiguration where prices could not be used."""
    overrides.read(wanted.prices or {}, ())


def apply(ledger: Ledger, home: str, wanted: Policy, agreed: list[PolicyChange], digest: str) -> list[str]:
    """Make a policy hold; `agreed` is what was shown to the user. Raises Cancelled where it has changed since.

    Returns which calls under way its budgets come too late for, a sentence each.
    """
    check(wanted)
    path = os.path.join(home, config.CONFIG_FILE)
    before, after = _texts(path, wanted)
    try:
        with ledger.writing() as writer:
            if plan.changes(_of(writer.connection, home), wanted) != agreed:
                raise Cancelled("the policy has changed meanwhile", "run it again to see the new plan")
            writer.act(Act(APPLY, "policy", f"sha256={digest} {plan.summary(agreed)}"))
            made = [budget for change in agreed if (budget := _change(writer, change)) is not None]
            day = Calendar(ledger.zone).day_of(writer.now_us)
            too_late = [said for _, said in told(writer.connection, made, day, names_them=True)]
            if after != before:
                _replace(path, after)
    except BaseException:
        if after != before and _read(path) == after:
            _replace(path, before)
        raise
    return too_late


def _of(connection: sqlite3.Connection, home: str) -> Policy:
    settings = config.load(home)
    budgets = [(shown_limited(connection, one.who), one.terms) for one in read_budgets(connection)]
    named = {(who, terms.period): terms for who, terms in budgets if not who.startswith(_ERASED)}
    found = {channel.name: channel for channel in outbox.channels(connection)}
    return Policy(named, found, dict(settings.aliases), {name: dict(table) for name, table in settings.prices.items()})


def _change(writer: Writer, change: PolicyChange) -> Budget | None:
    """Make one change; return the budget that it set."""
    match change.section:
        case "budgets":
            who, period = change.name
            if change.after is None:
                remove_budget(writer, who, period)
            else:
                return set_budget(writer, parse_who(who), change.after)
        case "alerts":
            if change.before is not None:
                outbox.remove_channel(writer, change.name)
            if change.after is not None:
                outbox.add_channel(writer, change.after, os.urandom(16))
    return None


def _texts(path: str, wanted: Policy) -> tuple[str, str]:
    before = _read(path)
    if wanted.aliases is None and wanted.prices is None:
        return before, before
    return before, edited(before, wanted.aliases, wanted.prices)


def _read(path: str) -> str:
    return (files.read(path, config.LARGEST_FILE) or b"").decode("utf-8-sig")


def _replace(path: str, text: str) -> None:
    folders.write_kept(os.path.dirname(path), os.path.basename(path), text.encode())
