"""The table of calls."""

from __future__ import annotations

import json
from typing import Any


def test_a_call_without_a_price_is_not_shown_as_free(ready_home: Any) -> None:
    line = {"id": "a", "at": "2026-11-20T10:00:00Z", "provider": "openai", "model": "unheard-of", "input_tokens": 5}
    done = ready_home.run("ledger", "import", "-", input=json.dumps(line) + "\n")
    assert done.returncode == 0, done.stderr
    row = ready_home.run("log").stdout.splitlines()[1]
    assert "unknown" in row
    assert "0.00" not in row
