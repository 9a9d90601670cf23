"""Responsible for what the look of a text tells: which provider's key it is, whether it is odd, or none at all.

Everything here is a guess to help the user: a match suggests, a mismatch warns, nothing blocks but what `unfit` names.
No sentence that leaves this module contains the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aikeys.providers.catalogue import Provider

_PLACEHOLDERS = (
    r"x{3,}|\*{3,}|\.{3,}|…+|-{3,}|0{4,}|1234(?:5678?9?0?)?",
    r"<.*>|\$\{.*\}|\{\{.*\}\}|\[.*\]",
    r"(?:changeme|change[-_ ]me|replace[-_ ]?me|todo|none|null|dummy|placeholder|example|test|secret|key|api[-_ ]?key)",
    r"my[-_ ](?:api[-_ ]?)?(?:key|token|secret)",
    r"(?:your|insert|put|paste|enter|add|replace)[-_ ].*(?:key|token|secret|here).*",
    r"[a-z0-9_-]{1,16}[-_](?:x{3,}|\.{3,}|…+|\*{3,}|your[-_ ].*|<.*>|placeholder|example|changeme)",
)

_QUOTES = ('"', "'", "`", "“", "”")


def guess(catalogue: Mapping[str, Provider], secret_text: str) -> str | None:
    """Return the one provider whose own shape this is; a shape that several brands share tells nothing."""
    matches: dict[str, int] = {}
    for provider in catalogue.values():
        own = [*provider.key_patterns, *provider.admin_patterns]
        lengths = [_literal_length(pattern) for pattern in own if _matches([pattern], secret_text)]
        if lengths:
            matches[provider.name] = max(lengths)
    most = max(matches.values(), default=0)
    nearest = [name for name, length in matches.items() if length == most]
    return nearest[0] if len(nearest) == 1 else None


def by_variable(catalogue: Mapping[str, Provider], variable: str) -> str | None:
    """Return the provider that a variable's name belongs to; one that borrows another brand's names owns none."""
    for provider in catalogue.values():
        if variable in (*provider.env, *provider.also_env) and not provider.always_base_url:
            return provider.name
    for provider in catalogue.values():
        if variable in provider.env:
            return provider.name
    return None


def unfit(secret_text: str) -> str:
    """Say in a few words why a text can be no key at all, nothing where it can; they never contain the text."""
    if "\0" in secret_text:
        return "holds a NUL byte"
    return "holds a line break" if "\n" in secret_text or "\r" in secret_text else ""


def odd_format(provider: Provider, secret_text: str) -> str | None:
    """Return a sentence when the text has none of the provider's known shapes; it never contains the text."""
    if has_outer_quote(secret_text):
        return "the key begins or ends with a quote, which is stored with it"
    if assigned(secret_text)[0]:
        return "this begins like a line of a .env file, NAME=…; all of it is stored"
    known = [*provider.key_patterns, *provider.shared_patterns, *provider.admin_patterns]
    if not known or _matches(known, secret_text):
        return None
    if secret_text != secret_text.strip() or any(character.isspace() for character in secret_text):
        return f"this does not look like a key of {provider.title}: it holds white space"
    return f"this does not look like a key of {provider.title} ({len(secret_text)} characters)"


def has_outer_quote(text: str) -> bool:
    """Tell whether a quote stands at either end, as what was cut out of a file has it."""
    return text.startswith(_QUOTES) or text.endswith(_QUOTES)


def assigned(text: str) -> tuple[str, str]:
    """Return the variable and the value of a line such as `OPENAI_API_KEY=…`, two empty texts for anything else."""
    import re

    found = re.match(r"(?:export\s+)?([A-Z][A-Z0-9]*_[A-Z0-9_]*)=[\"']?([^=\"'].*?)[\"']?\Z", text)
    return (found[1], found[2]) if found else ("", "")


def is_admin(provider: Provider, secret_text: str) -> bool:
    """Tell whether this key administers an organisation rather than calls models."""
    return _matches(provider.admin_patterns, secret_text)


def looks_like_placeholder(text: str) -> bool:
    """Tell whether a text stands where a key should be written: "your-key-here", "sk-...", "<key>", nothing."""
    import re

    bare = text.strip().strip("\"'").strip().lower()
    return not bare or any(re.fullmatch(pattern, bare, re.DOTALL) for pattern in _PLACEHOLDERS)


def _matches(patterns: Iterable[str], text: str) -> bool:
    import re

    return any(re.fullmatch(pattern, text, re.ASCII) for pattern in patterns)


def _literal_length(pattern: str) -> int:
    """Count the plain characters that a pattern begins with: the more, the more specific it is."""
    for position, character in enumerate(pattern):
        if not (character.isalnum() or character in "-_"):
            return position
    return len(pattern)
