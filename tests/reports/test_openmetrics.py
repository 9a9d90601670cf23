"""OpenMetrics, as prometheus_client reads it."""

from __future__ import annotations

from decimal import Decimal

from prometheus_client.openmetrics import parser

from aikeys.ledger.ranges import RangeWords
from aikeys.providers.usage import Usage
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from aikeys.reports.openmetrics import BY, openmetrics
from tests.reports.conftest import NOW_US, OPENAI, Make, call

REQUEST = ReportRequest("cost", BY, typed=RangeWords(month="2026-10"))


def families(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in parser.text_string_to_metric_families(text + "\n")
    }


def test_the_samples_are_those_of_the_report(make_ledger: Make) -> None:
    report = asking.report(make_ledger(), REQUEST, NOW_US)
    found = families(openmetrics(report))
    cost = {tuple(labels[name] for name in BY): value for labels, value in found["aikeys_cost_usd"]}
    assert cost == {row.keys: float(Decimal(row.figures.cost_pusd) / 10**12) for row in report.rows}
    assert sum(value for _, value in found["aikeys_requests"]) == report.total.requests
    tokens = sum(value for labels, value in found["aikeys_tokens"] if labels["type"] in {"input", "output"})
    assert tokens == report.total.input + report.total.output
    assert {labels["source"]: value for labels, value in found["aikeys_coverage_requests"]}["unpriced"] == 1
    assert found["aikeys_unpriced_tokens"] == [({}, 1000)]


def test_labels_are_bounded(make_ledger: Make) -> None:
    found = families(openmetrics(asking.report(make_ledger(), REQUEST, NOW_US)))
    allowed = {*BY, "type", "status", "source"}
    assert {name for samples in found.values() for labels, _ in samples for name in labels} <= allowed


def test_a_hostile_label_is_escaped(make_ledger: Make) -> None:
    model = 'p/m"} 1\n# EOF\\'
    ledger = make_ledger([call("2026-10-05T10:00", OPENAI._replace(model=model), Usage(1), 5)])
    found = families(openmetrics(asking.report(ledger, REQUEST, NOW_US)))
    assert [labels["model"] for labels, _ in found["aikeys_cost_usd"]] == [model]


def test_an_empty_report_is_well_formed(make_ledger: Make) -> None:
    text = openmetrics(asking.report(make_ledger([]), REQUEST, NOW_US))
    assert text.endswith("\n# EOF")
    assert families(text)["aikeys_exec_runs_not_metered"] == [({}, 0)]
