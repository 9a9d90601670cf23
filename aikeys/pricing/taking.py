"""The taking of fetched prices (pure): what a fetched table may do by itself, and what falls in it.

By itself it adds models and raises: prices, fees, limits. What falls, disappears, becomes zero or changes its unit is
not taken until somebody who may change limits accepts it: until then the dearer of both counts. Ways of serving and
regions that a model had not are not taken either, and nothing is free because a table says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aikeys.money import usd_text
from aikeys.pricing import units
from aikeys.pricing.rates import dearer, dearest, in_way, is_lower, standard
from aikeys.pricing.values import Price, Rate, Rates, Tariff

_Way = tuple[tuple[str, str], ...]
_PLAIN: _Way = ()


class Fall(NamedTuple):
    """One thing of a model that is lower than before. `now` "" where it is gone."""

    what: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} {self.before} → {self.now or 'gone'}"


def fallen(before: Price, after: Price, now_us: int) -> list[Fall]:
    """Return what a price would lower of another one, from now on."""
    known = {variant.when for variant in before.variants}
    after = after._replace(variants=tuple(each for each in after.variants if each.when in known))
    found = list(_limits(before, after))
    if after.free and not before.free:
        found.append(Fall("price", "known", "free"))
    for way in (_PLAIN, *dict.fromkeys(variant.when for variant in before.variants)):
        found += _fallen_in(way, before, after, now_us)
    regions = dict(after.residency)
    for region, (top, per) in before.residency:
        other = regions.get(region, (0, 1))
        if other[0] * per < top * other[1]:
            found.append(Fall(f"residency {region}", _factor((top, per)), _factor(other) if other[0] else ""))
    return list(dict.fromkeys(found))


def taken(before: Price, after: Price, now_us: int) -> Price:
    """Return what counts of a fetched price by itself, beside the one that was known: never less than that."""
    after = after._replace(
        provider=before.provider,
        model=before.model,
        free=before.free and after.free,
        variants=tuple(each for each in after.variants if each.when in {known.when for known in before.variants}),
        residency=tuple(each for each in after.residency if each[0] in dict(before.residency)),
    )
    limits = (before.context_window, before.max_output)
    limited = after._replace(
        context_window=before.context_window and max(before.context_window, after.context_window),
        max_output=before.max_output and max(before.max_output, after.max_output),
    )
    rises = bool(fallen(_unlimited(after), _unlimited(before), now_us))
    if not rises and (limited.context_window, limited.max_output) == limits:
        return before
    if not fallen(before, after, now_us):
        return after
    return _named(dearest([before, limited], now_us, _all_known) if rises else before, limited)


def added(price: Price) -> Price:
    """Return what counts of a model that only a fetched table has: not what it gives away."""
    return price._replace(
        free=False,
        tariffs=tuple(each._replace(rates=_billed(each.rates)) for each in price.tariffs),
        variants=tuple(
            each._replace(tariff=each.tariff._replace(rates=_billed(each.tariff.rates))) for each in price.variants
        ),
    )


def _named(price: Price, after: Price) -> Price:
    return price._replace(
        source=after.source,
        version=after.version,
        context_window=after.context_window,
        max_output=after.max_output,
    )


def _unlimited(price: Price) -> Price:
    return price._replace(context_window=0, max_output=0)


def _all_known(limits: Iterable[int]) -> int:
    known = list(limits)
    return max(known) if all(known) else 0


def _billed(rates: Rates) -> Rates:
    return {unit: rate for unit, rate in rates.items() if rate.pusd and all(step.pusd for step in rate.steps)}


def _limits(before: Price, after: Price) -> Iterator[Fall]:
    for what, old, new in (
        ("context window", before.context_window, after.context_window),
        ("maximum output", before.max_output, after.max_output),
    ):
        if new < old:
            yield Fall(what, f"{old:,}", f"{new:,}" if new else "")
        elif new and not old and before.is_known:
            yield Fall(what, "unknown", f"{new:,}")
    least = dict(after.minimums)
    for unit, count in before.minimums:
        if least.get(unit, 0) < count:
            yield Fall(f"least {unit}", str(count), str(least.get(unit, 0)))


def _fallen_in(way: _Way, before: Price, after: Price, now_us: int) -> list[Fall]:
    name = "".join(f" ({key} {value})" for key, value in way)
    old, new = _tables(way, before, now_us), _tables(way, after, now_us)
    if not new:
        return [Fall(f"{unit}{name}", _usd(unit, rate), "") for rates in old[:1] for unit, rate in rates.items()]
    top = _highest(old)
    pairs = zip(old, new, strict=True) if _shape(before) == _shape(after) else ((top, each) for each in new)
    return [
        Fall(f"{unit}{name}", _usd(unit, was), _usd(unit, now) if now and not (unit in one and unit not in two) else "")
        for one, two in pairs
        for unit in dict.fromkeys((*one, *two))
        if (was := _charged(unit, one)) is not None
        and ((now := _charged(unit, two)) is None or is_lower(now, was) or (unit in one and unit not in two))
    ]


def _tables(way: _Way, price: Price, now_us: int) -> list[Rates]:
    return in_way(price, way, now_us) if way else standard(price, now_us)


def _shape(price: Price) -> tuple[object, ...]:
    """Return when which rates of a price apply."""
    tariffs = (*((_PLAIN, each) for each in price.tariffs), *((each.when, each.tariff) for each in price.variants))
    return tuple((when, *_times(tariff)) for when, tariff in tariffs)


def _times(tariff: Tariff) -> tuple[int, int, int]:
    return tariff.starts_us, tariff.from_s, tariff.until_s


def _highest(tables: list[Rates]) -> Rates:
    found: dict[str, Rate] = {}
    for rates in tables:
        for unit, rate in rates.items():
            found[unit] = dearer(found[unit], rate) if unit in found else rate
    return found


def _charged(unit: str, rates: Rates) -> Rate | None:
    name, _ = units.charged_as(unit, rates)
    return rates[name] if name else None


def _usd(unit: str, rate: Rate) -> str:
    """Return a list price of at most nine digits, with its tiers."""
    known = units.UNITS.get(unit)
    per = known.per if known else 1
    amounts = [(rate.pusd, rate.per), *((step.pusd, step.per) for step in rate.steps)]
    return "/".join(f"${usd_text(-(-pusd * per // of))}" for pusd, of in amounts)


def _factor(factor: tuple[int, int]) -> str:
    return f"{factor[0]}/{factor[1]}"
