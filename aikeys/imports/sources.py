"""Finder of provider keys in what others keep: files of any language, the environment, llm's `keys.json`. Pure.

- A variable counts when a provider of the catalogue names it, or when its value is recognised; a recognised value tells
  the provider whatever the variable is called. Every key that is found is taken, or named with the reason why not: none
  is passed over. No reason and no refusal ever repeats a value.
- Of a variable that a file sets twice the last one counts, as it does for the programs that read the file.
- A base URL goes with a key only as the program had it, from the variables of the provider whose variable holds it, so
  that no key is ever sent to an address that it was not sent to before; and never where anybody could listen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aikeys.errors import AikeysError, BadConfiguration
from aikeys.imports import references
from aikeys.imports.lines import assignments, hidden, words
from aikeys.network.addresses import plain_http_reach
from aikeys.providers import recognition
from aikeys.providers.catalogue import Provider, check_base_url
from aikeys.secret import Secret

_Catalogue = dict[str, Provider]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEY_STARTS = ("sk-", "sk_", "AIza", "gsk_", "xai-", "hf_", "pplx-", "r8_", "nvapi-")
# llm's names for keys where they differ from the provider's name in the catalogue
_LINE_END = re.compile(r"\r\n|\n|\r")
_SPACED = re.compile(r"[ \t;]")
_SETS = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[\"']?[ \t]*[=:]")
_GENERAL = ("GITHUB_TOKEN", "GH_TOKEN")
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
    base_env: tuple[str, ...] = ()
    """Where its address goes if its variable is another provider's: as the program reads it."""
    is_general: bool = False
    """It opens more than a provider of models, such as GITHUB_TOKEN: taken only where somebody says so."""


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
    """Find keys in a file: what python-dotenv reads as it does, other lines by the assignments they plainly hold."""
    text = text.removeprefix("\ufeff")
    read = _bindings(text, catalogue)
    entries, told = list(read.entries), dict(read.bare)
    covered = {number for entry in entries for number in range(entry.line, entry.end_line + 1)} | told.keys()
    skipped = [Skipped("", file, line, "a key without a variable: write NAME=value") for line in told]
    lines = _LINE_END.split(text)
    for number, line in enumerate(lines, 1):
        if number in covered:
            continue
        for one in assignments(line, number):
            if not one.is_comment:
                entries.append(_Entry(one.variable, one.value, number, number))
            elif _counts(one.variable, one.value, catalogue):
                skipped.append(Skipped(one.variable, file, number, "in a comment: the key may still work"))
                told.setdefault(number, one.value)
    found = _sort_out(sorted(entries, key=lambda one: one.line), file, catalogue)
    seen = {(one.line, one.secret.reveal()) for one in found.candidates}
    loose = _loose(lines, file, catalogue, seen | {(number, value.reveal()) for number, value in told.items()}, entries)
    heard = {one.line for one in found.candidates}
    heard |= {one.line for one in (*found.skipped, *skipped, *loose)}
    known = {variable for provider in catalogue.values() for variable in (*provider.env, *provider.also_env)}
    unread = [
        Skipped("", file, line, "the line cannot be read: a quote may be missing")
        for line in read.unread
        if line not in heard and (is_dotenv(file) or _names_a_key(lines[line - 1], known))
    ]
    every = (*skipped, *found.skipped, *loose, *unread)
    return FoundKeys(found.candidates, tuple(sorted(every, key=lambda one: one.line)))


def is_dotenv(file: str) -> bool:
    """Tell whether a file is named as .env files are."""
    name = file.replace("\\", "/").rpartition("/")[2]
    return name.startswith(".env") or name.endswith(".env")


class _Read(NamedTuple):
    """What python-dotenv read: assignments, keys alone on a line, and the lines that it could not read."""

    entries: tuple[_Entry, ...]
    bare: tuple[tuple[int, Secret], ...]
    unread: tuple[int, ...]


def _bindings(text: str, catalogue: _Catalogue) -> _Read:
    from io import StringIO

    from dotenv.parser import parse_stream

    entries: list[_Entry] = []
    bare: list[tuple[int, Secret]] = []
    unread: list[int] = []
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    offset = 0
    for binding in parse_stream(StringIO(text, newline="")):  # its own line numbers count some line ends twice
        original = binding.original.string
        body = original.lstrip()
        first = offset + len(original) - len(body)
        line = bisect_right(starts, first)
        end_line = bisect_right(starts, first + max(len(body.rstrip()) - 1, 0))
        offset += len(original)
        if binding.error:
            unread += [line] if body else []
        elif binding.key and binding.value is None and recognition.guess(catalogue, binding.key) is not None:
            bare.append((line, hidden(binding.key)))
        elif binding.key and binding.value is not None and _VARIABLE.match(binding.key):
            value = binding.value.strip()
            if line == end_line and _SPACED.search(value) and not references.reason(value):
                continue  # in a shell's words the value ended earlier
            entries.append(_Entry(binding.key, hidden(binding.value), line, end_line))
    return _Read(tuple(entries), tuple(bare), tuple(unread))


