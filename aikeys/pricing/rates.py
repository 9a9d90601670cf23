"""Arithmetic of rates (pure): the dearer of two, a multiple, the dearest price of several.

A rate with tiers is compared tier by tier: the result is never below either, whatever the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd

from aikeys.pricing import units
from aikeys.pricing.values import Price, Rate, Rates, Step, Tariff, Variant

_BY_HOST = ("gov",)
Amount = tuple[int, int]
"""Pico-dollars for so many units."""


def dearer(one: Rate, two: Rate) -> Rate:
    """Return the rate that is the dearer of two at every input."""
    starts = sorted({step.above for step in (*one.steps, *two.steps)})
    steps: list[Step] = []
    base = last = _more(one.at(0), two.at(0))
    for above in starts:
        here = _more(one.at(above + 1), two.at(above + 1))
        if here != last:
            steps.append(Step(above, *here))
            last = here
    return Rate(*base, tuple(steps))


def is_lower(one: Rate, two: Rate) -> bool:
    """Tell whether a rate is lower than another at any input."""
    starts = (0, *(step.above + 1 for step in (*one.steps, *two.steps)))
    return any(_is_less(one.at(start), two.at(start)) for start in starts)


def multiplied(rate: Rate, factor: Amount) -> Rate:
    """Return a rate times a fraction; exact."""
    steps = tuple(Step(step.above, *_times((step.pusd, step.per), factor)) for step in rate.steps)
    return Rate(*_times((rate.pusd, rate.per), factor), steps)


def uplifted(rates: Rates, factor: Amount) -> Rates:
    """Return rates with those of tokens multiplied: a search costs the same wherever the model runs."""
    if factor == (1, 1):
        return rates
    return {unit: multiplied(rate, factor) if units.is_tokens(unit) else rate for unit, rate in rates.items()}


def served(standard: Rates, tier: Rates) -> dict[str, Rate]:
    """Return the rates of a way of serving that lists some: its own, and what they mean for those it does not list.

    - A wider rate of the tier (`output`) covers the narrower standard one (`reasoning`): the dearer of both, or the
      tier's where both were the same before.
    - The standard rate of a cache rises as the rate of its tokens does, and never falls.
    """
    rates = {**standard, **tier}
    for unit, rate in standard.items():
        known = units.UNITS.get(unit)
        wider = next((each for each in known.wider if each in tier), "") if known else ""
        if unit in tier or not wider:
            continue
        before, now = standard.get(wider), tier[wider]
        if unit.startswith("cache_"):
            rates[unit] = dearer(rate, multiplied(rate, _ratio(now, before))) if before and before.pusd else rate
        else:
            rates[unit] = now if rate == before else dearer(rate, now)
    return rates


def at_host(price: Price, residency: str) -> Price | None:
    """Return a price as a regional host has it, None where the price does not say what that region costs."""
    factor = dict(price.residency).get(residency)
    if factor is None and price.is_known and not price.free:
        return None
    return price._replace(
        tariffs=tuple(each._replace(rates=uplifted(each.rates, factor or (1, 1))) for each in price.tariffs),
        variants=tuple(
            each._replace(tariff=each.tariff._replace(rates=uplifted(each.tariff.rates, factor or (1, 1))))
            for each in price.variants
        ),
        residency=(),
    )


def dearest(prices: Sequence[Price], now_us: int, largest: Callable[[Iterable[int]], int] = max) -> Price:
    """Return the first price with every rate as dear as in any of them, from now on; `largest` chooses limits.

    A unit without a rate of its own counts at what it is charged as.
    """
    first = prices[0]
    if len(prices) == 1:
        return first
    ways = dict.fromkeys(variant.when for price in prices for variant in price.variants)
    regions = dict.fromkeys(region for price in prices for region, _ in price.residency)
    least = dict.fromkeys(unit for price in prices for unit, _ in price.minimums)
    return first._replace(
        tariffs=(Tariff(_envelope([rates for price in prices for rates in standard(price, now_us)])),),
        variants=tuple(
            Variant(way, Tariff(_envelope([rates for price in prices for rates in in_way(price, way, now_us)])))
            for way in ways
        ),
        free=all(price.free for price in prices),
        context_window=largest(price.context_window for price in prices),
        max_output=largest(price.max_output for price in prices),
        minimums=tuple((unit, max(dict(price.minimums).get(unit, 0) for price in prices)) for unit in least),
        residency=tuple((region, _highest(prices, region)) for region in regions),
    )


def standard(price: Price, now_us: int) -> list[Rates]:
    """Return the standard rates that a price may have now or later."""
    current = 0
    for position, tariff in enumerate(price.tariffs):
        if tariff.from_s == tariff.until_s and tariff.starts_us <= now_us:
            current = position
    return [tariff.rates for tariff in price.tariffs[current:] if tariff.rates]


def in_way(price: Price, way: tuple[tuple[str, str], ...], now_us: int) -> list[Rates]:
    """Return the rates that a way of serving may have now or later: the standard ones where there are no others."""
    listed = [variant.tariff for variant in price.variants if variant.when == way]
    plain = standard(price, now_us)
    found: list[Rates] = [served(rates, tier.rates) for rates in plain for tier in listed]
    return found if any(tier.starts_us <= now_us for tier in listed) else found + plain


def _envelope(tables: Sequence[Rates]) -> Rates:
    found: dict[str, Rate] = {}
    for unit in dict.fromkeys(unit for rates in tables for unit in rates):
        charged = [rates[name] for rates in tables if (name := units.charged_as(unit, rates)[0])]
        for rate in charged:
            found[unit] = dearer(found[unit], rate) if unit in found else rate
    return found


def _highest(prices: Sequence[Price], region: str) -> Amount:
    top = (1, 1)
    for price in prices:
        top = _more(top, dict(price.residency).get(region, (1, 1)))
    return top


def dearest_region(price: Price) -> str:
    """Return the region whose data costs most, "" where none costs more than elsewhere.

    Only of those that an account's settings can bring about: others need a host of their own.
    """
    found, top = "", (1, 1)
    for region, factor in price.residency:
        if region not in _BY_HOST and _is_less(top, factor):
            found, top = region, factor
    return found


def _ratio(now: Rate, before: Rate) -> Amount:
    return _lowest(now.pusd * before.per, now.per * before.pusd)


def _times(one: Amount, two: Amount) -> Amount:
    return _lowest(one[0] * two[0], one[1] * two[1])


def _lowest(pusd: int, per: int) -> Amount:
    common = gcd(pusd, per)
    return pusd // common, per // common


def _is_less(one: Amount, two: Amount) -> bool:
    return one[0] * two[1] < two[0] * one[1]


def _more(one: Amount, two: Amount) -> Amount:
    return two if _is_less(one, two) else one
