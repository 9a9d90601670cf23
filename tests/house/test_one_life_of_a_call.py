"""Reserve, settle and the entry of a call are built in one place each: no door does so by itself."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "aikeys"
_ENTRIES = ("spending/entry.py", "budgets/", "ledger/")
"""The ledger makes calls of what it reads, imports and has lost; the budgets of what a dead process left."""
_MONEY = ("spending/call.py", "spending/blocking.py", "gateway/driver.py", "gateway/reserver.py", "budgets/")
_BY_HAND = ("cli/commands/ledger_resolve.py",)
"""Says in an act what a call cost that is an entry already."""
_DECIDING = ("reserve", "settle")


def calls_outside(named: tuple[str, ...], places: tuple[str, ...]) -> list[str]:
    """Return where functions or methods of these names are called outside some places."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        if where.startswith(places):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in named:
                    found.append(f"{where}:{node.lineno} {name}")
    return found


def test_a_call_becomes_an_entry_in_one_module() -> None:
    assert calls_outside(("Call",), _ENTRIES) == []
    assert "spending/entry.py" in " ".join(calls_outside(("Call",), ("ledger/", "budgets/")))


def test_money_is_set_aside_and_booked_by_the_life_of_a_call_and_its_two_drivers() -> None:
    assert calls_outside(_DECIDING, (*_MONEY, *_BY_HAND)) == []
    assert len(calls_outside(_DECIDING, ("budgets/",))) >= 4
