"""Rules for unusual spending (pure): whole integers of pico-USD, no clock, no files.

- Unusual is a day that costs at least 3 × the median of the active days before it, with a modified z score above 3.5,
  and at least $1 more. Days without spending don't count, five others are needed, the day itself is no part of them.
  Median and MAD, because a mean is masked by the spike before this one.
- A token runs away when it spends over max(limit / 50, $0.50) in five minutes and over limit / 20 in an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aikeys.money import PUSD_PER_USD

ALL = "all"
_Z_NUMERATOR, _Z_DENOMINATOR = 6745, 35_000  # 0.6745 · (x - median) / MAD > 3.5 (Iglewicz and Hoaglin)


class Rules(NamedTuple):
    """From when on a day is unusual; `history_days` is how far back the ordinary is looked for."""

    times: int = 3
    least_rise_pusd: int = PUSD_PER_USD
    active_days: int = 5
    history_days: int = 28


RULES = Rules()


class SpendLabels(NamedTuple):
    """Whose money it was, as reports group it; empty where unknown."""

    key: str
    model: str
    team: str
    project: str
    user: str


class Spend(NamedTuple):
    """What somebody spent on a day."""

    day: int
    spender: SpendLabels
    pusd: int


class Finding(NamedTuple):
    """An unusual day of a scope (`all`, `key:NAME`, `model:NAME`), and who spent most of it."""

    scope: str
    day: int
    spent_pusd: int
    median_pusd: int
    top: SpendLabels
    top_pusd: int


class TokenPace(NamedTuple):
    """What a token spent in the last five minutes and the last hour, and its tightest budget."""

    token: str
    five_minutes_pusd: int
    hour_pusd: int
    limit_pusd: int


def is_unusual(spent_pusd: int, before: Iterable[int], rules: Rules = RULES) -> bool:
    """Tell whether a day's spending is unusual after the days `before` it, in any order."""
    active = sorted(pusd for pusd in before if pusd > 0)
    if len(active) < rules.active_days:
        return False
    median_2 = _median_2(active)
    rise_2 = 2 * spent_pusd - median_2
    deviation_4 = _median_2(sorted(abs(2 * pusd - median_2) for pusd in active))
    return (
        2 * spent_pusd >= rules.times * median_2
        and rise_2 >= 2 * rules.least_rise_pusd
        and _Z_NUMERATOR * 2 * rise_2 > _Z_DENOMINATOR * deviation_4
    )


def find(spending: Iterable[Spend], day: int, rules: Rules = RULES) -> list[Finding]:
    """Return what is unusual on a day: for everything, for each key and each model; the largest first."""
    days: dict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    spenders: dict[str, defaultdict[SpendLabels, int]] = defaultdict(lambda: defaultdict(int))
    for spend in spending:
        if day - rules.history_days <= spend.day <= day:
            for scope in _scopes(spend.spender):
                days[scope][spend.day] += spend.pusd
                if spend.day == day:
                    spenders[scope][spend.spender] += spend.pusd
    findings = []
    for scope, sums in days.items():
        spent = sums.pop(day, 0)
        if is_unusual(spent, sums.values(), rules):
            top, top_pusd = max(spenders[scope].items(), key=lambda item: (item[1], item[0]))
            findings.append(Finding(scope, day, spent, median(list(sums.values())), top, top_pusd))
    return sorted(findings, key=lambda found: (-found.spent_pusd, found.scope != ALL, found.scope))


def median(amounts: Sequence[int]) -> int:
    """Return the median of the amounts above zero, rounded down to a whole pico-USD; 0 without any."""
    active = sorted(pusd for pusd in amounts if pusd > 0)
    return _median_2(active) // 2 if active else 0


def runs_away(pace: TokenPace) -> bool:
    """Tell whether a token spends so fast that somebody should look."""
    five_minutes = pace.five_minutes_pusd
    return (
        2 * five_minutes > PUSD_PER_USD
        and 50 * five_minutes > pace.limit_pusd
        and 20 * pace.hour_pusd > pace.limit_pusd
    )


def _scopes(spender: SpendLabels) -> list[str]:
    named = (("key", spender.key), ("model", spender.model))
    return [ALL, *(f"{kind}:{name}" for kind, name in named if name)]


def _median_2(rising: Sequence[int]) -> int:
    """Return twice the median, which is whole."""
    middle = len(rising) // 2
    return rising[middle] * 2 if len(rising) % 2 else rising[middle - 1] + rising[middle]
