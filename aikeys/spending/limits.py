"""Rate limits of a call (pure): those of config.toml, of the caller's token and of all tokens above it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aikeys.budgets.decisions import Ask
from aikeys.budgets.rates import RateLimit
from aikeys.budgets.reservations import ReserveRequest
from aikeys.ledger.calls import Context
from aikeys.spending.authorise import Caller
from aikeys.spending.names import Target

Configured = Sequence[tuple[str, int | None, int | None]]


def rates_of(caller: Caller, target: Target, configured: Configured) -> list[RateLimit]:
    """Return the rates that count a call; `configured`: whom, requests and tokens per minute."""
    whos = (f"key:{target.key.name}", f"provider:{target.provider.name}")
    is_told = caller.claims is None or caller.claims.may("usage:read")
    found = [RateLimit(*limit, is_told=is_told) for limit in configured if limit[0] in whos]
    line = (caller.claims, *caller.above) if caller.claims is not None else ()
    found += [
        RateLimit(f"token:{claims.shown_id}", claims.rpm, claims.tpm, is_told or claims is caller.claims)
        for claims in line
        if claims.rpm is not None or claims.tpm is not None
    ]
    return found


def asked_of_the_budgets(caller: Caller, context: Context, cost: Ask) -> ReserveRequest:
    """Return what is asked of the reserver for a call that can cost so much."""
    once = caller.token if caller.claims is not None and caller.claims.is_once else ""
    return ReserveRequest(
        context if cost.is_bounded else context._replace(price=""), cost, once, partial(_tells, caller)
    )


def _tells(caller: Caller, who: str) -> bool:
    """Tell whether a budget is told to a caller: made only where a call is refused."""
    return caller.sight.tells(who)
