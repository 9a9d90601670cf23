"""The terms of a budget (pure): limit, period, what happens at the limit, when to tell, what an unknown end counts.

Their canonical text stands in the ledger's chain with every `budget set`: the table of budgets is made from it and
checked by it. What an unknown end counts is said only where it is not the worst case: other texts are as they were.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.budgets.decisions import AT_LIMIT, BLOCK, BLOCKING
from aikeys.errors import Damaged, UsageError

DAY, WEEK, MONTH, TOTAL = PERIODS = ("day", "week", "month", "total")
WORST, ESTIMATE = WHEN_UNKNOWN = ("worst", "estimate")
DEFAULT_ALERTS = (80, 100)
HINT = "put an unchanged copy of ledger.db back"
_HIGHEST_ALERT = 1000
_MOST_ALERTS = 10


class Terms(NamedTuple):
    """What a budget says. `alerts` are whole percents of the limit, rising.

    `when_unknown`: what counts where the provider broke a reply off and nobody knows what it cost.
    """

    limit_pusd: int
    period: str = MONTH
    at_limit: str = BLOCK
    alerts: tuple[int, ...] = DEFAULT_ALERTS
    when_unknown: str = WORST

    @property
    def is_soft(self) -> bool:
        """Tell whether more may be spent than is counted: calls are refused, and an unknown end counts as estimated."""
        return self.when_unknown == ESTIMATE and self.at_limit in BLOCKING


def parse_period(text: str) -> str:
    """Return a period; UsageError for anything else."""
    return _one_of(text, PERIODS, "a period")


def parse_at_limit(text: str) -> str:
    """Return what happens at the limit; UsageError for anything else."""
    return _one_of(text, AT_LIMIT, "a way to act at the limit")


def parse_when_unknown(text: str) -> str:
    """Return what an unknown end counts; UsageError for anything else."""
    return _one_of(text, WHEN_UNKNOWN, "what an unknown end can count")


def parse_alerts(text: str) -> tuple[int, ...]:
    """Return thresholds such as `80,100`, rising, each once; empty text for none. Usage for anything else."""
    percents = set()
    for part in text.split(",") if text.strip() else []:
        word = part.strip().removesuffix("%")
        if not (word.isascii() and word.isdigit() and len(word) < 5 and 1 <= int(word) <= _HIGHEST_ALERT):
            raise UsageError(f"{ascii(part)[1:-1]!r} is not a threshold", "write whole percents: --alert 80,100")
        percents.add(int(word))
    if len(percents) > _MOST_ALERTS:
        raise UsageError(f"{len(percents)} thresholds are too many", f"give at most {_MOST_ALERTS}")
    return tuple(sorted(percents))


def alerts_text(alerts: tuple[int, ...]) -> str:
    """Return thresholds as `80,100`."""
    return ",".join(str(percent) for percent in alerts)


def terms_text(terms: Terms) -> str:
    """Return the canonical text of terms."""
    alerts = alerts_text(terms.alerts)
    said = f"period={terms.period} limit_pusd={terms.limit_pusd} at_limit={terms.at_limit} alerts={alerts}"
    return said if terms.when_unknown == WORST else f"{said} when_unknown={terms.when_unknown}"


def read_terms(text: str) -> Terms:
    """Return what `terms_text` wrote; raises ValueError."""
    fields = dict(part.split("=", 1) for part in text.split(" "))
    alerts = tuple(int(percent) for percent in fields["alerts"].split(",") if percent)
    when_unknown = fields.get("when_unknown", WORST)
    terms = Terms(int(fields["limit_pusd"]), fields["period"], fields["at_limit"], alerts, when_unknown)
    words = ((terms.period, PERIODS), (terms.at_limit, AT_LIMIT), (terms.when_unknown, WHEN_UNKNOWN))
    if terms_text(terms) != text or any(word not in known for word, known in words):
        raise ValueError(text)
    return terms


def stored_pusd(text: str, of: str) -> int:
    """Return an amount from a table, where it is decimal text; Damaged for anything else, naming whose it is."""
    try:
        return int(text)
    except ValueError:
        raise Damaged(f"in the ledger the {of} has an amount that is not a number: {text[:20]!r}", HINT) from None


def _one_of(text: str, known: tuple[str, ...], what: str) -> str:
    if text not in known:
        raise UsageError(f"{ascii(text)[1:-1]!r} is not {what}", f"one of: {', '.join(known)}")
    return text
