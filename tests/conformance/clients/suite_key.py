"""A pytest plugin for openai-python's own suite: its clients ask with the key in SUITE_KEY, and nothing else changes."""

import os
import sys


def pytest_collection_finish() -> None:
    """Change the key of the suite's fixtures, which no variable does."""
    sys.modules["tests.conftest"].api_key = os.environ["SUITE_KEY"]  # type: ignore[attr-defined]
