"""Ask the ledger and put a report together: one state of the ledger for everything in it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aikeys.errors import CannotDecide, UsageError
from aikeys.ledger.calendar import Calendar, typed_calendar
from aikeys.ledger.queries import Reading, reading
from aikeys.ledger.questions import ROLL_UPS, Figures, LedgerSums, SumQuery, Where
from aikeys.ledger.ranges import DayRange, RangeWords, before, month_of, span_of
from aikeys.ledger.store import MISSING_HINT, Ledger
from aikeys.reports import rows as rows_
from aikeys.reports.forecast import DAYS, forecast
from aikeys.reports.groups import TIMES
from aikeys.reports.own import Seen, seen
from aikeys.reports.values import (
    AnomalyReport,
    Coverage,
    Forecast,
    LatencyReport,
    LatencyRow,
    Previous,
    Report,
    ReportHead,
    ReportRow,
)
from aikeys.tokens.sight import EVERYTHING, Sight


class ReportRequest(NamedTuple):
    """What was asked for. `zone` is empty for the ledger's; `trend`: somebody will look at sparklines.

    `sight`: what whoever asks may see.
    """

    kind: str
    by: tuple[str, ...]
    where: Where = ()
    typed: RangeWords = RangeWords()
    zone: str = ""
    compare: bool = False
    top: int | None = None
    trend: bool = False
    sight: Sight = EVERYTHING


def opened(ledger: Ledger) -> Ledger:
    """Open the ledger; CannotDecide where there is none: no spend is known, which is not the same as no spend."""
    if not ledger.exists:
        raise CannotDecide(f"there is no ledger at {ledger.path}", MISSING_HINT)
    return ledger.open()


def report(ledger: Ledger, request: ReportRequest, now_us: int) -> Report:
    """Return the costs and usage asked for."""
    calendar = _calendar(ledger, request)
    today = calendar.day_of(now_us)
    span = span_of(request.typed, calendar, now_us)
    if request.compare and any(name in TIMES for name in request.by):
        raise UsageError("--compare cannot stand beside a time in --by", "group by labels, such as --by team,model")
    with reading(ledger) as books:
        own = seen(books, request.where, request.sight)
        asked = SumQuery(rows_.asked_groups(request.by), own.where, span.first, span.end, calendar, span.between)
        answer = books.sums(asked)
        groups = rows_.grouped(answer.cells, request.by)
        found = rows_.rows_of(groups, request.by, calendar)
        previous = None
        if request.compare:
            previous, found = _compared(books, asked, before(span, today, calendar), found)
        if request.trend and answer.read == ROLL_UPS and not any(name in TIMES for name in request.by):
            found = _with_trend(books, asked, found)
        total = rows_.total_of(groups.values())
        coverage = rows_.coverage_of(
            answer.cells,
            asked.by,
            books.runs_not_metered(asked.start_us, asked.end_us, own.tokens),
            books.lost_before_us(asked.start_us),
        )
        return Report(
            ReportHead(request.kind, request.by, own.said, span, calendar.zone.key, answer.read),
            tuple(found if request.top is None else rows_.top(found, request.top)),
            total,
            with_unread(books, asked, coverage),
            versions(books, answer),
            previous,
            _forecast(books, asked, today, total, own),
            books.newest_us() if own.is_whole else None,
        )


def with_unread(books: Reading, asked: SumQuery, coverage: Coverage) -> Coverage:
    """Return what is known of the costs, with the fields of replies that nobody read."""
    if not coverage.unpriced.requests:
        return coverage
    return coverage._replace(unread=tuple(books.unread_fields(asked)))


def latency(ledger: Ledger, request: ReportRequest, now_us: int) -> LatencyReport:
    """Return how long calls took. Always reads the calls."""
    from aikeys.reports.latency import grouped, percentiles

    calendar = _calendar(ledger, request)
    span = span_of(request.typed, calendar, now_us)
    with reading(ledger) as books:
        own = seen(books, request.where, request.sight)
        asked = SumQuery(rows_.asked_groups(request.by), own.where, span.first, span.end, calendar, span.between)
        whole, first = (
            grouped(books.durations(asked, column), request.by) for column in ("latency_ms", "first_token_ms")
        )
        lost_us = books.lost_before_us(asked.start_us)
    rows = [
        LatencyRow(
            rows_.texts_of(keys, request.by, calendar),
            percentiles(whole.get(keys, {})),
            percentiles(first.get(keys, {})),
        )
        for keys in sorted({*whole, *first})
    ]
    head = ReportHead(request.kind, request.by, own.said, span, calendar.zone.key, "calls", lost_us)
    return LatencyReport(head, tuple(rows))


def anomalies(ledger: Ledger, request: ReportRequest, now_us: int) -> AnomalyReport:
    """Return the days out of the ordinary."""
    from aikeys.reports.unusual import unusual

    calendar = _calendar(ledger, request)
    today = calendar.day_of(now_us)
    span = span_of(request.typed, calendar, now_us)
    with reading(ledger) as books:
        own = seen(books, request.where, request.sight)
        asked = SumQuery((), own.where, span.first, span.end, calendar, span.between)
        found, read = unusual(books, asked, today)
        lost_us = books.lost_before_us(asked.start_us)
    return AnomalyReport(ReportHead(request.kind, (), own.said, span, calendar.zone.key, read, lost_us), found)


def lost_before_us(ledger: Ledger, request: ReportRequest, now_us: int) -> int | None:
    """Return up to when nothing is known of a report's range, because the ledger of that time was lost; else None."""
    calendar = _calendar(ledger, request)
    span = span_of(request.typed, calendar, now_us)
    with reading(ledger) as books:
        return books.lost_before_us(span.between[0] if span.between else calendar.start_us(span.first))


