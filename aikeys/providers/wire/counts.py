"""Reads the counts of one usage object (pure), trusting nothing: what cannot be true is read as missing and named.

- A count is a whole number from 0 to 10¹². Negative ones, fractions, texts and booleans are odd, never a quiet zero.
- A whole is never smaller than its parts: no reported token is dropped.
- Costs are exact decimals of USD, rounded up to the pico-dollar.
- What is read is noted, so that what nobody read can be found (unread.py). What is odd was not read.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal

from aikeys.money import PUSD_PER_USD
from aikeys.providers.usage import Usage
from aikeys.providers.wire.exact_json import Table, at, text
from aikeys.providers.wire.unread import Read
from aikeys.providers.wire.values import Json

_LARGEST_COUNT = 10**12
_LARGEST_COST = 10**6  # USD of one call: keeps its pico-dollars within 63 bits
_PUSD_PER_TICK = 100  # xAI: 1 USD = 10¹⁰ ticks
_EXACT = Context(prec=60)
_TIERS = {"on_demand_flex": "flex", "on_demand_priority": "priority"}
ANYWHERE = ("global", "not_available")
"""Where data may be processed: not in one region."""
_ANY = frozenset({"", *ANYWHERE})
_STANDARD = frozenset({"", "auto", "default", "on_demand", "standard", "traffic_type_unspecified"})


class UsageCounts:
    """The counts of one usage object, the names of those that were odd, and which were read."""

    __slots__ = ("odd", "raw", "read")

    def __init__(self, raw: Table, above: UsageCounts | None = None) -> None:
        """Begin; the counts of an object inside another one are noted with those of that one."""
        self.raw = raw
        self.odd: list[str] = [] if above is None else above.odd
        self.read: Read = set() if above is None else above.read

    def seen(self, *path: str) -> int | None:
        """Return the count at that path, None where there is none that could be true."""
        holder = self.raw
        for name in path[:-1]:
            inner = holder.get(name)
            if not isinstance(inner, dict):
                return None
            holder = inner
        found = holder.get(path[-1])
        if found is None:
            return None
        if type(found) is int and 0 <= found <= _LARGEST_COUNT:
            self.read.add((id(holder), path[-1]))
            return found
        if isinstance(found, Decimal) and found.is_finite() and found.adjusted() < 12 and found == int(found) >= 0:
            self.read.add((id(holder), path[-1]))
            return int(found)
        self.odd.append(".".join(path))
        return None

    def of(self, *path: str) -> int:
        """Return the count at that path, 0 where there is none."""
        return self.seen(*path) or 0

    def tables(self, names: tuple[str, ...]) -> list[tuple[str, Table]]:
        """Return those of these tables that there are, with their names."""
        raw = self.raw
        return [(name, found) for name in names if name in raw and isinstance(found := raw[name], dict)]

    def within(self, tables: list[tuple[str, Table]], name: str) -> int | None:
        """Return the count of that name in the first of several tables that has it, None where none has."""
        for table, inner in tables:
            found = inner.get(name)
            if found is None:
                continue
            if type(found) is int and 0 <= found <= _LARGEST_COUNT:
                self.read.add((id(inner), name))
                return found
            seen = self.seen(table, name)
            if seen is not None:
                return seen
        return None

    def first(self, *paths: tuple[str, ...]) -> int:
        """Return the first of several counts that is there, 0 where none is."""
        for path in paths:
            found = self.seen(*path)
            if found is not None:
                return found
        return 0

    def largest(self, *paths: tuple[str, ...]) -> int:
        """Return the largest of several counts that say the same, 0 where none is."""
        raw = self.raw
        return max([self.of(*path) for path in paths if path[0] in raw], default=0)

    def at_least(self, whole: int, parts: int, name: str) -> int:
        """Return the whole, or its parts where they are more, which is odd."""
        if parts <= whole:
            return whole
        self.odd.append(name)
        return parts


def named(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Return further units as Usage holds them: sorted, without zeros."""
    return tuple(sorted((name, count) for name, count in counts.items() if count > 0))


def with_fees(usage: Usage | None, fees: dict[str, int]) -> Usage | None:
    """Return a usage with further units."""
    if usage is None or not fees:
        return usage
    other = dict(usage.other)
    for unit, count in fees.items():
        other[unit] = other.get(unit, 0) + count
    return usage._replace(other=named(other))


def billed_pusd(usage: Table, cost: str, odd: list[str]) -> int | None:
    """Return what the reply says it cost, in pico-USD; None where it does not say. `cost` is the dialect's.

    What it says is the sum of everything that was used: beside it nothing is unread.
    """
    if not cost:
        return None
    stated = at(usage, *cost.split(".")[1:])
    if cost == "usage.cost" and at(usage, "is_byok") is True:  # the upstream charges the user's own key on top
        upstream = at(usage, "cost_details", "upstream_inference_cost")
        parts = [_pusd(each, PUSD_PER_USD, odd, cost) for each in (stated, upstream)]
        is_unreadable = parts[0] is None or (parts[1] is None and upstream is not None)
        return None if is_unreadable else sum(part or 0 for part in parts)
    if cost.endswith("_ticks"):
        return _pusd(stated, _PUSD_PER_TICK, odd, cost)
    return _pusd(stated, PUSD_PER_USD, odd, cost)


def service_of(*tables: Table) -> tuple[tuple[str, str], ...]:
    """Return how the call was served, in the words of pricing; nothing where that is the standard way."""
    tier = next((found for found in (_tier(table) for table in tables) if found), ())
    return (
        tier
        + next((found for found in (_word(table, "speed", "speed", _STANDARD) for table in tables) if found), ())
        + next((found for found in (_word(table, "inference_geo", "residency", _ANY) for table in tables) if found), ())
    )


def _tier(table: Table) -> tuple[tuple[str, str], ...]:
    for name in ("service_tier", "serviceTier", "trafficType"):
        tier = text(table, name).lower() if name in table else ""
        if tier not in _STANDARD:
            return _batch_or(_TIERS.get(tier, tier))
    return ()


def _word(table: Table, name: str, key: str, usual: frozenset[str]) -> tuple[tuple[str, str], ...]:
    word = text(table, name).lower() if name in table else ""
    return ((key, word[:40]),) if word not in usual else ()


def _batch_or(tier: str) -> tuple[tuple[str, str], ...]:
    return (("processing", "batch"),) if tier == "batch" else (("service_tier", tier[:40]),)


def _pusd(stated: Json, per_unit: int, odd: list[str], name: str) -> int | None:
    if stated is None:
        return None
    if isinstance(stated, bool) or not isinstance(stated, int | Decimal):
        odd.append(name)
        return None
    amount = Decimal(stated)
    if not amount.is_finite() or amount < 0 or amount.adjusted() > 20:
        odd.append(name)
        return None
    pusd = int(_EXACT.multiply(amount, Decimal(per_unit)).to_integral_value(ROUND_CEILING))
    if pusd > _LARGEST_COST * PUSD_PER_USD:
        odd.append(name)
        return None
    return pusd
