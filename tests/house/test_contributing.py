"""CONTRIBUTING.md is short, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`]+)`", TEXT)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]*)+|\w+\.(?:md|toml|py)")
PATHS = sorted({path for words in CODE for path in _PATH.findall(words)})


def test_it_has_at_most_forty_lines() -> None:
    assert len(TEXT.splitlines()) <= 40


def test_paths_are_found_in_it() -> None:
    assert len(PATHS) > 20, PATHS


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_test_that_it_runs_alone_exists() -> None:
    found = [re.search(r"pytest -n0 (\S+) -k (\w+)", words) for words in CODE]
    ((path, word),) = [one.groups() for one in found if one]
    assert re.search(rf"def test_\w*{word}", (ROOT / path).read_text(encoding="utf-8"))


def test_the_variable_that_renews_golden_files_is_read_by_the_tests_that_it_names() -> None:
    found = [re.match(r"(\w+)=1 pytest -n0 (.+)", words) for words in CODE]
    ((name, paths),) = [one.groups() for one in found if one]
    assert paths.split() == sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if f'os.environ.get("{name}")' in path.read_text(encoding="utf-8")
    )
