"""CSV that no spreadsheet computes."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.cli.render.csv_text import csv_text, safe


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "-1-1", "=", "+49 30 1"])
def test_a_formula_gets_a_quote_in_front(cell: str) -> None:
    assert safe(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-4.00", "-1", "0.000001", "12", "a=b", "", "'=1", "2026-10-01"])
def test_numbers_and_texts_stay_as_they_are(cell: str) -> None:
    assert safe(cell) == cell


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=5))
def test_a_reader_gets_back_what_was_written(rows: list[list[str]]) -> None:
    text = csv_text(("a", "b"), rows)
    assert [*csv.reader(io.StringIO(text, newline=""))] == [["a", "b"], *[[safe(cell) for cell in row] for row in rows]]
