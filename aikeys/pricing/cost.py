"""The cost of a usage (pure)."""

from __future__ import annotations

from math import lcm

from aikeys.pricing import rates as arithmetic
from aikeys.pricing import units
from aikeys.pricing.values import RESIDENCY, STANDARD, Price, Priced, PriceLine, Rate, Rates, Service
from aikeys.providers.usage import Usage

_AUDIO_TOKENS, _AUDIO_SECONDS = "input_audio_tokens", "input_audio_seconds"
_NEVER_DEARER = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand", "flex", "batch", "web"})


def cost(price: Price, usage: Usage, *, at_us: int, service: Service = STANDARD) -> Priced:
    """Return what a usage costs at an instant; never fails, whatever the provider reported.

    A used unit without a rate, and a dearer way of serving (`service_tier:priority`) without rates of its own, stand in
    `unpriced`.
    """
    cells = units.cells(usage)
    if price.free:
        return Priced(0, tuple(PriceLine(unit, count, 0) for unit, count in cells), (), price.reference)
    rates, unmet = rates_at(price, at_us, service)
    cells = _audio_once(cells, rates)
    if units.REQUESTS in rates:
        cells.append((units.REQUESTS, 1))
    if price.minimums:
        smallest = dict(price.minimums)
        cells = [(unit, max(count, smallest.get(unit, 0))) for unit, count in cells]
    unpriced = [(name, 1) for name in unmet] if rates else []
    whole_input = units.input_tokens(usage)
    lines = []
    # the sum so far is exact / scale; a line is what it moves the rounded-up sum by
    exact, scale, charged_pusd = 0, 1, 0
    for unit, count in cells:
        rated, is_enough = units.charged_as(unit, rates)
        if not is_enough:
            unpriced.append((unit, count))
        if not rated:
            continue
        pusd, per = rates[rated].at(whole_input)
        common = lcm(scale, per)
        exact = exact * (common // scale) + count * pusd * (common // per)
        scale = common
        upto_pusd = -(-exact // scale)
        lines.append(PriceLine(unit, count, upto_pusd - charged_pusd))
        charged_pusd = upto_pusd
    return Priced(charged_pusd, tuple(lines), tuple(unpriced), price.reference)


def _audio_once(cells: list[tuple[str, int]], rates: Rates) -> list[tuple[str, int]]:
    """Return what is charged of audio that is reported in tokens and in seconds: where one of them has a rate, that."""
    if not {unit for unit, _ in cells} >= {_AUDIO_TOKENS, _AUDIO_SECONDS}:
        return cells
    by_tokens, by_seconds = _AUDIO_TOKENS in rates, _AUDIO_SECONDS in rates
    if by_tokens == by_seconds:
        return cells
    left_out = _AUDIO_SECONDS if by_tokens else _AUDIO_TOKENS
    return [cell for cell in cells if cell[0] != left_out]


def unpriced(usage: Usage, reference: str) -> Priced:
    """Return what is said of a usage whose model has no price at all."""
    return Priced(0, (), tuple(units.cells(usage)), reference)


def rates_at(price: Price, at_us: int, service: Service = STANDARD) -> tuple[Rates, list[str]]:
    """Return the rates of an instant, and what of `service` has none although it may cost more than the standard."""
    if not price.tariffs:
        return {}, []
    tariff = next((each for each in reversed(price.tariffs) if each.is_active(at_us)), price.tariffs[0])
    if not service:
        return tariff.rates, []
    unmet = {f"{key}:{value}": (key, value) for key, value in service.items() if is_dearer(value)}
    listed: dict[str, Rate] = {}
    for variant in price.variants:
        if not variant.fits(service) or not variant.tariff.is_active(at_us):
            continue
        listed = {**variant.tariff.rates, **listed}
        for key, value in variant.when:
            unmet.pop(f"{key}:{value}", None)
    rates: Rates = arithmetic.served(tariff.rates, listed) if listed else tariff.rates
    region = service.get(RESIDENCY, "")
    for name, factor in price.residency:
        if name == region:
            rates = arithmetic.uplifted(rates, factor)
            unmet.pop(f"{RESIDENCY}:{name}", None)
    return rates, list(unmet)


def is_dearer(way: str) -> bool:
    """Tell whether a way of serving, by its name, may cost more than the standard one."""
    return way not in _NEVER_DEARER
