"""JSON documents for programs: every one names its schema; fields are added, never removed.

What a terminal would not print is written as JSON escapes it: the terminal's own escapes are none that JSON knows.
"""

from __future__ import annotations


def document(schema: str, **fields: object) -> str:
    """Return `{"schema": "aikeys.keys/1", …}`, the fields in the order given, without a line end."""
    return indented({"schema": schema, **fields})


def indented(value: object) -> str:
    """Return a value as JSON over several lines, without a line end."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    """Return a sign as JSON has it beyond ASCII: in UTF-16."""
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
