"""Header and footer of a report for people: its subject, how the cost is known, what is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.render.counted import counted
from aikeys.clock import rfc3339
from aikeys.ledger.calendar import date_of
from aikeys.ledger.calls import BILLED, COMPUTED, ESTIMATED, UNPRICED, WORST_CASE
from aikeys.ledger.lost_ledgers import WAY_OUT, sentence
from aikeys.ledger.questions import CALLS, SLOT
from aikeys.ledger.ranges import DayRange
from aikeys.money import shown_usd
from aikeys.reports.groups import TIMES
from aikeys.reports.values import Report, ReportHead

if TYPE_CHECKING:
    from aikeys.ledger.unread_fields import UnreadField
    from aikeys.reports.currency import Currency

HOW_SURE = {
    BILLED: "as the provider billed",
    COMPUTED: "from usage × price",
    ESTIMATED: "estimated",
    WORST_CASE: "at the worst case",
    UNPRICED: "without a price",
}
_PRICES = {"bundled": "shipped with aikeys", "updated": "from aikeys prices update"}
_OWN_PRICES = {"config": "of your own (config.toml)", "local": "of this machine, where models are free"}
_MOST_MODELS = 5


def heading(head: ReportHead) -> list[str]:
    """Return two lines: the question; range and zone."""
    by = f" by {', '.join(head.by)}" if head.by else ""
    where = "".join(f", {name} = {' or '.join(text or '-' for text in texts)}" for name, texts in head.where)
    return [f"{head.kind}{by}{where}", f"{span_text(head.span)}, {head.zone}"]


def footing(report: Report, currency: Currency | None, *, is_verbose: bool = False) -> list[str]:
    """Return the sentences below a report; what could mislead without them is always there."""
    lines = [_how_sure(report), *_missing(report)]
    if report.previous:
        lines.append(f"before: {span_text(report.previous.span)}, {shown_usd(report.previous.total.cost_pusd)}")
    if report.forecast:
        known = report.forecast
        lines.append(
            f"forecast of the month: {shown_usd(known.pusd)}, likely {shown_usd(known.low_pusd)} to "
            f"{shown_usd(known.high_pusd)} (from the last {known.days} whole days)"
        )
    if report.prices:
        lines.append(_priced_by(report.prices))
    if currency:
        lines.append(f"1 USD = {currency.rate_text} {currency.code}, as configured")
    if is_verbose and report.head.read == CALLS:
        lines.append(scanned(report.head))
    return lines


def scanned(head: ReportHead) -> str:
    """Say why a report took long."""
    asked = [name for name in dict.fromkeys((*head.by, *(name for name, _ in head.where))) if name not in TIMES]
    is_hourly = "hour" in head.by or {*asked} <= {*SLOT}
    missing = "the hours of this range" if is_hourly else " and ".join(asked)
    return f"slower: every call of the range was read, because no stored totals have {missing}"


def span_text(span: DayRange) -> str:
    if span.between is not None:
        return " to ".join(rfc3339(at_us // 1_000_000) for at_us in span.between)
    return str(date_of(span.first)) if span.first == span.last else f"{date_of(span.first)} to {date_of(span.last)}"


def unread_text(one: UnreadField) -> str:
    """Say which field of whose replies is not read, and since when."""
    since = clock.rfc3339(one.since_us // 1_000_000)[:10]
    requests = f"{counted(one.requests, 'request')} " if one.requests else ""
    return f"not read: {one.field} of {one.provider}, {requests}since {since}"


def unknown_before(before_us: int | None) -> list[str]:
    """Return what is said of a range that reaches before a ledger which stands for a lost one."""
    return [] if before_us is None else [f"not in the total: {sentence(before_us)}", WAY_OUT]


def _how_sure(report: Report) -> str:
    """Return the requests and the cost by cost source, without sources that have neither."""
    found = [(source, figures) for source, figures in report.coverage.sources if figures.requests or figures.cost_pusd]
    parts = [
        f"{counted(figures.requests, 'request') if not at else format(figures.requests, ',')} {HOW_SURE[source]}"
        + ("" if source == UNPRICED else f" ({shown_usd(figures.cost_pusd)})")
        for at, (source, figures) in enumerate(found)
    ]
    return f"how sure: {', '.join(parts)}" if parts else "no requests in this range"


def _priced_by(versions: tuple[str, ...]) -> str:
    """Return whose prices were used: a version is DATE:SOURCE of a price book, or of the user's own prices."""
    found = dict.fromkeys(_prices_text(version) for version in versions)
    return f"prices {'; '.join(found)}"


def _prices_text(version: str) -> str:
    date, _, source = version.rpartition(":")
    return _OWN_PRICES.get(source) or f"of {date}, {_PRICES.get(source, source)}"


def _missing(report: Report) -> list[str]:
    unpriced, runs = report.coverage.unpriced, report.coverage.runs
    lines = unknown_before(report.coverage.lost_before_us)
    if report.coverage.lost:
        calls = counted(report.coverage.lost, "call")
        lines.append(
            f"not in the total: {shown_usd(report.coverage.lost_pusd)} reserved by {calls} whose process ended"
        )
    doubt_pusd = sum(figures.doubt_pusd for _, figures in report.coverage.sources)
    if doubt_pusd > 0:
        lines.append(f"not in the total: up to {shown_usd(doubt_pusd)} of streams that a provider broke off (≈)")
    if unpriced.requests:
        tokens = unpriced.input + unpriced.output
        is_one = unpriced.requests == 1
        what = f"{counted(unpriced.requests, 'request')} ({tokens:,} tokens) {'has' if is_one else 'have'}"
        part = f", of which only {shown_usd(unpriced.cost_pusd)} is known" if unpriced.cost_pusd else ""
        lines.append(f"not in the total: {what} no full price{part}{_models(report.coverage.unpriced_models)}")
        lines += map(unread_text, report.coverage.unread)
    if not runs.known and not runs.is_all:
        lines.append("not in the total: unmetered exec runs of archived days, if there were any")
    elif runs.known:
        least = "" if runs.is_all else "at least "
        lines.append(f"not in the total: {least}{counted(runs.known, 'exec run')} whose spending was not metered")
    return lines


def _models(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_MODELS} more" if len(names) > _MOST_MODELS else ""
    return f": {', '.join(name or '-' for name in names[:_MOST_MODELS])}{more}" if names else ""
