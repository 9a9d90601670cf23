"""The checks of the house, so that one command runs them all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def passes(tool: str, *arguments: str) -> None:
    script = Path(sys.executable).with_name(tool)
    if not script.is_file():
        pytest.skip(f"{tool} is not installed beside {sys.executable}")
    done = subprocess.run([script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    passes("ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    passes("ruff", "format", "--check", ".")


def test_mypy_finds_nothing() -> None:
    passes("mypy")


def test_imports_point_down() -> None:
    passes("lint-imports")
