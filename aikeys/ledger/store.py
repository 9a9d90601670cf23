"""ledger.db: append, anchor, read back. The only module that knows the ledger's SQL.

WAL and synchronous=FULL: an entry is on disk before the act it stands for goes on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aikeys import clock
from aikeys.errors import Damaged
from aikeys.ledger.entries import Anchor, Entry, Head, actor_digest, chain_hash, genesis
from aikeys.storage import sqlite

FORMAT = 1
FILE_NAME = "ledger.db"
_SCHEMA = """
CREATE TABLE ledger(one INTEGER PRIMARY KEY CHECK(one = 1), format INTEGER NOT NULL, ledger_id BLOB NOT NULL) STRICT;
CREATE TABLE entry(
  id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, phase TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
  actor BLOB NOT NULL, detail TEXT NOT NULL, status TEXT NOT NULL, intent INTEGER UNIQUE, vault_id BLOB,
  epoch INTEGER, manifest BLOB, hash BLOB NOT NULL) STRICT;
CREATE TABLE person(name TEXT PRIMARY KEY, salt BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE anchor(vault_id BLOB PRIMARY KEY, epoch INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE open_intent(entry INTEGER PRIMARY KEY, vault_id BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT;
"""
_COLUMNS = ", ".join(Entry._fields)
_TYPES: tuple[type | tuple[type, ...], ...] = (
    int, int, str, str, str, bytes, str, str,
    (int, type(None)), (bytes, type(None)), (int, type(None)), (bytes, type(None)),
)  # fmt: skip


class Act(NamedTuple):
    """What somebody does: `exec`, subject `openai`, detail `program=python`. Never a secret."""

    act: str
    subject: str
    detail: str = ""


class Intent(NamedTuple):
    """An act on a vault that has been announced: the entry's number, and the ledger's head with it."""

    entry: int
    head: Head


class Ledger:
    """An open ledger. Every method may raise Damaged or MachineFailed."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, FILE_NAME)
        self._connection: sqlite3.Connection | None = None
        self.ledger_id = b""

    @property
    def exists(self) -> bool:
        """Tell whether there is a ledger; an empty file left by a crash is none."""
        try:
            return os.stat(self.path).st_size > 0 or os.path.exists(self.path + "-wal")
        except OSError:
            return False

    def open_or_create(self, ledger_id: bytes) -> Ledger:
        """Open the ledger, or start one with this id (16 random bytes) where there is none, or a blank file."""
        sqlite.make_directory(os.path.dirname(self.path))
        sqlite.create_file(self.path)
        with self._using(check=False) as connection:
            with sqlite.transaction(connection):
                if sqlite.is_blank(connection):
                    for statement in _SCHEMA.strip().split(";\n"):
                        connection.execute(statement)
                    connection.execute("INSERT INTO ledger VALUES (1, ?, ?)", (FORMAT, ledger_id))
            connection.execute("PRAGMA journal_mode=WAL")
            self._identify(connection)
        return self

    def open(self) -> Ledger:
        """Check the file and read its id."""
        with self._using():
            return self

    def close(self) -> None:
        """Close the file; the next method opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _using(self, *, check: bool = True) -> Iterator[sqlite3.Connection]:
        with sqlite.translated(self.path):
            if self._connection is None:
                sqlite.refuse_if_writable_by_others(os.path.dirname(self.path))
                sqlite.refuse_if_writable_by_others(self.path)
                self._connection = sqlite.connect(self.path)
                self._connection.execute("PRAGMA synchronous=FULL")
                if check:
                    self._identify(self._connection)
            yield self._connection

    def _identify(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT format, ledger_id FROM ledger").fetchone()
        if row is None or not isinstance(row[1], bytes):
            raise Damaged(f"{self.path} has lost its header", "restore a backup: aikeys restore FILE")
        if row[0] != FORMAT:
            raise Damaged(f"{self.path} has format {row[0]}, which this aikeys does not know", "upgrade aikeys")
        self.ledger_id = row[1]

    def head(self) -> Head:
        """Return the newest entry's number and hash."""
        with self._using() as connection:
            return self._head(connection)

    def _head(self, connection: sqlite3.Connection) -> Head:
        row = connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
        return Head(*row) if row else genesis(self.ledger_id)

    def hash_at(self, number: int) -> bytes | None:
        """Return the hash of entry number `number`, None where there is no such entry."""
        if number == 0:
            return genesis(self.ledger_id).hash
        with self._using() as connection:
            row = connection.execute("SELECT hash FROM entry WHERE id = ?", (number,)).fetchone()
        return row[0] if row else None

    def anchors(self) -> dict[bytes, Anchor]:
        """Return the newest committed state of every vault this ledger has seen."""
        with self._using() as connection:
            rows = connection.execute("SELECT vault_id, epoch, digest FROM anchor").fetchall()
        return {row[0]: Anchor(row[1], row[2]) for row in rows}

    def event(self, act: Act, status: str = "ok") -> None:
        """Record something that changes no vault."""
        with self._using() as connection, sqlite.transaction(connection):
            self._append(connection, "event", act, status)

    def intent(self, act: Act, vault_id: bytes, epoch: int) -> Intent:
        """Announce an act that will move a vault to `epoch`."""
        with self._using() as connection, sqlite.transaction(connection):
            head = self._append(connection, "intent", act, "", vault_id=vault_id, epoch=epoch)
            connection.execute("INSERT INTO open_intent VALUES (?, ?, ?)", (head.number, vault_id, epoch))
        return Intent(head.number, head)

    def outcome(self, intent: int, status: str, manifest: bytes | None = None) -> None:
        """Say how an intent ended, once; `manifest` (its digest and the signing key) anchors the vault's new state."""
        with self._using() as connection, sqlite.transaction(connection):
            row = connection.execute(
                "SELECT e.act, e.subject, o.vault_id, o.epoch FROM open_intent o JOIN entry e ON e.id = o.entry "
                "WHERE o.entry = ?",
                (intent,),
            ).fetchone()
            if row is None:
                return
            act, subject, vault_id, epoch = row
            extra = {"intent": intent, "vault_id": vault_id, "epoch": epoch, "manifest": manifest}
            self._append(connection, "outcome", Act(act, subject), status, **extra)
            connection.execute("DELETE FROM open_intent WHERE entry = ?", (intent,))
            if manifest is not None:
                connection.execute(
                    "INSERT INTO anchor VALUES (?, ?, ?) ON CONFLICT (vault_id) DO UPDATE "
                    "SET epoch = excluded.epoch, digest = excluded.digest WHERE excluded.epoch > epoch",
                    (vault_id, epoch, manifest),
                )

    def open_intents(self, vault_id: bytes) -> list[tuple[int, int]]:
        """Return (entry, epoch) of intents without an outcome."""
        with self._using() as connection:
            return connection.execute(
                "SELECT entry, epoch FROM open_intent WHERE vault_id = ? ORDER BY entry", (vault_id,)
            ).fetchall()

    def entries(self, newest: int | None = None) -> list[tuple[Entry, str]]:
        """Return entries, oldest first, each with its actor's name (empty when erased)."""
        limit = -1 if newest is None else newest
        with self._using() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, (SELECT name FROM person WHERE digest = actor) FROM "  # noqa: S608
                "(SELECT * FROM entry ORDER BY id DESC LIMIT ?) ORDER BY id",
                (limit,),
            ).fetchall()
        return [(_checked(row[:-1], self.path), row[-1] or "") for row in rows]

    def verify(self) -> Head:
        """Recompute the whole chain and the anchors; raises Damaged naming the first entry that is wrong."""
        with self._using() as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise Damaged(f"{self.path} is damaged", "put an unchanged copy back")
            head = genesis(self.ledger_id)
            anchors: dict[bytes, tuple[int, bytes]] = {}
            for *fields, stored in connection.execute(f"SELECT {_COLUMNS}, hash FROM entry ORDER BY id"):  # noqa: S608
                entry = _checked(fields, self.path)
                head = Head(head.number + 1, chain_hash(head.hash, entry))
                if entry.id != head.number or stored != head.hash:
                    raise Damaged(f"{self.path}: entry {head.number} was changed, removed or inserted")
                if entry.vault_id is not None and entry.manifest is not None and entry.epoch is not None:
                    anchors[entry.vault_id] = (entry.epoch, entry.manifest)
            stored_anchors = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT * FROM anchor")}
        if stored_anchors != anchors:
            raise Damaged(f"{self.path}: the anchor of a vault was changed")
        return head

    def _append(  # noqa: PLR0913
        self,
        connection: sqlite3.Connection,
        phase: str,
        act: Act,
        status: str,
        *,
        intent: int | None = None,
        vault_id: bytes | None = None,
        epoch: int | None = None,
        manifest: bytes | None = None,
    ) -> Head:
        head = self._head(connection)
        actor = self._person(connection)
        entry = Entry(
            head.number + 1,
            clock.now_us(),
            phase,
            *act[:2],
            actor,
            act.detail,
            status,
            intent,
            vault_id,
            epoch,
            manifest,
        )
        digest = chain_hash(head.hash, entry)
        connection.execute(
            f"INSERT INTO entry({_COLUMNS}, hash) VALUES ({', '.join('?' * (len(entry) + 1))})",  # noqa: S608
            (*entry, digest),
        )
        return Head(entry.id, digest)

    def _person(self, connection: sqlite3.Connection) -> bytes:
        name = _user_name()
        row = connection.execute("SELECT digest FROM person WHERE name = ?", (name,)).fetchone()
        if row:
            return bytes(row[0])
        salt = os.urandom(16)
        digest = actor_digest(salt, name)
        connection.execute("INSERT INTO person VALUES (?, ?, ?)", (name, salt, digest))
        return digest


def _user_name() -> str:
    if os.name != "posix":
        import getpass

        return getpass.getuser()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _checked(fields: list[object] | tuple[object, ...], path: str) -> Entry:
    if any(not isinstance(field, kind) for field, kind in zip(fields, _TYPES, strict=True)):
        raise Damaged(f"{path}: entry {fields[0]!r} has a field of the wrong type")
    return Entry(*fields)
