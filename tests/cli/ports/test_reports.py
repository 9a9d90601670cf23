"""Reports have the same figures, asked on their own machine or through a gateway."""

from __future__ import annotations

from typing import Any

import pytest

from aikeys.cli.ports.reports import ReportsHere, ReportsPort, ReportsThere
from aikeys.errors import UsageError
from aikeys.ledger.ranges import RangeWords
from aikeys.reports.asking import ReportRequest
from tests.cli.ports.conftest import Both, Pick


def request(kind: str = "cost", by: tuple[str, ...] = ("project",), **more: Any) -> ReportRequest:
    asked: dict[str, Any] = {"typed": RangeWords(None, "1d", None), "zone": "", "compare": False, "top": None, **more}
    return ReportRequest(
        kind, by, asked.get("where", ()), asked["typed"], asked["zone"], asked["compare"], asked["top"], False
    )


class TestReportsContract:
    @pytest.fixture
    def reports(self, pick: Pick) -> ReportsPort:
        return pick(ReportsHere, ReportsThere)

    @pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
    def test_costs_are_summed_by_what_was_asked_for(self, reports: ReportsPort, form: str) -> None:
        found = reports.cost(request(where=(("project", ("bot",)),)), form)
        ((keys, figures, *_),) = found.rows
        assert keys == ("bot",)
        assert (figures.requests, figures.output, figures.cost_pusd) == (3, 30, 3 * 280_000_000)
        assert found.total.cost_pusd == figures.cost_pusd

    def test_rows_beyond_the_dearest_are_one(self, reports: ReportsPort) -> None:
        asked = request(by=("team",), where=(("project", ("bot",)),), top=1)
        first, rest = reports.cost(asked, "table").rows
        assert (first.keys, first.figures.requests, rest.figures.requests) == (("support",), 2, 1)

    def test_a_range_that_is_none_is_refused(self, reports: ReportsPort) -> None:
        with pytest.raises(UsageError):
            reports.cost(request(typed=RangeWords("2026-13", None, None)), "table")


def test_both_places_tell_the_same_figures(both: Both, at_home: None) -> None:
    asked = request(by=("team", "model"))
    here, there = ReportsHere().cost(asked, "json"), ReportsThere(both.gateway).cost(asked, "json")
    assert [(row.keys, row.figures.cost_pusd) for row in here.rows] == [
        (row.keys, row.figures.cost_pusd) for row in there.rows
    ]
    assert (here.total, here.head.span, here.head.zone) == (there.total, there.head.span, there.head.zone)


def test_times_unusual_days_and_focus_are_told_here(at_home: None) -> None:
    reports = ReportsHere()
    assert reports.latency(request("latency", ("model",))).rows
    assert reports.anomalies(request("anomalies", ())).head.kind == "anomalies"
    assert next(reports.focus(request()))["BilledCost"]


CANNOT = {
    "report latency": lambda port: port.latency(request("latency")),
    "report anomalies": lambda port: port.anomalies(request("anomalies")),
    "do --format focus": lambda port: port.focus(request()),
    "do --format openmetrics": lambda port: port.cost(request(), "openmetrics"),
    "do --compare": lambda port: port.cost(request(compare=True), "table"),
    "do --tz": lambda port: port.cost(request(zone="UTC"), "table"),
}


@pytest.mark.parametrize("what", CANNOT)
def test_a_gateway_says_what_it_cannot_do(what: str, both: Both) -> None:
    with pytest.raises(UsageError, match=f"a gateway cannot {what}"):
        CANNOT[what](ReportsThere(both.gateway))
