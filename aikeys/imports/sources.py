"""Finds provider keys in what others keep: `.env` files, the environment, llm's `keys.json`. Pure: text in, finds out.

Rules: a variable counts when a provider of the catalogue names it, or when its value is recognised. Whatever counts
but cannot be taken is reported with a reason; no reason and no refusal ever repeats a value. Of a variable that a file
sets twice the last one counts, as it does for the programs that read the file. A base URL goes with the key only to
the provider whose own variable holds it, so that no key is ever sent to another provider's address, and never where
anybody could listen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aikeys.errors import AikeysError, BadConfiguration
from aikeys.network.addresses import plain_http_reach
from aikeys.providers import recognition
from aikeys.providers.catalogue import Provider, check_base_url
from aikeys.secret import Secret

_Catalogue = dict[str, Provider]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFERENCE = re.compile(r"\$[A-Za-z_(]|.*\$[{(]", re.DOTALL)  # a dollar sign alone may be part of a secret
_KEY_STARTS = ("sk-", "sk_", "AIza", "gsk_", "xai-", "hf_", "pplx-", "r8_", "nvapi-")
_STRAY = "\ufeff\u200b"  # what copying from a web page leaves behind, and str.strip() does not take
# llm's names for keys where they differ from the provider's name in the catalogue
_LLM_NAMES = {"claude": "anthropic", "google": "gemini"}


class Candidate(NamedTuple):
    """A key that can be imported, and the lines it was found in; `file` is empty for the environment.

    `base_variable` and `base_line` say where its base URL stands, if it has one.
    """

    provider: str
    variable: str
    secret: Secret
    base_url: str
    file: str
    line: int
    end_line: int
    base_variable: str = ""
    base_line: int = 0


class Skipped(NamedTuple):
    """What counts as a provider's key and cannot be taken."""

    variable: str
    file: str
    line: int
    reason: str


class FoundKeys(NamedTuple):
    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]


class _Entry(NamedTuple):
    """One assignment, before anyone knows whether its value is a secret: `value` therefore never shows."""

    variable: str
    value: Secret
    line: int
    end_line: int


def from_dotenv(text: str, file: str, catalogue: _Catalogue) -> FoundKeys:
    """Find keys in a `.env` file: quotes, `export`, comments and values over several lines as python-dotenv reads."""
    from io import StringIO

    from dotenv.parser import parse_stream

    entries: list[_Entry] = []
    skipped: list[Skipped] = []
    for binding in parse_stream(StringIO(text.removeprefix("\ufeff"), newline="")):
        original = binding.original.string
        body = original.lstrip()
        line = binding.original.line + _newlines(original[: len(original) - len(body)])
        end_line = line + _newlines(body.rstrip())
        if binding.error:
            skipped.append(Skipped("", file, line, "the line cannot be read: a quote may be missing"))
        elif binding.key and binding.value is None and recognition.guess(catalogue, binding.key) is not None:
            skipped.append(Skipped("", file, line, "a key without a variable: write NAME=value"))
        elif binding.key and binding.value is not None and _VARIABLE.match(binding.key):
            entries.append(_Entry(binding.key, _secret(binding.value), line, end_line))
    found = _sort_out(entries, file, catalogue)
    return FoundKeys(found.candidates, tuple(sorted((*skipped, *found.skipped), key=lambda one: one.line)))


def from_environment(environ: Mapping[str, str], catalogue: _Catalogue) -> FoundKeys:
    """Find keys in environment variables; they have no file and no line."""
    return _sort_out([_Entry(name, _secret(value), 0, 0) for name, value in environ.items()], "", catalogue)


def from_llm(text: str, file: str, catalogue: _Catalogue) -> FoundKeys:
    """Find keys in the `keys.json` of simonw/llm, which maps a name to a key."""
    import json

    try:
        document = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        problem = f"{file} is not valid JSON in line {error.lineno}"
    except (ValueError, RecursionError):
        problem = f"{file} is not valid JSON"
    else:
        problem = "" if isinstance(document, dict) else f"{file} is not llm's keys.json: no object at its top"
    if problem:  # raised out here, so that no traceback carries the parser's copy of the file
        raise BadConfiguration(problem, 'llm writes {"openai": "sk-…"}')
    entries: list[_Entry] = []
    skipped: list[Skipped] = []
    for name, value in document.items():
        line = _line_of(name, text)
        if isinstance(value, str) and not name.startswith("//"):
            entries.append(_Entry(name, _secret(value), line, line))
        elif not isinstance(value, str) and _llm_provider(name, catalogue):
            skipped.append(Skipped(name, file, line, "the value is not text"))
    names = {entry.variable: provider for entry in entries if (provider := _llm_provider(entry.variable, catalogue))}
    found = _sort_out(entries, file, catalogue, names)
    return FoundKeys(found.candidates, tuple(sorted((*skipped, *found.skipped), key=lambda one: one.line)))


