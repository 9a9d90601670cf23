"""Projections: what ledger.db makes from its entries and keeps, made again here and compared.

Days and roll-ups of calls, anchors and open intents of acts, imported ids, persons, the sums of archived entries.
Limits and counters are compared where they are known: aikeys/budgets.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import sha256

from aikeys import clock
from aikeys.errors import Damaged
from aikeys.ledger import raw_runs, token_acts
from aikeys.ledger.calendar import Calendar, date_of
from aikeys.ledger.calls import IMPORT, Found, is_found, read_extra
from aikeys.ledger.entries import Entry, person_digest
from aikeys.ledger.rollups import NO_LONGER_ROLLED, ROLLED, SUMS, are_hours_kept_from, first_wrong
from aikeys.ledger.store import Ledger, read_base
from aikeys.storage.canonical import Field, pack

ERASED = "ledger erase"
HINT = "put an unchanged copy of ledger.db back; aikeys-ledger(5) says what is checked"
_ARCHIVED = f"""SELECT a.day, s.team, s.project, s.environment, s.person, s.key, s.provider, s.model, a.token, a.tags,
  a.source, {SUMS} FROM archived a JOIN slot s ON s.id = a.slot"""  # noqa: S608
_WORDS = (1, 2, 3, 5, 6, 7, 8, 9)


class Acts:
    """What acts say of the tables beside them, gathered in the order of the chain."""

    def __init__(self, archived_tokens: dict[str, token_acts.Known], archived_runs: dict[int, int]) -> None:
        self.anchors: dict[bytes, tuple[int, bytes]] = {}
        self.open: dict[int, tuple[bytes | None, int | None]] = {}
        self.erased: set[str] = set()
        self.rolled: set[str] = set()
        self.tokens = dict(archived_tokens)
        self.runs = dict(archived_runs)

    def add(self, entry: Entry) -> None:
        """Take an act into account."""
        if entry.phase == "intent":
            self.open[entry.id] = (entry.vault_id, entry.epoch)
        elif entry.phase == "outcome" and entry.intent is not None:
            self.open.pop(entry.intent, None)
        if entry.act == ERASED and entry.subject == "user":
            self.erased.add(entry.detail)
        if entry.act == ROLLED:
            self.rolled.add(entry.subject)
        if token_acts.tells(entry):
            self.tokens[entry.subject] = token_acts.merged(self.tokens.get(entry.subject), entry)
        raw_runs.add(self.runs, entry)
        if entry.act == NO_LONGER_ROLLED:
            self.rolled.discard(entry.subject)
        if entry.vault_id is not None and entry.manifest is not None and entry.epoch is not None:
            self.anchor(entry.vault_id, entry.epoch, entry.manifest)

    def anchor(self, vault_id: bytes, epoch: int, state: bytes) -> None:
        """Take a vault's state into account, which an act anchored or states of archived ones."""
        known = self.anchors.get(vault_id)
        if known is None or epoch > known[0]:
            self.anchors[vault_id] = (epoch, state)


def check(connection: sqlite3.Connection, ledger: Ledger, acts: Acts, latest_us: int) -> None:
    """Raise Damaged where a table is not what the entries make of it; `latest_us` is the latest time of an entry."""
    is_whole = read_base(connection, ledger).number == 0
    _check_anchors(connection, ledger, acts, is_whole=is_whole)
    _check_persons(connection, ledger, acts)
    _check_days(connection, ledger)
    if {row[0] for row in connection.execute("SELECT name FROM rolled_tag")} != acts.rolled:
        raise Damaged(f"{ledger.path}: which tags have totals (rolled_tag) is not what was declared", HINT)
    _check_tokens(connection, ledger, acts)
    if raw_runs.read(connection) != acts.runs:
        raise Damaged(f"{ledger.path}: how many programs got keys by the hour (raw_runs) is not what was done", HINT)
    _check_slots(connection, ledger)
    _check_found(connection, ledger)
    wrong = first_wrong(connection)
    if wrong is not None:
        day, table = wrong
        raise Damaged(f"{ledger.path}: the totals of {date_of(day)} ({table}) are not those of its calls", HINT)
    if not are_hours_kept_from(connection, max(latest_us, clock.now_us())):
        raise Damaged(f"{ledger.path}: from which hour on there are hourly totals (hours_from) was changed", HINT)
    _check_imports(connection, ledger)


def archived_digest(connection: sqlite3.Connection) -> str:
    """Return the digest of the sums of archived calls, with all their texts."""
    words = dict(connection.execute("SELECT id, text FROM word"))
    rows = (
        tuple(words.get(field) if at in _WORDS else field for at, field in enumerate(row))
        for row in connection.execute(_ARCHIVED)
    )
    return sums_digest(rows)


def imports_digest(connection: sqlite3.Connection, last: int) -> str:
    """Return the digest of the imported ids of calls up to `last`, and of the calls they became."""
    digest = sha256()
    for row in connection.execute("SELECT id, call FROM imported WHERE call <= ? ORDER BY id", (last,)):
        digest.update(pack("aikeys/1/imported", *row))
    return digest.hexdigest()


