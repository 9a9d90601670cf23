"""The table of calls."""

from __future__ import annotations

import json
from typing import Any

import pexpect
import pytest

from tests.conftest import Aikeys


def test_a_call_without_a_price_is_not_shown_as_free(ready_home: Any) -> None:
    line = {"id": "a", "at": "2026-11-20T10:00:00Z", "provider": "openai", "model": "unheard-of", "input_tokens": 5}
    done = ready_home.run("ledger", "import", "-", input=json.dumps(line) + "\n")
    assert done.returncode == 0, done.stderr
    row = ready_home.run("log").stdout.splitlines()[1]
    assert "unknown" in row
    assert "0.00" not in row


CALL = {
    "id": "a",
    "at": "2026-11-20T10:00:00Z",
    "provider": "openai",
    "model": "openai/gpt-4.1-2025-04-14",
    "input_tokens": 41234,
    "output_tokens": 777,
    "cost_usd": "0.0834",
    "cost_source": "billed",
    "latency_ms": 1234,
    "team": "support",
    "project": "atlas",
    "user": "ana",
}
SHOWN = ("support", "atlas", "ana", "41234", "777", "0.0834", "billed", "1234")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("words", [("log",), ("log", "--follow")], ids=" ".join)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_column_is_left_out_on_a_narrow_terminal(ready_home: Aikeys, words: tuple[str, ...], width: int) -> None:
    done = ready_home.run("ledger", "import", "-", input=json.dumps(CALL) + "\n")
    assert done.returncode == 0, done.stderr
    argv = ready_home.argv(*words)
    env = ready_home.env({"COLUMNS": str(width), "NO_COLOR": "1"})
    child = pexpect.spawn(argv[0], argv[1:], env=env, timeout=30, encoding="utf-8", dimensions=(24, width))
    screen = ""
    while not all(text in screen.split() for text in SHOWN):
        screen += child.read_nonblocking(4096)  # raises at the end of the output, where something is missing
    child.close(force=True)
    assert all(len(line.rstrip("\r")) <= width for line in screen.split("\n"))
