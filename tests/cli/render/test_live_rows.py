"""Rows of a stream: nothing is left out, nothing is wider than the screen, no word is broken."""

from __future__ import annotations

import pytest

from aikeys.cli.render.grid import text_width
from aikeys.cli.render.live_rows import LiveRows

HEADERS = ("ID", "MODEL", "USD", "KNOWN")
WIDTHS = (4, 12, 8, 10)
BELOW = (1, 2, 3)
CELLS = ("4711", "openai/gpt-5", "0.000312", "worst_case")


def made(width: int | None) -> LiveRows:
    return LiveRows(HEADERS, WIDTHS, BELOW, width)


def test_where_there_is_room_a_row_is_a_line() -> None:
    rows = made(40)
    assert rows.head() == "ID    MODEL         USD       KNOWN"
    assert rows.row(CELLS) == "4711  openai/gpt-5  0.000312  worst_case"


def test_columns_without_room_stand_below_in_their_order() -> None:
    rows = made(30)
    assert rows.head() == "ID    USD       KNOWN"
    assert rows.row(CELLS) == "4711  0.000312  worst_case\n    model openai/gpt-5"


def test_a_cell_wider_than_its_column_stands_below_its_row() -> None:
    row = made(40).row(("4711", "anthropic/claude-sonnet-4-5", "0.000312", "billed"))
    assert row == "4711                0.000312  billed\n    model anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize("width", range(22, 60))
def test_no_line_is_wider_than_the_screen_and_no_value_is_lost_or_broken(width: int) -> None:
    rows = made(width)
    for cells in (CELLS, ("4711", "mistral/\u6f22\u5b57", "≥ 0.000000000001", "corrects 9")):
        text = rows.row(cells)
        assert all(text_width(line) <= width for line in text.split("\n"))
        assert all(word in text.split() for cell in cells for word in cell.split(" "))


def test_off_a_terminal_a_row_is_one_line_however_wide() -> None:
    assert made(None).row(("4711", "x" * 300, "0.1", "billed")).count("\n") == 0


def test_control_characters_are_escaped() -> None:
    assert "\x1b" not in made(40).row(("1", "\x1b[2J", "0", "billed"))
