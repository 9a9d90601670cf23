"""CSV (RFC 4180, lines end in LF) that a spreadsheet cannot take for a formula (pure).

A cell that begins with = + - @, a tab or a line end gets a ' in front, unless it is a plain number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTED = re.compile(r'[",\r\n]')


def csv_text(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return header and rows, without a line end after the last."""
    return "\n".join(csv_line(row) for row in (headers, *rows))


def csv_line(row: Sequence[str]) -> str:
    """Return a row without a line end."""
    return ",".join(_quoted(safe(cell)) for cell in row)


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet computes."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell
