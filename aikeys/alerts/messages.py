"""Alert messages and their stored form (pure).

- No secret is ever in a message. A person's name may be: the outbox empties a message once it is delivered or given
  up, and `without_person` takes an erased name out of one that waits.
- A message from the ledger's labels cannot forge a header or a line: subject and facts are one line each.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

BUDGET, KEY, ANOMALY, VELOCITY, TEST = KINDS = ("budget", "key", "anomaly", "velocity", "test")
SUBSCRIBED = KINDS[:-1]  # a test goes to the channel that is tested
_LONGEST_SUBJECT = 200


class AlertMessage(NamedTuple):
    """One alert: `kind` of KINDS, a subject for people, the whole text, and the same as (name, value) for programs.

    Names in `facts` are those of the JSON output (`who`, `spent_usd`, …), values text.
    """

    kind: str
    subject: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()


def encode(message: AlertMessage) -> str:
    """Return the stored form; never raises, because it is written in the transaction that settles a call."""
    facts = [[one_line(name), one_line(value)] for name, value in message.facts]
    subject = one_line(message.subject)[:_LONGEST_SUBJECT]
    return json.dumps([message.kind, subject, many_lines(message.text), facts], ensure_ascii=True)


def decode(text: str) -> AlertMessage:
    """Return what `encode` wrote; raises ValueError."""
    try:
        kind, subject, body, facts = json.loads(text)
        return AlertMessage(str(kind), str(subject), str(body), tuple((str(name), str(value)) for name, value in facts))
    except (TypeError, ValueError):
        raise ValueError("no message") from None


def without_person(message: AlertMessage, name: str) -> AlertMessage:
    """Return the message with a person's name taken out wherever it stands as a word."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")

    def clean(text: str) -> str:
        return word.sub("(erased)", text)

    facts = tuple((fact, clean(value)) for fact, value in message.facts)
    return AlertMessage(message.kind, clean(message.subject), clean(message.text), facts)


def one_line(text: str) -> str:
    """Return the text without anything that breaks a line, moves a cursor or reorders what is read."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


def many_lines(text: str) -> str:
    """Return the text with nothing unprintable but its line ends."""
    return "\n".join(one_line(line) for line in text.splitlines())
