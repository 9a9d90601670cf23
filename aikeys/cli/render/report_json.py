"""Reports as `aikeys.report/1`: exact amounts as decimal text of USD, labels null where unknown."""

from __future__ import annotations

from aikeys import clock
from aikeys.cli.render.json_text import document
from aikeys.clock import rfc3339
from aikeys.ledger.calendar import date_of
from aikeys.ledger.questions import Figures
from aikeys.ledger.ranges import DayRange
from aikeys.money import usd_text
from aikeys.reports import records
from aikeys.reports.currency import Currency
from aikeys.reports.values import AnomalyReport, LatencyReport, Percentiles, Report, ReportHead, ReportRow

_SCHEMA = "aikeys.report/1"


def cost_json(report: Report, currency: Currency | None) -> str:
    """Return a cost or usage report."""
    fields: dict[str, object] = {
        **_head(report.head),
        "rows": [_row(report, row, currency) for row in report.rows],
        "total": _figures(report.total, currency),
        "coverage": records.coverage(report.coverage),
        "prices": list(report.prices),
    }
    if report.previous:
        fields["previous"] = {
            "range": _range(report.previous.span),
            "total": _figures(report.previous.total, currency),
        }
    if report.forecast:
        fields["forecast"] = {
            "cost_usd": usd_text(report.forecast.pusd),
            "low_usd": usd_text(report.forecast.low_pusd),
            "high_usd": usd_text(report.forecast.high_pusd),
            "days": report.forecast.days,
        }
    if currency:
        fields["currency"] = {"code": currency.code, "usd_rate": currency.rate_text}
    if report.newest_us is not None:
        fields["newest_call_at"] = clock.rfc3339(report.newest_us // 1_000_000)
    return document(_SCHEMA, **fields)


def latency_json(report: LatencyReport) -> str:
    """Return a latency report; times in milliseconds, null where nobody measured."""
    rows = [
        {**_labels(report.head, row.keys), **_times("", row.whole), **_times("first_token_", row.first_token)}
        for row in report.rows
    ]
    return document(_SCHEMA, **_head(report.head), rows=rows)


def anomaly_json(report: AnomalyReport) -> str:
    """Return the unusual days."""
    rows = [
        {
            "day": str(date_of(found.day)),
            "scope": found.scope,
            "spent_usd": usd_text(found.spent_pusd),
            "median_usd": usd_text(found.median_pusd),
            "top": {name: text or None for name, text in found.top},
            "top_usd": usd_text(found.top_pusd),
        }
        for found in report.rows
    ]
    return document(_SCHEMA, **_head(report.head), rows=rows)


def _head(head: ReportHead) -> dict[str, object]:
    return {
        "kind": head.kind,
        "by": list(head.by),
        "where": {name: list(texts) for name, texts in head.where},
        "range": _range(head.span),
        "zone": head.zone,
        "read": head.read,
        **records.lost_ledger(head.lost_before_us),
    }


def _range(span: DayRange) -> dict[str, str]:
    if span.between is not None:
        since, until = (rfc3339(at_us // 1_000_000) for at_us in span.between)
        return {"since": since, "until": until}
    return {"since": str(date_of(span.first)), "until": str(date_of(span.last))}


def _row(report: Report, row: ReportRow, currency: Currency | None) -> dict[str, object]:
    fields = {**_labels(report.head, row.keys), **_figures(row.figures, currency)}
    if row.previous_pusd is not None:
        fields["previous_cost_usd"] = usd_text(row.previous_pusd)
    if row.others:
        fields["other_groups"] = row.others
    return fields


def _labels(head: ReportHead, keys: tuple[str, ...]) -> dict[str, object]:
    return {name: key or None for name, key in zip(head.by, keys, strict=True)}


def _figures(figures: Figures, currency: Currency | None) -> dict[str, object]:
    fields: dict[str, object] = {
        "requests": figures.requests,
        "failed": figures.failed,
        "input_tokens": figures.input,
        "cached_input_tokens": figures.cache_read,
        "cache_write_tokens": figures.cache_write,
        "output_tokens": figures.output,
        "reasoning_tokens": figures.reasoning,
        "cost_usd": usd_text(figures.cost_pusd),
    }
    if currency:
        fields[f"cost_{currency.code.lower()}"] = currency.text(figures.cost_pusd)
    return fields


def _times(prefix: str, times: Percentiles | None) -> dict[str, object]:
    values = times or (0, None, None, None)
    return dict(zip([f"{prefix}{name}" for name in ("calls", "p50_ms", "p95_ms", "p99_ms")], values, strict=True))
