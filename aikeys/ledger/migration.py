"""Migration: bring a ledger of an older format to this one, at its first open.

- One transaction under the writers' lock: whoever is killed at any moment leaves the old ledger or the new one.
- Before it, a copy of the old ledger is put beside it. Where the disk has no room for all that, nothing is begun.
- Entries keep their numbers, their canonical bytes and so their hashes: receipts, checkpoints and archives hold.
- A step is numbered by the format it starts from, and goes to the next one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress

from aikeys.errors import BadConfiguration, MachineFailed
from aikeys.ledger.migration_steps import from_format_1
from aikeys.ledger.schema import FORMAT
from aikeys.storage import notices, sqlite
from aikeys.storage.locks import TURN_NAME
from aikeys.storage.writers_turn import turn

_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: from_format_1}
_TIMES, _MORE_BYTES = 4, 16 << 20
"""The copy, the log of the transaction, and what the file grows by, each at most a little more than the file."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the ledger that a connection has open to this format.

    Raises MachineFailed, and then it is as it was; BadConfiguration where it is of a later aikeys.
    """
    known = _format_of(connection)
    if known == FORMAT:  # somebody else has done it since it was looked at
        return
    if known not in _STEPS:
        raise BadConfiguration(f"{path} has ledger format {known}, this aikeys knows {FORMAT}", "upgrade aikeys")
    if not os.access(path, os.W_OK) or not os.access(os.path.dirname(path), os.W_OK):
        raise MachineFailed(
            f"{path} is of an older aikeys and cannot be written, so it cannot be brought to format {FORMAT}",
            "let aikeys write there, or take a copy of the home to where it can",
        )
    in_turn = turn(os.path.join(os.path.dirname(path), TURN_NAME), sqlite.BUSY_TIMEOUT_S)
    with sqlite.translated(path), in_turn, sqlite.transaction(connection):
        found = _format_of(connection)
        if found == FORMAT:  # somebody else was first
            return
        size = _size_of(connection)
        _refuse_without_room(path, size)
        kept = _keep(path, found, connection)
        notices.tell(f"the ledger is brought from format {found} to {FORMAT}")
        notices.tell(f"as it was it is kept in {kept} ({_shown(size)})")
        while found < FORMAT:
            _STEPS[found](connection)
            found += 1
        connection.execute("UPDATE ledger SET format = ?", (FORMAT,))
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _format_of(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT format FROM ledger").fetchone()[0]
    return found


def _size_of(connection: sqlite3.Connection) -> int:
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    return pages * int(connection.execute("PRAGMA page_size").fetchone()[0])


def _refuse_without_room(path: str, size: int) -> None:
    needed, free = _TIMES * size + _MORE_BYTES, shutil.disk_usage(os.path.dirname(path)).free
    if free < needed:
        raise sqlite.DiskFull(
            f"{path} is of an older aikeys, and there is no room to bring it to format {FORMAT}: "
            f"{_shown(needed)} are needed for a copy and the new one, {_shown(free)} are free",
            "nothing was changed; make room",
        )


def _keep(path: str, found: int, connection: sqlite3.Connection) -> str:
    """Put a copy beside the ledger, on disk when this returns; in the place of an older one of the same ledger."""
    ledger_id: bytes = connection.execute("SELECT ledger_id FROM ledger").fetchone()[0]
    kept = f"{path}.format-{found}-{ledger_id.hex()[:8]}"
    temporary = f"{kept}.part"  # whoever is here is alone: what is there was left by a killed one
    _unlink(temporary)
    try:
        sqlite.create_file(temporary)
        with closing(sqlite.connect(path, read_only=True)) as source:
            source.execute("VACUUM INTO ?", (temporary,))
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, kept)
        _sync_folder(os.path.dirname(path))
    except OSError as error:
        raise MachineFailed(f"cannot write {kept}: {error.strerror}", "nothing was changed; make room") from None
    finally:
        _unlink(temporary)
    return kept


def _unlink(path: str) -> None:
    for beside in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + beside)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shown(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
