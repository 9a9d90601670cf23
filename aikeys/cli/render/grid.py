"""A sheet as lines of text that fit a width, without Rich: its import takes half as long as a whole report.

Columns of a rank are left out until the rest fits; then the widest texts are folded, between words where there are
any. Numbers are never cut. `laid_out` is what table.py makes its tables with, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from aikeys.cli import terminal
from aikeys.cli.render.sheet import Sheet

GAP = 2
_NARROWEST = 8
_BOLD, _PLAIN = "\033[1m", "\033[0m"


def screen_width() -> int | None:
    """Return how wide standard output is: COLUMNS, else its own word; None where it is no terminal."""
    if not terminal.on_terminal(sys.stdout):
        return None
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def grid(sheet: Sheet, width: int | None, *, bold: bool = False) -> str:
    """Return the sheet; without a width as wide as it is. Cells are escaped here."""
    shown = [*range(len(sheet.columns))]
    cells = [[terminal.printable(cell) for cell in row] for row in ([c.title for c in sheet.columns], *sheet.lines)]
    widths = [max(text_width(row[column]) for row in cells) for column in shown]
    if width is not None:
        shown = _kept(sheet, widths, width)
        widths = _shrunk([widths[column] for column in shown], [sheet.columns[c].is_number for c in shown], width)
    else:
        widths = [widths[column] for column in shown]
    numbers = [sheet.columns[column].is_number for column in shown]
    return laid_out([[row[column] for column in shown] for row in cells], widths, numbers, bold=bold)


def laid_out(
    cells: Sequence[Sequence[str]], widths: Sequence[int], numbers: Sequence[bool], *, bold: bool = False
) -> str:
    """Return rows in columns of these widths, longer cells folded; the first row is the titles."""
    lines: list[str] = []
    for number, row in enumerate(cells):
        parts = [folded(cell, size) for cell, size in zip(row, widths, strict=True)]
        for at in range(max(len(part) for part in parts)):
            shown = [part[at] if at < len(part) else "" for part in parts]
            line = (
                (" " * GAP)
                .join(_padded(part, size, right) for part, size, right in zip(shown, widths, numbers, strict=True))
                .rstrip(" ")
            )
            lines.append(f"{_BOLD}{line}{_PLAIN}" if bold and number == 0 else line)
    return "\n".join(lines)


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_sign_width(sign) for sign in text)


def wrapped(text: str, width: int | None) -> str:
    """Return a sentence in lines of at most `width`, broken between words."""
    if width is None:
        return text
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return "\n".join(lines)


def folded(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width`: broken between words, and inside one that is wider."""
    if text_width(text) <= width:
        return [text]
    return [part for line in wrapped(text, width).split("\n") for part in _broken(line, width)]


def _sign_width(sign: str) -> int:
    from unicodedata import combining, east_asian_width

    return 0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1


def _kept(sheet: Sheet, widths: Sequence[int], width: int) -> list[int]:
    kept = [*range(len(sheet.columns))]
    while sum(widths[column] + GAP for column in kept) - GAP > width:
        last = max(kept, key=lambda column: sheet.columns[column].rank)
        if not sheet.columns[last].rank:
            break
        kept.remove(last)
    return kept


def _shrunk(widths: list[int], numbers: list[bool], width: int) -> list[int]:
    """Take room from the widest texts until the line fits, or nothing is left to take."""
    over = sum(widths) + GAP * (len(widths) - 1) - width
    while over > 0:
        texts = [at for at, is_number in enumerate(numbers) if not is_number and widths[at] > _NARROWEST]
        if not texts:
            break
        widest = max(texts, key=lambda at: widths[at])
        widths[widest] -= 1
        over -= 1
    return widths


def _broken(text: str, width: int) -> list[str]:
    if text_width(text) <= width:
        return [text]
    parts = [""]
    for sign in text:
        if text_width(parts[-1] + sign) > width and parts[-1]:
            parts.append("")
        parts[-1] += sign
    return parts


def _padded(text: str, size: int, right: bool) -> str:
    room = " " * (size - text_width(text))
    return room + text if right else text + room
