"""OpenMetrics 1.0 text for a scraper or a textfile collector (pure). Labels are the groups of the report.

They are bounded: provider, model and key by what there is, others by `--top`. Counters count within the range of the
report, and begin again with it, as counters may.
"""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.money import usd_text
from aikeys.reports.values import Report, ReportRow

BY = ("provider", "model", "key")
_TOKENS = (
    ("input", 2), ("cached_input", 3), ("cache_write", 4), ("output", 5), ("reasoning", 6),
)  # fmt: skip


def openmetrics(report: Report) -> str:
    """Return the samples of a report, `# EOF` at the end."""
    return "\n".join([*samples(report), "# EOF"])


def samples(report: Report) -> list[str]:
    """Return the samples of a report, its groups as labels."""
    rows, by = report.rows, report.head.by
    lines = [
        *family("aikeys_cost_usd", "counter", "Cost in USD, exact.", "usd"),
        *(f"aikeys_cost_usd_total{_labels(by, row)} {usd_text(row.figures.cost_pusd)}" for row in rows),
        *family("aikeys_tokens", "counter", "Tokens; cached and written ones are input, reasoning is output."),
        *(
            f"aikeys_tokens_total{_labels(by, row, type=name)} {row.figures[place]}"
            for row in rows
            for name, place in _TOKENS
        ),
        *family("aikeys_requests", "counter", "Requests, one for each attempt at a provider."),
        *(line for row in rows for line in _requests(by, row)),
        *family("aikeys_coverage_requests", "gauge", "Requests by how their cost is known."),
        *(
            f'aikeys_coverage_requests{{source="{source}"}} {figures.requests}'
            for source, figures in report.coverage.sources
        ),
        *family("aikeys_unpriced_tokens", "gauge", "Tokens that nobody knows the price of."),
        f"aikeys_unpriced_tokens {report.coverage.unpriced.input + report.coverage.unpriced.output}",
        *family(
            "aikeys_exec_runs_not_metered", "gauge", "Programs that were handed a key; what they spent is unknown."
        ),
        f"aikeys_exec_runs_not_metered {report.coverage.runs.known}",
    ]
    if report.coverage.lost_before_us is not None:
        name = "aikeys_lost_ledger_timestamp_seconds"
        lines += [*family(name, "gauge", "Nothing is known of the time before: its ledger was lost.", "seconds"),
                  f"{name} {report.coverage.lost_before_us // 1_000_000}"]  # fmt: skip
    if report.newest_us is not None:
        name = "aikeys_ledger_last_event_timestamp_seconds"
        lines += [*family(name, "gauge", "When the newest call was settled.", "seconds"),
                  f"{name} {report.newest_us // 1_000_000}"]  # fmt: skip
    return lines


def family(name: str, kind: str, meaning: str, unit: str = "") -> list[str]:
    """Return the head of a family of samples."""
    lines = [f"# TYPE {name} {kind}"]
    if unit:
        lines.append(f"# UNIT {name} {unit}")
    return [*lines, f"# HELP {name} {meaning}"]


def _requests(by: Sequence[str], row: ReportRow) -> list[str]:
    figures = row.figures
    counts = (("ok", figures.requests - figures.failed), ("failed", figures.failed))
    return [f"aikeys_requests_total{_labels(by, row, status=status)} {count}" for status, count in counts]


def _labels(by: Sequence[str], row: ReportRow, **more: str) -> str:
    pairs = [*zip([name.replace(":", "_") for name in by], row.keys, strict=True), *more.items()]
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
