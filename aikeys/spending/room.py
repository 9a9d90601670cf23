"""Advisory: the money left in the tightest blocking budget, used to pick a default cap; the reservation decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from aikeys import clock
from aikeys.budgets.counters import find_counter, made_counter, span_of
from aikeys.budgets.decisions import BLOCKING
from aikeys.budgets.reservations import everything
from aikeys.budgets.store import applying, is_anybody_blocked, read_budgets_of, somebody_known
from aikeys.budgets.terms import TOTAL
from aikeys.budgets.who import HIGHER, TOKEN, USER, Who, somebody, whos_of
from aikeys.errors import CannotDecide, MachineFailed
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Context
from aikeys.ledger.store import Ledger
from aikeys.ledger.token_acts import ancestors
from aikeys.money import usd_text
from aikeys.spending.authorise import Caller
from aikeys.spending.bill import AttemptUse
from aikeys.spending.plan import Plan

_calendar = lru_cache(maxsize=16)(Calendar)


class Left(NamedTuple):
    """What the tightest blocking budget has left once open reservations have cost nothing; None without one.

    `told_pusd` is the same of the budgets that the caller may see.
    """

    pusd: int | None = None
    told_pusd: int | None = None


def left_pusd(ledger: Ledger, context: Context, now_us: int, tells: Callable[[str], bool] = everything) -> Left:
    """Return what is left for a context; `tells` says which budgets the caller may see."""
    with ledger.looking() as connection:
        if not is_anybody_blocked(connection):
            return Left()
    day = _calendar(ledger.zone).day_of(now_us)
    user = context.labels.user
    left: list[tuple[int, str]] = []
    with ledger.reading() as connection:
        stored = somebody_known(connection, Who(USER, user)) if user else None
        digest = bytes.fromhex(stored.partition(":")[2]) if stored else b""
        above = ancestors(connection, context.token) if context.token else ()
        whos = whos_of(context, digest, above)
        if user and not digest:  # nobody the ledger has seen: only a budget for each user can apply
            whos = (*whos, somebody(USER, "00"))
        for who, budget in applying(connection, whos):
            if budget.terms.at_limit in BLOCKING:
                span = span_of(budget.terms.period, day)
                counter = find_counter(connection, who, span) or made_counter(connection, who, span)
                name = f"{USER}:{user}" if who.startswith(f"{USER}:") else who
                left.append((budget.terms.limit_pusd - counter.spent_pusd, name))
    told = [each for each, name in left if tells(name)]
    return Left(min((each for each, _ in left), default=None), min(told, default=None))


def left_for(ledger: Ledger, caller: Caller, context: Context, now_us: int) -> Left:
    """Return the same for a caller; CannotDecide (23) where the ledger has not the budget a token was issued with."""
    line = (caller.claims, *caller.above) if caller.claims is not None else ()
    sight = caller.sight
    for claims in line:
        if claims.budget_pusd is not None:
            is_told = sight.tells(str(Who(TOKEN, claims.shown_id)))
            _require_budget(ledger, claims.shown_id, claims.budget_pusd, is_told=is_told)
    return left_pusd(ledger, context, now_us, sight.tells)


def as_of_now(ledger: Ledger, made: Plan, used: AttemptUse, context: Context) -> Plan:
    """Return the plan of a call that is over, with the limits of now where they decide what it is booked at.

    A budget that blocks may have been set while it was under way: then a cost that is unknown is the worst case, and
    what was reported and nobody read counts.
    """
    is_unknown = used.may_cost and not (used.complete and used.metered.usage is not None and not used.metered.unread)
    if made.is_limited or not is_unknown or not is_limited_now(ledger, made, context):
        return made
    return made._replace(is_limited=True)


def is_limited_now(ledger: Ledger, made: Plan, context: Context) -> bool:
    """Tell whether a budget blocks a call that is under way; False for one that nothing bounds, it comes too late."""
    if made.is_limited or made.price is None or made.open_ends:
        return made.is_limited
    try:
        return left_pusd(ledger, context, clock.now_us()).pusd is not None
    except MachineFailed:
        return False


def _require_budget(ledger: Ledger, token: str, issued_pusd: int, *, is_told: bool) -> None:
    who = Who(TOKEN, token)
    with ledger.looking() as connection:
        found = [one.terms for one in read_budgets_of(connection, who.limited) if one.terms.period == TOTAL]
    if any(terms.at_limit in BLOCKING and terms.limit_pusd <= issued_pusd for terms in found):
        return
    if is_told:
        raise CannotDecide(
            f"token {token} was issued with a budget of {usd_text(issued_pusd)} USD, which was removed or raised since",
            f"set it again: aikeys budget set {who} {usd_text(issued_pusd)} --period total; or issue another token",
        )
    raise CannotDecide(f"{HIGHER}, of a token above this one, was removed or raised since", "use another token")
