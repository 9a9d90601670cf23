"""Tokens in the ledger: whose child each is, which are revoked, which single-use ones are used up.

A row is made from acts in the chain, in their transaction (`project`, called by the writer of every act); the acts can
be told again from the entries, so `verify` compares. A token is named by its id: nothing here opens anything.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from aikeys.ledger.entries import Entry
from aikeys.storage.canonical import pack, sha256

if TYPE_CHECKING:
    from aikeys.ledger.store import Writer

ISSUE, REVOKE, USE = "token issue", "token revoke", "token use"
ACTS = (ISSUE, REVOKE, USE)
_PARENT = "parent="
_RUN = "metered="
_SAME_TRANSACTION = 8  # acts that a run writes when it begins, at most
_DEEPEST = 64

Known = tuple[str, str, int, int]
"""(id, its parent or "", revoked at, used up at): times in microseconds, 0 for not."""


def tells(entry: Entry) -> bool:
    """Tell whether an act is one of a token's life; an attempt that was refused is none."""
    return entry.act in ACTS and entry.status == "ok"


def project(connection: sqlite3.Connection, entry: Entry, table: str = "token") -> None:
    """Keep what an act says of a token."""
    if not tells(entry):
        return
    token, parent, revoked_us, used_us = told(entry)
    connection.execute(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
        "parent = iif(?, excluded.parent, parent), revoked_us = max(revoked_us, excluded.revoked_us), "
        "used_us = max(used_us, excluded.used_us)",
        (token, parent, revoked_us, used_us, entry.act == ISSUE),
    )


def told(entry: Entry) -> Known:
    """Return what one act says of a token."""
    first = entry.detail.partition(" ")[0]  # what follows may be anybody's label
    parent = first.removeprefix(_PARENT) if first.startswith(_PARENT) else ""
    revoked_us = entry.at_us if entry.act == REVOKE else 0
    used_us = entry.at_us if entry.act == USE else 0
    return entry.subject, parent if entry.act == ISSUE else "", revoked_us, used_us


def merged(before: Known | None, entry: Entry) -> Known:
    """Return what is known of a token after one more act."""
    token, parent, revoked_us, used_us = told(entry)
    if before is None:
        return token, parent, revoked_us, used_us
    kept = parent if entry.act == ISSUE else before[1]
    return token, kept, max(before[2], revoked_us), max(before[3], used_us)


def ancestors(connection: sqlite3.Connection, token: str) -> tuple[str, ...]:
    """Return the tokens above a token, its parent first."""
    found: list[str] = []
    while token and len(found) < _DEEPEST:
        row = connection.execute("SELECT parent FROM token WHERE id = ?", (token,)).fetchone()
        token = row[0] if row else ""
        if token:
            found.append(token)
    return tuple(found)


def family(connection: sqlite3.Connection, token: str) -> tuple[str, ...]:
    """Return a token and all below it, at any depth: what it issued, and the runs it started."""
    query = (
        "WITH RECURSIVE family(id) AS (VALUES (?) UNION SELECT t.id FROM token t JOIN family f ON t.parent = f.id) "
        "SELECT id FROM family"
    )
    return tuple(row[0] for row in connection.execute(query, (token,)))


def revoked(connection: sqlite3.Connection, tokens: Sequence[str]) -> str:
    """Return one of these tokens that the ledger knows to be revoked, or nothing."""
    marks = ", ".join("?" * len(tokens))
    query = f"SELECT id FROM token WHERE revoked_us > 0 AND id IN ({marks})"  # noqa: S608
    row = connection.execute(query, tuple(tokens)).fetchone()
    return str(row[0]) if row else ""


def over(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Yield the ids of tokens that are revoked or used up."""
    for (name,) in connection.execute("SELECT id FROM token WHERE revoked_us > 0 OR used_us > 0"):
        with suppress(ValueError):
            yield bytes.fromhex(name)


def is_used(connection: sqlite3.Connection, token: str) -> bool:
    """Tell whether a single-use token is used up."""
    row = connection.execute("SELECT used_us FROM token WHERE id = ?", (token,)).fetchone()
    return bool(row and row[0])


def is_below(connection: sqlite3.Connection, token: str, above: str) -> bool:
    """Tell whether the ledger knows a token as a descendant of another: else what it spends would not count for it."""
    return above in ancestors(connection, token)


def read_tokens(connection: sqlite3.Connection, table: str = "token") -> dict[str, Known]:
    """Return everything that is known, by id."""
    return {row[0]: row for row in connection.execute(f"SELECT id, parent, revoked_us, used_us FROM {table}")}  # noqa: S608


def archived_digest(connection: sqlite3.Connection) -> str:
    """Return the digest of what archived acts said of tokens."""
    rows = sorted(read_tokens(connection, "archived_token").values())
    return sha256(b"".join(pack("aikeys/1/archived-token", *row) for row in rows)).hex()


def run_detail(detail: str, process: str) -> str:
    """Return what the ledger says of a run's token: as of every token, and which process it lives in."""
    return f"{detail} {_RUN}{process}"


def process_of_run(connection: sqlite3.Connection, token: str, before: int) -> str:
    """Return the process that a run's token lives in, announced shortly before an entry; nothing for another token."""
    query = "SELECT detail FROM entry WHERE act = ? AND subject = ? AND id < ? AND id >= ?"
    row = connection.execute(query, (ISSUE, token, before, before - _SAME_TRANSACTION)).fetchone()
    last = str(row[0]).rpartition(" ")[2] if row else ""  # labels stand before, each in a word of its own
    return last.removeprefix(_RUN) if last.startswith(_RUN) else ""


def last_call_days(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the day of each token's last call; one that was only handed to programs has none."""
    query = "SELECT w.text, max(r.day) FROM rollup_token r JOIN word w ON w.id = r.token GROUP BY r.token"
    return dict(connection.execute(query))


def use_up(writer: "Writer", token: str) -> None:
    """Mark a single-use token as used, in the transaction of what it is used for; TokenRefused (21) the second time."""
    from aikeys.errors import TokenRefused
    from aikeys.ledger.store import Act

    if is_used(writer.connection, token):
        raise TokenRefused(f"token {token} was for a single use, and it was used", "issue another: aikeys token issue")
    writer.act(Act(USE, token))
