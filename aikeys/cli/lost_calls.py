"""Calls whose process ended: a command that reads the ledger books them first, and says so.

- Where nothing is reserved this costs one look at one table, and nothing more is imported.
- Where the ledger cannot be written the calls stay reserved: what they hold is said instead, and is in no total.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import MachineFailed

if TYPE_CHECKING:
    from aikeys.budgets.open_reservations import ReservedSum
    from aikeys.ledger.store import Ledger

WAY_OUT = "aikeys ledger resolve"


def book_lost_calls(ledger: Ledger) -> ReservedSum | None:
    """Book the calls of processes that are gone; return what such calls still hold, None for nothing.

    They may be anybody's: who sees their own calls alone is told nothing of them.
    """
    if not ledger.is_anything_reserved():
        return None
    from aikeys.budgets.recovery import held_by_the_dead, recover
    from aikeys.cli import authority
    from aikeys.cli.prompts.session import tell_of_the_dead

    if os.access(ledger.path, os.W_OK) and os.access(os.path.dirname(ledger.path), os.W_OK):
        with suppress(MachineFailed):  # a full disk is no reason to answer nothing
            booked = recover(ledger)
            if authority.sees_calls():
                tell_of_the_dead(booked)
            return None
    held = held_by_the_dead(ledger) if authority.sees_calls() else None
    if held is not None:
        terminal.warn(f"{sentence(held)}, in no total: {WAY_OUT}")
    return held


def lost_ledger_us(ledger: Ledger, since_us: int | None = None) -> int | None:
    """Return up to when nothing is known of the time from `since_us` on, because its ledger was lost; else None."""
    from aikeys.ledger.lost_ledgers import find

    with ledger.looking() as connection:
        lost = find(connection, since_us)
    return lost.before_us if lost else None


def warn_of_lost_ledger(before_us: int | None) -> None:
    """Say that a time is unknown, on standard error."""
    if before_us is not None:
        from aikeys.ledger.lost_ledgers import WAY_OUT, sentence

        terminal.warn(f"{sentence(before_us)}; {WAY_OUT}")


def sentence(held: ReservedSum) -> str:
    """Return what calls hold that no total has."""
    from aikeys.cli.render.counted import counted
    from aikeys.money import shown_usd

    verb = "holds" if held.calls == 1 else "hold"
    return f"{counted(held.calls, 'call')} whose process ended {verb} {shown_usd(held.pusd)}"
