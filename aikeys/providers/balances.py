"""Balances of the accounts of keys, where a provider tells them for free (catalogue.toml, `balance`).

- The key goes to the host of its own base URL, through the transport of calls.
- An amount is what the provider wrote, exactly; a currency that nobody states is unknown, not guessed.
- What went wrong is told in our own words: nothing of a reply that failed is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from aikeys.errors import AikeysError, ProviderRefused, RateLimited
from aikeys.providers.catalogue import Balance, Provider, check_base_url
from aikeys.providers.inquiry import InquiryAnswer, address, inquire, timeouts
from aikeys.providers.transport import Parcel, Transport
from aikeys.providers.wire.exact_json import read_table
from aikeys.providers.wire.values import Json, Outgoing, Unreadable
from aikeys.secret import Secret

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_LARGEST = Decimal(10) ** 15
_MOST_DECIMALS, _MOST_DIGITS = 12, 40


class Amount(NamedTuple):
    """So much money, as a plain decimal number; `currency` is empty where nobody says which."""

    amount: str
    currency: str


def can_tell(provider: Provider, base_url: str) -> bool:
    """Tell whether this provider says at this address what is left."""
    return bool(_asked(provider, base_url))


def balance(
    provider: Provider, base_url: str, secret: Secret, transport: Transport, timeout_s: float = 10.0
) -> tuple[Amount, ...]:
    """Ask what is left: mostly one amount, more where an account holds several currencies.

    Raises NotSent, Broken, Unreadable, RateLimited or ProviderRefused, and Usage for an address no key is sent to.
    """
    refusal: InquiryAnswer | None = None
    for one in _asked(provider, base_url):
        base, rest = address(provider, base_url, one.path)
        outgoing = Outgoing("GET", rest, (*provider.verify.headers, ("accept", "application/json")), b"")
        answer = inquire(transport, Parcel(outgoing, base, provider.verify.auth, secret), timeouts(timeout_s))
        if answer.status != 200:
            refusal = answer
        elif found := _amounts(read_table(answer.body), one, _region_of(provider, base_url)):
            return found
    raise _failure(provider, refusal)


def _asked(provider: Provider, base_url: str) -> list[Balance]:
    """An address of another region than those whose currency is known belongs to another product."""
    region = _region_of(provider, base_url)
    return [one for one in provider.balance if not one.regions or not region or region in dict(one.regions)]


def _region_of(provider: Provider, base_url: str) -> str:
    base = check_base_url(base_url) if base_url else ""
    return next((name for name, url in provider.regions if check_base_url(url) == base), "")


def _amounts(reply: Mapping[str, Json], one: Balance, region: str) -> tuple[Amount, ...]:
    entries = _at(reply, one.of) if one.of else [reply]
    found: list[tuple[Decimal, str]] = []
    for entry in entries if isinstance(entries, list) else []:
        amount, minus = _number(_at(entry, one.amount)), _number(_at(entry, one.minus)) if one.minus else Decimal(0)
        if amount is not None and minus is not None:
            found.append((amount - minus, _currency(entry, one, region)))
    kept = [each for each in found if each[0]] or found[:1]
    return tuple(Amount(_plain(amount), currency) for amount, currency in kept)


def _currency(entry: Json, one: Balance, region: str) -> str:
    said = _at(entry, one.currency[1:]) if one.currency.startswith(".") else one.currency
    code = said if isinstance(said, str) and said else dict(one.regions).get(region, "")
    return code if len(code) == 3 and code.isascii() and code.isupper() else ""


def _at(value: Json, place: str) -> Json:
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    exponent = found.as_tuple().exponent
    is_sane = isinstance(exponent, int) and exponent > -_MOST_DIGITS and abs(found) < _LARGEST
    return found if is_sane else None


def _plain(amount: Decimal) -> str:
    """Return the number without an exponent, with two decimals at least and twelve at most."""
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals[:_MOST_DECIMALS].rstrip('0').ljust(2, '0')}"


def _failure(provider: Provider, answer: InquiryAnswer | None) -> AikeysError:
    if answer is None:
        return Unreadable(f"{provider.title} names no balance for this key")
    if answer.is_redirect:
        return ProviderRefused(f"{provider.title} answered with a redirect, which is not followed")
    if answer.status in (_UNAUTHORIZED, _FORBIDDEN):
        return ProviderRefused(f"{provider.title} does not tell this key its balance (status {answer.status})")
    if answer.status == _TOO_MANY:
        return RateLimited(f"{provider.title} is asked too often", "try again later")
    return ProviderRefused(f"{provider.title} answered {answer.status}")
