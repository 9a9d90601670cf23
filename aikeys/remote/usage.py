"""/v1/usage as the report that `aikeys report` prints. Days are those of the gateway's ledger.

What a gateway does not tell is not there: no comparison with the time before, no forecast, no sparkline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.clock import rfc3339
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar, date_of
from aikeys.ledger.calls import COST_SOURCES
from aikeys.ledger.questions import Figures, Runs, Where
from aikeys.ledger.ranges import DayRange, RangeWords, span_of
from aikeys.ledger.unread_fields import UnreadField
from aikeys.money import read_usd
from aikeys.names import written
from aikeys.providers.wire.exact_json import items, table, text
from aikeys.remote.client import no_gateway, rows_in
from aikeys.reports import rows as rows_
from aikeys.reports.values import Coverage, Report, ReportHead, ReportRow

if TYPE_CHECKING:
    from aikeys.providers.wire.exact_json import Table
    from aikeys.remote.client import Gateway

_PATH = "/v1/usage"
_TEAM = "team_id"
_READ = "gateway"
"""The text of a report about where it was read."""
_FIGURES = {
    "requests": "requests",
    "failed": "failed",
    "input": "input_tokens",
    "cache_read": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


class Question(NamedTuple):
    """What is asked of a gateway; `top` as in `aikeys report --top`."""

    kind: str
    by: tuple[str, ...]
    where: Where
    typed: RangeWords
    top: int | None = None


def report_at(gateway: Gateway, question: Question, now_us: int) -> Report:
    """Return the report; the total is the sum of the rows, and has to be what the gateway says it is."""
    calendar = _calendar(text(gateway.get(_PATH, [("group_by", "month")]), "time_zone"))
    span = span_of(question.typed, calendar, now_us)
    asked = [*zip(("start", "end"), _bounds(span), strict=True)]
    asked += [("group_by", ",".join(question.by))]
    asked += [(name, written(value) if value else "") for name, values in question.where for value in values]
    found = gateway.get(_PATH, asked)
    rows = [ReportRow(_keys(row, question.by), _figures(row)) for row in rows_in(found, "breakdown")]
    total = rows_.total_of(row.figures for row in rows)
    if total.cost_pusd != _pusd(found, "total_cost"):
        raise no_gateway()
    return Report(
        ReportHead(question.kind, question.by, _where(found, question.where), span, calendar.zone.key, _READ),
        tuple(rows if question.top is None else rows_.top(rows, question.top)),
        total,
        _coverage(table(found, "coverage")),
        tuple(map(str, prices)) if isinstance(prices := found.get("prices"), list) else (),
        newest_us=instant_us(text(found, "newest_call_at")),
    )


def _bounds(span: DayRange) -> tuple[str, str]:
    if span.between is None:
        return date_of(span.first).isoformat(), date_of(span.last).isoformat()
    return rfc3339(span.between[0] // 1_000_000), rfc3339(span.between[1] // 1_000_000)


def _calendar(zone: str) -> Calendar:
    from aikeys.errors import AikeysError

    try:
        return Calendar(zone)
    except (AikeysError, ValueError, OSError):
        raise no_gateway() from None


def _where(found: Table, asked: Where) -> Where:
    """Return what the report is narrowed to: what was asked, and what the token may see of it."""
    told = {("team" if name == _TEAM else name): texts for name, texts in table(found, "where").items()}
    return tuple((name, tuple(map(str, texts))) for name, texts in told.items() if isinstance(texts, list)) or asked


def _keys(row: Table, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text(row, _TEAM if name == "team" else name) for name in by)


def _figures(row: Table) -> Figures:
    counts = {name: value for name, field in _FIGURES.items() if isinstance(value := row.get(field), int)}
    return Figures(**counts)._replace(cost_pusd=_pusd(row, "cost_usd"))


def _coverage(told: Table) -> Coverage:
    """Return how the cost is known. Tokens are told as one sum: they stand as input."""
    sources = []
    for source in COST_SOURCES:
        row = table(told, source)
        calls, tokens = row.get("requests"), row.get("tokens")
        if isinstance(calls, int) and isinstance(tokens, int):
            doubt_pusd = _pusd(row, "doubt_usd") if row.get("doubt_usd") is not None else 0
            known = Figures(requests=calls, input=tokens, cost_pusd=_pusd(row, "cost_usd"), doubt_pusd=doubt_pusd)
            sources.append((source, known))
    runs = told.get("exec_runs_not_metered")
    if "unpriced" not in dict(sources) or not isinstance(runs, int):
        raise no_gateway()
    lost_us = instant_us(text(table(told, "lost_ledger"), "before"))
    unread = tuple(map(_unread, items(told, "unread_fields")))
    is_all = told.get("exec_runs_complete") is True
    return Coverage(tuple(sources), Runs(runs, is_all), lost_before_us=lost_us, unread=unread)


def _unread(row: Table) -> UnreadField:
    requests = row.get("requests")
    since_us = instant_us(text(row, "since")) or 0
    return UnreadField(text(row, "provider"), text(row, "field"), since_us, requests if type(requests) is int else 0)


def _pusd(row: Table, name: str) -> int:
    try:
        return read_usd(text(row, name))
    except UsageError:
        raise no_gateway() from None


def instant_us(told: str) -> int | None:
    """Return an instant of a gateway's answer, None where it tells none."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(told).timestamp()) * 1_000_000 if told else None
    except ValueError:
        return None
