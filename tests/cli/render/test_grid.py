"""A sheet that fits a width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.cli.render.grid import grid, text_width, wrapped
from aikeys.cli.render.sheet import Column, Sheet

COLUMNS = (
    Column("model", "MODEL"),
    Column("requests", "REQUESTS", is_number=True, rank=2),
    Column("cost", "COST", is_number=True),
    Column("bar", "", rank=6),
)
SHEET = Sheet(COLUMNS, (("openai/gpt-5", "12", "$1.00", "████"), ("anthropic/claude", "7", "$0.50", "██")))


def test_without_a_width_everything_is_there() -> None:
    assert grid(SHEET, None) == (
        "MODEL             REQUESTS   COST\n"
        "openai/gpt-5            12  $1.00  ████\n"
        "anthropic/claude         7  $0.50  ██"
    )


def test_columns_go_by_rank_where_room_is_short() -> None:
    assert grid(SHEET, 34).splitlines()[0] == "MODEL             REQUESTS   COST"
    assert grid(SHEET, 25).splitlines() == [
        "MODEL              COST", "openai/gpt-5      $1.00", "anthropic/claude  $0.50",
    ]  # fmt: skip


def test_then_texts_are_folded_and_numbers_kept_whole() -> None:
    assert grid(SHEET, 17).splitlines() == [
        "MODEL        COST", "openai/gpt  $1.00", "-5", "anthropic/  $0.50", "claude",
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.text(max_size=30), st.integers(0, 10**6).map(str), st.integers(0, 10**6).map(str), st.just("█")),
             min_size=1, max_size=4),
    st.integers(30, 120),
)  # fmt: skip
def test_no_line_is_wider_than_asked_for(rows: list[tuple[str, str, str, str]], width: int) -> None:
    assert all(text_width(line) <= width for line in grid(Sheet(COLUMNS, tuple(rows)), width).split("\n"))


def test_wide_signs_take_two_columns_and_control_characters_are_escaped() -> None:
    rows = (("模型", "1", "$1", ""), ("a\x1b[2Jb", "1", "$1", ""))
    text = grid(Sheet(COLUMNS, rows), None)
    assert "\x1b" not in text
    lines = text.splitlines()
    assert [text_width(word) for word in ("模型", "e\u0301", "ab", "ｗ")] == [4, 1, 2, 2]
    assert "a\\x1b[2Jb" in text
    assert len({text_width(line) for line in lines}) == 1


@pytest.mark.parametrize("width", [5, 12, 80, None])
def test_sentences_break_between_words(width: int | None) -> None:
    text = "not in the total: what 3 exec runs spent"
    assert wrapped(text, width).replace("\n", " ") == text
    if width == 12:
        assert max(map(len, wrapped(text, width).splitlines())) <= 12
