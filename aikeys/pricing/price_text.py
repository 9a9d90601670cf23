"""The price that the ledger keeps with a call (pure): `REFERENCE unit=PUSD/PER unit=PUSD/PER …`.

`openai/gpt-5@2026-11-23:bundled input=1250000/1 output=10000000/1`: pico-dollars for that many units, as they were for
this call. What does not read so gives no unit prices: a text of an import is never an error.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from aikeys.pricing import units
from aikeys.pricing.cost import rates_at
from aikeys.pricing.values import STANDARD, Price, Service
from aikeys.providers.usage import Usage

_RATE = re.compile(r"([a-z0-9_]+)=(\d{1,19})/([1-9]\d{0,18})", re.ASCII)


class UnitPrices(NamedTuple):
    """A price's reference, the version of its book, and (pico-USD, per) by unit."""

    reference: str
    version: str
    rates: dict[str, tuple[int, int]]


def price_text(price: Price, usage: Usage, *, at_us: int, service: Service = STANDARD) -> str:
    """Return a price's reference and all its rates as they were at an instant, at the tier that the input is in."""
    rates, _ = rates_at(price, at_us, service)
    whole_input = units.input_tokens(usage)
    words = [f"{unit}={pusd}/{per}" for unit, rate in sorted(rates.items()) for pusd, per in [rate.at(whole_input)]]
    return " ".join((price.reference, *words))


def unit_prices(text: str) -> UnitPrices:
    """Return what a stored price says."""
    reference, *words = text.split(" ") if text else [""]
    found = (_RATE.fullmatch(word) for word in words)
    rates = {rate[1]: (int(rate[2]), int(rate[3])) for rate in found if rate}
    return UnitPrices(reference, reference.rpartition("@")[2], rates)
