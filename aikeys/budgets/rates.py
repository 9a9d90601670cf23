"""Rate limits per minute, counted in the reserving transaction, so they hold for every process.

    admit(writer, rates, tokens)   count a call, or say when it could go: all of its rates or none
    correct(writer, counted, used) what it used is known: the tokens it was counted with are replaced
    take_back(writer, counted)     it was never sent

- In no 60 seconds are more requests let through than a rate allows. A minute is 12 slots of 5 seconds and the one that
  is ending: what was counted in a slot is free again when the last of it is a minute old, so up to 5 seconds late.
- Tokens are counted as the caller expects them and corrected when they are known; a call that alone is more than a rate
  allows goes when nothing else is in the minute.
- Nobody audits this: it is about the last minute only, and what is older is removed by whoever counts next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from aikeys.errors import RateLimited
from aikeys.ledger.store import Writer

_SLOT_US = 5_000_000
_SLOTS = 12
_MINUTE = "SELECT slot, requests, tokens FROM rate WHERE slot >= ? AND who = ? ORDER BY slot"
_ADD = (
    "INSERT INTO rate VALUES (?, ?, ?, ?) ON CONFLICT (slot, who) DO UPDATE "
    "SET requests = requests + excluded.requests, tokens = max(0, tokens + excluded.tokens)"
)
_TAKE = "UPDATE rate SET requests = max(0, requests - ?), tokens = max(0, tokens + ?) WHERE slot = ? AND who = ?"


class RateLimit(NamedTuple):
    """What somebody may do in a minute: so many requests, so many tokens; None is no limit.

    `who`: `key:openai`, `provider:openai` or `token:ID`; no name of a person.
    """

    who: str
    requests: int | None = None
    tokens: int | None = None
    is_told: bool = True
    """Whether its name and amounts are told to whoever is refused."""


class Counted(NamedTuple):
    """A call that was let through: for whom it counts, when, and with how many tokens."""

    whos: tuple[str, ...]
    at_us: int
    tokens: int


class Full(NamedTuple):
    """This rate does not let the call through before `free_us`, as far as one can see now."""

    rate: RateLimit
    free_us: int


def _amount(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


class RateReached(RateLimited):
    """So much in a minute is not allowed. `retry_after_s` is for the header Retry-After."""

    code = "rate_limit_reached"

    def __init__(self, full: Full, now_us: int) -> None:
        self.rate = full.rate
        self.retry_after_s = max(1, -(-(full.free_us - now_us) // 1_000_000))
        given = ((full.rate.requests, "request"), (full.rate.tokens, "token"))
        limits = [_amount(number, thing) for number, thing in given if number is not None]
        again = f"try again in {_amount(self.retry_after_s, 'second')}"
        used_up = f"{full.rate.who} may have {' and '.join(limits)} in a minute, and they are used up"
        super().__init__(used_up if full.rate.is_told else "a higher limit of a minute is used up", again)


def admit(writer: Writer, rates: Sequence[RateLimit], tokens: int = 0) -> Counted | Full:
    """Count a call that is about to be reserved, in the transaction that reserves it; Full counts nothing."""
    connection, now_us = writer.connection, writer.now_us
    slot = now_us // _SLOT_US
    if rates:
        connection.execute("DELETE FROM rate WHERE slot < ?", (slot - _SLOTS,))
    full = [Full(rate, free_us) for rate in rates if (free_us := _free_us(connection, rate, tokens, slot)) > now_us]
    if full:
        return max(full, key=lambda one: one.free_us)
    whos = tuple(dict.fromkeys(rate.who for rate in rates))
    connection.executemany(_ADD, [(slot, who, 1, tokens) for who in whos])
    return Counted(whos, now_us, tokens)


def correct(writer: Writer, counted: Counted, used: int) -> None:
    """Replace the tokens a call was counted with by those it used."""
    if used != counted.tokens:
        _change(writer, counted, 0, used - counted.tokens)


def take_back(writer: Writer, counted: Counted) -> None:
    """Forget a call that was never sent."""
    _change(writer, counted, 1, -counted.tokens)


def _change(writer: Writer, counted: Counted, requests: int, tokens: int) -> None:
    slot = counted.at_us // _SLOT_US
    writer.connection.executemany(_TAKE, [(requests, tokens, slot, who) for who in counted.whos])


def _free_us(connection: sqlite3.Connection, rate: RateLimit, tokens: int, slot: int) -> int:
    """Return when a rate lets a call through: 0 is now."""
    rows = connection.execute(_MINUTE, (slot - _SLOTS, rate.who)).fetchall()
    requests = sum(row[1] for row in rows)
    used = sum(row[2] for row in rows)
    free_us = 0
    for number, its_requests, its_tokens in rows:
        if _fits(rate.requests, requests, 1) and _fits(rate.tokens, used, tokens):
            return free_us
        requests, used = requests - its_requests, used - its_tokens
        free_us = (number + _SLOTS + 1) * _SLOT_US
    return free_us if rate.requests is None or rate.requests > 0 else (slot + _SLOTS + 1) * _SLOT_US


def _fits(limit: int | None, used: int, more: int) -> bool:
    """A call that is more than the limit by itself fits into an empty minute."""
    return limit is None or used + more <= limit or (used == 0 and limit > 0)