def _counts(variable: str, value: Secret, catalogue: _Catalogue) -> bool:
    """Tell whether an assignment holds a key: its value is recognised, or may be what its variable is for."""
    owner = recognition.by_variable(catalogue, variable) or ""
    return bool(_provider_of(owner, value, catalogue)) and not _refusal(value)


def _loose(
    lines: list[str], file: str, catalogue: _Catalogue, seen: set[tuple[int, bytes]], entries: Iterable[_Entry]
) -> list[Skipped]:
    """Name the recognised keys that no variable holds by themselves: in a header, an address, a comment."""
    spans = {number: entry for entry in entries for number in range(entry.line, entry.end_line + 1)}
    known = {value for _, value in seen} | {entry.value.reveal() for entry in spans.values()}
    found: list[Skipped] = []
    for number, line in enumerate(lines, 1):
        for word in words(line, number):
            value = word.value.reveal()
            title = recognition.guess(catalogue, value.decode())
            if title is None or title not in catalogue or value in known:
                continue
            if any(line_of == number and other in value for line_of, other in seen):
                continue
            seen.add((number, value))
            reason = f"a key of {catalogue[title].title} that no variable holds by itself"
            found.append(Skipped("", file, number, reason))
    return found


def _names_a_key(line: str, known: set[str]) -> bool:
    """Tell whether a line sets a variable of a provider, whatever is wrong with it."""
    return any(found[1] in known for found in _SETS.finditer(line))


def from_environment(environ: Mapping[str, str], catalogue: _Catalogue) -> FoundKeys:
    """Find keys in environment variables; they have no file and no line."""
    return _sort_out([_Entry(name, hidden(value), 0, 0) for name, value in environ.items()], "", catalogue)


def from_names(values: Mapping[str, str], store: str, catalogue: _Catalogue) -> FoundKeys:
    """Find keys among the entries of another store, by their values and the words of their names."""
    names = {name: provider for name in values if (provider := _named_provider(name, catalogue))}
    entries = [_Entry(name, hidden(value), 0, 0) for name, value in values.items()]
    found = _sort_out(entries, "", catalogue, names)
    return FoundKeys(
        tuple(one._replace(file=store) for one in found.candidates),
        tuple(one._replace(file=store) for one in found.skipped),
    )


def _named_provider(name: str, catalogue: _Catalogue) -> str:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((known for word in words if (known := _llm_provider(word, catalogue))), "")


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
            entries.append(_Entry(name, hidden(value), line, line))
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
    met: dict[bytes, str] = {}
    for variable, value, _, _ in entries:
        owner = (names or {}).get(variable) or recognition.by_variable(catalogue, variable) or ""
        provider = _provider_of(owner, value, catalogue)
        if provider and not _refusal(value):
            met.setdefault(value.reveal(), provider)
    for variable, value, line, end_line in entries:
        owner = (names or {}).get(variable) or recognition.by_variable(catalogue, variable) or ""
        provider = _provider_of(owner, value, catalogue) or met.get(value.reveal(), "")
        reason = _refusal(value) if provider else _unknown(variable, value, is_key=names is not None)
        if reason:
            skipped.append(Skipped(variable, file, line, reason))
        elif provider:
            found = Candidate(provider, variable, value, "", file, line, end_line, is_general=variable in _GENERAL)
            candidates.append(_with_base_url(found, _reader(variable, catalogue) or provider, last, catalogue))
    readers = {_reader(one.variable, catalogue) or one.provider for one in candidates}
    wanted = {variable for name in readers for variable in catalogue[name].base_url_env}
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
    if why := references.reason(text):
        return why
    if recognition.looks_like_placeholder(text):
        return "a placeholder"
    if recognition.has_outer_quote(text):
        return "begins or ends with a quote that belongs to no pair"
    return recognition.unfit(text) or ("" if text.isprintable() else "holds a character that cannot be seen")


def _unknown(variable: str, value: Secret, *, is_key: bool) -> str:
    """Say that an obvious key is not taken; other variables are nobody's business here."""
    obvious = is_key or variable.endswith("_API_KEY") or _text(value).startswith(_KEY_STARTS)
    return "of no known provider" if obvious and not _refusal(value) else ""


def _reader(variable: str, catalogue: _Catalogue) -> str:
    """Return the provider whose SDKs read a variable, "" for nobody's."""
    owner = recognition.by_variable(catalogue, variable)
    return owner or next((one.name for one in catalogue.values() if variable in one.clear), "")


def _with_base_url(found: Candidate, reader: str, last: Mapping[str, _Entry], catalogue: _Catalogue) -> Candidate:
    """Return a key with the address that its program reads beside it."""
    base_url, base = _base_url(catalogue[reader], last)
    if reader != found.provider:
        found = found._replace(base_env=catalogue[reader].base_url_env)
    if base is None:
        return found
    return found._replace(base_url=base_url, base_variable=base.variable, base_line=base.line)


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
    return len(_LINE_END.findall(text))


def _text(value: Secret) -> str:
    return value.reveal().decode()
