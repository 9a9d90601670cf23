"""Book what processes that are gone had reserved: at its worst case, exactly once, whoever looks first.

A process is gone when the lock on its file is (storage.process_lock): a stopped or slow one is not. One whose file
cannot be read keeps no other from being looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from aikeys.budgets.open_reservations import ReservedSum, open_of, processes
from aikeys.budgets.reservations import book_lost
from aikeys.errors import AikeysError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Ledger
from aikeys.storage.process_lock import buried, is_gone, left_behind


def recover(ledger: Ledger, own: str = "", trouble: Callable[[AikeysError], None] | None = None) -> tuple[int, ...]:
    """Return the entries made of the reservations of dead processes; `own` is this process, known to live.

    What goes wrong with one process is told to `trouble`; without it the first failure is raised, after the others
    were looked at.
    """
    ledger.open()
    directory = os.path.dirname(ledger.path)
    with ledger.reading() as connection:
        names = processes(connection)
    entries: list[int] = []
    failures: list[AikeysError] = []
    for name in sorted({*names, *left_behind(directory)} - {own}):
        try:
            with buried(directory, name) as gone:
                if gone:
                    with ledger.writing() as writer:
                        entries += book_lost(writer, name, Calendar(ledger.zone))
        except AikeysError as failure:
            failures.append(failure)
    for one in failures:
        if trouble is None:
            raise one
        trouble(one)
    return tuple(sorted(entries))


def held_by_the_dead(ledger: Ledger) -> ReservedSum | None:
    """Return what calls of dead processes hold, for a ledger that cannot be written; None where there are none."""
    directory = os.path.dirname(ledger.path)
    with ledger.reading() as connection:
        found = [one for name in processes(connection) if is_gone(directory, name) for one in open_of(connection, name)]
    return ReservedSum(len(found), sum(one.pusd for one in found)) if found else None
