"""Recompute everything that ledger.db says about itself; raises Damaged naming the first place that is wrong.

- The chain, entry by entry, over the texts of every field (a renamed word changes a context's digest).
- What is made from entries: days, roll-ups, anchors.
- Checkpoints: which entries the vault's key vouched for. What came later is unsigned, and is called so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

from aikeys.errors import Damaged
from aikeys.ledger.calendar import Calendar, date_of
from aikeys.ledger.calls import Context, Labels, context_digest, text_pairs
from aikeys.ledger.entries import Entry, Head, chain_hash, checkpoint_message
from aikeys.ledger.rollups import first_wrong
from aikeys.ledger.store import Ledger, checked, read_base

_ACTS = f"SELECT {', '.join(Entry._fields)}, hash FROM entry ORDER BY id"  # noqa: S608
_CALLS = """SELECT id, at_us, settled_us, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
  cost_pusd, latency_ms, first_token_ms, corrects, CAST(source AS BLOB), CAST(status AS BLOB), context, extra, hash
  FROM call WHERE id > ? AND id < ? ORDER BY id"""
_ROW = b"call %d %d %d %d %d %d %d %d %d %d %d %d %d %b %b %b%b"
_HINT = "put an unchanged copy back, or restore a backup: aikeys restore FILE"


class Verdict(NamedTuple):
    """What was found: the head, and the newest entry that a key vouched for, when, and by which public key."""

    head: Head
    signed: int
    signed_at_us: int | None
    signer: bytes | None
    entries: int


IsSigned = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether the Ed25519 signature is right."""


def _never(_public: bytes, _signature: bytes, _message: bytes) -> bool:
    return False


