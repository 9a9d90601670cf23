"""Results of `budget check` as a table, Markdown or GitHub annotations (pure).

Reference: docs.github.com, "Workflow commands": messages escape %, CR and LF, properties also : and the comma. GitHub
shows ten annotations of a kind; what is beyond is named in the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.cli.render.markdown import escaped
from aikeys.money import about_usd, least_usd, shown_usd, usd_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.budgets.check import BudgetState
    from aikeys.budgets.terms import Terms

HEADERS = ("BUDGET OF", "PERIOD", "SPENT", "RESERVED", "LIMIT", "LEFT", "USED", "STATE")
NOT_KNOWN = "-"
_MOST_ANNOTATIONS = 10
_COMMANDS = {"warning": "warning", "exceeded": "error", "undecided": "error"}
_IN = {"day": "today", "week": "this week", "month": "this month", "total": "in total"}


def cells(one: BudgetState) -> list[str]:
    """Return a budget as cells under HEADERS."""
    terms = one.terms
    state = f"{one.state}: {one.reason}" if one.reason else one.state
    if terms is None:
        spent = _spent(one) if one.is_counted else NOT_KNOWN
        return [one.who, NOT_KNOWN, spent, *[NOT_KNOWN] * 4, state]
    left = (about_usd if one.is_soft else shown_usd)(one.remaining_pusd or 0)
    return [one.who, terms.period, _spent(one), shown_usd(one.reserved_pusd), limit(terms), left, used(one), state]


def limit(terms: Terms) -> str:
    """Return a limit: one that an unknown end may pass is marked."""
    return about_usd(terms.limit_pusd) if terms.is_soft else shown_usd(terms.limit_pusd)


def _spent(one: BudgetState) -> str:
    """Return what is spent: with calls whose full price nobody knows it is the least."""
    return least_usd(one.spent_pusd) if one.unpriced else shown_usd(one.spent_pusd)


def used(one: BudgetState) -> str:
    """Return how much of a limit is used: `83.4 %`."""
    return "" if one.tenths is None else f"{one.tenths // 10}.{one.tenths % 10} %"


def sentence(one: BudgetState) -> str:
    """Return a budget in one sentence."""
    if one.terms is None:
        return f"{one.who}: {one.reason}" if one.reason else f"{one.who}: {one.state}"
    share = f", {used(one)}" if used(one) else ""
    reason = f"; {one.reason}" if one.reason else ""
    amounts = f"{_spent(one)} of {limit(one.terms)}"
    return f"{one.who} has spent {amounts} {_IN[one.terms.period]}{share}{reason}"


def markdown(states: Sequence[BudgetState], state: str, notes: Sequence[str]) -> str:
    """Return a heading, a table and notes for a CI summary."""
    lines = [f"### AI budgets: {state}", ""]
    if states:
        lines += [f"| {' | '.join(name.capitalize() for name in HEADERS)} |", "|---|---|---:|---:|---:|---:|---:|---|"]
        lines += [f"| {' | '.join(escaped(cell) for cell in cells(one))} |" for one in states]
    return "\n".join([*lines, *(f"\n{escaped(note)}" for note in notes)])


def commands_of(states: Sequence[BudgetState]) -> list[str]:
    """Return workflow commands, one for each budget that is not ok."""
    lines = []
    for command in ("error", "warning"):
        found = [one for one in states if _COMMANDS.get(one.state) == command]
        shown = found if len(found) <= _MOST_ANNOTATIONS else found[: _MOST_ANNOTATIONS - 1]
        lines += [annotation(command, f"AI budget {one.state}", sentence(one)) for one in shown]
        if len(found) > len(shown):
            rest = ", ".join(one.who for one in found[len(shown) :])
            lines.append(annotation(command, "AI budgets", f"{len(found) - len(shown)} more: {rest}"))
    return lines


def annotation(command: str, title: str, message: str, **properties: object) -> str:
    """Return one workflow command, with further properties such as `file` and `line`; no text can begin another."""
    pairs = {**properties, "title": title}
    said = ",".join(
        f"{name}={_message(str(value)).replace(':', '%3A').replace(',', '%2C')}" for name, value in pairs.items()
    )
    return f"::{command} {said}::{_message(message)}"


def outputs(state: str, decides: BudgetState | None) -> str:
    """Return the lines for a step's outputs: of the budget that decides; amounts are empty where there is none."""
    spent = usd_text(decides.spent_pusd) if decides and decides.is_counted else ""
    left = usd_text(decides.remaining_pusd or 0) if decides and decides.terms else ""
    return f"state={state}\nspent_usd={spent}\nremaining_usd={left}\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def way_out(decides: BudgetState | None) -> str:
    """Return what can be done where nothing is decided."""
    from aikeys.ledger import lost_ledgers

    if decides is None:
        return "set a budget (aikeys budget set WHO USD), or name its ledger: AIKEYS_LEDGER=DIR"
    if decides.terms is None:
        return f"aikeys budget set {decides.who} USD, or see: aikeys budget list"
    if lost_ledgers.is_told_in(decides.reason):
        return lost_ledgers.WAY_OUT
    return "give the models a price in config.toml, or raise --max-unpriced"
