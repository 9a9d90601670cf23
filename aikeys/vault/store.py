"""vault.db: read all rows, write what differs. The only module that knows the vault's SQL.

journal_mode=DELETE and synchronous=FULL: one file to copy. secure_delete: what is taken away is overwritten.
A row whose checksum or types are wrong is Damaged before anybody looks at it.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aikeys.errors import AikeysError, BadConfiguration, Damaged, ExistsAlready, NotFound
from aikeys.storage import files, folders, sqlite
from aikeys.storage.record import NamedTuple
from aikeys.tokens.link import Link
from aikeys.vault.format import (
    APPLICATION_ID,
    FORMAT,
    NO_MANIFEST,
    Grant,
    Header,
    Key,
    KeyVersion,
    Manifest,
    Revocation,
    Rows,
    UnlockMethod,
    checksum,
)

FILE_NAME = "vault.db"
_HINT = "restore a backup: aikeys restore FILE"
_TABLES: dict[str, Any] = {
    "header": Header,
    "unlock_method": UnlockMethod,
    "key": Key,
    "key_version": KeyVersion,
    "manifest": Manifest,
}
_TOKEN_TABLES: dict[str, Any] = {"token": Link, "token_grant": Grant, "revocation": Revocation}
"""Outside the manifest: claims authenticate themselves, a grant must fit a key version, a revocation only denies."""
_SQL_TYPES = {int: "INTEGER", str: "TEXT", bytes: "BLOB"}


class Queued(NamedTuple):
    """An administrative act that could not be written to the ledger when it happened."""

    at_us: int
    act: str
    subject: str


def _create_statements() -> Iterator[str]:
    for table, row in {**_TABLES, **_TOKEN_TABLES}.items():
        columns = ", ".join(f"{name} {_SQL_TYPES[kind]} NOT NULL" for name, kind in row.__annotations__.items())
        yield f"CREATE TABLE {table}({columns}, checksum BLOB NOT NULL) STRICT"
    yield "CREATE TABLE queued(at_us INTEGER NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL) STRICT"


class VaultFile:
    """The file itself. `read` for a consistent picture, `writing` for one exclusive change."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.path = os.path.join(home, FILE_NAME)

    @property
    def exists(self) -> bool:
        """Tell whether there is a vault, in whatever state; a blank file left by a crash during init is none.

        Raises MachineFailed where the home may not be entered: that is no home without a vault.
        """
        if self._is_blank():
            return False
        try:
            self.read()
        except NotFound:
            return False
        except AikeysError:
            return True
        return True

    def require(self) -> None:
        """Raise NotFound without a vault file."""
        if self._is_blank():
            raise NotFound(f"there is no vault in {self.home}", "make one: aikeys init")

    def create(self, rows: Rows) -> None:
        """Write a new vault in one transaction."""
        folders.make(self.home)
        sqlite.create_file(self.path)
        with sqlite.translated(self.path):
            connection = self.connect()
            try:
                connection.execute("PRAGMA page_size=1024")
                with sqlite.transaction(connection):
                    if not sqlite.is_blank(connection):
                        raise ExistsAlready(f"there is a vault in {self.home} already", "add a key: aikeys add NAME")
                    for statement in _create_statements():
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version={FORMAT}")
                    write_difference(connection, None, rows)
            finally:
                connection.close()

    def read(self) -> Rows:
        """Return all rows as of one instant; raises NotFound, Damaged, BadConfiguration."""
        with self.reading() as connection:
            return read_rows(connection, self.path)

    def check_schema(self) -> None:
        """Raise Damaged where the file has another table, index, view or trigger than this format, or lacks one."""
        from aikeys.storage.schema import first_difference

        self.require()
        with sqlite.translated(self.path):
            connection = self.connect()
            try:
                name = first_difference(connection, _create_statements())
            finally:
                connection.close()
        if name is not None:
            raise Damaged(f"{self.path}: {name} is not as format {FORMAT} has it", _HINT)

    def ledger_id(self) -> bytes | None:
        """Return the id of the ledger that the header names, unchecked; None where there is no vault yet."""
        if self._is_blank():
            return None
        with sqlite.translated(self.path):
            connection = self.connect()
            try:
                if sqlite.is_blank(connection):
                    return None
                row = connection.execute("SELECT ledger_id FROM header").fetchone()
            finally:
                connection.close()
        if row is None or not isinstance(row[0], bytes):
            raise Damaged(f"{self.path} has lost its header or manifest", _HINT)
        return row[0]

    def _is_blank(self) -> bool:
        """Tell whether there is no file, or an empty one; what is no file at all is not blank, but refused later."""
        status = files.status_of(self.path)
        return status is None or (stat.S_ISREG(status.st_mode) and status.st_size == 0)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the vault's write lock; commits when the block ends, rolls back when it raises."""
        self.require()
        with sqlite.translated(self.path):
            connection = self.connect()
            try:
                with sqlite.transaction(connection):
                    yield connection
            finally:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for several reads."""
        self.require()
        with sqlite.translated(self.path):
            connection = self.connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def salvaging(self) -> Iterator[sqlite3.Connection]:
        """The same of a file that may be damaged, with texts in whatever encoding."""
        with self.reading() as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            yield connection

    def connect(self) -> sqlite3.Connection:
        sqlite.refuse_unfit(self.path)
        read_only = not os.access(self.path, os.W_OK) or not os.access(self.home, os.W_OK)
        connection = sqlite.connect(self.path, read_only=read_only)
        if not read_only:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
        return connection


def read_rows(connection: sqlite3.Connection, path: str) -> Rows:
    """Read and check every table inside the caller's transaction."""
    try:
        return _read_rows(connection, path)
    except (ValueError, OverflowError, TypeError):
        raise Damaged(f"{path} is damaged", _HINT) from None


