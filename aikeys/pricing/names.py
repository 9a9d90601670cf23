"""Model names (pure): which provider and model a text means, and how surely.

- Case, dots and dashes, and the spelling of a date do not matter: `claude-sonnet-4.5` is `claude-sonnet-4-5`,
  `gpt-4o-20240806` is `gpt-4o-2024-08-06`; `models/` in front is taken off.
- A name is exact when it is spelled like an id or a listed name. `#` in a listed name stands for one digit.
- Listed names with `*` at an end are rules of thumb (`claude-opus-4-5*`); `&` joins them, `!` is not. What only they
  match is fuzzy, and a fuzzy match is no price under a blocking budget.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

SHIPPED: Mapping[str, str] = MappingProxyType(
    {
        "gpt-4.1": "openai/gpt-4.1",
        "gpt4": "openai/gpt-4.1",
        "claude": "anthropic/claude-sonnet-5-5",
        "claude-sonnet": "anthropic/claude-sonnet-5-5",
        "gemini": "gemini/gemini-3.8-flash",
        "deepseek": "deepseek/deepseek-v4-pro",
    }
)
"""Aliases that work out of the box; `[aliases]` of config.toml comes first."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "x-ai": "xai",
        "google": "gemini",
        "azure": "azure-openai",
        "aws": "bedrock",
        "voyageai": "voyage",
        "moonshotai": "moonshot",
        "z-ai": "zhipu",
        "zai": "zhipu",
    }
)
"""Names of our providers in other tools."""

_BEGINNINGS = (
    ("openai", ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "codex-", "whisper-1", "tts-1")),
    ("anthropic", ("claude-",)),
    ("gemini", ("gemini-",)),
    ("mistral", ("mistral-", "ministral-", "codestral-", "magistral-", "devstral-", "pixtral-", "voxtral-")),
    ("deepseek", ("deepseek-",)),
    ("xai", ("grok-",)),
    ("cohere", ("command-",)),
    ("perplexity", ("sonar",)),
    ("voyage", ("voyage-",)),
)
_DATE = re.compile(r"-(\d{4}|#{4})-(\d\d|##)-(\d\d|##)(?=$|[:&*-])", re.ASCII)
_TO_DASH = str.maketrans(".@", "--")


class Name(NamedTuple):
    """A provider and one of its models as they were asked for; no provider: none was named and none is likely."""

    provider: str
    model: str
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}" if self.provider else self.model


def resolve(text: str, aliases: Mapping[str, str], providers: Collection[str]) -> Name:
    """Return what a text names: an alias, `provider/model` (nested as it may be), or a bare model of a known family."""
    for table in (aliases, SHIPPED):
        for alias, target in table.items():
            if spelled(alias) == spelled(text):
                return _split(target, providers)._replace(alias=text)
    return _split(text, providers)


def spelled(name: str) -> str:
    """Return the spelling in which two names of one model are equal."""
    lower = name.strip().lower().removeprefix("models/").translate(_TO_DASH)
    return _DATE.sub(r"-\1\2\3", lower)


def is_rule(listed: str) -> bool:
    """Tell whether a listed name is a rule of thumb."""
    return "*" in listed or "&" in listed


def matches(listed: str, name: str) -> bool:
    """Tell whether a listed name (with `#`, `*`, `&`) fits a name; both as `spelled` returns them."""
    return all(_fits(part, name) for part in listed.split("&"))


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that look alike."""
    from difflib import get_close_matches

    by_spelling = {spelled(each): each for each in known}
    return [by_spelling[found] for found in get_close_matches(spelled(name), list(by_spelling), n=3, cutoff=0.6)]


def _split(text: str, providers: Collection[str]) -> Name:
    first, slash, rest = text.strip().partition("/")
    if slash and rest and first.lower() in providers:
        return Name(first.lower(), rest)
    if slash and rest and first.lower() in ELSEWHERE:
        return Name(ELSEWHERE[first.lower()], rest)
    if first == "models" and slash:
        text = rest
    lower = text.strip().lower()
    if "/" not in lower:
        for provider, beginnings in _BEGINNINGS:
            if lower.startswith(beginnings):
                return Name(provider, text.strip())
    return Name("", text.strip())


def _fits(part: str, name: str) -> bool:
    if part.startswith("!"):
        return not _fits(part[1:], name)
    if part.startswith("*"):
        return part[1:-1] in name if part.endswith("*") else name.endswith(part[1:])
    if part.endswith("*"):
        part, name = part[:-1], name[: len(part) - 1]
    if "#" not in part:
        return part == name
    return len(part) == len(name) and all(
        sign == seen or (sign == "#" and seen.isdigit()) for sign, seen in zip(part, name, strict=True)
    )
