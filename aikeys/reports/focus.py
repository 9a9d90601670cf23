"""FOCUS 1.2 rows (pure): the FinOps columns that cost tools read, one row per day, model, key, token class and price.

- The BilledCost of all rows adds up to the report's total, to the pico-dollar: what a call cost is shared among its
  token classes in proportion to their list cost, and nothing is rounded away.
- No price, no unit price: then the pricing columns are empty and the tokens stand in x_ConsumedTokens.
- A correction is a row of its own (ChargeClass). Tags are team, project, environment and the tags that are declared for
  roll-ups: a free tag may differ from call to call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import lcm
from typing import NamedTuple

from aikeys import clock
from aikeys.ledger.calendar import Calendar, period_end, period_start
from aikeys.ledger.questions import TAG, CallSums
from aikeys.money import usd_text
from aikeys.pricing import units
from aikeys.pricing.price_text import UnitPrices, unit_prices

VERSION = "1.2"
MANDATORY = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
)  # fmt: skip
COLUMNS = (
    *MANDATORY,
    "ChargeFrequency", "ServiceSubcategory", "SubAccountId", "SubAccountName", "SkuId", "SkuPriceId", "SkuMeter",
    "ConsumedQuantity", "ConsumedUnit", "PricingCategory", "ListUnitPrice", "ContractedUnitPrice", "ResourceId",
    "ResourceName", "ResourceType", "Tags", "x_ConsumedTokens", "x_CostStatus", "x_PricesVersion", "x_Requests",
)  # fmt: skip
_METERS = {
    "input": "Input Tokens",
    "cache_read": "Cached Input Tokens",
    "cache_write_5m": "Cache Write 5m",
    "cache_write_1h": "Cache Write 1h",
    "output": "Output Tokens",
    "reasoning": "Reasoning Tokens",
}
_LABELS = ("team", "project", "environment")


class _Line(NamedTuple):
    """What makes a row: calls that agree in all of this are added up."""

    day: int
    provider: str
    model: str
    key: str
    tags: tuple[tuple[str, str], ...]
    source: str
    is_correction: bool
    price: str
    unit: str
    rate: tuple[int, int]


_NO_RATE = (-1, 1)  # a rate of zero is a price: free


class _RowSums(NamedTuple):
    quantity: int
    list_pusd: int
    billed_pusd: int
    requests: int

    def plus(self, other: _RowSums) -> _RowSums:
        return _RowSums(*[mine + its for mine, its in zip(self, other, strict=True)])


def rows(
    metered: Iterable[CallSums], calendar: Calendar, titles: Mapping[str, str], declared: Sequence[str]
) -> Iterator[dict[str, str | None]]:
    """Yield the rows; `titles` are the providers' names for people, `declared` the tags that may stand in Tags."""
    lines: dict[_Line, _RowSums] = {}
    prices: dict[str, UnitPrices] = {}
    for each in metered:
        text = each.labels.get("price", "")
        if text not in prices:
            prices[text] = unit_prices(text)
        for line, sums in _lines(each, prices[text], declared):
            lines[line] = lines[line].plus(sums) if line in lines else sums
    periods: dict[int, dict[str, str | None]] = {}
    for line in sorted(lines):
        if line.day not in periods:
            periods[line.day] = _periods(line.day, calendar)
        yield dict.fromkeys(COLUMNS) | periods[line.day] | _row(line, lines[line], titles)


