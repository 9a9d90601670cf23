"""The shape of the package: names, folders, files and functions stay within what a stranger can find their way in."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "aikeys"
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))
}
MOST_LINES, MOST_FILES, MOST_LINES_OF_A_FUNCTION = 400, 20, 60

QUESTIONS = ("What", "Where", "Who", "Whose", "How", "When", "Which", "Whether", "Why")


def classes(text: str) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]


def long_functions(text: str) -> list[str]:
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [one.name for one in found if (one.end_lineno or 0) - one.body[0].lineno + 1 > MOST_LINES_OF_A_FUNCTION]


def twice(sources: dict[str, str]) -> list[str]:
    counts = Counter(name for text in sources.values() for name in set(classes(text)))
    return sorted(name for name, count in counts.items() if count > 1)


def test_a_class_name_is_defined_once() -> None:
    assert twice(SOURCES) == []


def test_a_name_defined_twice_is_noticed() -> None:
    assert twice({"a.py": "class Answer: ...", "b.py": "class Answer: ..."}) == ["Answer"]


@pytest.mark.parametrize("room", ["cli", "gateway"])
def test_a_folder_of_a_door_holds_few_files(room: str) -> None:
    """`cli/commands` stays flat: one file a command."""
    counts = Counter(
        name.rpartition("/")[0] for name in SOURCES if name.startswith(f"{room}/") and "__init__" not in name
    )
    del counts["cli/commands"]
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    assert {name for name, text in SOURCES.items() if text.count("\n") > MOST_LINES} == set()


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    """The body counts: a Typer command has a parameter an option."""
    assert [f"{name}: {one}" for name, text in SOURCES.items() for one in long_functions(text)] == []


def test_a_long_function_is_noticed() -> None:
    assert long_functions("def long():\n" + "    x = 1\n" * 61) == ["long"]


def test_a_module_says_first_what_it_is() -> None:
    """A docstring names the thing; it does not ask about it."""
    asking = [
        name for name, text in SOURCES.items() if (ast.get_docstring(ast.parse(text)) or "").split(" ")[0] in QUESTIONS
    ]
    assert asking == []


def test_a_test_file_has_a_name_of_its_own() -> None:
    """Pytest imports test files by their base name: a second one of that name cannot be collected."""
    counts = Counter(path.name for path in (PACKAGE.parent / "tests").rglob("test_*.py"))
    assert [name for name, count in counts.items() if count > 1] == []
