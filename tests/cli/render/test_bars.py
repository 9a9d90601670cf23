"""Bars and sparklines."""

from __future__ import annotations

from aikeys.cli.render.bars import bar, sparkline


def test_a_bar_is_as_long_as_its_share_and_never_vanishes() -> None:
    assert bar(1, 2, 10) == "█████"
    assert bar(1, 1, 4) == "████"
    assert bar(1, 10**30, 10) == "▏"
    assert bar(5, 4, 3) == "███"
    assert [bar(0, 5, 9), bar(-3, 5, 9), bar(5, 0, 9), bar(5, -1, 9)] == [""] * 4


def test_a_sparkline_has_a_sign_for_every_value() -> None:
    assert sparkline([0, 1, 4, 8, -2]) == " ▂▅█ "
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""
