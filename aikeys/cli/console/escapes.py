"""Text made harmless for a terminal (pure): nothing in it moves the cursor, breaks a line or reorders what is read."""

from __future__ import annotations

_JOINERS = "\n\t\u200c\u200d\u00a0\u202f\u3000\u2003"
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    """Return the text on one line, its control characters escaped as `\\x1b`, `\\n` and the like."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    """Controls move the cursor, separators break lines, bidirectional marks reorder what is read."""
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of an argument that is not UTF-8
        code -= 0xDC00
    return _ESCAPES.get(sign) or (
        f"\\U{code:08x}" if code >> 16 else f"\\u{code:04x}" if code >> 8 else f"\\x{code:02x}"
    )


def harmless(text: str) -> str:
    """Escape what moves the cursor or reorders text; what joins letters and emoji stays."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in _JOINERS else _escaped(sign) for sign in text)
