"""A beta that can make a call dearer is refused where a limit bounds it."""

from __future__ import annotations

import pytest

from aikeys.spending.native.betas import unmetered


@pytest.mark.parametrize(
    ("header", "value", "window", "left"),
    [
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14, pdfs-2024-09-25", 200_000, []),
        ("anthropic-beta", "context-1m-2025-08-07", 200_000, ["anthropic-beta: context-1m-2025-08-07"]),
        ("anthropic-beta", "context-1m-2025-08-07", 1_000_000, []),
        ("anthropic-beta", "pdfs-2024-09-25,FAST-mode-2026-02-01", 1, ["anthropic-beta: fast-mode-2026-02-01"]),
        ("openai-beta", "responses=experimental", 1, []),
        ("openai-beta", "agents=v9", 1, ["openai-beta: agents=v9"]),
        ("anthropic-version", "2023-06-01", 1, []),
    ],
)
def test_only_betas_that_leave_the_cost_alone_pass(header: str, value: str, window: int, left: list[str]) -> None:
    assert list(unmetered(((header, value),), window)) == left
