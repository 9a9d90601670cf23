"""Manual pages as plain text (pure): the part of roff's man macros that our pages use, for where there is no man(1).

Reference: man(7) of groff. Bold and italics are dropped; a tag of a list stands over its indented text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from textwrap import wrap

_ESCAPES = (
    (re.compile(r"\\f[BIRP]|\\f\(..|\\&|\\/|\\,"), ""),
    (re.compile(r"\\-|\\\(hy|\\\(en"), "-"),
    (re.compile(r"\\\(aq"), "'"),
    (re.compile(r"\\\(dq"), '"'),
    (re.compile(r"\\\(em"), "\u2014"),
    (re.compile(r"\\~|\\ "), "\u00a0"),
    (re.compile(r"\\e|\\\(rs"), "\\\\"),
)
_INLINE = (".B", ".I")
_TOGETHER = (".BR", ".RB", ".IR", ".RI", ".BI", ".IB")
_STEP = 4


def text_of(roff: str, width: int) -> str:
    """Return a page as lines of at most `width` columns, but for lines that are to be copied."""
    return "\n".join(_Page(width).lines(roff.splitlines())) + "\n"


class _Page:
    """One page as it is set: what waits to be filled, and how far it is indented."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._words: list[str] = []
        self._indent = 0
        self._more = 0  # of the text under a tag
        self._is_verbatim = self._is_tag = False

    def lines(self, source: list[str]) -> Iterator[str]:
        for line in source:
            if line.startswith((".\\", "'\\")):
                continue
            if line.startswith("."):
                yield from self._macro(line)
            elif self._is_verbatim:
                yield " " * (self._indent + self._more + _STEP) + _plain(line)
            else:
                yield from self._take(_plain(line))
        yield from self._filled()

    def _take(self, text: str) -> Iterator[str]:
        if self._is_tag:
            self._is_tag = False
            yield ""
            yield " " * (self._indent + _STEP) + text
            self._more = _STEP
        else:
            self._words.append(text)

    def _macro(self, line: str) -> Iterator[str]:
        name, _, rest = line.partition(" ")
        words = _words(rest)
        if name in _INLINE:
            yield from self._take(" ".join(words))
            return
        if name in _TOGETHER:
            yield from self._take("".join(words))
            return
        yield from self._filled()
        yield from self._block(name, words)

    def _block(self, name: str, words: list[str]) -> Iterator[str]:
        match name:
            case ".SH" | ".SS":
                self._indent = self._more = 0
                yield ""
                yield (" ".join(words) if name == ".SH" else f"  {' '.join(words)}")
            case ".TP":
                self._more, self._is_tag = 0, True
            case ".IP":
                yield ""
                yield " " * (self._indent + _STEP) + " ".join(words[:1])
                self._more = _STEP
            case ".PP":
                self._more = 0
                yield ""
            case ".RS":
                self._indent += self._more or _STEP
                self._more = 0
            case ".RE":
                self._indent = max(0, self._indent - _STEP)
            case ".nf" | ".EX":
                self._is_verbatim = True
            case ".fi" | ".EE":
                self._is_verbatim = False

    def _filled(self) -> Iterator[str]:
        text, self._words = " ".join(self._words), []
        margin = " " * (self._indent + self._more + _STEP)
        if text:
            room = max(self._width - len(margin), 20)
            yield from (margin + one for one in wrap(text, room, break_long_words=False, break_on_hyphens=False))


def _plain(text: str) -> str:
    for form, plain in _ESCAPES:
        text = form.sub(plain, text)
    return text.replace("\\\\", "\\").removeprefix("\\&")


def _words(rest: str) -> list[str]:
    lexer = shlex.shlex(rest, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return [_plain(word) for word in lexer]
    except ValueError:
        return [_plain(rest)]
