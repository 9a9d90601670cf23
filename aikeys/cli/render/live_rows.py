"""Rows that come one after another, before the next ones are known: columns of fixed width, nothing left out.

- Where room is short, columns stand below their row as `title value`, in the order given; so does a cell that is wider
  than its column. No line is wider than the screen, and no word is broken that fits on a line.
- Off a terminal every column stands beside the others, however wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.cli.render.grid import GAP, text_width
from aikeys.cli.render.table import notes

if TYPE_CHECKING:
    from collections.abc import Sequence


class LiveRows:
    """The columns of one stream; `goes_below` are columns in the order in which they make room."""

    def __init__(
        self, headers: Sequence[str], widths: Sequence[int], goes_below: Sequence[int], width: int | None
    ) -> None:
        self._headers = headers
        self._widths = widths
        self._width = width
        self._beside: list[int] = [*range(len(headers))]
        for column in goes_below:
            if self._total() > (width or self._total()):
                self._beside.remove(column)

    def head(self) -> str:
        """Return the titles of what stands side by side."""
        return self._line({at: self._headers[at] for at in self._beside})

    def row(self, cells: Sequence[str]) -> str:
        """Return a row, in as many lines as it takes; cells are escaped here."""
        shown = [terminal.printable(cell) for cell in cells]
        if self._width is None:
            return self._line(dict(enumerate(shown)))
        beside = {at: shown[at] for at in self._beside if text_width(shown[at]) <= self._widths[at]}
        texts = [f"{self._headers[at].lower()} {cell}" for at, cell in enumerate(shown) if cell and at not in beside]
        return "\n".join([self._line(beside), *notes(texts, self._width)])

    def _line(self, cells: dict[int, str]) -> str:
        parts = [cells.get(at, "") for at in self._beside]
        sizes = [self._widths[at] for at in self._beside]
        padded = [part + " " * (size - text_width(part)) for part, size in zip(parts, sizes, strict=True)]
        return (" " * GAP).join(padded).rstrip(" ")

    def _total(self) -> int:
        widths = [self._widths[at] for at in self._beside]
        return sum(widths) + GAP * (len(widths) - 1)
