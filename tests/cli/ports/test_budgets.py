"""Budgets are the same, asked on their own machine or through a gateway."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from aikeys.cli.ports.budgets import BudgetsHere, BudgetsPort, BudgetsThere
from aikeys.errors import UsageError
from aikeys.remote.client import Gateway
from aikeys.reports.records import budget_state
from aikeys.secret import Secret
from tests.cli.ports.conftest import Both, Pick, served
from tests.gateway.process import house_at


class TestBudgetsContract:
    @pytest.fixture
    def budgets(self, pick: Pick) -> BudgetsPort:
        return pick(BudgetsHere, BudgetsThere)

    def test_every_budget_is_listed_with_its_zone(self, budgets: BudgetsPort, both: Both) -> None:
        rows, zone, lost_us = budgets.listed()
        found = {row["who"]: (row["limit_usd"], row["period"], row["at_limit"]) for row in rows}
        assert found == {"org": ("100.00", "month", "block"), "team:support": ("0.000001", "month", "block")}
        assert zone == both.house.place.ledger.open().zone
        assert lost_us is None

    def test_a_full_budget_is_exceeded_and_another_is_ok(self, budgets: BudgetsPort) -> None:
        states, notes = budgets.checked(["team:support", "org"], None)
        assert {one.who: one.state for one in states} == {"team:support": "exceeded", "org": "ok"}
        assert notes == []

    def test_without_a_name_all_are_checked(self, budgets: BudgetsPort) -> None:
        assert len(budgets.checked([], Decimal(5)).states) == 2

    def test_what_has_no_budget_is_undecided(self, budgets: BudgetsPort) -> None:
        (one,) = budgets.checked(["team:nobody"], None).states
        assert one.state == "undecided"
        assert one.reason

    def test_a_name_that_is_none_is_refused(self, budgets: BudgetsPort) -> None:
        with pytest.raises(UsageError):
            budgets.checked(["planet:earth"], None)


def test_both_places_tell_the_same(both: Both, at_home: None) -> None:
    here, there = BudgetsHere(), BudgetsThere(both.gateway)
    assert here.listed() == there.listed()
    states = [[budget_state(one) for one in port.checked([], None).states] for port in (here, there)]
    assert states[0] == states[1]


def test_a_soft_budget_is_soft_at_a_gateway_too(tmp_path: Path) -> None:
    with house_at(tmp_path) as house:
        house.budget("org", 10**12, when_unknown="estimate")
        house.budget("team:ads", 10**12, "warn", when_unknown="estimate")
        house.budget("project:bot", 10**12)
        token = house.issue("budget:read")
        with served(house.office) as url:
            port = BudgetsThere(Gateway(url, Secret(token.text.encode())))
            rows = {row["who"]: (row["when_unknown"], row["doubt_usd"]) for row in port.listed().rows}
            soft = {one.who for one in port.checked([], None).states if one.is_soft}
    assert rows == {"org": ("estimate", "0.00"), "team:ads": ("estimate", "0.00"), "project:bot": ("worst", "0.00")}
    assert soft == {"org"}


def test_the_owner_sees_all_and_a_token_may_not(both: Both, at_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BudgetsHere().shows_all()
    monkeypatch.setenv("AIKEYS_TOKEN", both.token.text)
    assert not BudgetsHere().shows_all()
    assert not BudgetsThere(both.gateway).shows_all()
