"""Tells of a number that a provider reports and nobody reads: once a day for each provider and field.

It goes out with the kind `anomaly`, in the transaction that books the call. A provider that makes up names is told of
twenty times a day.
"""

from __future__ import annotations

from collections.abc import Iterable

from aikeys.alerts import outbox
from aikeys.alerts.messages import ANOMALY, AlertMessage
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Writer

_MOST_A_DAY = 20


def put_unread(writer: Writer, provider: str, fields: Iterable[str], calendar: Calendar) -> None:
    """Put out a message for each field that was not told of today; nothing where no channel wants it."""
    if not outbox.wanted(writer.connection, ANOMALY):
        return
    day = calendar.day_of(writer.now_us)
    begin, end = f"unread:{provider}:", f":{day}"
    told = outbox.occasions(writer.connection, begin, end)
    for field in fields:
        once = f"{begin}{field}{end}"
        if once not in told and len(told) < _MOST_A_DAY:
            told.add(once)
            outbox.put(writer, once, _message(provider, field))


def _message(provider: str, field: str) -> AlertMessage:
    text = (
        f"Replies of {provider} report {field}, which this version of aikeys does not know. It may be a fee: the cost "
        "of such calls is a lower bound, and they are recorded as unpriced.\n\n"
        f"See them: aikeys log, aikeys report --where provider={provider}\n"
        f"Say what it is, in config.toml: [reported.{provider}] free, part_of or fee; see aikeys prices show --help\n"
    )
    facts = (("provider", provider), ("field", field))
    return AlertMessage(ANOMALY, f"{provider} reports {field}, which nobody reads", text, facts)
