"""The calls that a budget comes too late for: under way when it is set, they can take more than is left of it.

- What they have reserved is more than what is left: any of them may be the one that goes beyond. Calls that come later
  wait for them, or are refused.
- Nothing bounds what they cost (no certain price, no known maximum of output, a field that nobody meters): that comes
  on top of what is reserved. The context of such a reservation names no price.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aikeys.budgets.counters import PeriodRun, made_counter, span_of
from aikeys.budgets.decisions import BLOCKING
from aikeys.budgets.open_reservations import whos_filed
from aikeys.budgets.store import Budget, applying, shown_text
from aikeys.budgets.who import Somebody, concrete_who, limited_who, own_of
from aikeys.money import shown_usd

_OPEN = (
    "SELECT r.id, r.pusd, r.context, model.text, price.text = '' FROM reservation r JOIN context c ON c.id = r.context "
    "JOIN slot s ON s.id = c.slot JOIN word model ON model.id = s.model JOIN word price ON price.id = c.price "
    "WHERE r.day >= ? AND r.day < ? ORDER BY r.rowid"
)
_MOST_IDS, _MOST_SHOWN, _MOST_MODELS = 200, 5, 5


class Underway(NamedTuple):
    """A call that is under way, by the id the ledger knows it by."""

    id: str
    model: str
    pusd: int
    is_bounded: bool


class Late(NamedTuple):
    """What a budget comes too late for. `left_pusd`: what is left once every open reservation has cost nothing."""

    who: Somebody
    left_pusd: int
    beyond: tuple[Underway, ...]
    unbounded: tuple[Underway, ...]

    @property
    def calls(self) -> tuple[Underway, ...]:
        return self.beyond + self.unbounded


def late(connection: sqlite3.Connection, budget: Budget, day: int) -> list[Late]:
    """Return whom a budget comes too late for, each with the calls; `day` is today."""
    if budget.terms.at_limit not in BLOCKING:
        return []
    found = []
    for who, calls in sorted(_underway(connection, budget, span_of(budget.terms.period, day)).items()):
        counter = made_counter(connection, who, span_of(budget.terms.period, day))
        left_pusd = budget.terms.limit_pusd - counter.spent_pusd
        is_beyond = counter.reserved_pusd > max(0, left_pusd)
        beyond = tuple(one for one in calls if one.is_bounded and one.pusd and is_beyond)
        unbounded = tuple(one for one in calls if not one.is_bounded)
        if beyond or unbounded:
            found.append(Late(who, left_pusd, beyond, unbounded))
    return found


def detail_of(found: Late, period: str) -> str:
    """Return what the ledger keeps of it."""
    ids = [one.id for one in found.calls]
    further = f" further={len(ids) - _MOST_IDS}" if len(ids) > _MOST_IDS else ""
    held_pusd = sum(one.pusd for one in found.calls)
    return (
        f"period={period} calls={len(ids)} unbounded={len(found.unbounded)} held_pusd={held_pusd} "
        f"ids={','.join(ids[:_MOST_IDS])}{further}"
    )


def told(
    connection: sqlite3.Connection, budgets: Sequence[Budget], day: int, *, names_them: bool = False
) -> list[tuple[str, str]]:
    """Return whom budgets come too late for, as a person reads it, and what there is to say of that.

    `names_them`: with the ids of the calls, for whoever may see them all.
    """
    said = []
    for found in (one for budget in budgets for one in late(connection, budget, day)):
        who = shown_text(connection, found.who)
        for calls, what in _said(found):
            ids = f": {_ids(calls)}" if names_them else ""
            said.append((who, f"the budget of {who} comes too late for {_calls(calls)} under way{what}{ids}"))
    return said


def _said(found: Late) -> Iterator[tuple[tuple[Underway, ...], str]]:
    if found.beyond:
        held, left = shown_usd(sum(one.pusd for one in found.beyond)), shown_usd(max(0, found.left_pusd))
        yield found.beyond, f", which may cost up to {held} where {left} is left ({_models(found.beyond)})"
    if found.unbounded:
        yield found.unbounded, f" of unknown cost, which is not reserved ({_models(found.unbounded)})"


def _underway(connection: sqlite3.Connection, budget: Budget, span: PeriodRun) -> dict[Somebody, list[Underway]]:
    """Return the open calls that count for a budget, by whom it limits."""
    limited, found = limited_who(budget.who), dict[Somebody, list[Underway]]()
    known: dict[int, list[Somebody]] = {}
    for number, pusd, context, model, is_unbounded in connection.execute(_OPEN, span.days):
        if context not in known:
            whos = whos_filed(connection, context)
            of_kind = [who for who in whos if concrete_who(who).kind == limited.kind]
            same = of_kind if limited.is_each else [who for who in of_kind if own_of(who) == budget.who]
            known[context] = [one.who for one in applying(connection, same) if one.budget == budget]
        for who in known[context]:
            found.setdefault(who, []).append(Underway(number.hex(), model, pusd, not is_unbounded))
    return found


def _calls(calls: tuple[Underway, ...]) -> str:
    return "1 call" if len(calls) == 1 else f"{len(calls)} calls"


def _ids(calls: tuple[Underway, ...]) -> str:
    shown = [one.id for one in calls[:_MOST_SHOWN]]
    further = f" and {len(calls) - _MOST_SHOWN} more" if len(calls) > _MOST_SHOWN else ""
    return ", ".join(shown) + further


def _models(calls: tuple[Underway, ...]) -> str:
    counts = Counter(one.model for one in calls).most_common()
    shown = [f"{model} × {number}" if number > 1 else model for model, number in counts[:_MOST_MODELS]]
    return ", ".join([*shown, "…"] if len(counts) > _MOST_MODELS else shown)
