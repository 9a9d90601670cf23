"""A model as lists show it (pure): its price for a million tokens, its context, its largest reply.

`aikeys models --json` and the gateway's /v1/models?prices=true have the same fields: added to, never removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aikeys.money import usd_text
from aikeys.pricing.cost import rates_at

if TYPE_CHECKING:
    from aikeys.pricing.values import Price

FIELDS = (
    "model", "input_usd_per_million", "output_usd_per_million", "context_window", "max_output", "keys", "aliases",
    "price",
)  # fmt: skip
_MTOK = 1_000_000


def model_row(
    name: str, price: Price | None, keys: Sequence[str], aliases: Sequence[str], now_us: int
) -> dict[str, object]:
    """Return one model; what is not known is None."""
    return {
        "model": name,
        "input_usd_per_million": _usd(price, "input", now_us),
        "output_usd_per_million": _usd(price, "output", now_us),
        "context_window": (price.context_window or None) if price else None,
        "max_output": (price.max_output or None) if price else None,
        "keys": list(keys),
        "aliases": list(aliases),
        "price": price.reference if price and price.is_known else None,
    }


def _usd(price: Price | None, unit: str, now_us: int) -> str | None:
    """Return the list price of today for a million, None where there is none."""
    if price is None or not price.is_known:
        return None
    if price.free:
        return "0.00"
    rate = rates_at(price, now_us)[0].get(unit)
    return usd_text(rate.pusd * _MTOK // rate.per) if rate else None
