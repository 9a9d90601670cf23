"""Reports: what was spent and how long calls took, as `aikeys report` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aikeys.cli.ports.choice import chosen
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aikeys.remote.client import Gateway
    from aikeys.reports.asking import ReportRequest
    from aikeys.reports.values import AnomalyReport, LatencyReport, Report, ReportHead

_OPENMETRICS = "openmetrics"
_BARE = ("csv", _OPENMETRICS)
"""Formats with no room for a word: what there is to say goes to standard error."""


class ReportsPort(Protocol):
    """Where reports come from. `form` is the format that a report is for."""

    def cost(self, request: ReportRequest, form: str) -> Report:
        """Return what was spent or used; NotFound, Usage."""
        ...

    def latency(self, request: ReportRequest) -> LatencyReport:
        """Return how long calls took."""
        ...

    def anomalies(self, request: ReportRequest) -> AnomalyReport:
        """Return the days that were out of the ordinary."""
        ...

    def focus(self, request: ReportRequest) -> Iterator[Mapping[str, str | None]]:
        """Return the rows of FOCUS; they come as they are read."""
        ...


class ReportsHere:
    """The ledger of this home, with what whoever asks may see of it."""

    def __init__(self) -> None:
        from aikeys.cli import authority, home
        from aikeys.cli.lost_calls import book_lost_calls
        from aikeys.reports import asking

        self._sight = authority.sight()
        self._ledger = asking.opened(home.ledger())
        self._held = book_lost_calls(self._ledger)

    def cost(self, request: ReportRequest, form: str) -> Report:
        from aikeys import clock
        from aikeys.cli.lost_calls import warn_of_lost_ledger
        from aikeys.reports import asking

        found = asking.report(self._ledger, self._seen(request), clock.now_us())
        if self._held is not None:
            coverage = found.coverage._replace(lost=self._held.calls, lost_pusd=self._held.pusd)
            found = found._replace(coverage=coverage)
        if form in _BARE:
            _say_if_scanned(found.head)
            warn_of_lost_ledger(found.coverage.lost_before_us)
        return found

    def latency(self, request: ReportRequest) -> LatencyReport:
        from aikeys import clock
        from aikeys.reports import asking

        return asking.latency(self._ledger, self._seen(request), clock.now_us())

    def anomalies(self, request: ReportRequest) -> AnomalyReport:
        from aikeys import clock
        from aikeys.reports import asking

        return asking.anomalies(self._ledger, self._seen(request), clock.now_us())

    def focus(self, request: ReportRequest) -> Iterator[Mapping[str, str | None]]:
        from aikeys import clock
        from aikeys.cli import home
        from aikeys.cli.lost_calls import warn_of_lost_ledger
        from aikeys.reports import asking

        request = self._seen(request)
        warn_of_lost_ledger(asking.lost_before_us(self._ledger, request, clock.now_us()))
        titles = {name: provider.title for name, provider in home.catalogue(home.place()).items()}
        return asking.focus_rows(self._ledger, request, clock.now_us(), titles)

    def _seen(self, request: ReportRequest) -> ReportRequest:
        return request._replace(sight=self._sight)


class ReportsThere:
    """A gateway's ledger, which tells cost and usage by its own days; the rest is refused."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def cost(self, request: ReportRequest, form: str) -> Report:
        from aikeys import clock
        from aikeys.remote.usage import Question, report_at

        if form == _OPENMETRICS:
            raise _cannot("do --format openmetrics")
        if request.compare:
            raise _cannot("do --compare")
        if request.zone:
            raise _cannot("do --tz")
        question = Question(request.kind, request.by, request.where, request.typed, request.top)
        return report_at(self._gateway, question, clock.now_us())

    def latency(self, request: ReportRequest) -> LatencyReport:
        raise _cannot(f"report {request.kind}")

    def anomalies(self, request: ReportRequest) -> AnomalyReport:
        raise _cannot(f"report {request.kind}")

    def focus(self, request: ReportRequest) -> Iterator[Mapping[str, str | None]]:  # noqa: ARG002  as those here
        raise _cannot("do --format focus")


def reports() -> ReportsPort:
    """Return where reports come from now."""
    return chosen(ReportsHere, ReportsThere)


def _cannot(what: str) -> UsageError:
    return UsageError(
        f"a gateway cannot {what}",
        "it reports cost and usage as table, json, csv and markdown; run the rest where its ledger is",
    )


def _say_if_scanned(head: ReportHead) -> None:
    from aikeys.cli import terminal
    from aikeys.cli.render.report_words import scanned
    from aikeys.ledger.questions import CALLS

    if head.read == CALLS:
        terminal.detail(scanned(head))
