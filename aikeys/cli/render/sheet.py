"""A sheet (pure): titled columns and rows of text, the form that table, CSV and Markdown are written from."""

from typing import NamedTuple


class Column(NamedTuple):
    """A column. `name` is for programs, `title` for people; columns of a higher `rank` go first where room is short."""

    name: str
    title: str
    is_number: bool = False
    rank: int = 0


class Sheet(NamedTuple):
    """Rows of cells, one for every column; `total` is the row below them, if any."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, ...], ...]:
        """Return rows and total."""
        return (*self.rows, self.total) if self.total else self.rows
