"""The most that a token may cost at whichever host an aggregator routes to (pure).

OpenRouter takes it as `provider.max_price {prompt, completion}`, in USD per million tokens. Under a blocking budget it
is what was reserved, or a client's own where that is lower: a dearer host would pass the reservation.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from aikeys.pricing.worst_case import most_of_a_token
from aikeys.providers.wire.exact_json import Table, table
from aikeys.providers.wire.values import Json
from aikeys.spending.native.findings import Findings
from aikeys.spending.plan import Plan

_UNITS = (("prompt", "input"), ("completion", "output"))
_EXACT = Decimal("1e-9")


def read(body: Table, found: Findings) -> None:
    """Meter a client's words on where its request is routed to: what bounds them is added."""
    if found.dialect.caps_price and isinstance(body.get("provider"), dict):
        found.unmetered[:] = [each for each in found.unmetered if each != "provider"]
        theirs = table(body, "provider").get("max_price")
        if theirs is not None and not isinstance(theirs, dict):
            found.unmetered.append("provider.max_price")
        for name, each in table(theirs).items():
            if each is not None and _usd(each) is None:
                found.unmetered.append(f"provider.max_price.{name}")


def most_of_plan(made: Plan) -> Mapping[str, Decimal]:
    """Return the caps of a plan, by their names; none where nothing limits it or nobody takes them."""
    price = made.price
    if not made.dialect.caps_price or not made.is_limited or price is None or price.free:
        return {}
    found = {}
    for name, unit in _UNITS:
        pusd, per = most_of_a_token(price, made.bounds, unit, made.worst.input_tokens)
        found[name] = (Decimal(pusd) / Decimal(per) / 1_000_000).quantize(_EXACT, ROUND_FLOOR).normalize()
    return found


def with_price_cap(body: Table, most: Mapping[str, Decimal]) -> Table:
    """Return the body with these caps, or its own where they are lower."""
    routing = table(body, "provider")
    caps: dict[str, Json] = dict(table(routing, "max_price"))
    for name, ours in most.items():
        theirs = _usd(caps.get(name))
        caps[name] = ours if theirs is None else min(ours, theirs)
    return {**body, "provider": {**routing, "max_price": caps}}


def _usd(value: Json) -> Decimal | None:
    """Return an amount that was given as a number or a text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None
