"""Under which id another ledger can import a call, once: what an export writes and an import compares."""

from __future__ import annotations

import sqlite3

from aikeys.ledger.calls import IMPORT, Call
from aikeys.ledger.listing import call_at
from aikeys.ledger.store import Ledger


def id_of(connection: sqlite3.Connection, ledger: Ledger, number: int) -> str:
    """Return the id under which another ledger can import a call: its own where it was imported, else ledger:number."""
    recorded = call_at(connection, ledger, number)
    if recorded is None:
        row = connection.execute("SELECT id FROM imported WHERE call = ?", (number,)).fetchone()
        return row[0] if row else f"{ledger.ledger_id.hex()}:{number}"
    return identity(ledger, number, recorded.call)


def identity(ledger: Ledger, number: int, call: Call) -> str:
    """Return the same of a call that is at hand."""
    return call.import_id if call.context.door == IMPORT else f"{ledger.ledger_id.hex()}:{number}"
