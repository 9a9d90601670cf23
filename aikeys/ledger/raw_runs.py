"""Programs that `exec` handed keys to, not a token: how many an hour. What they spent nobody metered.

The rows are made from acts in their transaction (`project`, called by the writer of every act); `verify` counts again.
Of acts that were archived the counts stay, and the act of archiving states their digest.
"""

import sqlite3
from collections.abc import Collection

from aikeys.ledger.entries import Entry
from aikeys.storage.canonical import pack, sha256

EXEC = "exec"
_METERED = ("metered", "yes")
_HOUR_US = 3_600_000_000


def is_raw(entry: Entry) -> bool:
    """Tell whether an act is one of these."""
    return entry.act == EXEC and entry.status == "ok" and _METERED not in entry.pairs[:1]


def project(connection: sqlite3.Connection, entry: Entry, table: str = "raw_runs") -> None:
    """Count an act."""
    if is_raw(entry):
        connection.execute(
            f"INSERT INTO {table} VALUES (?, 1) ON CONFLICT (hour) DO UPDATE SET runs = runs + 1",  # noqa: S608
            (entry.at_us // _HOUR_US,),
        )


def read(connection: sqlite3.Connection, table: str = "raw_runs") -> dict[int, int]:
    """Return the counts by hour (since 1970, UTC)."""
    return dict(connection.execute(f"SELECT hour, runs FROM {table}").fetchall())  # noqa: S608


def add(counts: dict[int, int], entry: Entry) -> None:
    """Count an act again."""
    if is_raw(entry):
        hour = entry.at_us // _HOUR_US
        counts[hour] = counts.get(hour, 0) + 1


def archived_digest(connection: sqlite3.Connection) -> str:
    """Return the digest of the counts of archived acts; empty for none, as archives of format 1 have it."""
    rows = sorted(read(connection, "archived_runs").items())
    return sha256(b"".join(pack("aikeys/2/archived-runs", *row) for row in rows)).hex() if rows else ""


def between(connection: sqlite3.Connection, start_us: int, end_us: int, tokens: Collection[str] | None = None) -> int:
    """Return how many there were at start ≤ instant < end; of `tokens` only those that one of these started.

    Whole hours are known; the first and the last one, and those of tokens, are counted act by act.
    """
    first, last = -(-start_us // _HOUR_US), end_us // _HOUR_US
    if tokens is not None or first >= last:
        return _counted(connection, start_us, end_us, tokens)
    query = "SELECT coalesce(sum(runs), 0) FROM raw_runs WHERE hour >= ? AND hour < ?"
    whole: int = connection.execute(query, (first, last)).fetchone()[0]
    edges = ((start_us, first * _HOUR_US), (last * _HOUR_US, end_us))
    return whole + sum(_counted(connection, *edge, None) for edge in edges if edge[0] < edge[1])


def _counted(connection: sqlite3.Connection, start_us: int, end_us: int, tokens: Collection[str] | None) -> int:
    query = f"SELECT {', '.join(Entry._fields)} FROM entry WHERE act = ? AND at_us >= ? AND at_us < ?"  # noqa: S608
    acts = (Entry(*row) for row in connection.execute(query, (EXEC, start_us, end_us)))
    return sum(is_raw(act) and (tokens is None or dict(act.pairs).get("token") in tokens) for act in acts)
