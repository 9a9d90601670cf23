"""ledger.db: open, append acts, anchor, read acts back. With the modules beside it, the only place of its SQL.

WAL and synchronous=FULL: an entry is on disk before the act it stands for goes on. Everything that writes does so in
`writing()`, one transaction with one time and one head.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aikeys import clock
from aikeys.errors import Damaged
from aikeys.ledger.clock_jumps import ClockPace, note_jump
from aikeys.ledger.entries import (
    Anchor,
    Entry,
    Head,
    Pairs,
    chain_hash,
    checked,
    checkpoint_message,
    genesis,
    packed_facts,
    person_digest,
)
from aikeys.storage import files, folders, sqlite
from aikeys.storage.locks import TURN_NAME
from aikeys.storage.record import NamedTuple
from aikeys.storage.writers_turn import turn

if TYPE_CHECKING:
    from aikeys.ledger.write_cache import WriteCache

FILE_NAME = "ledger.db"
HINT = "put an unchanged copy of ledger.db back; without one move it away, then: aikeys ledger import --new-ledger"
FOREIGN_HINT = (
    "put the right one back; to take this one on purpose: aikeys ledger import --new-ledger, or aikeys restore FILE"
)
MISSING_HINT = "check --home, AIKEYS_HOME and AIKEYS_LEDGER; where there is no vault yet: aikeys init"
_FORMAT = 2
_COLUMNS = ", ".join(Entry._fields)
_NEWEST = """SELECT * FROM (SELECT * FROM (SELECT id, hash, at_us FROM entry ORDER BY id DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT id, hash, settled_us FROM call ORDER BY id DESC LIMIT 1)) ORDER BY id DESC LIMIT 1"""


class Act(NamedTuple):
    """What somebody does: `exec`, subject `openai`, facts `program` python, `person` it is about. Never a secret."""

    act: str
    subject: str
    detail: str = ""
    person: str = ""
    facts: Pairs = ()


class ActNames(NamedTuple):
    """Whom an act's digests stand for; empty for nobody, and for whoever was erased."""

    actor: str
    person: str


class Signer(NamedTuple):
    """Who vouches for the ledger: an Ed25519 public key and its way to sign a message."""

    public: bytes
    sign: Callable[[bytes], bytes]


class VaultChange(NamedTuple):
    """What an act did to a vault: its intent's number, the vault, its new epoch and state."""

    intent: int | None = None
    vault_id: bytes | None = None
    epoch: int | None = None
    manifest: bytes | None = None


_NO_CHANGE = VaultChange()


class Writer:
    """One transaction on the ledger, with one time. `connection` is for the stores that write beside the entries."""

    def __init__(self, connection: sqlite3.Connection, ledger: "Ledger", now_us: int) -> None:
        self.connection = connection
        self.ledger = ledger
        self.now_us = now_us
        self.filed: dict[Any, Any] = {}  # contexts and their rows (recording.py): most calls of an import share one
        self.cache: WriteCache | None = None  # of a writer that commits many calls at once (memory.py)
        self.head, newest_us = _newest(connection, ledger)
        note_jump(self, ledger.pace, newest_us)

    def write_out(self) -> None:
        """Write what waits for the commit: before anything reads counters or roll-ups."""
        if self.cache is not None:
            self.cache.write_out(self.connection)

    def act(self, act: Act, status: str = "ok", *, phase: str = "event", change: VaultChange = _NO_CHANGE) -> Head:
        """Append an act and return the new head."""
        actor = self.person(_user_name())
        about = self.person(act.person) if act.person else None
        number, facts = self.head.number + 1, packed_facts(act.facts)
        entry = Entry(
            number, self.now_us, phase, act.act, act.subject, actor, about, act.detail, status, *change, facts
        )
        return self._append(entry)

    def _append(self, entry: Entry) -> Head:
        digest = chain_hash(self.head.hash, entry)
        self.connection.execute(
            f"INSERT INTO entry({_COLUMNS}, hash) VALUES ({', '.join('?' * (len(entry) + 1))})",  # noqa: S608
            (*entry, digest),
        )
        if entry.act in ("token issue", "token revoke", "token use"):
            from aikeys.ledger import token_acts

            token_acts.project(self.connection, entry)
        elif entry.act == "exec":
            from aikeys.ledger import raw_runs

            raw_runs.project(self.connection, entry)
        self.head = Head(entry.id, digest)
        return self.head

    def repeat(self, entry: Entry) -> Head:
        """Append what an act said once more, with the same persons, as of now."""
        again = Entry(self.head.number + 1, self.now_us, "event", *entry[3:9], None, None, None, None, entry.facts)
        return self._append(again)

    def person(self, name: str) -> bytes:
        """Return the digest that stands for a person or an address, a new one where it is new."""
        row = self.connection.execute("SELECT digest FROM person WHERE name = ?", (name,)).fetchone()
        if row:
            return bytes(row[0])
        salt = os.urandom(16)
        digest = person_digest(salt, name)
        self.connection.execute("INSERT INTO person VALUES (?, ?, ?)", (digest, name, salt))
        return digest

    def checkpoint(self, signer: Signer) -> None:
        """Vouch for everything up to the head; the newest checkpoint of a day (UTC) is kept."""
        signature = signer.sign(checkpoint_message(self.ledger.ledger_id, self.head, self.now_us))
        day = self.now_us // 86_400_000_000
        row = (day, *self.head, self.now_us, signer.public, signature)
        self.connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", row)


