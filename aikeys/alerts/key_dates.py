"""Alerts for keys that expire or are due for rotation soon (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aikeys import clock
from aikeys.alerts.messages import KEY, AlertMessage

SOON_S = 14 * 86400


class KeyDates(NamedTuple):
    """A key's name and dates, in seconds since 1970; 0 for none."""

    name: str
    provider: str
    secret_since_s: int
    rotate_every_s: int
    expires_s: int


class Due(NamedTuple):
    """A message, and the occasion it is sent once for."""

    once: str
    message: AlertMessage


def due_messages(keys: Iterable[KeyDates], now_s: int, soon_s: int = SOON_S) -> list[Due]:
    """Return a message for each key that has expired, expires or is to be rotated within `soon_s`, by name.

    Each date is told twice at most: when it comes near, and when it has come.
    """
    found = []
    for key in sorted(keys):
        rotate_s = key.secret_since_s + key.rotate_every_s if key.rotate_every_s else 0
        for what, at_s in (("expiry", key.expires_s), ("rotation", rotate_s)):
            if at_s and at_s <= now_s + soon_s:
                found.append(_due(key, what, at_s, now_s))
    return found


def _due(key: KeyDates, what: str, at_s: int, now_s: int) -> Due:
    is_past = at_s <= now_s
    date = clock.rfc3339(at_s)[:10]
    if what == "expiry":
        sentence = f"The key {key.name} " + (f"expired on {date}" if is_past else f"expires on {date}")
    else:
        since = "has been due for rotation since" if is_past else "is due for rotation on"
        sentence = f"The key {key.name} {since} {date}"
    days = (at_s - now_s) // 86400
    when = "" if is_past else f", in {days} days" if days > 1 else ", within two days"
    text = f"{sentence} (UTC){when}.\n\nReplace it: aikeys rotate {key.name}\nAll that is due: aikeys list --due\n"
    facts = (
        *(("key", key.name), ("provider", key.provider), ("due", what)),
        *(("at", clock.rfc3339(at_s)), ("past", "true" if is_past else "false")),
    )
    state = "past" if is_past else "soon"
    return Due(f"key:{key.name}:{what}:{at_s}:{state}", AlertMessage(KEY, sentence[4:], text, facts))
