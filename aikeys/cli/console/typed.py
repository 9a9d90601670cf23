"""Words of this command line that may be a key or a token: no message repeats them.

- Every word counts: commands, options, their names and values, NAME=VALUE, names of files. A file that exists is no
  secret, nor is the folder of one that does not.
- It is looked for in each message as whole as it was typed or cut off: every run of eight of its characters goes.
- What follows `exec … --` belongs to the program and is said by nobody here, but for the program's own name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from aikeys.secret import hidden, looks_random

_RUN = 8
_PART = re.compile(r"[=:,;@?&\s\"'()]+")
_LONG_WORD = re.compile(r"(?<![\w.~+-])(?=[\w.~+-]*\d)(?=[\w.~+-]*[A-Za-z])[\w.~+-]{20,}", re.ASCII)
_HIDDEN = "…"


def masking(words: Iterable[str]) -> Callable[[str], str]:
    """Return a function that takes what looks like a secret in these words out of a message."""
    parts = {part.lower() for word in words for part in _secret_parts(word)}
    runs = {part[at : at + _RUN] for part in parts for at in range(len(part) - _RUN + 1)}
    return lambda text: _without(text, runs) if runs else text


def _secret_parts(word: str) -> list[str]:
    """Return what may be a secret in a word; beside one, whatever has a digit may be the rest of it."""
    parts = [part for part in _parts(word) if len(part) >= _RUN]
    found = [part for part in parts if _looks_secret(part)]
    return [part for part in parts if _looks_secret(part) or any("0" <= sign <= "9" for sign in part)] if found else []


def _parts(word: str) -> Iterable[str]:
    for text in (word, word.partition("=")[2]):
        if text and os.path.lexists(text):
            return
        folder, slash, name = text.rpartition("/")
        if slash and os.path.isdir(folder):
            yield from _PART.split(name)
            return
    for text in _PART.split(word):
        yield text
        yield from text.split("/")


def _looks_secret(part: str) -> bool:
    """Tell whether a key could be like that; a model's dated name (claude-sonnet-4-5-20250929) is made of words."""
    if looks_random(part) or ("/" not in part and hidden(part) != part):
        return True
    if "/" in part:  # each name of a path is looked at by itself
        return False
    pieces = re.split(r"[._~+-]", part)
    is_worded = all(piece.isalpha() or piece.isdigit() or len(piece) < _RUN for piece in pieces)
    return bool(_LONG_WORD.search(part)) and not is_worded


def _without(text: str, runs: set[str]) -> str:
    lower = text.lower()
    if len(lower) != len(text):  # a letter whose small form is longer: nothing would stand where it stood
        lower = text
    marked = bytearray(len(text))
    for at in range(len(text) - _RUN + 1):
        if lower[at : at + _RUN] in runs:
            marked[at : at + _RUN] = b"\1" * _RUN
    if not any(marked):
        return text
    found = []
    for at, sign in enumerate(text):
        if not marked[at]:
            found.append(sign)
        elif at == 0 or not marked[at - 1]:
            found.append(_HIDDEN)
    return "".join(found)