class Ledger:
    """An open ledger. Every method may raise Damaged or MachineFailed."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, FILE_NAME)
        self._turn = os.path.join(directory, TURN_NAME)
        self._connection: sqlite3.Connection | None = None
        self.ledger_id = b""
        self.zone = "UTC"
        self.pace = ClockPace()

    @property
    def exists(self) -> bool:
        """Tell whether there is a ledger; an empty file left by a crash is none. Raises MachineFailed."""
        status = files.status_of(self.path)
        if status is None:
            return False
        return status.st_size > 0 or not stat.S_ISREG(status.st_mode) or files.is_there(self.path + "-wal")

    def open_or_create(self, ledger_id: bytes, zone: str = "UTC") -> "Ledger":
        """Open the ledger, or start one with this id (16 random bytes) where there is none, or a blank file."""
        from aikeys.ledger.schema import STATEMENTS

        folders.make(os.path.dirname(self.path))
        sqlite.create_file(self.path)
        in_turn = turn(self._turn, sqlite.BUSY_TIMEOUT_S)
        with sqlite.translated(self.path, HINT), in_turn, self._using(check=False) as connection:
            with sqlite.transaction(connection):
                if sqlite.is_blank(connection):
                    for statement in STATEMENTS.strip().split(";\n"):
                        connection.execute(statement)
                    connection.execute("INSERT INTO ledger VALUES (1, ?, ?, ?, 0, NULL, 0)", (_FORMAT, ledger_id, zone))
            connection.execute("PRAGMA journal_mode=WAL")
        with self._using() as connection:
            self._identify(connection)
        return self

    def open(self) -> "Ledger":
        """Check the file and read its id."""
        with self._using():
            return self

    def close(self) -> None:
        """Close the file; the next method opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction; anything raised inside leaves the ledger as it was."""
        with self._using() as connection, turn(self._turn, sqlite.BUSY_TIMEOUT_S), sqlite.transaction(connection):
            yield Writer(connection, self, clock.now_us())
        self.pace.written()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the ledger for several reads."""
        with self._using() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """One read, without the cost of a state for several."""
        with self._using() as connection:
            yield connection

    @contextmanager
    def _using(self, *, check: bool = True) -> Iterator[sqlite3.Connection]:
        with sqlite.translated(self.path, HINT):
            if self._connection is None:
                sqlite.refuse_unfit(self.path)
                self._connection = self._connected(check=check)
            yield self._connection

    def _connected(self, *, check: bool) -> sqlite3.Connection:
        connection = sqlite.connect(self.path, frozen=self._is_frozen())
        try:
            return self._ready(connection, check=check)
        except sqlite3.OperationalError as error:
            if not check or not sqlite.is_out_of_room(error):
                raise
        return self._ready(sqlite.connect_without_room(self.path), check=check)

    def _ready(self, connection: sqlite3.Connection, *, check: bool) -> sqlite3.Connection:
        try:
            connection.execute("PRAGMA synchronous=FULL")
            if check:
                self._identify(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_frozen(self) -> bool:
        """Tell whether this is a copy that cannot be written, with no log beside it: WAL could not even be read."""
        if os.access(self.path, os.W_OK) and os.access(os.path.dirname(self.path), os.W_OK):
            return False
        return not os.path.exists(self.path + "-wal")

    def _identify(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT format, ledger_id, zone FROM ledger").fetchone()
        if row is None or not isinstance(row[1], bytes) or not isinstance(row[2], str):
            raise Damaged(f"{self.path} has lost its header", HINT)
        if row[0] != _FORMAT:
            from aikeys.ledger.migration import migrate

            migrate(connection, self.path)
        self.ledger_id, self.zone = row[1:]

    def head(self) -> Head:
        """Return the newest entry's number and hash."""
        with self._using() as connection:
            return read_head(connection, self)

    def hash_at(self, number: int) -> bytes | None:
        """Return the hash of entry number `number`, None where there is no such entry."""
        if number == 0:
            return genesis(self.ledger_id, self.zone).hash
        with self._using() as connection:
            for table in ("entry", "call"):
                row = connection.execute(f"SELECT hash FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608
                if row is not None:
                    return bytes(row[0])
            base = read_base(connection, self)
        return base.hash if base.number == number else None

    def anchors(self) -> dict[bytes, Anchor]:
        """Return the newest committed state of every vault this ledger has seen."""
        with self._using() as connection:
            rows = connection.execute("SELECT vault_id, epoch, digest FROM anchor").fetchall()
        return {row[0]: Anchor(row[1], row[2]) for row in rows}

    def event(self, act: Act, status: str = "ok", signer: Signer | None = None) -> None:
        """Record something that changes no vault; a signer vouches for the ledger up to it."""
        with self.writing() as writer:
            writer.act(act, status)
            if signer is not None:
                writer.checkpoint(signer)

    def intent(self, act: Act, vault_id: bytes, epoch: int) -> Head:
        """Announce an act that will move a vault to `epoch`; returns the head, whose number is the intent's."""
        with self.writing() as writer:
            head = writer.act(act, "", phase="intent", change=VaultChange(None, vault_id, epoch))
            writer.connection.execute("INSERT INTO open_intent VALUES (?, ?, ?)", (head.number, vault_id, epoch))
        return head

    def outcome(self, intent: int, status: str, manifest: bytes | None = None, signer: Signer | None = None) -> None:
        """Say how an intent ended, once; `manifest` (its digest and the signing key) anchors the vault's new state."""
        with self.writing() as writer:
            connection = writer.connection
            row = connection.execute(
                "SELECT e.act, e.subject, o.vault_id, o.epoch FROM open_intent o JOIN entry e ON e.id = o.entry "
                "WHERE o.entry = ?",
                (intent,),
            ).fetchone()
            if row is None:
                return
            act, subject, vault_id, epoch = row
            change = VaultChange(intent, vault_id, epoch, manifest)
            writer.act(Act(act, subject), status, phase="outcome", change=change)
            connection.execute("DELETE FROM open_intent WHERE entry = ?", (intent,))
            if manifest is not None:
                connection.execute(
                    "INSERT INTO anchor VALUES (?, ?, ?) ON CONFLICT (vault_id) DO UPDATE "
                    "SET epoch = excluded.epoch, digest = excluded.digest WHERE excluded.epoch > epoch",
                    (vault_id, epoch, manifest),
                )
            if signer is not None:
                writer.checkpoint(signer)

    def open_intents(self, vault_id: bytes) -> list[tuple[int, int]]:
        """Return (entry, epoch) of intents without an outcome."""
        with self._using() as connection:
            return connection.execute(
                "SELECT entry, epoch FROM open_intent WHERE vault_id = ? ORDER BY entry", (vault_id,)
            ).fetchall()

    def entries(self, newest: int | None = None) -> list[tuple[Entry, ActNames]]:
        """Return acts, oldest first, each with the names of its actor and of whom it is about."""
        limit = -1 if newest is None else newest
        with self._using() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, (SELECT name FROM person WHERE digest = e.actor), "  # noqa: S608
                "(SELECT name FROM person WHERE digest = e.person) FROM "
                "(SELECT * FROM entry ORDER BY id DESC LIMIT ?) e ORDER BY id",
                (limit,),
            ).fetchall()
        return [(checked(row[:-2], self.path), ActNames(row[-2] or "", row[-1] or "")) for row in rows]

    def version(self) -> int:
        """Return a number that changes when another process writes."""
        with self._using() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def is_anything_reserved(self) -> bool:
        """Tell whether any call is under way, or was when its process ended."""
        with self._using() as connection:
            return connection.execute("SELECT 1 FROM reservation LIMIT 1").fetchone() is not None

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as nobody else is reading."""
        with self._using() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read_head(connection: sqlite3.Connection, ledger: Ledger) -> Head:
    return _newest(connection, ledger)[0]


def _newest(connection: sqlite3.Connection, ledger: Ledger) -> tuple[Head, int | None]:
    """Return the head, and when its entry was written: None where it is not here."""
    row = connection.execute(_NEWEST).fetchone()
    return (Head(row[0], row[1]), row[2]) if row else (read_base(connection, ledger), None)


def read_base(connection: sqlite3.Connection, ledger: Ledger) -> Head:
    """Return the entry before the first that is here: the genesis, or the last that was archived."""
    number, digest = connection.execute("SELECT base, base_hash FROM ledger").fetchone()
    if not number:
        return genesis(ledger.ledger_id, ledger.zone)
    if number < 0 or not isinstance(digest, bytes):
        raise Damaged(f"{ledger.path}: where its entries begin was changed", "put an unchanged copy back")
    return Head(number, digest)


def _user_name() -> str:
    if os.name != "posix":
        import getpass

        return getpass.getuser()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
