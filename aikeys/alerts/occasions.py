"""Occasions of alerts in words: `once` of the outbox as a person reads it."""

from __future__ import annotations

import re
import sqlite3

from aikeys import clock
from aikeys.errors import Damaged
from aikeys.ledger.calendar import date_of
from aikeys.money import shown_usd

_BUDGET = re.compile(r"budget (.+) (day|week|month|total) (-?\d+) (\d+) of (\d+)", re.ASCII)
_KEY = re.compile(r"key:(.+):(expiry|rotation):(\d{1,11}):(past|soon)", re.ASCII)
_TOKEN = re.compile(r"token:([0-9a-f]{16}):expiry:(\d{1,11})", re.ASCII)
_UNREAD = re.compile(r"unread:([^:]+):(.+):(\d{1,7})")
_USER = re.compile(r"user:([0-9a-f]{64})", re.ASCII)
_KEY_WORDS = {
    ("expiry", "soon"): "expires on",
    ("expiry", "past"): "expired on",
    ("rotation", "soon"): "is due for rotation on",
    ("rotation", "past"): "has been due for rotation since",
}


def occasion_text(connection: sqlite3.Connection, once: str) -> str:
    """Return an occasion in words; what is not known is returned as it is."""
    budget, key = _BUDGET.fullmatch(once), _KEY.fullmatch(once)
    if key:
        name, what, at_s, state = key.groups()
        return f"key {name} {_KEY_WORDS[what, state]} {clock.rfc3339(int(at_s))[:10]}"
    token = _TOKEN.fullmatch(once)
    if token:
        return f"token {token[1]} expires on {clock.rfc3339(int(token[2]))[:10]}"
    if not budget:
        return _unread_text(once)
    who, period, start, percent, limit = budget.groups()
    try:
        since = "in total" if period == "total" else f"{period} from {date_of(int(start))}"
    except Damaged:
        return once
    return f"budget {_shown(connection, who)}, {since}: {percent} % of {shown_usd(int(limit))}"


def _unread_text(once: str) -> str:
    """Return what a field that nobody reads is told as."""
    unread = _UNREAD.fullmatch(once)
    return f"{unread[1]} reports {unread[2]}, which nobody reads" if unread else once


def _shown(connection: sqlite3.Connection, who: str) -> str:
    """Return a WHO with the name of its user, who may have been erased."""
    user = _USER.fullmatch(who)
    if not user:
        return who
    row = connection.execute("SELECT name FROM person WHERE digest = ?", (bytes.fromhex(user[1]),)).fetchone()
    return f"user:{row[0]}" if row and row[0] else f"user:(erased){user[1][:12]}"
