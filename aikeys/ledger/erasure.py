"""Erase a person: name and salt go, the digest stays, and everything still verifies.

Without the salt nobody can try names against the digest. The pages that held the name are overwritten.
"""

from __future__ import annotations

from collections.abc import Callable

from aikeys.errors import NotFound
from aikeys.ledger.projections import ERASED
from aikeys.ledger.store import Act, Ledger, Writer


def erase_person(ledger: Ledger, name: str, also: Callable[[Writer, str], None] = lambda _w, _n: None) -> None:
    """Erase a user's or an address's name; `also` clears what else names them in the same transaction.

    Raises NotFound where the ledger has never seen the name. Written down without it.
    """
    with ledger.writing() as writer:
        writer.connection.execute("PRAGMA secure_delete=ON")
        row = writer.connection.execute("SELECT digest FROM person WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise NotFound("the ledger knows nobody of that name", "see: aikeys report --by user")
        also(writer, name)
        writer.act(Act(ERASED, "user", bytes(row[0]).hex()))
        writer.connection.execute("UPDATE person SET name = NULL, salt = NULL WHERE digest = ?", row)
    ledger.truncate_log()
