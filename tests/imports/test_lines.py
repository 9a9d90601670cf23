"""What a line of any language sets, and whether it is a comment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.imports.lines import assignments, words


def found(line: str) -> list[tuple[str, str, bool]]:
    return [(one.variable, one.value.reveal().decode(), one.is_comment) for one in assignments(line, 1)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=b", [("A", "b", False)]), ("export A='b c'; B=d", [("A", "b c", False), ("B", "d", False)]),
        ('A="b\\"c"', [("A", 'b"c', False)]), ("# A=b", [("A", "b", True)]), ("  // A: b", [("A", "b", True)]),
        ("x=1 # A=b", [("x", "1", False), ("A", "b", True)]), ("a.b=c", []), ("--key=b", []), ("?key=b&c=d", []),
        ('{"A": "b", "C": "d"}', [("A", "b", False), ("C", "d", False)]), ("A:b", []), ("set -gx A b", [("A", "b", False)]),
        ("$env:A='b'", [("A", "b", False)]), ("- A=b", [("A", "b", False)]), ("A=", []), ("A=sk-$(x y)", [("A", "sk-$(", False)]), ("A=b${C}d", [("A", "b${", False)]), ("REM set A=b", [("A", "b", True)]),
    ],
)  # fmt: skip
def test_forms(line: str, expected: list[tuple[str, str, bool]]) -> None:
    assert found(line) == expected


@given(st.text(max_size=300))
def test_any_line_is_read_and_no_value_shows(line: str) -> None:
    for one in [*assignments(line, 7), *words(line, 7)]:
        assert one.line == 7
        assert "‹secret›" in repr(one)


def test_a_line_of_a_megabyte_is_read_in_time() -> None:
    for line in (
        "A=" * 500_000,
        '"' * 1_000_000,
        "a" * 1_000_000,
        " \t" * 500_000 + "#",
        "a: " * 400_000,
        "A=b " * 300_000,
    ):
        list(assignments(line, 1))
        list(words(line, 1))
