"""Tables of text: fitted to a terminal, complete and unstyled elsewhere. Knows nothing of what the columns mean.

Where room is short, columns that are empty in every row go first; then texts are folded between words, the widest
first. No name, id, time or other word is broken for that: what still does not fit side by side, long texts before all
else, stands below its row, as `title value`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.cli.render.grid import GAP, folded, laid_out, screen_width, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDENT = 4


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table, without a line end; print it with `terminal.out_styled`. Cells are escaped here."""
    cells = [[terminal.printable(cell) for cell in row] for row in (headers, *rows)]
    bold = terminal.colourful(sys.stdout)
    width = screen_width()
    widths = [max(map(text_width, column)) for column in zip(*cells, strict=True)]
    if width is None or _total(widths) <= width:
        return laid_out(cells, widths, [False] * len(widths), bold=bold)
    cells = _without_empty(cells)
    columns, words = [*zip(*cells, strict=True)], []
    for at, column in enumerate(columns):
        words.append(max(text_width(word) for cell in column for word in (cell.split(" ") if at else [cell])))
    below = _below(columns, words, width)
    beside = [at for at in range(len(columns)) if at not in below]
    widths = _shrunk([max(map(text_width, columns[at])) for at in beside], [words[at] for at in beside], width)
    lines = []
    for number, row in enumerate(cells):
        lines.append(laid_out([[row[at] for at in beside]], widths, [False] * len(widths), bold=bold and not number))
        if number:
            lines += notes([f"{cells[0][at].lower()} {row[at]}" for at in below if row[at]], width)
    return "\n".join(lines)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _without_empty(cells: list[list[str]]) -> list[list[str]]:
    shown = [at for at, column in enumerate(zip(*cells[1:], strict=True)) if at == 0 or any(column)]
    return [[row[at] for at in shown] for row in cells]


def _below(columns: list[tuple[str, ...]], words: list[int], width: int) -> list[int]:
    """Return the columns that find no room: of those with texts the one with the longest word first, then the last."""
    beside = [*range(len(columns))]
    texts = [at for at in beside[1:] if any(" " in cell or "=" in cell or "/" in cell for cell in columns[at][1:])]
    order = [*sorted(texts, key=lambda at: -words[at]), *(at for at in reversed(beside[1:]) if at not in texts)]
    while _total([words[at] for at in beside]) > width and order:
        beside.remove(order.pop(0))
    return [at for at in range(len(columns)) if at not in beside]


def _shrunk(widths: list[int], floors: list[int], width: int) -> list[int]:
    """Take room from the widest column that has more than its longest word needs, until the line fits."""
    while _total(widths) > width:
        roomy = [at for at, floor in enumerate(floors) if widths[at] > floor]
        if not roomy:
            return [min(size, width) for size in widths]
        widest = max(roomy, key=lambda at: widths[at])
        widths = [size - (at == widest) for at, size in enumerate(widths)]
    return widths


def notes(texts: list[str], width: int) -> list[str]:
    """Return what stands below a row, indented: as many texts on a line as fit."""
    room = max(width - _INDENT, 1)
    lines: list[str] = []
    for text in texts:
        joined = f"{lines[-1]}{' ' * GAP}{text}" if lines else text
        if lines and text_width(joined) <= room:
            lines[-1] = joined
        else:
            lines += folded(text, room)
    return [" " * _INDENT + line for line in lines]
