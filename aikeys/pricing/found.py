"""A found price (pure): the price of a name, and how surely the name is its."""

from __future__ import annotations

from typing import NamedTuple

from aikeys.pricing.values import Price


class FoundPrice(NamedTuple):
    """A price, and whether the name was certainly its: a fuzzy match is no price under a blocking budget.

    `is_pin`: the name is a listed one with a date or number that is not listed. Its price bounds a call, and is that of
    no call.
    """

    price: Price
    is_certain: bool
    is_pin: bool = False

    @property
    def is_bound(self) -> bool:
        """Tell whether no call of that name can cost more."""
        return self.is_certain or self.is_pin
