"""`aikeys report`: what was spent, by whom, on what; how long calls took; what was out of the ordinary."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.lost_calls import warn_of_lost_ledger
from aikeys.cli.time_options import Month, Since, Until
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aikeys.cli.render.report_sheets import Style
    from aikeys.cli.render.sheet import Sheet
    from aikeys.reports.asking import ReportRequest
    from aikeys.reports.currency import Currency
    from aikeys.reports.values import AnomalyReport, LatencyReport, Report, ReportHead

_Found = TypeVar("_Found", "LatencyReport", "AnomalyReport")

app = new_app()
KINDS = ("cost", "usage", "latency", "anomalies")
FORMATS = ("table", "json", "csv", "markdown", "openmetrics", "focus")
_FOR_MACHINES = ("openmetrics", "focus")
_EXAMPLES = (
    ("aikeys report", "this month by team and model"),
    ("aikeys report --month 2026-10 --by team,user --where environment=prod", "who spent what in production"),
    ("aikeys report --since 90d --by week,model --format csv > weeks.csv", "for a spreadsheet"),
    ("aikeys report --compare previous --format markdown >> $GITHUB_STEP_SUMMARY", "for a CI summary"),
    ("aikeys report --month 2026-10 --format focus > focus.csv", "FOCUS 1.2 rows for a cost tool"),
    ("aikeys report latency --by model --since 7d", "how long calls took"),
)
_NOTES = """Groups: team, project, environment, user, key, token, provider, model, day, week, month, hour and tag:NAME.
Dates are inclusive, in the ledger's time zone unless --tz says another. Amounts are rounded in a table, exact in json,
csv, openmetrics and focus. What is not in the total is always
said: models without a price, exec runs that were not metered. Tags that config.toml names ([tags] rollup =
["ticket"]) have totals of their own, which keeps reports by one of them fast.

With a token whose scope is usage:own a report is about what it, its children and its own labels spent, nothing else.

With AIKEYS_GATEWAY, or after aikeys login, that gateway is asked: cost and usage, in its ledger's time zone, as table,
json, csv or markdown."""


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 23, 31), _NOTES))
def report(
    kind: Annotated[str, typer.Argument(metavar="[cost|usage|latency|anomalies]", help="What to report.")] = "cost",
    by: Annotated[
        str | None, typer.Option("--by", metavar="GROUP,…", help="Group by these (default: team,model).")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="GROUP=VALUE", help="Only these; of one group, any of the values."),
    ] = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    tz: Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Time zone of the dates.")] = None,
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="previous", help="Compare with the same length of time before.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", metavar="N", min=1, help="The N most expensive; the rest in one row.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="|".join(FORMATS), help="How to print.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Report costs, usage, latency or unusual days from the ledger."""
    from aikeys.cli import home
    from aikeys.cli.ports.reports import reports
    from aikeys.ledger.ranges import RangeWords
    from aikeys.reports.asking import ReportRequest
    from aikeys.reports.groups import filters_of

    form = _format(format, as_json)
    _check(kind, form, compare, {"--by": by, "--top": top, "--compare": compare})
    request = ReportRequest(
        kind,
        _groups(kind, form, by),
        filters_of(where or ()),
        RangeWords(month, since, until),
        tz or "",
        compare is not None,
        top,
        form == "table" and _sees_pictures(),
    )
    source, currency = reports(), _currency(home.folder())
    match kind:
        case "latency":
            _print_latency(source.latency(request), form)
        case "anomalies":
            _print_anomalies(source.anomalies(request), form)
        case _ if form == "focus":
            _print_focus(source.focus(request))
        case _:
            _print_report(source.cost(request, form), request, form, currency)


def _print_report(found: Report, request: ReportRequest, form: str, currency: Currency | None) -> None:
    if form == "json":
        from aikeys.cli.render.report_json import cost_json

        terminal.out(cost_json(found, currency))
    elif form == "openmetrics":
        from aikeys.reports.openmetrics import openmetrics

        terminal.out(openmetrics(found))
    else:
        from aikeys.cli.render.report_sheets import Style, cost_sheet
        from aikeys.cli.render.report_words import footing

        style = Style(form == "csv", request.trend, currency)
        footer = [] if form == "csv" else footing(found, currency, is_verbose=terminal.options.verbose)
        _print_sheet(found.head, cost_sheet(found, style), footer, form)


def _print_latency(found: LatencyReport, form: str) -> None:
    from aikeys.cli.render.report_json import latency_json
    from aikeys.cli.render.report_sheets import latency_sheet

    footer = "times in ms (p50, p95, p99); FIRST: until the first token"
    _print_found(found, (latency_json, latency_sheet), footer, form)


