"""Tables of text: fitted to a terminal, complete and unstyled elsewhere. Knows nothing of what the columns mean."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aikeys.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table, without a line end; print it with `terminal.out_styled`. Cells are escaped here."""
    safe_headers = [terminal.printable(header) for header in headers]
    safe_rows = [[terminal.printable(cell) for cell in row] for row in rows]
    if terminal.on_terminal(sys.stdout):
        return _fitted(safe_headers, safe_rows)
    return _plain(safe_headers, safe_rows)


def _plain(headers: list[str], rows: list[list[str]]) -> str:
    from unicodedata import combining, east_asian_width

    def width(text: str) -> int:
        return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)

    lines = [headers, *rows]
    widths = [max(width(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        _GAP.join(cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)).rstrip(" ")
        for line in lines
    )


def _fitted(headers: list[str], rows: list[list[str]]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Text objects and not strings: rich would read "[bold]" in a cell as markup
    grid = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for header in headers:
        grid.add_column(Text(header), overflow="fold")
    for row in rows:
        grid.add_row(*[Text(cell) for cell in row])
    console = Console(
        file=StringIO(),
        width=Console(file=sys.stdout).width,
        force_terminal=True,
        no_color=not terminal.colourful(sys.stdout),
        color_system="standard" if terminal.colourful(sys.stdout) else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(grid)
    return "\n".join(line.rstrip(" ") for line in capture.get().splitlines())
