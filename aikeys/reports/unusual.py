"""Days out of the ordinary within a range: the rules of alerts/anomalies.py over the daily roll-ups."""

from __future__ import annotations

from aikeys.alerts.anomalies import RULES, Finding, Spend, SpendLabels, find
from aikeys.ledger.queries import Reading
from aikeys.ledger.questions import SumQuery
from aikeys.reports.values import Unusual

_BY = ("day", "key", "model", "team", "project", "user")


def unusual(books: Reading, asked: SumQuery, today: int) -> tuple[tuple[Unusual, ...], str]:
    """Return what was unusual on the days asked for, the latest first; today counts as far as it has come.

    Also where it was read from: roll-ups or calls.
    """
    known = asked._replace(by=_BY, first=asked.first - RULES.history_days, end=min(asked.end, today + 1))
    days: dict[int, list[Spend]] = {}
    answer = books.sums(known)
    for (keys, _), figures in answer.cells.items():
        day, *labels = keys
        days.setdefault(int(day), []).append(Spend(int(day), SpendLabels(*map(str, labels)), figures.cost_pusd))
    found: list[Finding] = []
    for day in sorted((day for day in days if day >= asked.first), reverse=True):
        window = [spend for each in range(day - RULES.history_days, day + 1) for spend in days.get(each, ())]
        found += find(window, day)
    rows = tuple(
        Unusual(
            each.day, each.scope, each.spent_pusd, each.median_pusd, tuple(each.top._asdict().items()), each.top_pusd
        )
        for each in found
    )
    return rows, answer.read
