"""Patterns of models and client addresses that a token is for. Only `*` is special, for any run of characters."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from aikeys import names
from aikeys.errors import UsageError

_MOST_STARS = 4


def check_model(pattern: str) -> str:
    """Return a pattern of `provider/model`; UsageError where it is none."""
    pattern = names.model_pattern(pattern)
    provider, slash, model = pattern.partition("/")
    if model:
        names.model_pattern(model)
    if pattern.count("*") > _MOST_STARS or (pattern != "*" and not (slash and provider and model)):
        raise UsageError(
            f"{names.shown(pattern)} is not a model pattern",
            "write provider/model, such as openai/gpt-4.1 or anthropic/*",
        )
    return pattern


def allows(patterns: Sequence[str], model: str) -> bool:
    """Tell whether one of the patterns stands for a model (`provider/model`); no pattern at all allows every model."""
    return not patterns or any(_matches(pattern, model.lower()) for pattern in patterns)


def covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Tell whether every model that `narrow` stands for, `wide` stands for too.

    A star inside a narrow pattern is covered by a star only: what could be wider is not allowed.
    """
    if not wide:
        return True
    return bool(narrow) and all(any(_matches(pattern, each.lower()) for pattern in wide) for each in narrow)


@lru_cache(maxsize=1024)
def _matches(pattern: str, text: str) -> bool:
    first, *rest = pattern.lower().split("*")
    if not rest:
        return text == first
    last = rest.pop()
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in rest:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def check_address(text: str) -> str:
    """Return an address or network (`10.0.0.0/8`) in its usual form; UsageError where it is none."""
    from ipaddress import ip_network

    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        shown = ascii(text)[1:-1] if len(text) <= 60 else "a long text"
        raise UsageError(f"{shown} is not an address", "write 203.0.113.7 or 10.0.0.0/8") from None


def are_addresses(texts: Sequence[str]) -> bool:
    """Tell whether all texts are networks as `check_address` returns them."""
    if not texts:
        return True
    from ipaddress import ip_network

    try:
        return all(str(ip_network(text)) == text for text in texts)
    except ValueError:
        return False


def is_from(networks: Sequence[str], address: str) -> bool:
    """Tell whether an address is in one of the networks; without any it may come from everywhere."""
    if not networks:
        return True
    from ipaddress import ip_address, ip_network

    try:
        one = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(one, "ipv4_mapped", None)
    candidates = [one, mapped] if mapped else [one]
    return any(each in ip_network(network) for network in networks for each in candidates if each is not None)


def holds(wide: Iterable[str], narrow: Sequence[str]) -> bool:
    """Tell whether every address of `narrow` is in `wide`."""
    from ipaddress import ip_network

    outer = [ip_network(each) for each in wide]
    if not outer:
        return True
    return bool(narrow) and all(any(_inside(ip_network(each), other) for other in outer) for each in narrow)


def _inside(one: object, other: object) -> bool:
    from ipaddress import IPv4Network, IPv6Network

    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.subnet_of(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.subnet_of(other)
