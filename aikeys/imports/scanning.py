"""Search for keys in bytes (pure): shapes of the catalogue, variables of providers, and secrets that the vault holds.

- Most files hold nothing: they are told apart by plain searches for what every key begins with, every variable that
  holds one, and every held secret. Only lines that these hit are read as `import` reads them.
- A shape of a fixed length is enough by itself. One that is open at its end, and a value that only its variable tells,
  count where they look random: so a placeholder or a sentence is none.
- A finding has no byte of the key.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from aikeys.imports import references
from aikeys.imports.decoding import encoding_of, text_of
from aikeys.imports.lines import assignments, words
from aikeys.providers import recognition
from aikeys.providers.catalogue import Provider

_OPEN_END = re.compile(r"(?:\\S\+|\.\*|\.\+|,\})\Z")
_LEAST_LITERAL = 3
_LEAST_LENGTH = 20
_LEAST_PIECE = 12
_LEAST_BITS = 3.0
_VALUE = re.compile(r"[A-Za-z0-9_.+/=-]+\Z")
_LONGEST_LINE = 1 << 16


class LooseKey(NamedTuple):
    """A key in line `line` (from 1) of some text; `key` is its name in the vault, "" for one that it does not hold."""

    line: int
    provider: str
    key: str
    variable: str


class Scanner:
    """Finds keys of a catalogue, and `held` secrets by the names of their keys."""

    def __init__(self, catalogue: Mapping[str, Provider], held: Mapping[bytes, tuple[str, str]]) -> None:
        self._catalogue = catalogue
        self._held = held
        variables = {variable for one in catalogue.values() for variable in (*one.env, *one.also_env)}
        shapes = [pattern for one in catalogue.values() for pattern in (*one.key_patterns, *one.admin_patterns)]
        starts = {_start(pattern) for pattern in shapes}
        long = {start for start in starts if len(start) >= _LEAST_LITERAL}
        least = {one for one in long if not any(one != other and one.startswith(other) for other in long)}
        self._needles = sorted({one.encode() for one in least} | {name.encode() for name in variables} | held.keys())
        short = [pattern for pattern in shapes if len(_start(pattern)) < _LEAST_LITERAL]
        self._shapes = re.compile("|".join(f"(?:{one})" for one in short).encode()) if short else None

    def findings(self, data: bytes) -> list[LooseKey]:
        """Return the keys of a text, one a line and value, in order."""
        if encoding_of(data) != "utf-8":
            data = text_of(data).encode("utf-8", "surrogatepass")
        found: list[LooseKey] = []
        for number, line in self._hit_lines(data):
            found += self._of_line(line, number)
        return found

    def may_hold(self, data: bytes) -> bool:
        """Tell whether a text has what begins a key, or a variable for one: else there is nothing to read it for."""
        if encoding_of(data) != "utf-8":
            return True
        more = (b"_API_KEY", b"sk-", b"sk_", b"pplx-")
        return any(needle in data for needle in (*self._needles, *more)) or bool(
            self._shapes is not None and self._shapes.search(data)
        )

    def _hit_lines(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        hits = {data.rfind(b"\n", 0, position) + 1 for position in self._positions(data)}
        number, counted = 1, 0
        for start in sorted(hits):
            number += data.count(b"\n", counted, start)
            counted = start
            end = data.find(b"\n", start)
            yield number, data[start : len(data) if end < 0 else end][:_LONGEST_LINE]

    def _positions(self, data: bytes) -> Iterator[int]:
        for needle in self._needles:
            position = data.find(needle)
            while position >= 0:
                yield position
                end = data.find(b"\n", position)  # one hit of a needle is enough for its line
                position = data.find(needle, end) if end >= 0 else -1
        if self._shapes is not None:
            yield from (match.start() for match in self._shapes.finditer(data))

    def _of_line(self, line: bytes, number: int) -> list[LooseKey]:
        text = line.decode("utf-8", "replace")
        found: dict[bytes, LooseKey] = {}
        for secret, (name, provider) in self._held.items():
            if secret in line:
                found[secret] = LooseKey(number, provider, name, "")
        for one in assignments(text, number):
            self._note(found, one.value.reveal(), one.variable, number)
        for word in words(text, number):
            self._note(found, word.value.reveal(), "", number)
        return list(found.values())

    def _note(self, found: dict[bytes, LooseKey], value: bytes, variable: str, number: int) -> None:
        held = next((one for one in found if one in value or value in one), None)
        if held is not None:
            if variable and value == held:
                found[held] = found[held]._replace(variable=variable)
            return
        provider = self._provider(value.decode(), variable)
        if provider:
            found[value] = LooseKey(number, provider, "", variable)

    def _provider(self, text: str, variable: str) -> str:
        """Return whose key a value is, "" where it is none."""
        if not text or references.reason(text) or recognition.looks_like_placeholder(text):
            return ""
        guessed = recognition.guess(self._catalogue, text)
        if guessed is not None:
            patterns = (*self._catalogue[guessed].key_patterns, *self._catalogue[guessed].admin_patterns)
            fixed = [one for one in patterns if not _OPEN_END.search(one)]
            is_fixed = any(re.fullmatch(pattern, text, re.ASCII) for pattern in fixed)
            return guessed if is_fixed or _is_random(text) else ""
        owner = recognition.by_variable(self._catalogue, variable) if variable else None
        if not owner or self._catalogue[owner].key_patterns:
            return ""
        return owner if _is_random(text) else ""


def _start(pattern: str) -> str:
    """Return the characters that a shape begins with, as they are."""
    return re.match(r"[A-Za-z0-9_-]*", pattern)[0]  # type: ignore[index]


def _is_random(text: str) -> bool:
    """Tell whether a text looks like one that dice made: long, letters and digits, little repeated."""
    if len(text) < _LEAST_LENGTH or not _VALUE.match(text):
        return False
    if max(map(len, re.split(r"[-_.+/=]", text))) < _LEAST_PIECE:  # words with strokes between them
        return False
    if not (any(map(str.isdigit, text)) and any(map(str.isalpha, text))):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) >= _LEAST_BITS


def titles(findings: Iterable[LooseKey], catalogue: Mapping[str, Provider]) -> list[str]:
    """Return what each finding is called: whose key, and its name where the vault holds it."""
    return [
        f"your {one.key} key, not revoked here" if one.key else f"a key of {catalogue[one.provider].title}"
        for one in findings
    ]
