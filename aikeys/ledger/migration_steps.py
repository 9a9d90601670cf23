"""Steps of the migration: what each format changed in the tables, in SQL and without a commit of its own."""

from __future__ import annotations

import sqlite3

from aikeys.ledger import raw_runs
from aikeys.ledger.calendar import period_start
from aikeys.ledger.calls import read_extra
from aikeys.ledger.entries import Entry
from aikeys.ledger.rollups import SUMS, hours_from, hours_made
from aikeys.ledger.schema import STATEMENTS
from aikeys.storage import notices

_PIECE = 1 << 17
_CHANGED = ("entry", "call", "slot", "context", "rollup_day", "rollup_hour", "rollup_token", "rollup_tag", "archived")
_ADDED = ", ".join(f"sum(r.{name})" for name in SUMS.split(", "))
_WIDE = " AND ".join(
    f"w.{name} = slot.{name}" for name in ("team", "project", "environment", "key", "provider", "model")
)
_NO_SUMS = "0, 0, 0, 0"


def from_format_1(connection: sqlite3.Connection) -> None:
    """Columns for what is looked for and summed, `person` for `user`, facts of acts, and five further tables."""
    for name in ("entry_act", "call_day"):
        connection.execute(f"DROP INDEX {name}")
    for table in _CHANGED:
        connection.execute(f"ALTER TABLE {table} RENAME TO before_{table}")
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    indexes = []
    for statement in STATEMENTS.strip().split(";\n"):
        kind, name = statement.split("(")[0].split()[1:3]
        if name not in present:
            if kind == "TABLE":
                connection.execute(statement)
            else:
                indexes.append(statement)
    _copy_entries(connection)
    _copy_slots(connection)
    _copy_calls(connection)
    for table in ("rollup_day", "rollup_hour", "rollup_token", "rollup_tag", "archived"):
        connection.execute(f"INSERT INTO {table} SELECT *, {_NO_SUMS} FROM before_{table}")  # noqa: S608
    for table in _CHANGED:
        connection.execute(f"DROP TABLE before_{table}")
    for statement in indexes:
        connection.execute(statement)
    _add_up(connection)


def _copy_entries(connection: sqlite3.Connection) -> None:
    columns = ", ".join(Entry._fields[:-1])
    connection.execute(
        f"INSERT INTO entry({columns}, facts, hash) SELECT {columns}, x'', hash FROM before_entry ORDER BY id"  # noqa: S608
    )
    query = f"SELECT {', '.join(Entry._fields)} FROM entry WHERE act = ? ORDER BY id"  # noqa: S608
    for row in connection.execute(query, (raw_runs.EXEC,)).fetchall():
        raw_runs.project(connection, Entry(*row))


def _copy_slots(connection: sqlite3.Connection) -> None:
    """Slots, each with the one without its person; contexts without a source and a tool."""
    words = "team, project, environment, {}, key, provider, model"
    with_user, nobody, columns = words.format("user"), words.format("x''"), words.format("person")
    connection.execute(f"INSERT INTO slot(id, {columns}, wide) SELECT id, {with_user}, 0 FROM before_slot")  # noqa: S608
    connection.execute(
        f"INSERT OR IGNORE INTO slot({columns}, wide) SELECT DISTINCT {nobody}, 0 FROM before_slot ORDER BY id"  # noqa: S608
    )
    connection.execute(f"UPDATE slot SET wide = (SELECT w.id FROM slot w WHERE {_WIDE} AND w.person = x'')")  # noqa: S608
    before = "c.id, slot, token, tags, answered, price, address, door"
    connection.execute("INSERT OR IGNORE INTO word(text) SELECT '' WHERE EXISTS (SELECT 1 FROM before_context)")
    connection.execute(
        f"INSERT INTO context SELECT {before}, word.id, word.id, digest FROM before_context c "  # noqa: S608
        "JOIN word ON word.text = '' ORDER BY c.id"
    )


def _copy_calls(connection: sqlite3.Connection) -> None:
    """Calls in pieces, each with the columns that its `extra` says; one that cannot be read is found by `verify`."""

    def reservation_of(extra: bytes) -> bytes:
        return _found(extra)[0]

    def request_of(extra: bytes) -> str:
        return _found(extra)[1]

    connection.create_function("reservation_of", 1, reservation_of, deterministic=True)
    connection.create_function("request_of", 1, request_of, deterministic=True)
    first, last, count = connection.execute("SELECT min(id), max(id), count(*) FROM before_call").fetchone()
    done = 0
    for start in range(first or 0, (last or -1) + 1, _PIECE):
        done += connection.execute(
            "INSERT INTO call SELECT *, reservation_of(extra), request_of(extra), '', '', 0, 0 FROM before_call "
            "WHERE id >= ? AND id < ? ORDER BY id",
            (start, start + _PIECE),
        ).rowcount
        if count > _PIECE:
            notices.tell(f"{done} of {count} calls are brought over")


def _found(extra: bytes) -> tuple[bytes, str]:
    try:
        return read_extra(extra).found[:2]
    except ValueError:
        return b"", ""


def _add_up(connection: sqlite3.Connection) -> None:
    """Totals without persons, by month, and of tokens by the hour, from the totals and calls that are there."""
    connection.create_function("month_of", 1, lambda day: period_start("month", day), deterministic=True)
    for table, time in (("rollup_wide", "r.day"), ("rollup_month", "month_of(r.day)")):
        connection.execute(
            f"INSERT INTO {table} SELECT {time}, s.wide, r.source, {_ADDED} FROM rollup_day r "  # noqa: S608
            "JOIN slot s ON s.id = r.slot GROUP BY 1, 2, 3"
        )
    places = ", ".join("?" * (3 + SUMS.count(",") + 1))
    connection.executemany(
        f"INSERT INTO rollup_token_hour VALUES ({places})",  # noqa: S608
        list(hours_made(connection, "rollup_token_hour", hours_from(connection))),
    )