def sums_digest(rows: Iterable[tuple[Field, ...]]) -> str:
    """Return the digest of rows (day, the texts of a slot, token, tags, source, sums), whatever their order.

    A row without list prices and doubts is that of format 1, which had none.
    """
    return sha256(b"".join(sorted(_sums_bytes(row) for row in rows))).hexdigest()


def _sums_bytes(row: tuple[Field, ...]) -> bytes:
    return pack("aikeys/2/archived", *row) if any(row[-4:]) else pack("aikeys/1/archived", *row[:-4])


def _check_anchors(connection: sqlite3.Connection, ledger: Ledger, acts: Acts, *, is_whole: bool) -> None:
    stored = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT vault_id, epoch, digest FROM anchor")}
    wrong = [vault for vault in {*stored, *acts.anchors} if stored.get(vault) != acts.anchors.get(vault)]
    if any(vault in acts.anchors or is_whole for vault in wrong):  # archives of before do not state the others
        raise Damaged(f"{ledger.path}: the anchor of a vault was changed", HINT)
    waiting = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT entry, vault_id, epoch FROM open_intent")}
    if waiting != acts.open:
        number = min(waiting.items() ^ acts.open.items())[0]
        raise Damaged(f"{ledger.path}: whether entry {number} awaits its outcome was changed", HINT)


def _check_tokens(connection: sqlite3.Connection, ledger: Ledger, acts: Acts) -> None:
    """What is known of tokens is what archived acts said (whose digest an act states) and these acts after them."""
    stored = token_acts.read_tokens(connection)
    for token in sorted({*stored, *acts.tokens}):
        if stored.get(token) != acts.tokens.get(token):
            raise Damaged(f"{ledger.path}: what is known of token {token} is not what was done with it", HINT)


def _check_persons(connection: sqlite3.Connection, ledger: Ledger, acts: Acts) -> None:
    known = set()
    for digest, name, salt in connection.execute("SELECT digest, name, salt FROM person"):
        known.add(digest)
        is_erased = name is None and salt is None and digest.hex() in acts.erased
        if not is_erased and (name is None or salt is None or person_digest(salt, name) != digest):
            raise Damaged(f"{ledger.path}: the name of a person was changed", HINT)
    used = connection.execute(
        "SELECT actor FROM entry UNION SELECT person FROM entry WHERE person IS NOT NULL "
        "UNION SELECT person FROM slot UNION SELECT address FROM context"
    )
    if not {row[0] for row in used} - {b""} <= known:
        raise Damaged(f"{ledger.path}: a person was removed", HINT)


def _check_slots(connection: sqlite3.Connection, ledger: Ledger) -> None:
    """The slot without a person, which totals are kept of, is that of the same words."""
    query = (
        "SELECT 1 FROM slot s LEFT JOIN slot w ON w.id = s.wide WHERE w.person IS NOT x'' OR w.wide <> w.id OR "
        "(w.team, w.project, w.environment, w.key, w.provider, w.model) IS NOT "
        "(s.team, s.project, s.environment, s.key, s.provider, s.model) LIMIT 1"
    )
    if connection.execute(query).fetchone():
        raise Damaged(f"{ledger.path}: which totals without persons some calls are part of was changed", HINT)


def _check_found(connection: sqlite3.Connection, ledger: Ledger) -> None:
    """The columns by which calls are found and summed are those of their `extra`, which is in the chain."""
    query = f"SELECT id, extra, {', '.join(Found._fields)} FROM call"  # noqa: S608
    for number, extra, *found in connection.execute(query):
        if not is_found(extra, Found(*found)):
            raise Damaged(f"{ledger.path}: the columns of call {number} are not what it says", HINT)


def _check_days(connection: sqlite3.Connection, ledger: Ledger) -> None:
    calendar = Calendar(ledger.zone)
    for day, first, last in connection.execute("SELECT day, min(at_us), max(at_us) FROM call GROUP BY day"):
        if not calendar.start_us(day) <= first <= last < calendar.start_us(day + 1):
            raise Damaged(f"{ledger.path}: a call is counted on another day than its own", HINT)


def _is_of(identity: str, extra: bytes | None) -> bool:
    """Tell whether an id is the one in a call's extra."""
    return extra is not None and read_extra(extra).ids(IMPORT)[1] == identity


def _check_imports(connection: sqlite3.Connection, ledger: Ledger) -> None:
    base = read_base(connection, ledger).number
    calls, ids = connection.execute(
        "SELECT (SELECT count(*) FROM call WHERE context IN (SELECT c.id FROM context c JOIN word w ON w.id = c.door "
        "WHERE w.text = 'import')), (SELECT count(*) FROM imported WHERE call > ?)",
        (base,),
    ).fetchone()
    rows = connection.execute(
        "SELECT i.id, c.extra FROM imported i LEFT JOIN call c ON c.id = i.call WHERE i.call > ?", (base,)
    )
    if calls != ids or not all(_is_of(identity, extra) for identity, extra in rows):
        raise Damaged(f"{ledger.path}: what was imported is not what its calls say", HINT)
