"""The most a request can cost (pure): what is reserved for it under a blocking budget.

For every usage within the bounds, at every instant and in every way of serving they allow, `cost` is at most this: each
token at the dearest rate that could apply to it (tier, service, time of day, cache writes, modality). What cannot be
bounded is not guessed: it stands in `undecided`, and the caller refuses.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import inf, lcm
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


class _Card:
    """The rates of a price from one instant to another while they do not change, and what was looked up in them.

    `billed`: every unit that any of its rates is for, at any time. `steps`: where its tiers start, ascending.
    """

    __slots__ = (
        *("billed", "charges_output", "charges_requests", "dearest", "lists_writes", "price", "services"),
        *("since_us", "steps", "tables", "undecided", "until_us"),
    )

    def __init__(self, price: Price, bounds: Bounds) -> None:
        every = list(_all_rates(price))
        self.price, self.services = price, bounds.services
        self.billed = {unit for rates in every for unit in rates}
        self.steps = sorted({step.above for rates in every for rate in rates.values() for step in rate.steps})
        self.undecided: list[str] = []
        self.tables = list(_tables(price, bounds, self.undecided))
        self.lists_writes = any("cache_write_5m" in rates for rates in self.tables)
        self.charges_requests = any(units.REQUESTS in rates for rates in self.tables)
        self.charges_output = any(unit in ("output", "reasoning") or unit.startswith("output_") for unit in self.billed)
        self.since_us, until_us = _unchanged(price, bounds.from_us)
        self.until_us = until_us if bounds.until_us < until_us else self.since_us  # of two stretches: for this once
        self.dearest: dict[tuple[tuple[str, ...], int], tuple[tuple[int, int], list[str]]] = {}

    def holds(self, price: Price, bounds: Bounds) -> bool:
        """Tell whether its rates are those of a request."""
        return (
            self.price is price
            and self.services == bounds.services
            and self.since_us <= bounds.from_us
            and bounds.until_us < self.until_us
        )


_MOST_CARDS, _MOST_LOOKED_UP = 1024, 256
_CARDS: dict[tuple[int, int], _Card] = {}
"""By the ids of a price and of its ways of serving, which live as long as their card."""


def _card(price: Price, bounds: Bounds) -> _Card:
    key = id(price), id(bounds.services)
    card = _CARDS.get(key)
    if card is None or not card.holds(price, bounds):
        card = _Card(price, bounds)
        if len(_CARDS) >= _MOST_CARDS:
            _CARDS.clear()
        _CARDS[key] = card
    return card


def worst_case(price: Price, bounds: Bounds) -> WorstCase:
    """Return the most a request within these bounds can cost."""
    undecided: list[str] = []
    card = _card(price, bounds)
    read_tokens = _input_tokens(card, bounds, undecided)
    written_tokens = _output_tokens(card, bounds, undecided)
    copies = bounds.choices * bounds.iterations
    if price.free:
        return WorstCase(0, read_tokens, written_tokens, (0, 1), copies)
    tables = card.tables
    undecided += card.undecided
    if not any(tables):
        return WorstCase(0, read_tokens, written_tokens, (0, 1), copies, ("no price is known", *undecided))
    per_input = _dearest(card, _input_units(card, bounds), read_tokens, undecided)
    per_output = _dearest(card, _output_units(bounds), read_tokens, undecided) if written_tokens else (0, 1)
    amounts = [(read_tokens, *per_input), (written_tokens, *per_output)]
    smallest = dict(price.minimums)
    for unit, most in bounds.units:
        amounts.append((max(most, smallest.get(unit, 0)), *_dearest(card, (unit,), read_tokens, undecided)))
    if card.charges_requests:
        amounts.append((1, *_dearest(card, (units.REQUESTS,), read_tokens, [])))
    scale = lcm(*(per for _, _, per in amounts))
    exact = sum(count * pusd * (scale // per) for count, pusd, per in amounts)
    return WorstCase(
        -(-exact // scale), read_tokens, written_tokens, per_output, copies, tuple(dict.fromkeys(undecided))
    )


def most_of_a_token(price: Price, bounds: Bounds, unit: str, input_tokens: int) -> tuple[int, int]:
    """Return what a token of a unit costs at most in a request within these bounds: pico-dollars, for how many."""
    return _dearest(_card(price, bounds), (unit,), input_tokens, [])


def unread_pusd(price: Price, bounds: Bounds, count: int) -> int:
    """Return what so many of an unknown unit are taken to cost: the fees a request may have, and each at the dearest
    rate that the price has for anything."""
    card = _card(price, bounds)
    amounts = [(most, *_dearest(card, (unit,), 0, [])) for unit, most in bounds.units]
    amounts.append((count, *_dearest_of_all(card.tables)))
    scale = lcm(*(per for _, _, per in amounts))
    return -(-sum(each * pusd * (scale // per) for each, pusd, per in amounts) // scale)


def _dearest_of_all(tables: list[Rates]) -> tuple[int, int]:
    top = (0, 1)
    for rate in (rate for rates in tables for rate in rates.values()):
        for pusd, per in ((rate.pusd, rate.per), *(step[1:] for step in rate.steps)):
            if pusd * top[1] > top[0] * per:
                top = (pusd, per)
    return top


def _input_tokens(card: _Card, bounds: Bounds, undecided: list[str]) -> int:
    """The bound of one run of the model, times the runs; after the first, tool results may have filled the window."""
    price, window = card.price, _window(card)
    fixed = REQUEST_TOKENS + bounds.messages * MESSAGE_TOKENS + bounds.tools * TOOL_TOKENS
    counts = [MEDIA_TOKENS.get((price.provider, media.kind)) for media in bounds.media]
    is_open = bounds.referenced or bounds.iterations > 1 or None in counts
    if is_open:
        if not window:
            undecided.append("the context window is unknown")
        return window * bounds.iterations * bounds.inputs
    most = bounds.text_tokens + fixed
    most += sum((count or 0) * media.amount for count, media in zip(counts, bounds.media, strict=True))
    return min(most, window * bounds.inputs) if window else most


def _window(card: _Card) -> int:
    """A tier that starts at the listed window shows that the window is no limit."""
    window = card.price.context_window
    return window if not card.steps or window > card.steps[-1] else 0


def _output_tokens(card: _Card, bounds: Bounds, undecided: list[str]) -> int:
    price = card.price
    largest = price.max_output or price.context_window
    if bounds.max_output and bounds.cap_covers_reasoning:
        one = bounds.max_output
    elif not price.free and not card.charges_output:
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
    for at_us in sorted(_instants(_tariffs(price), bounds)):
        for service in services:
            rates, unmet = rates_at(price, at_us, service)
            undecided.extend(f"no rate for {name}" for name in unmet)
            yield rates


def _tariffs(price: Price) -> list[Tariff]:
    return [*price.tariffs, *(variant.tariff for variant in price.variants)]


def _unchanged(price: Price, at_us: int) -> tuple[int, float]:
    """Return since when and until when all rates are what they are at an instant: no time where hours decide."""
    tariffs = _tariffs(price)
    if any(tariff.from_s != tariff.until_s for tariff in tariffs):
        return at_us, at_us
    since_us = max((tariff.starts_us for tariff in tariffs if tariff.starts_us <= at_us), default=0)
    return since_us, min((tariff.starts_us for tariff in tariffs if tariff.starts_us > at_us), default=inf)


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


def _input_units(card: _Card, bounds: Bounds) -> tuple[str, ...]:
    wanted = ["input", "cache_read"]
    if bounds.cache_write in ("5m", "1h") or (bounds.cache_write == "auto" and card.lists_writes):
        wanted.append("cache_write_5m")
    if bounds.cache_write == "1h":
        wanted.append("cache_write_1h")
    modalities = {media.modality for media in bounds.media}
    if bounds.referenced:  # content nobody has seen: whatever this model bills apart
        modalities |= {each for each in ("audio", "image", "video") if f"input_{each}_tokens" in card.billed}
    for modality in sorted(modalities):
        wanted += [f"input_{modality}_tokens", f"cache_{modality}_read_tokens"]
    return tuple(wanted)


def _output_units(bounds: Bounds) -> tuple[str, ...]:
    return ("output", "reasoning", *(f"output_{modality}_tokens" for modality in bounds.output_modalities))


def _dearest(card: _Card, wanted: tuple[str, ...], input_tokens: int, undecided: list[str]) -> tuple[int, int]:
    """Return the dearest (pusd, per) of these units over all tables and every tier the input could reach."""
    key = (wanted, bisect_left(card.steps, input_tokens))
    found = card.dearest.get(key)
    if found is None:
        missing: list[str] = []
        if len(card.dearest) >= _MOST_LOOKED_UP:  # modalities are a client's words
            card.dearest.clear()
        found = card.dearest[key] = _looked_up(card.tables, wanted, input_tokens, missing), missing
    undecided += found[1]
    return found[0]


def _looked_up(
    tables: list[Rates], wanted: tuple[str, ...], input_tokens: int, undecided: list[str]
) -> tuple[int, int]:
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
