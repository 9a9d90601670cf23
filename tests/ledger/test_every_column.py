"""Every column of every table of ledger.db, edited by hand: found by verify, or it decides nothing, with the reason."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aikeys.alerts import outbox
from aikeys.alerts.channels import Channel, Webhook
from aikeys.alerts.messages import BUDGET
from aikeys.budgets.booking import book as booking
from aikeys.budgets.changes import set_budget
from aikeys.budgets.decisions import Ask
from aikeys.budgets.rates import RateLimit
from aikeys.budgets.reservations import ReserveRequest
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_all
from aikeys.budgets.who import parse_who
from aikeys.errors import AikeysError, Damaged
from aikeys.ledger import archive, stored_objects
from aikeys.ledger.calls import Context, Labels
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.importing import import_calls
from aikeys.ledger.rollups import declare_tag
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import Known
from aikeys.sealing import is_signed
from tests.budgets.one_at_a_time import SerialReserver
from tests.ledger.conftest import DAY_US, SIGNER, Book, Clock, call

NOT_CHAINED = {
    "budget.id": "a number for SQLite alone; nothing refers to it",
    "context.id": "of a context that archived calls alone had: their sums name their texts, and nothing names its number",
    "ledger.hours_from": "moved over hours without calls: hours that have calls are compared, and a later one is refused",
    "word.text": "of a word that nothing refers to: a call that has the text later gets the word, or another one",
    "outbox": "messages about what is in the chain: no limit, no cost and no access is read from them",
    "rate": "the last minute of rates; nothing is left of it a minute later (rates.py)",
    "reservation.id": "names a call under way to its own process, whose settle is then a late one",
    "reservation.at_us": "when a call under way began; the day that it counts for is checked against it",
    "reservation.process": "who settles a call under way; of a dead one what is reserved is booked whole",
    "kept_object.provider": "the row is then of an object that no call named, and not of the one that a call did",
    "kept_object.name": "the row is then of an object that no call named, and not of the one that a call did",
}
"""What an edit changes without being found, and why nothing is paid, allowed or limited by it beyond a call under way."""
MORE: dict[str, Any] = {
    "reservation": b"r" * 16, "message_id": "msg", "run": "run", "list_pusd": 10**11, "doubt_pusd": 10**11,
    "unread": ("usage.x",), "request_content": b"c" * 32,
}  # fmt: skip
_LINE = {"id": "one", "at": "2026-09-20T10:00:00Z", "provider": "openai", "model": "gpt-5", "cost_usd": "0.25"}


@pytest.fixture
def whole(book: Book, ticking: Clock) -> Iterator[Book]:
    """A ledger with something in every table."""
    ledger = book.ledger
    with ledger.writing() as writer:
        declare_tag(writer, "client")
        outbox.add_channel(writer, Channel("web", (BUDGET,), Webhook("https://example.com/in")), bytes(16))
        for who in ("org", "team:support", "user:ana"):
            set_budget(writer, parse_who(who), Terms(10**13, "total", "block", (1,)))
    for parent in ("", "aa"):
        ledger.event(Act("token issue", f"{parent}aa", f"parent={parent}" if parent else "expires=never"))
    old = ledger.intent(Act("add", "openai"), b"o" * 16, 2)
    ledger.outcome(old.number, "ok", b"m" * 64, SIGNER)
    spend(book)
    ledger.event(Act("exec", "openai", facts=(("program", "make"),)))
    take(book, {**_LINE, "id": "archived"})
    ledger.event(Act("token revoke", "aaaa"))
    erase_person(ledger, "192.0.2.7")
    ticking.move(40 * DAY_US)
    last = archive.last_before(ledger, ticking.now_us, 1 << 60)
    archive.remove(ledger, archive.write(ledger, last, SIGNER, str(book.folder)), SIGNER)
    new = ledger.intent(Act("rotate", "openai"), b"v" * 16, 2)
    ledger.outcome(new.number, "ok", b"n" * 64, SIGNER)
    ledger.intent(Act("rotate", "other"), b"v" * 16, 3)
    spend(book)
    take(book, _LINE, {**_LINE, "id": "two", "team": "sales"})
    ledger.event(Act("token issue", "bb", "parent=aa expires=never"))
    reserver = SerialReserver(ledger)
    reserver.reserve(ReserveRequest(context("ben"), Ask(10**9, 0)), (RateLimit("key:openai", 30),), 5)
    ledger.event(Act("exec", "openai", facts=(("program", "make"), ("token", "aa"))))
    ledger.event(Act("sign", "ledger"), signer=SIGNER)
    yield book
    ledger.open()


def context(user: str) -> Context:
    labels = Labels("support", "x", "prod", user, (("client", "acme"),))
    return Context(labels, "aa", "openai", "openai", "openai/gpt-5", door="gateway", address="192.0.2.7")


def spend(book: Book) -> None:
    with book.ledger.writing() as writer:
        for user, name in (("ana", "resp_1"), ("ben", "resp_2")):
            made = call(
                book.ticking.now_us, settled_us=book.ticking.now_us, request_id=name, cost_pusd=2 * 10**11, **MORE
            )
            booking(writer, made._replace(context=context(user)), book.calendar)
            stored_objects.note(writer.connection, "openai", name, stored_objects.Owner("aa", "support"))


def take(book: Book, *rows: dict[str, Any]) -> None:
    lines = [json.dumps(row).encode() for row in rows]
    import_calls(book.ledger, lines, booking, lambda one: one, lambda _: None)


def others(value: Any, column: list[Any]) -> list[Any]:
    """Return plausible other values: one that the column has elsewhere, and one that it has not."""
    elsewhere = [one for one in column if one != value and type(one) is type(value)][:1]
    match value:
        case None:
            return [one for one in column if one is not None][:1] or [1]
        case bytes():
            return [*elsewhere, bytes([value[0] ^ 1]) + value[1:] if value else b"x", b""]
        case str():
            near = {"waiting": "sent", "block": "warn", "month": "day", "ok": "lost", "billed": "computed"}
            return [*elsewhere, near.get(value, str(int(value) + 1) if value.isdecimal() else f"{value}x"), ""]
        case _:
            return [*elsewhere, value + 1, max(0, value - 1), 0]


def edits(connection: sqlite3.Connection) -> Iterator[tuple[str, str, Any, str, Any]]:
    """Yield (table, column, rowid or key, condition, other value) for up to two rows of each table."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    for table in tables:
        info = connection.execute(f"PRAGMA table_info({table})").fetchall()
        keys = [row[1] for row in info if row[5]] or ["rowid"]
        rows = connection.execute(f"SELECT {', '.join(keys)} FROM {table} ORDER BY 1").fetchall()  # noqa: S608
        assert rows, f"the test has nothing in {table}"
        for key in dict.fromkeys((rows[0], rows[-1])):
            where = " AND ".join(f"{name} = ?" for name in keys)
            for _, column, *_ in info:
                found = [row[0] for row in connection.execute(f"SELECT {column} FROM {table}")]  # noqa: S608
                query = f"SELECT {column} FROM {table} WHERE {where}"  # noqa: S608
                (value,) = connection.execute(query, key).fetchone()
                for other in others(value, found):
                    if other != value:
                        yield table, column, key, where, other


