"""A sheet as a Markdown table, for a CI summary (pure)."""

from __future__ import annotations

import re

from aikeys.cli import terminal
from aikeys.cli.render.sheet import Sheet

_MEANING = re.compile(r"[\\`*_|<>\[\]~#&]")


def markdown(sheet: Sheet) -> str:
    """Return the table, numbers to the right; the total in bold. Texts cannot leave their cell or become markup."""
    lines = [
        _line([escaped(column.title.capitalize()) for column in sheet.columns]),
        _line(["---:" if column.is_number else "---" for column in sheet.columns]),
        *(_line([escaped(cell) for cell in row]) for row in sheet.rows),
    ]
    if sheet.total:
        lines.append(_line([f"**{escaped(cell)}**" if cell else "" for cell in sheet.total]))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return a text that stands for itself in Markdown."""
    return _MEANING.sub(lambda sign: "\\" + sign[0] if sign[0] not in "<>&" else _ENTITIES[sign[0]], _shown(text))


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _shown(text: str) -> str:
    return terminal.printable(text)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
