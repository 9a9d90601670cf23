"""Reports as sheets: exact amounts for programs, short ones, bars and sparklines for people."""

from typing import TYPE_CHECKING, NamedTuple, Optional

from aikeys.cli.render.bars import bar, sparkline
from aikeys.cli.render.sheet import Column, Sheet
from aikeys.ledger.calendar import date_of
from aikeys.ledger.questions import Figures
from aikeys.money import least_usd, shown_usd, usd_text
from aikeys.reports.values import AnomalyReport, LatencyReport, Percentiles, Report, ReportRow

if TYPE_CHECKING:
    from aikeys.reports.currency import Currency

_BAR = 10
_NOBODY = "-"
_SPENDER = ("key", "model", "team", "project", "user")


class Style(NamedTuple):
    """For whom: `exact` for programs; `pictures` where bars and sparklines can be seen."""

    exact: bool = False
    pictures: bool = False
    currency: Optional["Currency"] = None

    def usd(self, pusd: int) -> str:
        return usd_text(pusd) if self.exact else shown_usd(pusd)

    def converted(self, pusd: int) -> str:
        if self.currency is None:
            return ""
        return self.currency.text(pusd) if self.exact else self.currency.shown(pusd)

    def number(self, number: int) -> str:
        return str(number) if self.exact else f"{number:,}"


def cost_sheet(report: Report, style: Style) -> Sheet:
    """Return a cost or usage report; an exact sheet has every column and no total row: its reader adds up."""
    columns = [*_labels(report), *_figure_columns(report, style), *_cost_columns(report, style)]
    rows = [(*_keys(row, style), *_figures(report, row.figures, style), *_costs(report, row, style))
            for row in report.rows]  # fmt: skip
    if style.exact:
        return Sheet(tuple(columns), tuple(rows))
    before = report.previous.total.cost_pusd if report.previous else None
    whole = ReportRow(("TOTAL", *[""] * (len(report.head.by) - 1)), report.total, before)
    total = (*whole.keys, *_figures(report, report.total, style), *_costs(report, whole, style))
    return Sheet(tuple(columns), tuple(rows), total)


def latency_sheet(report: LatencyReport, style: Style) -> Sheet:
    """Return how long calls took, in milliseconds."""
    ranks = ("calls", "p50_ms", "p95_ms", "p99_ms")
    columns = [
        *(Column(name, _title(name)) for name in report.head.by),
        *(Column(name, _title(name), is_number=True) for name in ranks),
        *(Column(f"first_token_{name}", f"FIRST {_title(name)}", is_number=True, rank=1) for name in ranks),
    ]
    rows = [
        (*(key if style.exact else key or _NOBODY for key in row.keys),
         *_times(row.whole, style), *_times(row.first_token, style))
        for row in report.rows
    ]  # fmt: skip
    return Sheet(tuple(columns), tuple(rows))


def anomaly_sheet(report: AnomalyReport, style: Style) -> Sheet:
    """Return unusual days with what a usual day costs and who spent most."""
    columns = (
        Column("day", "DAY"),
        Column("scope", "SCOPE"),
        Column("spent_usd", "SPENT", is_number=True),
        Column("median_usd", "USUAL", is_number=True),
        Column("top_usd", "LARGEST PART", is_number=True),
        *(Column(f"top_{name}", name.upper(), rank=rank) for rank, name in enumerate(_SPENDER, 1)),
    )
    rows = tuple(
        (str(date_of(found.day)), found.scope,
         *(style.usd(pusd) for pusd in (found.spent_pusd, found.median_pusd, found.top_pusd)),
         *(text if style.exact else text or _NOBODY for _, text in found.top))
        for found in report.rows
    )  # fmt: skip
    return Sheet(columns, rows)


def _labels(report: Report) -> list[Column]:
    return [Column(name, _title(name)) for name in report.head.by]


def _keys(row: ReportRow, style: Style) -> tuple[str, ...]:
    if row.others:
        name = "other" if style.exact else f"other ({row.others})"
        return (name, *row.keys[1:])
    return row.keys if style.exact else tuple(key or _NOBODY for key in row.keys)


def _figure_columns(report: Report, style: Style) -> list[Column]:
    wanted = [("requests", "REQUESTS", 2), ("failed", "FAILED", 5)]
    if style.exact or report.head.kind == "usage":
        wanted += [
            ("input_tokens", "INPUT", 0), ("cached_input_tokens", "CACHED", 3), ("cache_write_tokens", "WRITTEN", 4),
            ("output_tokens", "OUTPUT", 0), ("reasoning_tokens", "REASONING", 3),
        ]  # fmt: skip
    else:
        wanted[1] = ("tokens", "TOKENS", 1)
    return [Column(name, title, is_number=True, rank=rank) for name, title, rank in wanted]


def _figures(report: Report, figures: Figures, style: Style) -> tuple[str, ...]:
    requests, failed, input_, read, written, output, reasoning, *_ = figures
    if style.exact or report.head.kind == "usage":
        return tuple(map(style.number, (requests, failed, input_, read, written, output, reasoning)))
    return style.number(requests), style.number(input_ + output)


def _cost_columns(report: Report, style: Style) -> list[Column]:
    columns = [Column("cost_usd", "COST", is_number=True)]
    if style.currency:
        columns.append(Column(f"cost_{style.currency.code.lower()}", style.currency.code, is_number=True))
    if report.previous:
        columns.append(Column("previous_cost_usd", "BEFORE", is_number=True))
        columns += [] if style.exact else [Column("change", "CHANGE", is_number=True)]
    if not style.exact and report.head.kind == "cost":
        columns.append(Column("share", "SHARE", is_number=True, rank=3))
        if style.pictures:
            columns += [Column("bar", "", rank=6), Column("trend", "OVER TIME" if _has_trend(report) else "", rank=7)]
    return columns


def _costs(report: Report, row: ReportRow, style: Style) -> tuple[str, ...]:
    cost = row.figures.cost_pusd
    is_total = row.keys[:1] == ("TOTAL",) and row.figures is report.total
    is_least = is_total and report.coverage.unpriced.requests > 0
    cells = [least_usd(cost) if is_least else style.usd(cost)]
    if style.currency:
        cells.append(("≥ " if is_least else "") + style.converted(cost))
    if report.previous:
        cells.append(style.usd(row.previous_pusd or 0))
        cells += [] if style.exact else [_change(cost, row.previous_pusd or 0)]
    if not style.exact and report.head.kind == "cost":
        cells.append(_percent(cost, report.total.cost_pusd))
        pictures = ("", "") if is_total else (bar(cost, report.total.cost_pusd, _BAR), sparkline(row.trend))
        cells += pictures if style.pictures else ()
    return tuple(cells)


def _has_trend(report: Report) -> bool:
    return any(row.trend for row in report.rows)


def _percent(part: int, whole: int) -> str:
    """Return a share, rounded half up; `<1%` for what is not nothing."""
    if whole <= 0:
        return ""
    percent = (200 * part + whole) // (2 * whole)
    return "<1%" if part > 0 and percent == 0 else f"{percent}%"


def _change(now: int, before: int) -> str:
    if not before:
        return "new" if now else ""
    percent = (200 * (now - before) + abs(before)) // (2 * abs(before))
    return f"{percent:+d}%"


def _times(times: Percentiles | None, style: Style) -> tuple[str, ...]:
    if times is None:
        return ("0", "", "", "")
    return tuple(style.number(number) for number in times)


def _title(name: str) -> str:
    return name.upper().replace("_", " ") if not name.startswith("tag:") else name