def test_an_edit_of_any_column_is_found_or_decides_nothing(whole: Book, tmp_path: Path) -> None:
    verdict = verify_all(whole.ledger, known())
    assert verdict.budgets == 3
    whole.ledger.close()
    honest = tmp_path / "honest.db"
    shutil.copy2(whole.ledger.path, honest)
    with closing(sqlite3.connect(honest)) as connection:
        planned = list(edits(connection))
    assert len({(table, column) for table, column, *_ in planned}) > 150
    missed = []
    for table, column, key, where, other in planned:
        shutil.copy2(honest, whole.ledger.path)
        with closing(sqlite3.connect(whole.ledger.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints=1")
            try:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (other, *key))  # noqa: S608
            except sqlite3.IntegrityError:
                continue
        if not is_found(whole.ledger.path) and not {table, f"{table}.{column}"} & NOT_CHAINED.keys():
            missed.append(f"{table}.{column} of {key} = {other!r}")
    shutil.copy2(honest, whole.ledger.path)
    assert not missed, "\n".join(missed)


def known() -> Known:
    return Known(frozenset({SIGNER.public}), is_signed)


def is_found(path: str) -> bool:
    ledger = Ledger(os.path.dirname(path))
    try:
        verify_all(ledger.open(), known())
    except Damaged as error:
        return error.exit_status == 13
    except AikeysError as error:
        return error.exit_status == 14  # a format of the future
    finally:
        ledger.close()
    return False