def focus_rows(
    ledger: Ledger, request: ReportRequest, now_us: int, titles: Mapping[str, str]
) -> Iterator[dict[str, str | None]]:
    """Yield the rows of FOCUS 1.2; `titles` are the providers' names for people. Reads all calls before the first."""
    from aikeys.reports import focus

    calendar = _calendar(ledger, request)
    span = span_of(request.typed, calendar, now_us)
    with reading(ledger) as books:
        own = seen(books, request.where, request.sight)
        asked = SumQuery((), own.where, span.first, span.end, calendar, span.between)
        yield from focus.rows(books.metered(asked), calendar, titles, books.rolled_tags())


def _calendar(ledger: Ledger, request: ReportRequest) -> Calendar:
    return typed_calendar(request.zone) if request.zone else Calendar(ledger.zone)


def _compared(
    books: Reading, asked: SumQuery, span: DayRange, found: list[ReportRow]
) -> tuple[Previous, list[ReportRow]]:
    answer = books.sums(asked._replace(first=span.first, end=span.end, between=span.between))
    groups = rows_.grouped(answer.cells, asked.by)
    earlier = rows_.rows_of(groups, asked.by, asked.calendar)
    return Previous(span, rows_.total_of(groups.values())), rows_.compared(found, earlier)


def _with_trend(books: Reading, asked: SumQuery, found: list[ReportRow]) -> list[ReportRow]:
    by = (*asked.by, "day")
    daily = rows_.grouped(books.sums(asked._replace(by=by)).cells, by)
    return rows_.with_trend(found, daily, DayRange(asked.first, asked.end), asked.by, asked.calendar)


def _forecast(books: Reading, asked: SumQuery, today: int, total: Figures, own: Seen) -> Forecast | None:
    """Only a month that is still running has one, from the first call on that whoever asks may see."""
    if DayRange(asked.first, asked.end, asked.between) != month_of(today):
        return None
    recent = books.sums(asked._replace(by=("day",), first=today - DAYS, end=today))
    days = [int(keys[0]) for keys, _ in recent.cells]
    oldest = books.first_day() if own.is_whole else min(days, default=None)
    first = today - DAYS if oldest is None else max(today - DAYS, oldest)
    if oldest is None or first >= today:
        return None
    costs = dict.fromkeys(range(first, today), 0)
    for (keys, _), figures in recent.cells.items():
        costs[int(keys[0])] += figures.cost_pusd
    return forecast(total.cost_pusd, [*costs.values()], asked.end - 1 - today)


def versions(books: Reading, answer: LedgerSums) -> tuple[str, ...]:
    """Return the versions of the price book: of `openai/gpt-5@2026-11-23:bundled input=…` what is behind the @."""
    references = {text.partition(" ")[0] for text in books.prices(answer)}
    return tuple(sorted({reference.rpartition("@")[2] for reference in references}))
