"""Reads price files (pure): rows of JSON or TOML become `Price` values here and nowhere else.

A row, as the data files and `prices update` have it (rates in USD for as many units as units.py says, exact):

    {"id": "m", "names": ["m-2026-01-01", "m-*"], "context": 200000, "output": 64000,
     "rates": {"input": 1.25, "output": [10, 200000, 15]},
     "later": [{"from": "2026-08-21", "rates": {…}}, {"hours": ["01:00", "04:00"], "rates": {…}}],
     "variants": [{"when": {"processing": "batch"}, "from": "2026-10-14", "rates": {…}}],
     "free": true, "minimums": {"audio_seconds": 10}, "residency": {"us": 1.1}, "source": "litellm"}

A rate may be a list: the base, then pairs of a tier's start and its rate. `residency`: the factor on the tokens of a
call whose data stays in that region. Anything else is refused: ValueError, whose text names the field. Numbers must
come as int or as the text of the number (json: parse_float=str), never as float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import gcd
from typing import NoReturn, cast

from aikeys.pricing.units import UNITS
from aikeys.pricing.values import Price, Rate, Rates, Step, Tariff, Variant

_PUSD_PER_USD = 10**12
_NUMBER = re.compile(r"(\d{1,15})(?:\.(\d{1,30}))?(?:[eE]-(\d{1,2}))?", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_HOUR = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_FIELDS = frozenset(
    ("id", "names", "context", "output", "rates", "later", "variants", "free", "minimums", "residency", "source")
)
_DEAREST_PUSD = 10**18  # a million dollars a unit: whatever is dearer is a mistake
_LARGEST_COUNT = 10**9
_LARGEST_FACTOR = 10
_Row = Mapping[str, object]
_OUTPUT_OF = (
    (re.compile(r"-tts(-|$)"), "output_audio_tokens"),
    (re.compile(r"(^|/)gpt-image-"), "output_image_tokens"),
)


def price(row: _Row, provider: str, source: str, version: str) -> Price:
    """Return the price of a row; ValueError names the field that is wrong."""
    for field in row:
        if field not in _FIELDS:
            _refuse(field, "is not known")
    if row.get("source", "litellm") != "litellm":
        _refuse("source", "is not known")
    model = _text(row.get("id"), "id")
    first = Tariff(rates(row.get("rates", {}), "rates"))
    later = [_tariff(each, "later") for each in _list(row.get("later", []), "later")]
    variants = [_variant(each) for each in _list(row.get("variants", []), "variants")]
    return Price(
        provider=provider,
        model=model,
        tariffs=tuple(_of_medium(model, each) for each in (first, *later)),
        variants=tuple(each._replace(tariff=_of_medium(model, each.tariff)) for each in variants),
        free=row.get("free") is True,
        context_window=count(row.get("context", 0), "context"),
        max_output=count(row.get("output", 0), "output"),
        minimums=tuple((unit, count(least, "minimums")) for unit, least in _table(row.get("minimums", {}), "minimums")),
        source=source,
        version=version,
        residency=tuple((region, _factor(factor)) for region, factor in _table(row.get("residency", {}), "residency")),
    )


def _of_medium(model: str, tariff: Tariff) -> Tariff:
    """Return a tariff where the output of a model that speaks or draws has the rate listed for its output."""
    for kind, unit in _OUTPUT_OF:
        if kind.search(model) and "output" in tariff.rates and unit not in tariff.rates:
            return tariff._replace(rates={**tariff.rates, unit: tariff.rates["output"]})
    return tariff


def names(row: _Row) -> tuple[str, list[str]]:
    """Return a row's id and its further names."""
    further = _list(row.get("names", []), "names")
    return _text(row.get("id"), "id"), [_text(name, "names") for name in further]


def rates(table: object, where: str) -> Rates:
    """Return rates by unit from list prices in USD."""
    read: dict[str, Rate] = {}
    for unit, value in _table(table, where):
        known = UNITS.get(unit)
        if known is None:
            _refuse(f"{where}.{unit}", "is not a unit")
        read[unit] = rate(value, known.per, f"{where}.{unit}")
    return read


