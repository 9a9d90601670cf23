"""Read calls and acts back as they were recorded, with their texts and the names that were not erased."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from aikeys.errors import Damaged, NotFound
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels, read_extra, text_pairs
from aikeys.ledger.entries import Entry, checked
from aikeys.ledger.store import ActNames, Ledger, read_base
from aikeys.ledger.token_acts import last_call_days
from aikeys.providers.usage import Usage

_CALL = """SELECT id, at_us, settled_us, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
  cost_pusd, latency_ms, first_token_ms, corrects, source, status, context, extra FROM call"""
_CONTEXT = """SELECT s.team, s.project, s.environment, s.person, c.tags, c.token, s.key, s.provider, s.model,
  c.answered, c.price, c.address, c.door, c.origin, c.tool FROM context c JOIN slot s ON s.id = c.slot WHERE c.id = ?"""
_NEWEST = 20_000
_ABOUT = (
    "(actor = ? OR person = ? OR subject IN (SELECT subject FROM entry WHERE act = 'token issue' AND person = ?) "
    "OR substr(detail, -22) IN (SELECT 'token=' || subject FROM entry WHERE act = 'token issue' AND person = ?))"
)
"""By a person or about them: also what was done to their tokens, and with them."""


ALWAYS = (0, 1 << 62)
"""Every instant, in µs since 1970."""
_NO_DAY_IS_LATER = 1 << 40


class Recorded(NamedTuple):
    """A call and its number in the ledger; an erased name is empty."""

    number: int
    call: Call


class Texts:
    """The contexts of a ledger by their rows' numbers, each looked up once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: dict[int, str] = {}
        self._named: dict[int, Context] = {}

    def digested(self, number: int) -> tuple[Context, bytes, bytes]:
        """Return a context without names, and the digests of its user and address; raises KeyError."""
        row = self._connection.execute(_CONTEXT, (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        team, project, environment, user, tags, *texts, address, door, source, tool = row
        labels = Labels(
            self._word(team), self._word(project), self._word(environment), "", text_pairs(self._word(tags))
        )
        token, key, provider, model, answered, price = (self._word(text) for text in texts)
        end = (self._word(door), self._word(source), self._word(tool))
        context = Context(labels, token, key, provider, model, answered, price, "", *end)
        return context, user, address

    def named(self, number: int) -> Context:
        """Return a context with the names of its user and address; raises KeyError."""
        found = self._named.get(number)
        if found is None:
            context, user, address = self.digested(number)
            labels = context.labels._replace(user=self._name(user))
            found = self._named[number] = context._replace(labels=labels, address=self._name(address))
        return found

    def _word(self, number: int) -> str:
        text = self._words.get(number)
        if text is None:
            row = self._connection.execute("SELECT text FROM word WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise KeyError(number)
            text = self._words[number] = row[0]
        return text

    def _name(self, digest: bytes) -> str:
        row = self._connection.execute("SELECT name FROM person WHERE digest = ?", (digest,)).fetchone()
        return row[0] or "" if row else ""


def calls(connection: sqlite3.Connection, ledger: Ledger, after: int = 0, before: int = 1 << 62) -> Iterator[Recorded]:
    """Yield the calls between two numbers in their order; raises Damaged."""
    texts = Texts(connection)
    for row in connection.execute(f"{_CALL} WHERE id > ? AND id < ? ORDER BY id", (after, before)):
        yield _recorded(row, texts, ledger)


def newest_calls(
    connection: sqlite3.Connection, ledger: Ledger, count: int, after: int = 0,
    between: tuple[int, int] = ALWAYS, contexts: Sequence[int] | None = None,
) -> list[Recorded]:  # fmt: skip
    """Return the newest calls above number `after` that were reserved at start ≤ instant < end, oldest first.

    Of a range those of its latest days. With `contexts` only those of these contexts.
    """
    texts = Texts(connection)
    own = None if contexts is None else json.dumps(contexts)
    where, order, values = "id > ?", "id DESC", [after]
    if between != ALWAYS:  # along the days: a range of few calls does not walk through all that came after it
        where, order = "+id > ? AND at_us >= ? AND at_us < ? AND day >= ? AND day <= ?", "day DESC, id DESC"
        values += [*between, *_days_of(between, Calendar(ledger.zone))]
    query = (
        f"{_CALL} WHERE {where} "  # noqa: S608
        f"AND (? IS NULL OR context IN (SELECT value FROM json_each(?))) ORDER BY {order} LIMIT ?"
    )
    rows = connection.execute(query, (*values, own, own or "[]", count)).fetchall()
    return [_recorded(row, texts, ledger) for row in reversed(rows)]


def _days_of(between: tuple[int, int], calendar: Calendar) -> tuple[int, int]:
    """Return the first and the last day of a range of instants that may have no end."""
    start_us, end_us = between
    last = calendar.day_of(end_us - 1) if end_us < ALWAYS[1] else _NO_DAY_IS_LATER
    return calendar.day_of(start_us), last


def call_at(connection: sqlite3.Connection, ledger: Ledger, number: int) -> Recorded | None:
    """Return the call with that number."""
    return next(calls(connection, ledger, number - 1, number + 1), None)


def request_id_of(call: Call) -> str:
    """Return the id by which whoever made a call knows it: that of its reservation, of an import its own."""
    return call.reservation.hex() or call.import_id


def number_of_request(connection: sqlite3.Connection, wanted: str, contexts: Sequence[int] | None = None) -> int:
    """Return the number of the call with an id, 0 where there is none; with `contexts` among those.

    The id is that which whoever asked got, that of an imported line, or one of the provider's (of the request, of the
    message); of several calls the newest.
    """
    own = None if contexts is None else {*contexts}
    for query, value in _by_id(wanted):
        for number, context in connection.execute(f"{query} ORDER BY id DESC", (value,)):
            if own is None or context in own:
                return int(number)
    return 0


_FIND = "SELECT id, context FROM call WHERE corrects = 0 AND"


def _by_id(wanted: str) -> list[tuple[str, object]]:
    """Return where an id may stand: what whoever asked got first."""
    if not wanted:
        return []
    found: list[tuple[str, object]] = [
        (f"{_FIND} id IN (SELECT call FROM imported WHERE id = ?)", wanted),  # noqa: S608
        (f"{_FIND} request_id = ? AND request_id <> ''", wanted),
        (f"{_FIND} message_id = ? AND message_id <> ''", wanted),
    ]
    with suppress(ValueError):
        found.insert(0, (f"{_FIND} reservation = ? AND reservation <> x''", bytes.fromhex(wanted)))
    return found


class Finder:
    """Finds many calls by their numbers; their contexts are looked up once."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self._connection = connection
        self._ledger = ledger
        self._texts = Texts(connection)

    def at(self, number: int) -> Recorded | None:
        """Return the call with that number; raises Damaged."""
        row = self._connection.execute(f"{_CALL} WHERE id = ?", (number,)).fetchone()
        return _recorded(row, self._texts, self._ledger) if row else None

    def digests(self, number: int) -> tuple[bytes, bytes]:
        """Return what stands for a call's user and address, also where the name was erased; empty for nobody."""
        (context,) = self._connection.execute("SELECT context FROM call WHERE id = ?", (number,)).fetchone()
        _, user, address = self._texts.digested(context)
        return user, address


def no_call(connection: sqlite3.Connection, ledger: Ledger, number: int) -> NotFound:
    """Return why there is no call of that number: it is archived, or it never was one."""
    last = read_base(connection, ledger).number
    if 0 < number <= last:
        return NotFound(
            f"entry {number} is archived, with all up to {last}",
            "reports still count it; the whole entry is in the file that aikeys ledger archive wrote",
        )
    return NotFound(f"there is no call {number} in the ledger", "see: aikeys log, or aikeys audit for acts")


def corrections_of(connection: sqlite3.Connection, ledger: Ledger, number: int) -> list[Recorded]:
    """Return the corrections of a call, oldest first."""
    day = connection.execute("SELECT day FROM call WHERE id = ?", (number,)).fetchone()
    if day is None:
        return []
    texts = Texts(connection)
    rows = connection.execute(f"{_CALL} WHERE day = ? AND corrects = ? ORDER BY id", (day[0], number))
    return [_recorded(row, texts, ledger) for row in rows]


def last_call_times(connection: sqlite3.Connection, calendar: Calendar) -> dict[str, int]:
    """Return when each token made its last call, in µs since 1970.

    Exact among the newest calls; of a token without one of them the roll-up knows the day, whose beginning stands.
    """
    found = {token: calendar.start_us(day) for token, day in last_call_days(connection).items()}
    query = (
        "SELECT w.text, max(n.at_us) FROM "
        "(SELECT at_us, context FROM call WHERE corrects = 0 ORDER BY id DESC LIMIT ?) n "
        "JOIN context c ON c.id = n.context JOIN word w ON w.id = c.token WHERE w.text <> '' GROUP BY w.id"
    )
    for token, at_us in connection.execute(query, (_NEWEST,)):
        found[token] = max(at_us, found.get(token, 0))
    return found


def _recorded(row: tuple[int, ...], texts: Texts, ledger: Ledger) -> Recorded:
    try:
        return Recorded(row[0], _call(row, texts))
    except (KeyError, ValueError, TypeError):
        raise Damaged(
            f"{ledger.path}: entry {row[0]} cannot be read", "see what is wrong: aikeys ledger verify"
        ) from None


def _call(row: tuple[int, ...], texts: Texts) -> Call:
    at_us, settled_us = row[1:3]
    cost_pusd, latency_ms, first_token_ms, corrects, source, status, context, extra = row[9:]
    own, named = read_extra(extra), texts.named(context)  # type: ignore[arg-type]
    request_id, import_id = own.ids(named.door)
    return Call(
        at_us=at_us,
        settled_us=settled_us,
        context=named,
        usage=Usage(row[3], row[4], row[5], row[6], row[7], row[8], own.other),
        unpriced=own.unpriced,
        cost_pusd=cost_pusd,
        cost_source=str(source),
        status=str(status),
        latency_ms=None if latency_ms < 0 else latency_ms,
        first_token_ms=None if first_token_ms < 0 else first_token_ms,
        corrects=corrects or None,
        reservation=own.found.reservation,
        request_id=request_id,
        request_digest=own.request_digest,
        reply_digest=own.reply_digest,
        message_id=own.found.message_id,
        run=own.found.run,
        list_pusd=own.found.list_pusd,
        doubt_pusd=own.found.doubt_pusd,
        unread=own.unread,
        import_id=import_id,
        request_content=own.request_content,
        reply_content=own.reply_content,
    )


def acts(connection: sqlite3.Connection, ledger: Ledger) -> Iterator[tuple[Entry, ActNames]]:
    """Yield the acts in their order, with the names of who did it and whom it is about; raises Damaged."""
    names: dict[bytes | None, str] = {
        row[0]: row[1] for row in connection.execute("SELECT digest, name FROM person WHERE name IS NOT NULL")
    }
    for row in connection.execute(f"SELECT {', '.join(Entry._fields)} FROM entry ORDER BY id"):  # noqa: S608
        entry = checked(row, ledger.path)
        yield entry, ActNames(names.get(entry.actor, ""), names.get(entry.person, ""))


def require_person(connection: sqlite3.Connection, name: str) -> None:
    """Raise NotFound where the ledger has never seen a name."""
    if not connection.execute("SELECT 1 FROM person WHERE name = ?", (name,)).fetchone():
        raise NotFound("the ledger knows nobody of that name", "see: aikeys report --by user")


class ActQuery(NamedTuple):
    """Which acts are wanted: of what time, by a person or about them or their tokens, of one kind; empty: any."""

    between: tuple[int, int] = ALWAYS
    who: str = ""
    act: str = ""


def newest_acts(
    connection: sqlite3.Connection, ledger: Ledger, count: int, asked: ActQuery
) -> list[tuple[Entry, ActNames]]:
    """Return the newest acts that were asked for, oldest first."""
    conditions: list[tuple[str, tuple[object, ...]]] = [("at_us >= ? AND at_us < ?", asked.between)]
    if asked.who:
        row = connection.execute("SELECT digest FROM person WHERE name = ?", (asked.who,)).fetchone()
        digest = row[0] if row else b""
        conditions.append((_ABOUT, (digest,) * 4))
    if asked.act:
        conditions.append(("act = ?", (asked.act,)))
    rows = connection.execute(
        f"SELECT {', '.join(Entry._fields)}, (SELECT name FROM person WHERE digest = e.actor), "  # noqa: S608
        "(SELECT name FROM person WHERE digest = e.person) FROM entry e "
        f"WHERE {' AND '.join(condition for condition, _ in conditions)} ORDER BY id DESC LIMIT ?",
        (*(value for _, values in conditions for value in values), count),
    ).fetchall()
    return [(checked(row[:-2], ledger.path), ActNames(row[-2] or "", row[-1] or "")) for row in reversed(rows)]