def _sort_out(
    entries: Iterable[_Entry], file: str, catalogue: _Catalogue, names: Mapping[str, str] | None = None
) -> FoundKeys:
    """Take the provider keys out of the entries; `names` are variables known beyond the catalogue's."""
    entries = list(entries)
    last = {entry.variable: entry for entry in entries}
    candidates: list[Candidate] = []
    skipped: list[Skipped] = []
    for variable, value, line, end_line in entries:
        owner = (names or {}).get(variable) or recognition.by_variable(catalogue, variable) or ""
        provider = _provider_of(owner, value, catalogue)
        reason = _refusal(value) if provider else _unknown(variable, value, is_key=names is not None)
        if reason:
            skipped.append(Skipped(variable, file, line, reason))
        elif provider:
            base_url, base = _base_url(catalogue[provider], last)
            found = Candidate(provider, variable, value, base_url, file, line, end_line)
            candidates.append(found._replace(base_variable=base.variable, base_line=base.line) if base else found)
    wanted = {variable for one in candidates for variable in catalogue[one.provider].base_url_env}
    skipped.extend(
        Skipped(entry.variable, file, entry.line, _base_refusal(_text(entry.value)))
        for entry in entries
        if entry.variable in wanted and _text(entry.value) and not _checked(_text(entry.value))
    )
    used, overwritten = _by_last(candidates)
    return FoundKeys(used, (*skipped, *overwritten))


def _by_last(candidates: list[Candidate]) -> tuple[tuple[Candidate, ...], tuple[Skipped, ...]]:
    """Leave out what a later line of the file sets to another key."""
    last = {one.variable: one for one in candidates}
    overwritten = [one for one in candidates if one.secret != last[one.variable].secret]
    return (
        tuple(one for one in candidates if one not in overwritten),
        tuple(
            Skipped(one.variable, one.file, one.line, f"line {last[one.variable].line} sets it again, to another key")
            for one in overwritten
        ),
    )


def _provider_of(owner: str, value: Secret, catalogue: _Catalogue) -> str:
    """Return the provider: the one that recognises the value, else the variable's, else nothing."""
    guessed = recognition.guess(catalogue, _text(value))
    return guessed if guessed in catalogue else owner


def _refusal(value: Secret) -> str:
    text = _text(value)
    if not text:
        return "empty"
    if _REFERENCE.match(text):
        return "refers to another variable"
    if "://" in text:
        return "a reference or an address, not a key"
    if recognition.looks_like_placeholder(text):
        return "a placeholder"
    if recognition.has_outer_quote(text):
        return "begins or ends with a quote that belongs to no pair"
    return recognition.unfit(text)


def _unknown(variable: str, value: Secret, *, is_key: bool) -> str:
    """Say that an obvious key is not taken; other variables are nobody's business here."""
    obvious = is_key or variable.endswith("_API_KEY") or _text(value).startswith(_KEY_STARTS)
    return "of no known provider" if obvious and not _refusal(value) else ""


def _base_url(provider: Provider, last: Mapping[str, _Entry]) -> tuple[str, _Entry | None]:
    """Return the first of the provider's own base URL variables that holds one, and its entry."""
    for variable in provider.base_url_env:
        if variable in last and (url := _checked(_text(last[variable].value))):
            return url, last[variable]
    return "", None


def _checked(url: str) -> str:
    """Return a base URL in its one spelling, or nothing where it is none that a key may be sent to."""
    try:
        known = "" if "$" in url else check_base_url(url)
    except AikeysError:
        return ""
    return "" if plain_http_reach(known) == "far" else known


def _base_refusal(url: str) -> str:
    if url.lower().startswith("http:") and plain_http_reach(url.lower()) == "far":
        return "plain http to another machine: anybody on the way could read the key"
    return "not a base URL that can be taken"


def _llm_provider(name: str, catalogue: _Catalogue) -> str:
    other = _LLM_NAMES.get(name, "")
    return next((known for known in (name, other) if known in catalogue), "")


def _line_of(name: str, text: str) -> int:
    """Return the line of a JSON object's key, or 0 where it is written with escapes."""
    found = [match.start() for match in re.finditer(rf'"{re.escape(name)}"\s*:', text)]
    return _newlines(text[: found[-1]]) + 1 if found else 0  # of several the last one counts


def _newlines(text: str) -> int:
    return len(re.findall(r"\r\n|\n|\r", text))


def _secret(value: str) -> Secret:
    """Hide a value as soon as it is read; what cannot be encoded (lone surrogates) becomes empty."""
    try:
        return Secret(value.strip().strip(_STRAY).strip().encode())
    except UnicodeEncodeError:
        return Secret(b"")


def _text(value: Secret) -> str:
    return value.reveal().decode()