def _lines(each: CallSums, price: UnitPrices, declared: Sequence[str]) -> Iterator[tuple[_Line, _RowSums]]:
    labels = each.labels
    tags = [(name, labels[name]) for name in _LABELS if labels.get(name)]
    tags += [(name, labels[TAG + name]) for name in declared if labels.get(TAG + name)]
    start = (each.day, labels["provider"], labels["model"], labels["key"], tuple(tags), each.source)
    line = _Line(*start, each.is_correction, price.reference, "", _NO_RATE)
    cells = units.cells(each.usage)
    rates = [price.rates.get(units.charged_as(unit, price.rates)[0], _NO_RATE) for unit, _ in cells]
    scale = lcm(*[per for _, per in rates])
    exact = [count * max(0, pusd) * (scale // per) for (_, count), (pusd, per) in zip(cells, rates, strict=True)]
    shares = shared(each.cost_pusd, exact)
    requests = each.requests
    if not any(exact) and (each.cost_pusd or not cells):
        yield line, _RowSums(0, each.cost_pusd, each.cost_pusd, requests)
        requests = 0
    for (unit, count), rate, list_cost, share in zip(cells, rates, exact, shares, strict=True):
        list_pusd = -(-list_cost // scale) if rate != _NO_RATE and each.source == "billed" else share
        yield line._replace(unit=unit, rate=rate), _RowSums(count, list_pusd, share, requests)
        requests = 0


def shared(cost_pusd: int, weights: Sequence[int]) -> list[int]:
    """Share a cost in proportion; the shares add up to it exactly, or are all zero where there is no weight."""
    whole = sum(weights)
    shares: list[int] = []
    passed = given = 0
    for weight in weights:
        passed += weight
        upto = cost_pusd * passed // whole if whole else 0
        shares.append(upto - given)
        given = upto
    return shares


def _periods(day: int, calendar: Calendar) -> dict[str, str | None]:
    month = period_start("month", day)
    return {
        "BillingPeriodStart": _instant(calendar, month),
        "BillingPeriodEnd": _instant(calendar, period_end("month", month) or month),
        "ChargePeriodStart": _instant(calendar, day),
        "ChargePeriodEnd": _instant(calendar, day + 1),
    }


def _row(line: _Line, sums: _RowSums, titles: Mapping[str, str]) -> dict[str, str | None]:
    provider = titles.get(line.provider, line.provider) or "unknown"
    return {
        "BilledCost": usd_text(sums.billed_pusd),
        "BillingAccountId": "aikeys-local",
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if line.is_correction else None,
        "ChargeFrequency": "Usage-Based",
        "ContractedCost": usd_text(sums.list_pusd),
        "EffectiveCost": usd_text(sums.list_pusd),
        "InvoiceIssuerName": provider,
        "ListCost": usd_text(sums.list_pusd),
        "ProviderName": provider,
        "PublisherName": _publisher(line, titles) or provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": f"{provider} API",
        "SubAccountId": line.key or None,
        "SubAccountName": line.key or None,
        "SkuId": line.model.replace("/", ":", 1) or None,
        "ResourceId": line.model or None,
        "ResourceName": line.model.partition("/")[2] or line.model or None,
        "ResourceType": "Model" if line.model else None,
        "Tags": _json(line.tags),
        "x_CostStatus": line.source,
        "x_PricesVersion": line.price.rpartition("@")[2] or None,
        "x_Requests": str(sums.requests),
        **_quantities(line, sums),
    }


def _quantities(line: _Line, sums: _RowSums) -> dict[str, str | None]:
    """What was used: priced, or in x_ConsumedTokens."""
    if not line.unit:
        return {}
    meter = _METERS.get(line.unit) or line.unit.replace("_", " ").title()
    named = {"SkuMeter": meter, "ChargeDescription": f"{meter} of {line.model}"}
    things = "Tokens" if line.unit in _METERS else line.unit.rpartition("_")[2].capitalize()
    if line.rate == _NO_RATE:
        if things == "Tokens":
            return {**named, "x_ConsumedTokens": str(sums.quantity)}
        return {**named, "ChargeDescription": f"{sums.quantity} {meter} of {line.model}"}
    known = units.UNITS.get(line.unit)
    per = known.per if known else 1
    unit_price = _decimal(line.rate[0] * per, line.rate[1] * 10**12)
    return {
        **named,
        "SkuPriceId": f"{line.price}#{line.unit}={line.rate[0]}/{line.rate[1]}",
        "ConsumedQuantity": str(sums.quantity),
        "ConsumedUnit": things,
        "PricingCategory": "Standard",
        "PricingQuantity": _decimal(sums.quantity, per),
        "PricingUnit": things if per == 1 else f"{per} {things}",
        "ListUnitPrice": unit_price,
        "ContractedUnitPrice": unit_price,
    }


def _publisher(line: _Line, titles: Mapping[str, str]) -> str:
    """Return who made the model: of openrouter/anthropic/claude-sonnet-4-5 it is Anthropic."""
    _, _, model = line.model.partition("/")
    vendor, slash, _ = model.partition("/")
    return titles.get(vendor, vendor) if slash else ""


def _instant(calendar: Calendar, day: int) -> str:
    return clock.rfc3339(calendar.start_us(day) // 1_000_000)


def _decimal(number: int, per: int) -> str:
    """Return a fraction as decimal text, rounded to 12 places where it does not end before."""
    scaled, rest = divmod(number * 10**12, per)
    whole, decimals = divmod(scaled + (rest * 2 >= per), 10**12)
    text = f"{whole}.{decimals:012d}".rstrip("0")
    return text.removesuffix(".")


def _json(pairs: tuple[tuple[str, str], ...]) -> str:
    import json

    return json.dumps(dict(pairs), ensure_ascii=False, separators=(",", ":"))
