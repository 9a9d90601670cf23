"""The most a request can cost (pure): what is reserved for it under a blocking budget.

For every usage within the bounds, at every instant and in every way of serving they allow, `cost` is at most this: each
token at the dearest rate that could apply to it (tier, service, time of day, cache writes, modality). What cannot be
bounded is not guessed: it stands in `undecided`, and the caller refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import lcm
from typing import NamedTuple

from aikeys.pricing import units
from aikeys.pricing.bounds import MEDIA_TOKENS, MESSAGE_TOKENS, REQUEST_TOKENS, TOOL_TOKENS, Bounds
from aikeys.pricing.cost import rates_at
from aikeys.pricing.values import STANDARD, Price, Rates, Service, Tariff

_DAY_US = 86_400 * 1_000_000


class WorstCase(NamedTuple):
    """The most a request can cost, and what it is made of; an upper bound only where `undecided` is empty.

    `output_rate`: pico-dollars for how many tokens the output is reckoned at. `copies`: choices × iterations, so the
    request's own cap times `copies` is `output_tokens`.
    """

    cost_pusd: int
    input_tokens: int
    output_tokens: int
    output_rate: tuple[int, int]
    copies: int
    undecided: tuple[str, ...] = ()

    @property
    def output_pusd(self) -> int:
        pusd, per = self.output_rate
        return -(-self.output_tokens * pusd // per)

    def largest_cap(self, available_pusd: int) -> int:
        """Return the largest output cap (tokens of one choice) whose worst case still fits; 0 if none does."""
        pusd, per = self.output_rate
        left = available_pusd - (self.cost_pusd - self.output_pusd)
        if left < 0:
            return 0
        whole = self.output_tokens if pusd == 0 else min(self.output_tokens, max(0, left - 1) * per // pusd)
        return whole // self.copies


def worst_case(price: Price, bounds: Bounds) -> WorstCase:
    """Return the most a request within these bounds can cost."""
    undecided: list[str] = []
    read_tokens = _input_tokens(price, bounds, undecided)
    written_tokens = _output_tokens(price, bounds, undecided)
    copies = bounds.choices * bounds.iterations
    if price.free:
        return WorstCase(0, read_tokens, written_tokens, (0, 1), copies)
    tables = list(_tables(price, bounds, undecided))
    if not any(tables):
        return WorstCase(0, read_tokens, written_tokens, (0, 1), copies, ("no price is known",))
    per_input = _dearest(tables, _input_units(price, bounds, tables), read_tokens, undecided)
    per_output = _dearest(tables, _output_units(bounds), read_tokens, undecided) if written_tokens else (0, 1)
    amounts = [(read_tokens, *per_input), (written_tokens, *per_output)]
    smallest = dict(price.minimums)
    for unit, most in bounds.units:
        amounts.append((max(most, smallest.get(unit, 0)), *_dearest(tables, [unit], read_tokens, undecided)))
    if any(units.REQUESTS in rates for rates in tables):
        amounts.append((1, *_dearest(tables, [units.REQUESTS], read_tokens, [])))
    scale = lcm(*(per for _, _, per in amounts))
    exact = sum(count * pusd * (scale // per) for count, pusd, per in amounts)
    return WorstCase(
        -(-exact // scale), read_tokens, written_tokens, per_output, copies, tuple(dict.fromkeys(undecided))
    )


def _input_tokens(price: Price, bounds: Bounds, undecided: list[str]) -> int:
    """The bound of one run of the model, times the runs; after the first, tool results may have filled the window."""
    window = _window(price)
    fixed = REQUEST_TOKENS + bounds.messages * MESSAGE_TOKENS + bounds.tools * TOOL_TOKENS
    counts = [MEDIA_TOKENS.get((price.provider, media.kind)) for media in bounds.media]
    is_open = bounds.referenced or bounds.iterations > 1 or None in counts
    if is_open:
        if not window:
            undecided.append("the context window is unknown")
        return window * bounds.iterations
    most = bounds.text_tokens + fixed
    most += sum((count or 0) * media.amount for count, media in zip(counts, bounds.media, strict=True))
    return min(most, window) if window else most


def _window(price: Price) -> int:
    """A tier that starts at the listed window shows that the window is no limit."""
    starts = [step.above for rates in _all_rates(price) for rate in rates.values() for step in rate.steps]
    return price.context_window if price.context_window > max(starts, default=0) else 0


def _output_tokens(price: Price, bounds: Bounds, undecided: list[str]) -> int:
    largest = price.max_output or price.context_window
    if bounds.max_output and bounds.cap_covers_reasoning:
        one = bounds.max_output
    elif not price.free and not any(
        unit in ("output", "reasoning") or unit.startswith("output_") for unit in _billed(price)
    ):
        one = 0  # embeddings and the like: what has no rate for output returns none
    elif largest:
        one = max(bounds.max_output, largest)
    else:
        undecided.append("the maximum output is unknown")
        one = bounds.max_output
    return one * bounds.choices * bounds.iterations


def _all_rates(price: Price) -> Iterator[Rates]:
    for tariff in price.tariffs:
        yield tariff.rates
    for variant in price.variants:
        yield variant.tariff.rates


def _tables(price: Price, bounds: Bounds, undecided: list[str]) -> Iterator[Rates]:
    """Yield the rates of every instant and way of serving that could apply."""
    services: Iterable[Service] = bounds.services or (STANDARD, *(dict(variant.when) for variant in price.variants))
    tariffs = [*price.tariffs, *(variant.tariff for variant in price.variants)]
    for at_us in sorted(_instants(tariffs, bounds)):
        for service in services:
            rates, unmet = rates_at(price, at_us, service)
            undecided.extend(f"no rate for {name}" for name in unmet)
            yield rates


def _instants(tariffs: list[Tariff], bounds: Bounds) -> set[int]:
    """Return one instant for every stretch of the time in question in which the same tariffs are active."""
    instants = {bounds.from_us, bounds.until_us}
    first_day = bounds.from_us // _DAY_US * _DAY_US
    days = min((bounds.until_us - first_day) // _DAY_US, 2) + 1  # hours are the same every day
    for tariff in tariffs:
        edges = [tariff.starts_us]
        for day in range(days):
            edges += [first_day + day * _DAY_US + second * 1_000_000 for second in (tariff.from_s, tariff.until_s)]
        instants.update(edge for edge in edges if bounds.from_us <= edge <= bounds.until_us)
    return instants


def _input_units(price: Price, bounds: Bounds, tables: list[Rates]) -> list[str]:
    wanted = ["input", "cache_read"]
    lists_writes = any("cache_write_5m" in rates for rates in tables)
    if bounds.cache_write in ("5m", "1h") or (bounds.cache_write == "auto" and lists_writes):
        wanted.append("cache_write_5m")
    if bounds.cache_write == "1h":
        wanted.append("cache_write_1h")
    modalities = {media.modality for media in bounds.media}
    if bounds.referenced:  # content nobody has seen: whatever this model bills apart
        modalities |= {each for each in ("audio", "image", "video") if f"input_{each}_tokens" in _billed(price)}
    for modality in sorted(modalities):
        wanted += [f"input_{modality}_tokens", f"cache_{modality}_read_tokens"]
    return wanted


def _billed(price: Price) -> set[str]:
    return {unit for rates in _all_rates(price) for unit in rates}


def _output_units(bounds: Bounds) -> list[str]:
    return ["output", "reasoning", *(f"output_{modality}_tokens" for modality in bounds.output_modalities)]


def _dearest(tables: list[Rates], wanted: list[str], input_tokens: int, undecided: list[str]) -> tuple[int, int]:
    """Return the dearest (pusd, per) of these units over all tables and every tier the input could reach."""
    top = (0, 1)
    for rates in tables:
        for unit in wanted:
            rated, is_enough = units.charged_as(unit, rates)
            if not is_enough:
                undecided.append(f"no rate for {unit}")
            if not rated:
                continue
            rate = rates[rated]
            reachable = [(rate.pusd, rate.per), *(step[1:] for step in rate.steps if input_tokens > step.above)]
            for pusd, per in reachable:
                if pusd * top[1] > top[0] * per:
                    top = (pusd, per)
    return top