def rate(value: object, per: int, where: str) -> Rate:
    """Return the rate of a list price in USD for `per` units; a list holds base, tier start, price, tier start, ….

    Not below zero, finite, at most a million dollars for one unit.
    """
    if not isinstance(value, list):
        return Rate(*_exact(value, per, where))
    if len(value) % 2 == 0:
        _refuse(where, "is not a base price with tiers")
    steps, before = [], -1
    for start, stepped in zip(value[1::2], value[2::2], strict=True):
        above = count(start, where)
        if above <= before:
            _refuse(where, "has tiers that do not ascend")
        before = above
        steps.append(Step(above, *_exact(stepped, per, where)))
    return Rate(*_exact(value[0], per, where), tuple(steps))


def count(value: object, where: str) -> int:
    """Return a number of tokens or the like."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_COUNT:
        _refuse(where, "is not a count")
    return value


def _exact(value: object, per: int, where: str) -> tuple[int, int]:
    match = _NUMBER.fullmatch(str(value)) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if match is None:
        _refuse(where, "is not an amount in USD of zero or more")
    whole, decimals, exponent = match[1], match[2] or "", int(match[3] or 0)
    pusd, divisor = int(whole + decimals) * _PUSD_PER_USD, per * 10 ** (len(decimals) + exponent)
    common = gcd(pusd, divisor)
    if pusd > _DEAREST_PUSD * divisor:
        _refuse(where, "is more than a million USD a unit")
    return pusd // common, divisor // common


def _factor(value: object) -> tuple[int, int]:
    """Return the factor of a region as a fraction: what data that stays there costs, never less than elsewhere."""
    pusd, per = _exact(value, _PUSD_PER_USD, "residency")
    if not per <= pusd <= _LARGEST_FACTOR * per:
        _refuse("residency", "is not a factor from 1 to 10")
    return pusd, per


def _variant(value: object) -> Variant:
    row = dict(_table(value, "variants"))
    when = tuple((key, _text(asked, "variants.when")) for key, asked in _table(row.pop("when", {}), "variants.when"))
    if not when:
        _refuse("variants.when", "is missing")
    return Variant(when, _tariff(row, "variants"))


def _tariff(value: object, where: str) -> Tariff:
    row = dict(_table(value, where))
    read = Tariff(rates(row.pop("rates", {}), f"{where}.rates"))
    if "from" in row:
        read = read._replace(starts_us=_day_us(row.pop("from"), f"{where}.from"))
    if "hours" in row:
        hours = [_second(each, f"{where}.hours") for each in _list(row.pop("hours"), f"{where}.hours")]
        if len(hours) != 2 or hours[0] == hours[1]:
            _refuse(f"{where}.hours", "is not a pair of times")
        read = read._replace(from_s=hours[0], until_s=hours[1])
    for field in row:
        _refuse(f"{where}.{field}", "is not known")
    return read


def _day_us(value: object, where: str) -> int:
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _refuse(where, "is not a date such as 2026-11-23")
    from calendar import timegm

    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= 31:
        _refuse(where, "is not a date such as 2026-11-23")
    return timegm((year, month, day, 0, 0, 0)) * 1_000_000


def _second(value: object, where: str) -> int:
    match = _HOUR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _refuse(where, "is not a time such as 06:30")
    return int(match[1]) * 3600 + int(match[2]) * 60


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > 200:
        _refuse(where, "is not a short text")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        _refuse(where, "is not a list")
    return value


def _table(value: object, where: str) -> list[tuple[str, object]]:
    if not isinstance(value, Mapping):
        _refuse(where, "is not a table")
    return list(cast("Mapping[str, object]", value).items())


def _refuse(where: str, why: str) -> NoReturn:
    raise ValueError(f"{where[:80]} {why}")
