"""What doctor says of the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aikeys import clock
from aikeys.ledger.store import Act, Ledger


def _checks(home: Any) -> dict[str, Any]:
    done = home.run("doctor", "--json")
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_doctor_says_how_much_of_the_ledger_is_signed(ready_home: Any) -> None:
    ready_home.add("openai", "sk-proj-one")
    assert _checks(ready_home)["ledger"]["finding"].endswith("the last 0 not signed yet")
    ledger = Ledger(str(ready_home.home)).open()
    ledger.event(Act("lock", "vault"))
    ledger.close()
    assert _checks(ready_home)["ledger"]["finding"].endswith("the last 1 not signed yet")


def test_doctor_finds_a_clock_that_was_set_back(ready_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now_us = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now_us + 2 * 3_600_000_000)
    ledger = Ledger(str(ready_home.home)).open()
    ledger.event(Act("lock", "vault"))
    ledger.close()
    assert not _checks(ready_home)["clock"]["ok"]


def test_doctor_finds_a_total_that_was_edited(ready_home: Any) -> None:
    done = ready_home.run("budget", "set", "org", "10")
    assert done.returncode == 0, done.stderr
    ledger = Ledger(str(ready_home.home)).open()
    with ledger.writing() as writer:
        writer.connection.execute("UPDATE budget SET limit_pusd = '99000000000000'")
    ledger.close()
    check = _checks(ready_home)["ledger"]
    assert not check["ok"]
    assert "the budget of org" in check["finding"]
