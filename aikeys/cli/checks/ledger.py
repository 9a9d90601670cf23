"""Checks of the ledger: the chain, the clock, lost calls and alerts that were given up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.checks.check import Check
from aikeys.cli.lost_calls import WAY_OUT, book_lost_calls, sentence
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError
from aikeys.ledger.clock_jumps import HOUR_US

if TYPE_CHECKING:
    import sqlite3

    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.verify import LedgerVerdict
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Place

_RECENT_US = 30 * 86_400_000_000
_DAYS = 30
_MOST_JUMPS = 3
_MOST_FIELDS = 10
_JUMP_HINT = "tokens that expired by the clock were good again, or new ones not yet: aikeys audit, and set the clock"


def ledger_checks(where: Place, rows: Rows) -> Iterator[Check]:
    """Yield whether the ledger is whole, and what it says of the clock and of alerts."""
    from aikeys.alerts import outbox
    from aikeys.budgets.verify import verify_all
    from aikeys.ledger import lost_ledgers
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.verify import Known
    from aikeys.sealing import is_signed

    ledger = where.ledger
    try:
        held = book_lost_calls(ledger.open())
        where.vault.check_schema()
        verdict = verify_all(ledger, Known(frozenset({rows.header.signing_public}), is_signed)).verdict
        with ledger.reading() as connection:
            counts = outbox.counts(connection).items()
            lost = lost_ledgers.find(connection)
            unread = _unread(connection, Calendar(ledger.zone))
    except AikeysError as error:
        yield Check("ledger", error.message, error.hint or "put an unchanged copy back")
        return
    finally:
        ledger.close()
    unsigned = verdict.head.number - verdict.signed
    signed = f"the last {unsigned} not signed yet" if unsigned else "all signed"
    entries = f"{verdict.head.number} {'entry' if verdict.head.number == 1 else 'entries'}"
    yield Check("ledger", f"{entries}, complete; {signed}")
    yield from _clock_checks(verdict)
    if lost is not None:
        yield Check("lost ledger", lost.sentence, lost_ledgers.WAY_OUT)
    if held is not None:
        yield Check("calls", sentence(held), WAY_OUT)
    yield from unread
    given_up = sum(count for (_, state), count in counts if state == outbox.GIVEN_UP)
    if given_up:
        yield Check(
            "alerts", f"{counted(given_up, 'message')} could not be delivered and given up", "aikeys alert list"
        )


def _unread(connection: sqlite3.Connection, calendar: Calendar) -> list[Check]:
    """Return what providers reported in the last days and nobody read."""
    from aikeys.cli.render.report_words import unread_text
    from aikeys.ledger.unread_fields import unread_fields

    today = calendar.day_of(clock.now_us())
    return [
        Check(
            "fees",
            unread_text(one),
            f"say what it is in config.toml: [reported.{one.provider}]; aikeys prices show --help",
        )
        for one in unread_fields(connection, today - _DAYS, today + 1)[:_MOST_FIELDS]
    ]


def _clock_checks(verdict: LedgerVerdict) -> Iterator[Check]:
    """Yield what the times of all entries say of the clock, whatever kind of entry it is; nothing where all is well."""
    from aikeys.cli.render.verdict import jump_text

    now_us = clock.now_us()
    if verdict.latest_us > now_us + HOUR_US:
        at = clock.rfc3339(verdict.latest_us / 1e6)
        yield Check("clock", f"the ledger has an entry of {at}, later than this machine's clock", "set the clock")
    recent = [jump for jump in verdict.jumps if max(jump.from_us, jump.to_us) > now_us - _RECENT_US]
    for jump in verdict.jumps[-_MOST_JUMPS:]:
        is_recent = jump in recent
        yield Check("clock jump", jump_text(jump), _JUMP_HINT if is_recent else "")
