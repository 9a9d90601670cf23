"""What people read of a policy: words and no formats of ours, and a file they can go on writing."""

from __future__ import annotations

import pytest

from aikeys.budgets.terms import Terms
from aikeys.policy import plan
from aikeys.policy.plan import PolicyChange
from aikeys.policy.text import Policy, read, write
from tests.conftest import Aikeys

TERMS = Terms(10**12)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([PolicyChange("budgets", ("org", "day"), TERMS, Terms(1))], "1 budget changed"),
        ([PolicyChange("aliases", "a", None, "x"), PolicyChange("aliases", "b", None, "y")], "2 aliases added"),
        (
            [
                PolicyChange("budgets", ("org", "day"), None, TERMS),
                PolicyChange("budgets", ("org", "month"), TERMS, None),
            ],
            "1 budget added, 1 budget removed",
        ),
        (
            [PolicyChange("alerts", "a", None, "x"), PolicyChange("prices", "b", "x", None)],
            "1 alert added, 1 price removed",
        ),
    ],
)
def test_what_was_done_is_said_in_words(found: list[PolicyChange], words: str) -> None:
    assert plan.spoken(found) == words


def test_apply_asks_and_says_in_words_and_audit_shows_money(ready_home: Aikeys) -> None:
    run = ready_home.run
    policy = ready_home.folder / "policy.toml"
    policy.write_text('schema = "aikeys.policy/1"\n[[budgets]]\nwho = "org"\nusd = "5"\n')
    asked = run("config", "apply", str(policy))
    assert "make 1 change [y/N]" in asked.stderr
    assert "--yes" in asked.stderr
    assert "applied: 1 budget added" in run("--yes", "config", "apply", str(policy)).stderr
    audit = run("audit", env={"COLUMNS": "400"}).stdout
    assert "limit_usd=5.00" in audit
    assert "limit_pusd" not in audit
    assert "limit_pusd=5000000000000" in run("audit", "--json").stdout


def test_no_budgets_are_said_so_that_one_can_be_written(ready_home: Aikeys) -> None:
    text = write(Policy({}, {}, {}, {}))
    assert read(text, "policy.toml") == Policy({}, {}, {}, {})
    line = next(line for line in text.splitlines() if line.startswith("budgets"))
    assert line == "budgets = []  # none; to have some, write [[budgets]] tables instead of this line"
    assert line in ready_home.run("config", "export").stdout
