"""A soft budget on the screen: `≈` wherever it is shown, and what may be missing. Golden: update as in test_golden."""

from __future__ import annotations

import json
import re

import pytest

from aikeys.budgets.booking import book
from aikeys.clock import now_us
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.money import parse_usd
from tests.cli.test_golden import compare
from tests.conftest import Aikeys

SCREENS = (
    ("budget", "set", "team:support", "250", "--when-unknown", "estimate"),
    ("budget", "list"),
    ("budget", "check"),
    ("budget", "check", "--format", "markdown"),
    ("budget", "check", "--format", "github"),
    ("log",),
    ("report",),
)


def doubtful(home: Aikeys) -> None:
    ledger = Ledger(str(home.home)).open()
    with ledger.writing() as writer:
        context = Context(Labels("support", user="ana"), key="openai", provider="openai", model="openai/gpt-4.1")
        call = Call(
            now_us(), now_us(), context, cost_pusd=parse_usd("1.5"), cost_source="estimated", status="broken",
            doubt_pusd=parse_usd("3.25"),
        )  # fmt: skip
        book(writer, call, Calendar(ledger.zone))
    ledger.close()


@pytest.fixture
def soft_home(ready_home: Aikeys) -> Aikeys:
    ready_home.run("budget", "set", "team:support", "200", "--when-unknown", "estimate")
    ready_home.run("budget", "set", "org", "1000")
    doubtful(ready_home)
    return ready_home


def test_a_soft_budget_reads_as_agreed(soft_home: Aikeys) -> None:
    screens = []
    for words in SCREENS:
        done = soft_home.run(*words)
        screens.append(f"$ aikeys {' '.join(words)}\n{done.stdout}{done.stderr}")
    text = re.sub(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", "DATE", "\n".join(screens))
    assert text.count("≈") >= 8
    compare("screen-soft-budget", text)


def test_json_says_when_unknown_and_what_may_be_missing(soft_home: Aikeys) -> None:
    listed = json.loads(soft_home.run("budget", "list", "--json").stdout)["budgets"]
    checked = json.loads(soft_home.run("budget", "check", "--json").stdout)["budgets"]
    for rows in (listed, checked):
        found = {row["who"]: (row["when_unknown"], row["doubt_usd"]) for row in rows}
        assert found == {"team:support": ("estimate", "3.25"), "org": ("worst", "3.25")}
    coverage = json.loads(soft_home.run("report", "--json").stdout)["coverage"]
    doubts = {
        source: row["doubt_usd"] for source, row in coverage.items() if isinstance(row, dict) and "doubt_usd" in row
    }
    assert doubts == {"estimated": "3.25"}
    (call,) = json.loads(soft_home.run("log", "--json").stdout)["calls"]
    assert call["doubt_usd"] == "3.25"


def test_a_budget_stays_soft_until_it_is_said_otherwise(soft_home: Aikeys) -> None:
    def when_unknown() -> str:
        rows = json.loads(soft_home.run("budget", "list", "--json").stdout)["budgets"]
        return str(next(row["when_unknown"] for row in rows if row["who"] == "team:support"))

    said = soft_home.run("budget", "set", "team:support", "300").stderr
    assert "≈ $200.00 a month" in said
    assert "-> ≈ $300.00 a month" in said
    assert when_unknown() == "estimate"
    soft_home.run("budget", "set", "team:support", "300", "--when-unknown", "worst")
    assert when_unknown() == "worst"
    assert soft_home.run("ledger", "verify").returncode == 0


def test_another_word_is_refused(ready_home: Aikeys) -> None:
    done = ready_home.run("budget", "set", "org", "5", "--when-unknown", "never")
    assert done.returncode == 2
    assert "'never' is not what an unknown end can count" in done.stderr
    assert "worst, estimate" in done.stderr


def test_a_policy_file_carries_it(soft_home: Aikeys) -> None:
    exported = soft_home.run("config", "export").stdout
    assert exported.count('when_unknown = "estimate"') == 1
    assert "when_unknown" not in exported.split("[[budgets]]")[1]  # org stands first
    path = soft_home.folder / "policy.toml"
    path.write_text(exported.replace('"estimate"', '"worst"'))
    assert soft_home.run("config", "apply", str(path), "--yes").returncode == 0
    assert "when_unknown" not in soft_home.run("config", "export").stdout
    path.write_text(exported)
    said = soft_home.run("config", "apply", str(path), "--yes")
    assert "when unknown estimate" in said.stdout + said.stderr
    path.write_text(exported.replace('"estimate"', '"maybe"'))
    assert soft_home.run("config", "apply", str(path), "--yes").returncode == 14