def _read_rows(connection: sqlite3.Connection, path: str) -> Rows:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        if application_id == 0 and sqlite.is_blank(connection):
            raise NotFound(f"there is no vault in {os.path.dirname(path)}", "make one: aikeys init")
        raise Damaged(f"{path} is not an aikeys vault, or its header is damaged", _HINT)
    if version != FORMAT:
        _refuse_version(connection, path, version)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view') LIMIT 1").fetchone():
        raise Damaged(f"{path} holds a trigger or a view, which aikeys never makes", _HINT)
    tables = {table: tuple(_read_table(connection, path, table)) for table in _TABLES}
    if len(tables["header"]) != 1 or len(tables["manifest"]) != 1:
        raise Damaged(f"{path} has lost its header or manifest", _HINT)
    header = tables["header"][0]
    if header.format != FORMAT:
        raise Damaged(f"{path}: the header contradicts the file's version", _HINT)
    return Rows(header, tables["unlock_method"], tables["key"], tables["key_version"], tables["manifest"][0])


def _refuse_version(connection: sqlite3.Connection, path: str, version: int) -> None:
    row = connection.execute("SELECT format FROM header").fetchone()
    if version > FORMAT and row is not None and row[0] == version:
        raise BadConfiguration(f"{path} has vault format {version}, this aikeys knows {FORMAT}", "upgrade aikeys")
    raise Damaged(f"{path}: the file's version was damaged", _HINT)


def _read_table(connection: sqlite3.Connection, path: str, table: str) -> Iterator[Any]:
    yield from checked_rows(connection, path, table, _TABLES[table])


def checked_rows(
    connection: sqlite3.Connection, path: str, table: str, kind: Any, where: str = "", values: tuple[object, ...] = ()
) -> Iterator[Any]:
    """Read rows of a table; Damaged where a type or a checksum is wrong."""
    types = list(kind.__annotations__.values())
    query = f"SELECT {', '.join(kind._fields)}, checksum FROM {table} {where}"  # noqa: S608
    for *fields, stored in connection.execute(query, values):
        if any(type(field) is not expected for field, expected in zip(fields, types, strict=True)):
            raise Damaged(f"{path}: a row of {table} has a field of the wrong type", _HINT)
        row = kind(*fields)
        if checksum(row) != stored:
            raise Damaged(f"{path}: a row of {table} is damaged", _HINT)
        yield row


def readable_rows(connection: sqlite3.Connection, table: str, kind: Any) -> Iterator[tuple[Any, bool]]:
    """Yield what SQLite still finds of a damaged table: each row, its fields of any type, and whether it is whole.

    The connection's `text_factory` must not raise.
    """
    types = list(kind.__annotations__.values())
    try:
        for *fields, stored in connection.execute(f"SELECT {', '.join(kind._fields)}, checksum FROM {table}"):  # noqa: S608
            row = kind(*fields)
            is_typed = all(type(field) is expected for field, expected in zip(fields, types, strict=True))
            yield row, is_typed and checksum(row) == stored
    except (sqlite3.Error, OverflowError):
        return


def write_difference(connection: sqlite3.Connection, old: Rows | None, new: Rows) -> None:
    """Delete rows that are gone, insert rows that are new."""
    before, after = _by_table(old), _by_table(new)
    for table, rows in after.items():
        for row in before[table] - rows:
            where = " AND ".join(f"{name} = ?" for name in row._fields)
            connection.execute(f"DELETE FROM {table} WHERE {where}", row)  # noqa: S608
        for row in sorted(rows - before[table]):
            insert(connection, table, row)


def insert(connection: sqlite3.Connection, table: str, row: Any) -> None:
    """Insert a row with its checksum."""
    marks = ", ".join("?" * (len(row) + 1))
    connection.execute(f"INSERT INTO {table} VALUES ({marks})", (*row, checksum(row)))  # noqa: S608


def _by_table(rows: Rows | None) -> dict[str, set[Any]]:
    if rows is None:
        return {table: set() for table in _TABLES}
    manifest = set() if rows.manifest == NO_MANIFEST else {rows.manifest}
    groups: list[set[Any]] = [{rows.header}, set(rows.methods), set(rows.keys), set(rows.versions), manifest]
    return dict(zip(_TABLES, groups, strict=True))


def queue(connection: sqlite3.Connection, item: Queued) -> None:
    """Keep an act for the ledger inside the vault's own transaction."""
    connection.execute("INSERT INTO queued VALUES (?, ?, ?)", item)


def queued(connection: sqlite3.Connection) -> list[Queued]:
    """Return what waits for the ledger, oldest first; Damaged where one is no act."""
    found = [Queued(*row) for row in connection.execute("SELECT at_us, act, subject FROM queued ORDER BY at_us")]
    for item in found:
        if not isinstance(item.at_us, int) or not isinstance(item.act, str) or not isinstance(item.subject, str):
            raise Damaged("the vault's queue holds an act that is none", _HINT)
    return found


def unqueue(connection: sqlite3.Connection, item: Queued) -> None:
    """Forget an act that the ledger has now."""
    connection.execute("DELETE FROM queued WHERE at_us = ? AND act = ? AND subject = ?", item)
