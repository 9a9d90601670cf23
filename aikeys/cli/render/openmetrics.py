"""OpenMetrics 1.0 text for a scraper or a textfile collector (pure). Labels are bounded: provider, model, key.

Counters count within the range of the report, and begin again with it, as counters may.
"""

from __future__ import annotations

from aikeys.money import usd_text
from aikeys.reports.values import Report, Row

BY = ("provider", "model", "key")
_TOKENS = (
    ("input", 2), ("cached_input", 3), ("cache_write", 4), ("output", 5), ("reasoning", 6),
)  # fmt: skip


def openmetrics(report: Report) -> str:
    """Return the samples of a report by BY, `# EOF` at the end."""
    rows = report.rows
    lines = [
        *_family("aikeys_cost_usd", "counter", "Cost in USD, exact.", "usd"),
        *(f"aikeys_cost_usd_total{_labels(row)} {usd_text(row.figures.cost_pusd)}" for row in rows),
        *_family("aikeys_tokens", "counter", "Tokens; cached and written ones are input, reasoning is output."),
        *(
            f"aikeys_tokens_total{_labels(row, type=name)} {row.figures[place]}"
            for row in rows
            for name, place in _TOKENS
        ),
        *_family("aikeys_requests", "counter", "Requests, one for each attempt at a provider."),
        *(line for row in rows for line in _requests(row)),
        *_family("aikeys_coverage_requests", "gauge", "Requests by how their cost is known."),
        *(
            f'aikeys_coverage_requests{{source="{source}"}} {figures.requests}'
            for source, figures in report.coverage.sources
        ),
        *_family("aikeys_unpriced_tokens", "gauge", "Tokens that nobody knows the price of."),
        f"aikeys_unpriced_tokens {report.coverage.unpriced.input + report.coverage.unpriced.output}",
        *_family(
            "aikeys_exec_runs_not_metered", "gauge", "Programs that were handed a key; what they spent is unknown."
        ),
        f"aikeys_exec_runs_not_metered {report.coverage.runs.known}",
    ]
    if report.newest_us is not None:
        name = "aikeys_ledger_last_event_timestamp_seconds"
        lines += [*_family(name, "gauge", "When the newest call was settled.", "seconds"),
                  f"{name} {report.newest_us // 1_000_000}"]  # fmt: skip
    return "\n".join([*lines, "# EOF"])


def _family(name: str, kind: str, meaning: str, unit: str = "") -> list[str]:
    lines = [f"# TYPE {name} {kind}"]
    if unit:
        lines.append(f"# UNIT {name} {unit}")
    return [*lines, f"# HELP {name} {meaning}"]


def _requests(row: Row) -> list[str]:
    figures = row.figures
    counts = (("ok", figures.requests - figures.failed), ("failed", figures.failed))
    return [f"aikeys_requests_total{_labels(row, status=status)} {count}" for status, count in counts]


def _labels(row: Row, **more: str) -> str:
    pairs = [*zip(BY, row.keys, strict=True), *more.items()]
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
