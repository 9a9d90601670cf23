"""Texts of files in whatever encoding they were written (pure): UTF-8, UTF-16 and UTF-32 by their byte order mark.

A byte that is not UTF-8 spoils its own line only: it becomes a lone surrogate, which no key can hold.
"""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 8192


def text_of(data: bytes) -> str:
    """Return the text of a file."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def encoding_of(data: bytes) -> str:
    """Return the encoding that writes the same bytes again, its byte order mark aside."""
    orders = {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"}
    orders |= {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    return next((name for mark, name in orders.items() if data.startswith(mark)), "utf-8")


def is_text(data: bytes) -> bool:
    """Tell whether the beginning of a file looks like text: no NUL, unless a byte order mark explains it."""
    start = data[:_LOOKED_AT]
    return b"\0" not in start or any(start.startswith(mark) for mark, _ in _MARKS)
