"""Refusals of a call by a budget (pure): who, spent, reserved, limit, and what the call could have cost.

Of a budget whose name is not for them (empty) neither name nor amounts: it is *a higher limit*.
"""

from __future__ import annotations

from aikeys.budgets.decisions import Ask, Busy, Refuse, Room, Undecided
from aikeys.budgets.who import HIGHER
from aikeys.errors import AikeysError, CannotDecide
from aikeys.money import about_usd, shown_usd, usd_text

_THIS = {"day": "today", "week": "this week", "month": "this month", "total": "in total"}
_ASK = "ask whoever issued the token"
RETRY_AFTER_S = 5


class BudgetExceeded(AikeysError):
    """The money is not there. `room` is the budget; `revoke`: the token that asked should be revoked.

    `room` and `price` are for whoever may see them: the message has what the caller may know.
    """

    code = "budget_exceeded"
    exit_status = 22
    http_status = 402

    def __init__(self, message: str, hint: str, room: Room, price: Ask, *, revoke: bool) -> None:
        super().__init__(message, hint)
        self.room = room
        self.price = price
        self.revoke = revoke


class BudgetBusy(AikeysError):
    """The money is there, but reserved by calls that have not settled in time."""

    code = "budget_busy"
    exit_status = 32
    http_status = 429
    retry_after_s = RETRY_AFTER_S

    def __init__(self, message: str, hint: str, room: Room) -> None:
        super().__init__(message, hint)
        self.room = room


def exceeded(room: Room, price: Ask, who: str, *, revoke: bool) -> BudgetExceeded:
    """Return the refusal of a call that does not fit; `who` as a person reads it."""
    if not who:
        message = f"{HIGHER} does not allow this call, which could cost {_range(price)}"
        return BudgetExceeded(message, f"lower the call's output, or {_ASK}", room, price, revoke=revoke)
    period = "" if room.period == "month" else f" --period {room.period}"
    return BudgetExceeded(
        f"the budget of {who} does not allow this call: it could cost {_range(price)}, and {_state(room)}",
        f"lower the call's output, or: aikeys budget set {who} USD{period}",
        room,
        price,
        revoke=revoke,
    )


def busy(room: Room, price: Ask, who: str) -> BudgetBusy:
    """Return the refusal of a call that waited for open reservations in vain."""
    if not who:
        message = f"{HIGHER} is taken up by calls that have not ended; this one could cost {_range(price)}"
        return BudgetBusy(message, "try again in a few seconds", room)
    return BudgetBusy(
        f"the budget of {who} is taken up by calls that have not ended: this one could cost {_range(price)}, "
        f"and {_state(room)}",
        "try again in a few seconds",
        room,
    )


def refusal(outcome: Refuse | Busy | Undecided, price: Ask, who: str) -> AikeysError:
    """Return what a decision against a call is told as."""
    match outcome:
        case Refuse():
            return exceeded(outcome.room, price, who, revoke=outcome.revoke)
        case Busy():
            return busy(outcome.room, price, who)
        case Undecided():
            return undecided(who)


def undecided(who: str) -> CannotDecide:
    """Return the refusal of a call that nothing bounds, where a budget that limits it was set meanwhile."""
    return CannotDecide(
        f"{f'the budget of {who}' if who else HIGHER} limits this call, and what it can cost has no bound",
        "ask again: then it is told what is missing",
    )


def facts(room: Room, price: Ask) -> dict[str, str]:
    """Return the same for programs, money as decimal strings of USD."""
    return {
        "period": room.period,
        "limit_usd": usd_text(room.limit_pusd),
        "spent_usd": usd_text(room.spent_pusd),
        "reserved_usd": usd_text(room.reserved_pusd),
        "could_cost_usd": usd_text(price.worst_pusd),
        "least_cost_usd": usd_text(price.floor_pusd),
    }


def _range(price: Ask) -> str:
    worst = f"up to {shown_usd(price.worst_pusd)}"
    return worst if price.floor_pusd == price.worst_pusd else f"{worst} (at least {shown_usd(price.floor_pusd)})"


def _state(room: Room) -> str:
    reserved = f", {shown_usd(room.reserved_pusd)} reserved" if room.reserved_pusd else ""
    limit = about_usd(room.limit_pusd) if room.is_soft else shown_usd(room.limit_pusd)
    return f"{shown_usd(room.spent_pusd)} of {limit} is spent {_THIS[room.period]}{reserved}"
