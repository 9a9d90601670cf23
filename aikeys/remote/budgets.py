"""/v1/budgets and /v1/budgets/check as the values that `aikeys budget` prints."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from aikeys.budgets.check import STATES, BudgetState
from aikeys.budgets.decisions import BLOCK
from aikeys.budgets.terms import PERIODS, WORST, Terms
from aikeys.errors import UsageError
from aikeys.money import parse_usd, read_usd
from aikeys.providers.wire.exact_json import table, text
from aikeys.remote.client import no_gateway, rows_in
from aikeys.remote.usage import instant_us

if TYPE_CHECKING:
    from aikeys.budgets.who import Who
    from aikeys.providers.wire.exact_json import Table
    from aikeys.remote.client import Gateway

FIELDS = (
    "who", "period", "period_start", "limit_usd", "at_limit", "alerts", "spent_usd", "reserved_usd", "remaining_usd",
    "percent", "state", "when_unknown", "doubt_usd",
)  # fmt: skip


def budgets_at(gateway: Gateway) -> tuple[list[dict[str, object]], str, int | None]:
    """Return the budgets, in which zone their days are counted, and up to when nothing is known (a lost ledger)."""
    found = gateway.get("/v1/budgets")
    rows = [_listed(row) for row in rows_in(found, "budgets")]
    return rows, text(found, "time_zone"), instant_us(text(table(found, "lost_ledger"), "before"))


def checked_at(
    gateway: Gateway, wanted: Sequence[Who], max_unpriced: Decimal | None
) -> tuple[list[BudgetState], list[str]]:
    """Return how full budgets are, and what could mislead without being said."""
    query = [("who", str(who)) for who in wanted]
    query += [("max_unpriced", f"{max_unpriced:f}")] if max_unpriced is not None else []
    found = gateway.get("/v1/budgets/check", query)
    notes = found.get("notes")
    if not isinstance(notes, list):
        raise no_gateway()
    return [_standing(row) for row in rows_in(found, "budgets")], [str(note) for note in notes]


def _standing(row: Table) -> BudgetState:
    """Return a budget's state; what is not understood is never ok."""
    state, terms, spent, reserved, doubt = text(row, "state"), None, 0, 0, 0
    try:
        if row.get("period") is not None:
            terms = Terms(parse_usd(text(row, "limit_usd")), text(row, "period"))
            terms = terms._replace(
                at_limit=text(row, "at_limit") or BLOCK, when_unknown=text(row, "when_unknown") or WORST
            )
            reserved = read_usd(text(row, "reserved_usd"))
            doubt = read_usd(text(row, "doubt_usd") or "0")
        if row.get("spent_usd") is not None:
            spent = read_usd(text(row, "spent_usd"))
    except UsageError:
        raise no_gateway() from None
    if state not in STATES or (terms is not None and terms.period not in PERIODS):
        raise no_gateway()
    calls, unpriced = _count(row, "requests"), _count(row, "unpriced_requests")
    return BudgetState(text(row, "who"), terms, 0, spent, reserved, calls, unpriced, state, text(row, "reason"), doubt)


def _listed(row: Table) -> dict[str, object]:
    fields = {**dict.fromkeys(FIELDS), **row}
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in fields.items()}


def _count(row: Table, name: str) -> int:
    found = row.get(name)
    return found if isinstance(found, int) else 0