def _print_anomalies(found: AnomalyReport, form: str) -> None:
    from aikeys.cli.render.report_json import anomaly_json
    from aikeys.cli.render.report_sheets import anomaly_sheet

    footer = "unusual: 3 times the median of the last four weeks, far outside their spread, and at least $1 more"
    _print_found(found, (anomaly_json, anomaly_sheet), footer, form)


def _print_found(
    found: _Found, ways: tuple[Callable[[_Found], str], Callable[[_Found, Style], Sheet]], footer: str, form: str
) -> None:
    """Print a report as JSON or as a sheet: the two ways to show it."""
    from aikeys.cli.render.report_sheets import Style

    as_json, as_sheet = ways
    if form == "json":
        terminal.out(as_json(found))
    else:
        from aikeys.cli.render.report_words import unknown_before

        if form == "csv":
            warn_of_lost_ledger(found.head.lost_before_us)
        footers = [footer, *unknown_before(found.head.lost_before_us)]
        _print_sheet(found.head, as_sheet(found, Style(form == "csv")), footers, form)


def _print_focus(rows: Iterator[Mapping[str, str | None]]) -> None:
    from itertools import chain

    from aikeys.cli.render.csv_text import csv_line
    from aikeys.reports.focus import COLUMNS

    first = next(rows, None)  # a refusal comes before the header
    terminal.out(csv_line(COLUMNS))
    for row in chain([] if first is None else [first], rows):
        terminal.out(csv_line([row[column] or "" for column in COLUMNS]))


def _print_sheet(head: ReportHead, sheet: Sheet, footer: list[str], form: str) -> None:
    from aikeys.cli.render.report_words import heading

    if form == "csv":
        from aikeys.cli.render.csv_text import csv_text

        terminal.out(csv_text([column.name for column in sheet.columns], sheet.rows))
    elif form == "markdown":
        from aikeys.cli.render.markdown import escaped, markdown

        title, range_ = heading(head)
        notes = "\n".join(f"- {escaped(line)}" for line in footer)
        terminal.out(f"### {escaped(title)}\n\n{escaped(range_)}\n\n{markdown(sheet)}\n\n{notes}")
    else:
        from aikeys.cli.render.grid import grid, screen_width, wrapped

        width = screen_width()
        lines = [wrapped(terminal.printable(line), width) for line in (*heading(head), "", *footer)]
        table = grid(sheet, width, bold=terminal.colourful(sys.stdout)) if sheet.rows else "nothing to show"
        terminal.out_styled("\n".join([*lines[:3], table, "", *lines[3:]]))


def _format(format: str | None, as_json: bool) -> str:
    if format is not None and format not in FORMATS:
        raise UsageError(f"--format {format[:40]!a} is not known", f"known: {', '.join(FORMATS)}")
    if as_json and format not in {None, "json"}:
        raise UsageError("--json and --format contradict each other", "leave one of them out")
    return "json" if as_json else format or "table"


def _check(kind: str, form: str, compare: str | None, shaping: dict[str, object]) -> None:
    """Refuse what goes with no kind or format."""
    if kind not in KINDS:
        raise UsageError(f"{kind[:40]!a} is not a report", f"known: {', '.join(KINDS)}")
    if compare not in {None, "previous"}:
        raise UsageError("--compare knows only the time before", "write --compare previous")
    has_costs = kind in {"cost", "usage"}
    if form in _FOR_MACHINES and not has_costs:
        raise UsageError(f"--format {form} is for cost and usage", "take table, json, csv or markdown")
    refused = [name for name, value in shaping.items() if value is not None and name != "--by" and not has_costs]
    if kind == "anomalies" and shaping["--by"] is not None:
        refused.append("--by")
    if refused:
        raise UsageError(f"{refused[0]} has no meaning for {kind}", f"leave {refused[0]} out")
    fixed = [name for name, value in shaping.items() if value is not None and form in _FOR_MACHINES]
    if fixed:
        raise UsageError(f"--format {form} always has the same columns", f"leave {fixed[0]} out; filter with --where")


def _groups(kind: str, form: str, by: str | None) -> tuple[str, ...]:
    from aikeys.reports.groups import groups_of

    if form == "openmetrics":
        from aikeys.reports.openmetrics import BY

        return BY
    if by is None:
        return ("model",) if kind == "latency" else ("team", "model")
    return groups_of(by)


def _currency(folder: str) -> Currency | None:
    """Return `[currency]`; most homes have no config.toml, and reading TOML takes a tenth of a report."""
    import os

    from aikeys.storage.files import is_there

    if not is_there(os.path.join(folder, "config.toml")):
        return None
    from aikeys import config
    from aikeys.reports.currency import currency_of

    return currency_of(*config.load(folder).currency)


def _sees_pictures() -> bool:
    return terminal.on_terminal(sys.stdout) and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
