"""Outgoing alerts as every channel sends them: the document for programs, and how sending may fail (pure).

The text of a failure is stored and shown: no secret, no path of an address, no words of the other side.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from aikeys import clock
from aikeys.alerts.messages import AlertMessage
from aikeys.errors import ProviderRefused

SCHEMA = "aikeys.alert/1"


class OutgoingAlert(NamedTuple):
    """A message on its way: `id` (hex) is the same at every attempt, `at_s` when it was put out."""

    id: str
    at_s: int
    message: AlertMessage


class NotTaken(ProviderRefused):
    """The other side did not take it now; later it may."""

    code = "alert_not_taken"


class Rejected(ProviderRefused):
    """The other side will not take this message; a few more tries, then it is given up."""

    code = "alert_rejected"


def document(outgoing: OutgoingAlert) -> bytes:
    """Return the message as programs get it: one line of JSON, `aikeys.alert/1`."""
    message = outgoing.message
    fields = {
        "schema": SCHEMA,
        "id": outgoing.id,
        "at": clock.rfc3339(outgoing.at_s),
        "kind": message.kind,
        "subject": message.subject,
        "text": message.text,
        "facts": dict(message.facts),
    }
    return json.dumps(fields, ensure_ascii=False).encode()
