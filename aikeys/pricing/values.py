"""Prices and the results of pricing as values (pure). Money is integer pico-USD; no float and no Decimal anywhere.

- A rate is an exact fraction: `pusd` pico-dollars for `per` units, so no list price is rounded, not even 0.111 USD an
  hour. A cost is rounded once, at its end, up: by less than one pico-dollar, and never below what is due.
- A tier is a cliff: when the whole input exceeds `above`, its rate applies to all units, not to the excess.
- An unknown price is never zero: a price without rates prices nothing, and what it leaves out stands in `unpriced`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_US_PER_S = 1_000_000
_DAY_S = 86_400
Rates = Mapping[str, "Rate"]
Service = Mapping[str, str]
"""The service of a call: `{"service_tier": "flex"}`, `{"processing": "batch"}`, `{"speed": "fast"}`; {}: standard."""
STANDARD: Service = MappingProxyType({})
RESIDENCY = "residency"
"""The name, in a service, of the region in which a call's data stays."""


class Step(NamedTuple):
    """The rate of calls whose whole input is more than `above` tokens."""

    above: int
    pusd: int
    per: int


class Rate(NamedTuple):
    """`pusd` pico-dollars for `per` units, in lowest terms; steps ascend."""

    pusd: int
    per: int = 1
    steps: tuple[Step, ...] = ()

    def at(self, input_tokens: int) -> tuple[int, int]:
        """Return (pusd, per) for a call with that whole input."""
        found = (self.pusd, self.per)
        for step in self.steps:
            if input_tokens <= step.above:
                break
            found = (step.pusd, step.per)
        return found


class Tariff(NamedTuple):
    """Rates by unit (units.py), from an instant on, every day between two seconds of the UTC day (equal: all day)."""

    rates: Rates
    starts_us: int = 0
    from_s: int = 0
    until_s: int = 0

    def is_active(self, at_us: int) -> bool:
        """Tell whether it applies at that instant; hours may run over midnight."""
        if at_us < self.starts_us:
            return False
        if self.from_s == self.until_s:
            return True
        second = at_us // _US_PER_S % _DAY_S
        if self.from_s < self.until_s:
            return self.from_s <= second < self.until_s
        return second >= self.from_s or second < self.until_s


class Variant(NamedTuple):
    """Rates that replace the standard ones, unit by unit, for calls served in this way."""

    when: tuple[tuple[str, str], ...]
    tariff: Tariff

    def fits(self, service: Service) -> bool:
        return all(service.get(key) == value for key, value in self.when)


class Price(NamedTuple):
    """What one model costs at one provider.

    The last active tariff applies, the first where none is. `free`: known to cost nothing. `minimums`: a smaller count
    of that unit is billed as this one. A context window or maximum output of 0 is unknown. `residency`: the factor, as
    a fraction, on all tokens of a call whose data stays in a region; a region that is not listed has an unknown one.
    """

    provider: str
    model: str
    tariffs: tuple[Tariff, ...] = ()
    variants: tuple[Variant, ...] = ()
    free: bool = False
    context_window: int = 0
    max_output: int = 0
    minimums: tuple[tuple[str, int], ...] = ()
    source: str = "bundled"
    version: str = ""
    residency: tuple[tuple[str, tuple[int, int]], ...] = ()

    @property
    def is_known(self) -> bool:
        """Tell whether there is any rate, or the model is free."""
        return self.free or any(tariff.rates for tariff in self.tariffs)

    @property
    def reference(self) -> str:
        """Return what the ledger keeps of it: `openai/gpt-5@2026-11-23:bundled`."""
        return f"{self.provider}/{self.model}@{self.version}:{self.source}"


class PriceLine(NamedTuple):
    """What so much of one unit costs; the lines of a `Priced` add up to its cost."""

    unit: str
    used: int
    cost_pusd: int


class Priced(NamedTuple):
    """The cost of a usage. `unpriced` names every used unit whose cost is missing or may be too low, with its count."""

    cost_pusd: int
    lines: tuple[PriceLine, ...] = ()
    unpriced: tuple[tuple[str, int], ...] = ()
    reference: str = ""

    @property
    def is_complete(self) -> bool:
        """Tell whether everything used was priced: else the cost is only a lower bound."""
        return not self.unpriced
