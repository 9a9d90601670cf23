"""Assignments in lines of any language (pure): shells, fish, PowerShell, YAML, JSON, compose files, notes in comments.

What python-dotenv reads is read by it; here is the rest. Nothing is run and nothing is looked up: a line is taken as it
stands. A value is hidden as soon as it is read.

| form | such as |
|---|---|
| NAME=VALUE | `export A="…"; …`, `[ -f x ] && export A=…`, `- A=…`, `$env:A = "…"`, `api_key="…"` |
| NAME: VALUE | YAML, JSON, TOML-like notes |
| set NAME VALUE | `set -gx A …`, `setenv A …`, `setx A …`, `SetEnvironmentVariable("A", "…")` |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from aikeys.secret import Secret

_NAME = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
_VALUE = r"""(?:"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\s"'`;,&|(){}\[\]<>]+))"""
_FORMS = (
    re.compile(rf"(?<![\w.$?&/-]){_NAME}[ \t]*=[ \t]*{_VALUE}"),
    re.compile(rf"""(?<![\w.$-])["']?{_NAME}["']?[ \t]*:[ \t]+{_VALUE}"""),
    re.compile(rf"""["']{_NAME}["']:{_VALUE}"""),
    re.compile(rf"\b(?:set|setenv|setx|SETX)[ \t]+(?:-\w+[ \t]+)*{_NAME}[ \t]+{_VALUE}"),
    re.compile(rf"""SetEnvironmentVariable\([ \t]*["']{_NAME}["'][ \t]*,[ \t]*{_VALUE}""", re.IGNORECASE),
    re.compile(rf"\$env:{_NAME}[ \t]*=[ \t]*{_VALUE}", re.IGNORECASE),
)
_COMMENT = re.compile(r"[ \t]*(?:#|//|--|;|REM\b|<!--)|.*?[ \t]#", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
_WORDS = (
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{13,}[A-Za-z0-9_-]"),
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+=-]{14,}"),
)
_LONGEST_LINE = 1 << 16
_MOST = 500


class Assignment(NamedTuple):
    """A variable and what it is set to, at `start` to `end` of a line (counted from 1)."""

    variable: str
    value: Secret
    line: int
    start: int
    end: int
    is_comment: bool


class Word(NamedTuple):
    """A text of a line that may be a key by itself."""

    value: Secret
    line: int
    start: int


def assignments(text: str, number: int) -> Iterator[Assignment]:
    """Yield what line `number` sets; of forms that overlap the first one counts. Overlong lines are cut."""
    line = text[:_LONGEST_LINE]
    taken: list[tuple[int, int]] = []
    for form in _FORMS:
        for match in form.finditer(line):
            start, end = match.span()
            if any(start < other_end and end > other for other, other_end in taken):
                continue
            taken.append((start, end))
            if len(taken) > _MOST:  # no file that a program reads; keys in it are still found as words
                return
            yield Assignment(match["name"], hidden(_plain(match)), number, start, end, _is_comment(line, start))


def words(text: str, number: int) -> Iterator[Word]:
    """Yield the words of a line that are long enough to be keys."""
    for form in _WORDS:
        for match in form.finditer(text[:_LONGEST_LINE]):
            yield Word(hidden(match[0]), number, match.start())


def hidden(value: str) -> Secret:
    """Return a value that never shows; what cannot be encoded (lone surrogates) becomes empty."""
    try:
        return Secret(value.strip().strip("\ufeff\u200b").strip().encode())
    except UnicodeEncodeError:
        return Secret(b"")


def _plain(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return _ESCAPED.sub(r"\1", match["double"])
    if match["single"] is not None:
        return match["single"]
    after = match.string[match.end() : match.end() + 1]
    return match["bare"] + (after if after and after in "({`" else "")  # what is put together is told from its whole


def _is_comment(line: str, start: int) -> bool:
    found = _COMMENT.match(line)
    return found is not None and found.end() <= start + 1
