"""Look at the ledger for unusual days and tokens that run away, and put out a message for each.

Unusual days come from the daily roll-ups. A day is looked at until the end of the next one, so that what was spent
just before midnight is seen; the occasion keeps it to one message. Nothing is read for kinds that no channel wants.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from aikeys.alerts import anomalies, outbox
from aikeys.alerts.anomalies import ALL, RULES, Finding, Spend, SpendLabels, TokenPace
from aikeys.alerts.key_dates import Due
from aikeys.alerts.messages import ANOMALY, VELOCITY, AlertMessage
from aikeys.ledger.calendar import HOUR_US, Calendar, date_of
from aikeys.ledger.queries import Reading
from aikeys.ledger.questions import SumQuery
from aikeys.ledger.store import Ledger
from aikeys.money import joined, shown_usd, usd_text

FIVE_MINUTES_US = 5 * 60 * 1_000_000
_BY = ("day", "key", "model", "team", "project", "user")


def watch(ledger: Ledger, now_us: int) -> list[Due]:
    """Return what is unusual now."""
    with ledger.reading() as connection:
        found: list[Due] = []
        if outbox.wanted(connection, ANOMALY):
            found += map(_unusual, _findings(Reading(connection, ledger), Calendar(ledger.zone), now_us))
        if outbox.wanted(connection, VELOCITY):
            calendar = Calendar(ledger.zone)
            paces = _paces(connection, now_us, calendar.day_of(now_us - HOUR_US))
            found += [_runaway(pace, now_us) for pace in paces if anomalies.runs_away(pace)]
    return found


def put_all(ledger: Ledger, found: Iterable[Due]) -> None:
    """Put out messages that were not put out before; nothing is written where there are none."""
    found = list(found)
    with ledger.reading() as connection:
        new = [due for due in found if not outbox.is_put(connection, due.once, due.message.kind)]
    if new:
        with ledger.writing() as writer:
            for due in new:
                outbox.put(writer, due.once, due.message)


def _findings(reading: Reading, calendar: Calendar, now_us: int) -> Iterator[Finding]:
    today = calendar.day_of(now_us)
    asked = SumQuery(_BY, (), today - 1 - RULES.history_days, today + 1, calendar)
    spending = [
        Spend(int(day), SpendLabels(*map(str, labels)), figures.cost_pusd)
        for ((day, *labels), _), figures in reading.sums(asked).cells.items()
    ]
    for day in (today - 1, today):
        yield from anomalies.find(spending, day)


def _paces(connection: sqlite3.Connection, now_us: int, first_day: int) -> Iterator[TokenPace]:
    """Yield the pace of every token that has a budget of its own and spent in the last hour."""
    limits: dict[str, int] = {}
    for who, limit in connection.execute("SELECT who, limit_pusd FROM budget WHERE who LIKE 'token:%'"):
        token = who.removeprefix("token:")
        limits[token] = min(limits.get(token, int(limit)), int(limit))
    if not limits or not _may_run_away(connection, limits, now_us):
        return
    spent = connection.execute(
        "SELECT w.text, sum(c.cost_pusd >> 32), sum(c.cost_pusd & 4294967295), "
        "sum((c.cost_pusd >> 32) * (c.at_us > ?)), sum((c.cost_pusd & 4294967295) * (c.at_us > ?)) "
        "FROM call c JOIN context x ON x.id = c.context JOIN word w ON w.id = x.token "
        "WHERE c.day >= ? AND c.at_us > ? AND c.at_us <= ? AND w.text <> '' GROUP BY x.token",
        (*[now_us - FIVE_MINUTES_US] * 2, first_day, now_us - HOUR_US, now_us),
    )
    for token, *halves in spent:
        limit_pusd = limits.get(token, limits.get("*"))
        if limit_pusd is not None:
            yield TokenPace(token, joined(*halves[2:]), joined(*halves[:2]), limit_pusd)


def _may_run_away(connection: sqlite3.Connection, limits: Mapping[str, int], now_us: int) -> bool:
    """Tell whether a token spent enough in the hours that the last hour touches: the sums by hour, not the calls.

    A call and its corrections share an hour, so that these sums are never below those of the last hour.
    """
    sums = connection.execute(
        "SELECT w.text, sum(r.cost_high), sum(r.cost_low) FROM rollup_token_hour r JOIN word w ON w.id = r.token "
        "WHERE r.hour >= ? GROUP BY r.token",
        ((now_us - HOUR_US) // HOUR_US,),
    )
    for token, *halves in sums:
        limit_pusd, most_pusd = limits.get(token, limits.get("*")), joined(*halves)
        if limit_pusd is not None and anomalies.runs_away(TokenPace(token, most_pusd, most_pusd, limit_pusd)):
            return True
    return False


def _unusual(found: Finding) -> Due:
    date = date_of(found.day).isoformat()
    kind, _, name = found.scope.partition(":")
    scope = "everything" if found.scope == ALL else f"the {kind} {name}"
    spent, usual = shown_usd(found.spent_pusd), shown_usd(found.median_pusd)
    where = f" --where {kind}={name}" if name else ""
    text = (
        f"On {date} {scope} cost {spent}. A usual day costs {usual} (the median of the four weeks before).\n"
        f"The largest part is {shown_usd(found.top_pusd)}: {_spender(found.top)}.\n\n"
        f"See who spent it: aikeys report --by key,model,team,user --since {date} --until {date}{where}\n"
    )
    facts = (
        *(("scope", found.scope), ("date", date), ("spent_usd", usd_text(found.spent_pusd))),
        *(("median_usd", usd_text(found.median_pusd)), ("top_usd", usd_text(found.top_pusd))),
        *((f"top_{field}", value) for field, value in found.top._asdict().items() if value),
    )
    subject = f"unusual spending, {scope}: {spent} on {date}"
    return Due(f"anomaly:{found.scope}:{found.day}", AlertMessage(ANOMALY, subject, text, facts))


def _runaway(pace: TokenPace, now_us: int) -> Due:
    fast, hour = shown_usd(pace.five_minutes_pusd), shown_usd(pace.hour_pusd)
    text = (
        f"The token {pace.token} spent {fast} in five minutes and {hour} in an hour. Its budget is "
        f"{shown_usd(pace.limit_pusd)}.\n\n"
        f"What it does: aikeys log\nStop it: aikeys token revoke {pace.token}\n"
    )
    facts = (
        *(("token", pace.token), ("five_minutes_usd", usd_text(pace.five_minutes_pusd))),
        *(("hour_usd", usd_text(pace.hour_pusd)), ("limit_usd", usd_text(pace.limit_pusd))),
    )
    subject = f"the token {pace.token} spent {fast} in five minutes"
    return Due(f"velocity:{pace.token}:{now_us // HOUR_US}", AlertMessage(VELOCITY, subject, text, facts))


def _spender(spender: SpendLabels) -> str:
    return ", ".join(f"{field} {value}" for field, value in spender._asdict().items() if value) or "unlabelled"
