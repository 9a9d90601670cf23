"""The user's own prices (pure): `[prices."provider/model"]` of config.toml, which every other source gives way to.

Amounts are USD: for a million tokens, or for one request, search or page; `[1.25, 200000, 2.5]` is a price with a tier.
`provider/*` serves the models that have no table of their own. `like` takes the prices of another model (an Azure
deployment), and stands without amounts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from aikeys.errors import BadConfiguration
from aikeys.pricing import names, reading
from aikeys.pricing.values import Price, Rate, Tariff

if TYPE_CHECKING:
    from decimal import Decimal

ANY = "*"
_TOKENS = 1_000_000
_LONGEST = 30
_AMOUNTS: dict[str, tuple[str, int]] = {
    "input": ("input", _TOKENS),
    "output": ("output", _TOKENS),
    "cache_read": ("cache_read", _TOKENS),
    "cache_write_5m": ("cache_write_5m", _TOKENS),
    "cache_write_1h": ("cache_write_1h", _TOKENS),
    "reasoning": ("reasoning", _TOKENS),
    "input_audio": ("input_audio_tokens", _TOKENS),
    "input_image": ("input_image_tokens", _TOKENS),
    "output_audio": ("output_audio_tokens", _TOKENS),
    "output_image": ("output_image_tokens", _TOKENS),
    "per_request": ("requests", 1),
    "web_search": ("web_searches", 1),
    "maps_search": ("maps_searches", 1),
    "file_search": ("storage_searches", 1),
    "code_execution": ("code_executions", 1),
    "document_page": ("input_document_pages", 1),
    "audio_second": ("audio_seconds", 1),
}
_COUNTS = ("context_window", "max_output")
_KNOWN = (*_AMOUNTS, *_COUNTS, "like")


class Override(NamedTuple):
    """A price of the user, or the name of the model whose price serves."""

    price: Price
    like: str = ""


def read(tables: Mapping[str, Mapping[str, object]], providers: Collection[str]) -> dict[tuple[str, str], Override]:
    """Return the overrides by provider and spelled model; BadConfiguration names the key that is wrong.

    `providers` are the known ones; an empty collection lets every name pass.
    """
    return {_key(name, providers): _override(name, table) for name, table in tables.items()}


def _key(name: str, providers: Collection[str]) -> tuple[str, str]:
    provider, _, model = name.partition("/")
    if not provider or not model:
        raise BadConfiguration(
            f"config.toml: prices.{_shown(name)} names no model", 'write it as [prices."openai/gpt-5"], or "openai/*"'
        )
    known = names.ELSEWHERE.get(provider.lower(), provider.lower())
    if providers and known not in providers:
        near = names.nearest(provider, providers)
        hint = f"did you mean {near[0]}?" if near else f"define it under [providers.{_shown(provider)}]"
        raise BadConfiguration(f"config.toml: prices.{_shown(name)}: no provider has that name", hint)
    return known, names.spelled(model)


def _override(name: str, table: Mapping[str, object]) -> Override:
    place = f"config.toml: prices.{_shown(name)}"
    for field in table:
        if field not in _KNOWN:
            near = names.nearest(field, _KNOWN)
            _refuse(f"{place}.{_shown(field)}", "is not known", f"did you mean {near[0]}?" if near else "")
    provider, _, model = name.partition("/")
    like = table.get("like", "")
    if not isinstance(like, str):
        _refuse(f"{place}.like", "is not the name of a model")
    rates = {
        unit: _rate(table[field], per, f"{place}.{field}") for field, (unit, per) in _AMOUNTS.items() if field in table
    }
    if bool(rates) == bool(like):
        _refuse(place, "has amounts and like" if like else "has no amount")
    window, largest = (_count(table.get(field, 0), f"{place}.{field}") for field in _COUNTS)
    price = Price(
        provider=provider.lower(),
        model=model,
        tariffs=(Tariff(rates),),
        context_window=window,
        max_output=largest,
        source="config",
        version=_version(table),
    )
    return Override(price, like)


def _rate(value: object, per: int, where: str) -> Rate:
    """TOML's numbers come as int or Decimal (config.py), never as float."""
    try:
        return reading.rate(_plain(value), per, where)
    except ValueError as error:
        raise _refusal(str(error)) from None


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return value.strip().removeprefix("$")
    if type(value).__name__ == "Decimal":
        number = cast("Decimal", value)
        return format(number, "f") if abs(number.adjusted()) < _LONGEST else None
    return None if isinstance(value, float) else value


def _count(value: object, where: str) -> int:
    try:
        return reading.count(value, where)
    except ValueError as error:
        raise _refusal(str(error)) from None


def _version(table: Mapping[str, object]) -> str:
    """A change of a price changes the reference that the ledger keeps of it."""
    from hashlib import sha256

    text = "\n".join(f"{field}={value}" for field, value in sorted(table.items()))
    return sha256(text.encode()).hexdigest()[:8]


def _shown(name: str) -> str:
    return f'"{ascii(name)[1:-1]}"' if len(name) <= 100 else "a long name"


def _refuse(where: str, why: str, hint: str = "") -> NoReturn:
    raise _refusal(f"{where} {why}", hint)


def _refusal(problem: str, hint: str = "") -> BadConfiguration:
    return BadConfiguration(problem, hint or f"known here: {', '.join(_KNOWN)}; amounts are USD")
