"""Reports as values (pure): rows, total, and what it takes to judge them. The writers are in cli/render."""

from typing import NamedTuple

from aikeys.ledger.questions import Figures, Runs, Where
from aikeys.ledger.ranges import DayRange
from aikeys.ledger.unread_fields import UnreadField


class ReportRow(NamedTuple):
    """One group: the texts of `Report.by`, empty where unknown.

    `others`: how many groups `--top` put together in this row (its keys are empty). `trend`: the cost of equal parts of
    the range, where somebody will look at it.
    """

    keys: tuple[str, ...]
    figures: Figures
    previous_pusd: int | None = None
    others: int = 0
    trend: tuple[int, ...] = ()


class Coverage(NamedTuple):
    """How the cost is known: (cost source, figures) in the order of COST_SOURCES; and what no call was recorded of.

    `lost` and `lost_pusd`: calls whose process ended and that could not be booked, and what they hold.
    `lost_before_us`: nothing is known of the time before, which the range reaches into: its ledger was lost.
    `unpriced_models`: the models without a full price, where the report is by model.
    """

    sources: tuple[tuple[str, Figures], ...]
    runs: Runs
    lost: int = 0
    lost_pusd: int = 0
    lost_before_us: int | None = None
    unread: tuple[UnreadField, ...] = ()
    """Fields of replies that nobody read: they make costs lower bounds."""
    unpriced_models: tuple[str, ...] = ()

    @property
    def unpriced(self) -> Figures:
        return dict(self.sources)["unpriced"]


class Forecast(NamedTuple):
    """What the month will cost, in pico-USD, from the last `days` days: their median, first and third quartile."""

    pusd: int
    low_pusd: int
    high_pusd: int
    days: int


class Previous(NamedTuple):
    """What a report is compared with."""

    span: DayRange
    total: Figures


class ReportHead(NamedTuple):
    """What every kind of report says of itself. `read`: roll-ups, or calls where those could not answer.

    `lost_before_us` as in Coverage, where a report has none.
    """

    kind: str
    by: tuple[str, ...]
    where: Where
    span: DayRange
    zone: str
    read: str
    lost_before_us: int | None = None


class Report(NamedTuple):
    """Costs and usage. `total` is the sum of the rows, to the pico-dollar. `prices` are versions of the price book."""

    head: ReportHead
    rows: tuple[ReportRow, ...]
    total: Figures
    coverage: Coverage
    prices: tuple[str, ...] = ()
    previous: Previous | None = None
    forecast: Forecast | None = None
    newest_us: int | None = None


class Percentiles(NamedTuple):
    """Milliseconds that half, 95 % and 99 % of `calls` did not exceed."""

    calls: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


class LatencyRow(NamedTuple):
    """How long the calls of a group took, and how long to their first token; None where nobody measured."""

    keys: tuple[str, ...]
    whole: Percentiles | None
    first_token: Percentiles | None


class LatencyReport(NamedTuple):
    head: ReportHead
    rows: tuple[LatencyRow, ...]


class Unusual(NamedTuple):
    """A day out of the ordinary for everything, a key or a model, and who spent most of it."""

    day: int
    scope: str
    spent_pusd: int
    median_pusd: int
    top: tuple[tuple[str, str], ...]
    top_pusd: int


class AnomalyReport(NamedTuple):
    head: ReportHead
    rows: tuple[Unusual, ...]
