"""Book what processes that are gone had reserved: at its worst case, exactly once, whoever looks first.

A process is gone when the lock on its file is (storage.process_lock): a stopped or slow one is not.
"""

from __future__ import annotations

import os

from aikeys.budgets.open_reservations import processes
from aikeys.budgets.reservations import book_lost
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger
from aikeys.storage.process_lock import buried, left_behind


def recover(ledger: Ledger, own: str = "") -> tuple[int, ...]:
    """Return the entries made of the reservations of dead processes; `own` is this process, known to live."""
    ledger.open()
    directory = os.path.dirname(ledger.path)
    with ledger.reading() as connection:
        names = processes(connection)
    entries: list[int] = []
    for name in {*names, *left_behind(directory)} - {own}:
        with buried(directory, name) as is_gone:
            if is_gone:
                with ledger.writing() as writer:
                    entries += book_lost(writer, name, Calendar(ledger.zone))
    return tuple(sorted(entries))