def verify(
    ledger: Ledger,
    signers: frozenset[bytes] = frozenset(),
    is_signed: IsSigned = _never,
    advance: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Check the whole ledger; `signers` are the public keys to be trusted, `advance` is told entries as they pass."""
    with ledger.reading() as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise Damaged(f"{ledger.path} is damaged", _HINT)
        chain = _Chain(connection, ledger, advance)
        head = chain.walk()
        _check_anchors(connection, ledger, chain.anchors)
        _check_rollups(connection, ledger)
        signed = _check_checkpoints(connection, ledger, chain.wanted, signers, is_signed)
    return Verdict(head, *signed, chain.count)


class _Chain:
    """One walk over acts and calls in the order of their numbers."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger, advance: Callable[[int], None]) -> None:
        self.connection = connection
        self.ledger = ledger
        self.advance = advance
        self.anchors: dict[bytes, tuple[int, bytes]] = {}
        self.head = read_base(connection, ledger)
        self.count = 0
        self.wanted: dict[int, bytes] = dict.fromkeys(
            row[0] for row in connection.execute("SELECT number FROM checkpoint")
        )  # type: ignore[assignment]
        self.digests = context_digests(connection)

    def walk(self) -> Head:
        base = self.head.number
        self._note()
        for row in self.connection.execute(_ACTS):
            entry = checked(row[:-1], self.ledger.path)
            self._calls_before(entry.id)
            self._act(entry, row[-1])
        self._calls_before(1 << 62)
        self.count = self.head.number - base
        return self.head

    def _act(self, entry: Entry, stored: bytes) -> None:
        head = Head(self.head.number + 1, chain_hash(self.head.hash, entry))
        if entry.id != head.number or stored != head.hash:
            self._wrong(head.number)
        self.head = head
        self._note()
        if entry.vault_id is not None and entry.manifest is not None and entry.epoch is not None:
            self.anchors[entry.vault_id] = (entry.epoch, entry.manifest)

    def _calls_before(self, number: int) -> None:
        at, digest = self.head
        digests, wanted = self.digests, self.wanted
        for row in self.connection.execute(_CALLS, (at, number)):
            at += 1
            *numbers, context, extra, stored = row
            try:
                digest = sha256(digest + _ROW % (*numbers, digests[context], extra)).digest()
            except (KeyError, TypeError):
                self._wrong(at)
            if digest != stored or numbers[0] != at:
                self._wrong(at)
            if at in wanted:
                wanted[at] = digest
            if not at & 0xFFFF:
                self.advance(0x10000)
        self.head = Head(at, digest)

    def _note(self) -> None:
        if self.head.number in self.wanted:
            self.wanted[self.head.number] = self.head.hash

    def _wrong(self, number: int) -> None:
        raise Damaged(f"{self.ledger.path}: entry {number} was changed, removed or inserted", _HINT)


def context_digests(connection: sqlite3.Connection) -> dict[int, bytes]:
    """Return every context's digest, recomputed from its words."""
    words = dict(connection.execute("SELECT id, text FROM word"))
    rows = connection.execute(
        "SELECT c.id, s.team, s.project, s.environment, s.user, c.tags, c.token, s.key, s.provider, s.model, "
        "c.answered, c.price, c.address, c.door FROM context c JOIN slot s ON s.id = c.slot"
    )
    return dict(_recomputed(rows, words))


def _recomputed(rows: sqlite3.Cursor, words: dict[int, str]) -> Iterator[tuple[int, bytes]]:
    for row in rows:
        number, team, project, environment, user, tags, *texts, address, door = row
        try:
            labels = Labels(words[team], words[project], words[environment], "", text_pairs(words[tags]))
            token, key, provider, model, answered, price = (words[text] for text in texts)
            context = Context(labels, token, key, provider, model, answered, price, "", words[door])
        except KeyError:
            continue
        yield number, context_digest(context, user, address)


def _check_anchors(connection: sqlite3.Connection, ledger: Ledger, anchors: dict[bytes, tuple[int, bytes]]) -> None:
    stored = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT * FROM anchor")}
    archived = read_base(connection, ledger).number > 0
    wrong = [vault for vault in {*stored, *anchors} if stored.get(vault) != anchors.get(vault)]
    if any(vault in anchors or not archived for vault in wrong):
        raise Damaged(f"{ledger.path}: the anchor of a vault was changed", _HINT)


def _check_rollups(connection: sqlite3.Connection, ledger: Ledger) -> None:
    _check_days(connection, ledger)
    wrong = first_wrong(connection)
    if wrong is not None:
        day, table = wrong
        raise Damaged(f"{ledger.path}: the totals of {date_of(day)} ({table}) are not those of its calls", _HINT)


def _check_days(connection: sqlite3.Connection, ledger: Ledger) -> None:
    calendar = Calendar(ledger.zone)
    for day, first, last in connection.execute("SELECT day, min(at_us), max(at_us) FROM call GROUP BY day"):
        if not calendar.start_us(day) <= first <= last < calendar.start_us(day + 1):
            raise Damaged(f"{ledger.path}: a call is counted on another day than its own", _HINT)


def _check_checkpoints(
    connection: sqlite3.Connection,
    ledger: Ledger,
    hashes: dict[int, bytes],
    signers: frozenset[bytes],
    is_signed: IsSigned,
) -> tuple[int, int | None, bytes | None]:
    newest: tuple[int, int | None, bytes | None] = (0, None, None)
    base = read_base(connection, ledger).number
    rows = connection.execute("SELECT number, hash, at_us, signer, signature FROM checkpoint ORDER BY number")
    for number, digest, at_us, signer, signature in rows:
        if signer not in signers:
            continue
        if not is_signed(signer, signature, checkpoint_message(ledger.ledger_id, Head(number, digest), at_us)):
            raise Damaged(f"{ledger.path}: the checkpoint at entry {number} is forged", _HINT)
        if number >= base and hashes.get(number) != digest:
            raise Damaged(f"{ledger.path}: entries up to {number} are not those that were signed", _HINT)
        newest = (number, at_us, signer)
    return newest
