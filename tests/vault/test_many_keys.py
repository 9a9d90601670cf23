"""What looks at every key looks at every version once: `list`, and the grants of a token, stay linear in keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from aikeys import clock
from aikeys.cli.commands.list_ import describe
from aikeys.vault import changes, token_grants
from aikeys.vault.format import Rows
from tests.vault.conftest import NOW_S, Home, new_key
from tests.vault.tokens_at_hand import Office


def many(home: Home, count: int) -> Rows:
    def add(vault: Any) -> Any:
        for number in range(count):
            vault = changes.add_key(vault, new_key(f"k{number}", "sk-x"), NOW_S, os.urandom)
        return vault

    return home.change("add", add).rows


def lines_run(work: Callable[[], object]) -> int:
    """Count the lines of our modules that run: what a clock would measure, without the noise."""
    count = 0

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("what", ["list", "grants"])
def test_four_times_the_keys_are_four_times_the_work(make_home: Any, what: str) -> None:
    work = []
    for count in (25, 100):
        office = Office(make_home(f"home{count}"))
        rows = many(office.home, count)
        claims = office.issue("env:read").claims

        def look(rows: Rows = rows, claims: Any = claims) -> object:
            if what == "grants":
                return list(token_grants.keys_for(rows, claims))
            own = rows.by_key()
            return [describe(own[key.id], key, clock.now_s()) for key in rows.keys]

        assert len(look()) == count  # type: ignore[arg-type]
        work.append(lines_run(look))
    assert work[1] < 5 * work[0], work
