"""Native routes that the gateway passes through (pure): the allow-list, each with its scope and its meter.

A path is written below the key's base URL. `{}` stands for one name, `{model}` for the model that is asked, and
`{deployment}` for one whose name is a single segment. Who has no list of its own in catalogue.toml, and speaks OpenAI's
protocol, has what its dialect names. Who also serves Anthropic's format has that beside its own list, at another path
of the same host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aikeys.providers.catalogue import Provider
from aikeys.providers.wire.dialects import Dialect

FREE = "free"
_OPENAIS = ("openai", "azure", "openai-responses")
_NAME = r"([A-Za-z0-9][A-Za-z0-9_.:\-]{0,199})"
_MODEL = r"([A-Za-z0-9@][A-Za-z0-9_.:@/\-]{0,199}?)"
_ANTHROPICS_PATH = "/v1/messages"


class NativeRoute(NamedTuple):
    """One entry. `meter` is a name of PROTOCOLS, or `free`.

    `keeps`: the name in its path is of an object somebody made. `streams`: it streams whatever the body says. `cap`:
    the field that bounds its output, where it is not its dialect's.
    """

    method: str
    path: str
    scope: str
    meter: str = FREE
    keeps: bool = False
    streams: bool = False
    cap: str = ""


IN_ANTHROPICS_FORMAT = NativeRoute("POST", _ANTHROPICS_PATH, "chat:write", "anthropic_messages")
"""What a provider of another protocol serves in Anthropic's format. Whether it counts tokens for free is not known."""


class Match(NamedTuple):
    """A route with what stands in its path: a model and an object, each empty where it has none.

    `at`: where the model begins in the path. `base_url`: what the path is below, where that is not the key's own base
    URL.
    """

    route: NativeRoute
    path: str
    model: str
    name: str
    at: int = 0
    base_url: str = ""

    def path_of(self, model: str) -> str:
        """Return the path for another model, as it is where it names none."""
        return self.path[: self.at] + model + self.path[self.at + len(self.model) :] if self.model else self.path


class Endpoint(NamedTuple):
    """Where a provider takes a format; `base_url` as in Match."""

    path: str
    base_url: str = ""


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
                at = found.start("model") if "model" in named else 0
                return Match(route, below, named.get("model") or "", plain, at)
    return _in_anthropics_format(provider, base_url, method, path)


def endpoint(provider: Provider, base_url: str, meter: str) -> Endpoint | None:
    """Return where a provider takes bodies of a meter that name their model themselves, None where it does not."""
    dialect = provider.dialect()
    if meter == "anthropic_messages":
        if provider.protocol == "anthropic":
            return Endpoint(_ANTHROPICS_PATH)
        elsewhere = anthropics_base(provider, base_url)
        return Endpoint(_ANTHROPICS_PATH, elsewhere) if elsewhere else None
    if meter == "cohere_chat" and provider.protocol == "cohere":
        return Endpoint(dialect.chat)
    path = ""
    if provider.protocol in _OPENAIS:
        chat = dialect.chat
        path = {
            "openai_chat": chat if provider.protocol != "openai-responses" else "",
            "openai_completions": f"{chat.removesuffix('/chat/completions')}/completions" if chat else "",
            "openai_embeddings": dialect.embeddings,
            "openai_responses": dialect.responses,
            "openai_compactions": f"{dialect.responses}/compact" if dialect.responses else "",
        }.get(meter, "")
    return Endpoint(path) if path else None


def anthropics_base(provider: Provider, base_url: str) -> str:
    """Return what a provider's Anthropic format lies below, at the host of a key's base URL; "" where it has none."""
    for end, other in sorted(provider.anthropic_base, key=lambda each: -len(each[0])):
        if base_url.endswith(other):
            return base_url
        if base_url.endswith(end):
            return base_url.removesuffix(end) + other
    return base_url + provider.anthropic_base[0][1] if provider.anthropic_base else ""


def _in_anthropics_format(provider: Provider, base_url: str, method: str, path: str) -> Match | None:
    """Match what Anthropic's SDK sends where its base URL is the provider's, or the one that the provider documents."""
    route, elsewhere = IN_ANTHROPICS_FORMAT, anthropics_base(provider, base_url)
    if not elsewhere or method != route.method or not path.endswith(route.path):
        return None
    ends = {"", *(other for _, other in provider.anthropic_base)}
    before = path.removesuffix(route.path)
    if before not in {*ends, *(f"/{end.rpartition('/')[2]}" for end in ends if end)}:
        return None
    return Match(route, route.path, "", "", base_url=elsewhere)


def below(provider: Provider, base_url: str, path: str) -> str:
    """Return a path that is on no list as it is written below the base URL, without what it repeats of it."""
    return _ways(provider, base_url, path)[0]


def routes_of(provider: Provider) -> tuple[NativeRoute, ...]:
    """Return a provider's allow-list."""
    if provider.native:
        return tuple(NativeRoute._make(each) for each in provider.native)
    if provider.protocol not in _OPENAIS:
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
        found.append(NativeRoute("POST", f"{dialect.responses}/compact", "chat:write", "openai_compactions"))
    return tuple(found)


def _ways(provider: Provider, base_url: str, path: str) -> list[str]:
    """Return the ways to read a path below a key's base URL, the longest overlap first, as it is last."""
    ends = (base_url, provider.base_url, *provider.also_base_url)
    return [*(below for each in ends for below in _without_end(each, path)), path]


def _without_end(base_url: str, path: str) -> list[str]:
    parts = base_url.partition("://")[2].split("/")[1:]
    ends = ["/" + "/".join(parts[first:]) for first in range(len(parts)) if parts[first]]
    return [path[len(end) :] for end in ends if path.startswith(f"{end}/")]


@lru_cache(maxsize=256)
def _patterns(routes: tuple[NativeRoute, ...]) -> tuple[tuple[NativeRoute, re.Pattern[str]], ...]:
    return tuple((route, re.compile(_pattern(route.path), re.ASCII)) for route in routes)


def _pattern(path: str) -> str:
    escaped = re.escape(path).replace(r"\{model\}", f"(?P<model>{_MODEL[1:-1]})")
    escaped = escaped.replace(r"\{deployment\}", f"(?P<model>{_NAME[1:-1]})")
    return escaped.replace(r"\{\}", _NAME)
