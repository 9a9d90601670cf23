"""Native routes that the gateway passes through (pure): the allow-list, each with its scope and its meter.

A path is written below the key's base URL. `{}` stands for one name, `{model}` for the model that is asked. Who has no
list of its own in catalogue.toml, and speaks OpenAI's protocol, has what its dialect names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aikeys.providers.catalogue import Provider
from aikeys.providers.wire.dialects import Dialect

FREE = "free"
_NAME = r"([A-Za-z0-9][A-Za-z0-9_.:\-]{0,199})"
_MODEL = r"([A-Za-z0-9@][A-Za-z0-9_.:@/\-]{0,199}?)"


class NativeRoute(NamedTuple):
    """One entry. `meter` is a name of PROTOCOLS, or `free`.

    `keeps`: the name in its path is of an object somebody made. `streams`: it streams whatever the body says.
    """

    method: str
    path: str
    scope: str
    meter: str = FREE
    keeps: bool = False
    streams: bool = False


class Match(NamedTuple):
    """A route with what stands in its path: a model and an object, each empty where it has none."""

    route: NativeRoute
    path: str
    model: str
    name: str


def match(provider: Provider, base_url: str, method: str, path: str) -> Match | None:
    """Return the route of a path below /PROVIDER, None where it is not on the list.

    The path may repeat what the base URL ends with, the key's or the provider's own: `/openai/v1/models` is `/models`
    also of a key whose base URL has no /v1, because an SDK adds what its provider has.
    """
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        return None
    for below in _ways(provider, base_url, path):
        for route, pattern in _patterns(routes_of(provider)):
            found = pattern.fullmatch(below) if route.method == method else None
            if found is not None:
                named = found.groupdict()
                plain = found.group(1) if found.groups() and "model" not in named else ""
                return Match(route, below, named.get("model") or "", plain)
    return None


def below(provider: Provider, base_url: str, path: str) -> str:
    """Return a path that is on no list as it is written below the base URL, without what it repeats of it."""
    return _ways(provider, base_url, path)[0]


def routes_of(provider: Provider) -> tuple[NativeRoute, ...]:
    """Return a provider's allow-list."""
    if provider.native:
        return tuple(NativeRoute._make(each) for each in provider.native)
    if provider.protocol not in ("openai", "azure", "openai-responses"):
        return ()
    return _of_dialect(provider.dialect())


def _of_dialect(dialect: Dialect) -> tuple[NativeRoute, ...]:
    found = []
    if dialect.chat:
        found.append(NativeRoute("POST", dialect.chat, "chat:write", "openai_chat"))
        stem = dialect.chat.removesuffix("/chat/completions")
        found.append(NativeRoute("POST", f"{stem}/completions", "chat:write", "openai_completions"))
        found.append(NativeRoute("GET", f"{stem}/models", "chat:read"))
        found.append(NativeRoute("GET", f"{stem}/models/{{model}}", "chat:read"))
    if dialect.embeddings:
        found.append(NativeRoute("POST", dialect.embeddings, "embeddings:write", "openai_embeddings"))
    if dialect.responses:
        found.append(NativeRoute("POST", dialect.responses, "chat:write", "openai_responses"))
    return tuple(found)


def _ways(provider: Provider, base_url: str, path: str) -> list[str]:
    """Return the ways to read a path below a key's base URL, the longest overlap first, as it is last."""
    return [*_without_end(base_url, path), *_without_end(provider.base_url, path), path]


def _without_end(base_url: str, path: str) -> list[str]:
    parts = base_url.partition("://")[2].split("/")[1:]
    ends = ["/" + "/".join(parts[first:]) for first in range(len(parts)) if parts[first]]
    return [path[len(end) :] for end in ends if path.startswith(f"{end}/")]


@lru_cache(maxsize=256)
def _patterns(routes: tuple[NativeRoute, ...]) -> tuple[tuple[NativeRoute, re.Pattern[str]], ...]:
    return tuple((route, re.compile(_pattern(route.path), re.ASCII)) for route in routes)


def _pattern(path: str) -> str:
    escaped = re.escape(path).replace(r"\{model\}", f"(?P<model>{_MODEL[1:-1]})")
    return escaped.replace(r"\{\}", _NAME)
