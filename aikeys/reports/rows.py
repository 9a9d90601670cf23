"""From the ledger's sums to the rows of a report (pure): weeks and months, order, the top and the rest, the trend.

Nothing is ever left out: what `--top` does not show stands in one row, so the total is always the sum of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from aikeys.errors import Damaged
from aikeys.ledger.calendar import Calendar, date_of, period_start
from aikeys.ledger.calls import COST_SOURCES, MONEY, UNPRICED
from aikeys.ledger.questions import NONE, Figures, Keys, Runs
from aikeys.ledger.ranges import DayRange
from aikeys.reports.groups import TIMES
from aikeys.reports.values import Coverage, ReportRow

Cells = Mapping[tuple[Keys, str], Figures]
Groups = dict[Keys, Figures]
_LONGEST_TREND = 15


def asked_groups(by: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to ask the ledger for: a week and a month are made of days."""
    return tuple(dict.fromkeys("day" if name in ("week", "month") else name for name in by))


def grouped(cells: Cells, by: tuple[str, ...]) -> Groups:
    """Add the cells up by `by`; a week and a month are known by their first day."""
    groups: Groups = {}
    for (keys, _), figures in cells.items():
        wanted = keys_of(keys, by)
        groups[wanted] = groups[wanted].plus(figures) if wanted in groups else figures
    return groups


def keys_of(asked: Keys, by: tuple[str, ...]) -> Keys:
    """Return the keys of `by` from those of `asked_groups`."""
    known = dict(zip(asked_groups(by), asked, strict=True))
    return tuple(period_start(name, int(known["day"])) if name in ("week", "month") else known[name] for name in by)


def rows_of(groups: Groups, by: tuple[str, ...], calendar: Calendar) -> list[ReportRow]:
    """Return the rows: in order of time where there is time, else the most expensive first."""
    in_time = any(name in TIMES for name in by)
    ordered = sorted(groups, key=lambda keys: (() if in_time else (-groups[keys].cost_pusd,), keys))
    return [ReportRow(texts_of(keys, by, calendar), groups[keys]) for keys in ordered]


def texts_of(keys: Keys, by: tuple[str, ...], calendar: Calendar) -> tuple[str, ...]:
    """Return keys as they are shown: 2026-10-25, 2026-W43, 2026-10, 2026-10-25T02:00+02:00."""
    return tuple(_text(name, key, calendar) for name, key in zip(by, keys, strict=True))


def total_of(groups: Iterable[Figures]) -> Figures:
    """Return the sum."""
    total = NONE
    for figures in groups:
        total = total.plus(figures)
    return total


def compared(rows: list[ReportRow], before: list[ReportRow]) -> list[ReportRow]:
    """Give every row what its group cost before; a group that is gone has a row of zeros."""
    costs = {row.keys: row.figures.cost_pusd for row in before}
    found = [row._replace(previous_pusd=costs.pop(row.keys, 0)) for row in rows]
    return found + [ReportRow(keys, NONE, cost_pusd) for keys, cost_pusd in costs.items()]


def top(rows: list[ReportRow], count: int) -> list[ReportRow]:
    """Keep the most expensive rows in their order; the rest becomes one row at the end."""
    if len(rows) <= count:
        return rows
    kept = {id(row) for row in sorted(rows, key=lambda row: -row.figures.cost_pusd)[:count]}
    rest = [row for row in rows if id(row) not in kept]
    previous = [row.previous_pusd for row in rest if row.previous_pusd is not None]
    trend = tuple(sum(parts) for parts in zip(*[row.trend for row in rest], strict=True))
    merged = ReportRow(
        ("",) * len(rest[0].keys),
        total_of(row.figures for row in rest),
        sum(previous) if previous else None,
        len(rest),
        trend,
    )
    return [row for row in rows if id(row) in kept] + [merged]


def with_trend(
    rows: list[ReportRow], daily: Groups, span: DayRange, by: tuple[str, ...], calendar: Calendar
) -> list[ReportRow]:
    """Give every row its cost over time; `daily` are groups by `by` and day."""
    length = -(-(span.end - span.first) // _LONGEST_TREND)
    parts = -(-(span.end - span.first) // length)
    found: dict[tuple[str, ...], list[int]] = {}
    for (*keys, day), figures in daily.items():
        line = found.setdefault(texts_of(tuple(keys), by, calendar), [0] * parts)
        line[(int(day) - span.first) // length] += figures.cost_pusd
    return [row._replace(trend=tuple(found.get(row.keys, [0] * parts))) for row in rows]


def coverage_of(cells: Cells, asked: Sequence[str], runs: Runs, lost_before_us: int | None = None) -> Coverage:
    """Return the figures by cost source; every source of money is named, also at zero. `asked`: names of the keys."""
    sources = dict.fromkeys(MONEY, NONE)
    for (_, source), figures in cells.items():
        if source not in COST_SOURCES:
            raise Damaged(
                f"the ledger has a cost from {source[:40]!r}, which is not a cost source", "see: aikeys ledger verify"
            )
        sources[source] = sources.get(source, NONE).plus(figures)
    models = _unpriced_models(cells, asked.index("model")) if "model" in asked else ()
    return Coverage(tuple(sources.items()), runs, lost_before_us=lost_before_us, unpriced_models=models)


def _unpriced_models(cells: Cells, at: int) -> tuple[str, ...]:
    """Return the models of unpriced calls, those with the most requests first."""
    found: dict[str, int] = {}
    for (keys, source), figures in cells.items():
        if source == UNPRICED and figures.requests:
            found[str(keys[at])] = found.get(str(keys[at]), 0) + figures.requests
    return tuple(sorted(found, key=lambda name: (-found[name], name)))


def _text(name: str, key: str | int, calendar: Calendar) -> str:
    match name:
        case "day":
            return date_of(int(key)).isoformat()
        case "week":
            year, week, _ = date_of(int(key)).isocalendar()
            return f"{year}-W{week:02d}"
        case "month":
            return date_of(int(key)).isoformat()[:7]
        case "hour":
            at = datetime.fromtimestamp(int(key) // 1_000_000, UTC).astimezone(calendar.zone)
            return at.isoformat(timespec="minutes")
    return str(key)
