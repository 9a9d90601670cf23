"""Recompute everything that ledger.db says about itself; raises Damaged naming the first place that is wrong.

- The chain, entry by entry, over the texts of every field (a renamed word changes a context's digest).
- What is made from entries: days, roll-ups, anchors, open intents, imports, persons, what stands for archived entries.
- What is looked up by a digest later: a context's decides whom a call counts for.
- Checkpoints: each is signed by the key it names; those of the vault's key say which entries it vouched for. What came
  later is unsigned, and is called so.
- The clock: an entry that was written over an hour before the one it follows is named, and is no damage.
- What is known from elsewhere: receipts, and segments of entries that were archived.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from aikeys.errors import Damaged
from aikeys.ledger import projections, raw_runs, repeated_secrets, token_acts
from aikeys.ledger.archive import ARCHIVED, Cut, parse_cut
from aikeys.ledger.archived import Walk, check_files, check_segments
from aikeys.ledger.calls import Context, Labels, context_digest, pairs_text, text_pairs
from aikeys.ledger.clock_jumps import Jump, Times, forward_jump
from aikeys.ledger.entries import Entry, Head, chain_hash, checked, checkpoint_message
from aikeys.ledger.receipts import Receipt, check_receipts
from aikeys.ledger.schema import FORMAT, STATEMENTS
from aikeys.ledger.store import Ledger, read_base
from aikeys.storage.schema import first_difference

_ACTS = f"SELECT {', '.join(Entry._fields)}, hash FROM entry ORDER BY id"  # noqa: S608
_CALLS = """SELECT id, CAST(printf('call %d %d %d %d %d %d %d %d %d %d %d %d %d %s %s ', id, at_us, settled_us, input,
  cache_read, cache_write_5m, cache_write_1h, output, reasoning, cost_pusd, latency_ms, first_token_ms, corrects,
  source, status) AS BLOB), context, extra, hash, settled_us FROM call WHERE id > ? AND id < ? ORDER BY id"""
_CUT_BY_PRINTF = """SELECT id FROM call
  WHERE instr(CAST(source AS BLOB), x'00') OR instr(CAST(status AS BLOB), x'00') LIMIT 1"""
_DAY_US = 86_400_000_000
_DIGEST_BYTES = 32
_HINT = "put an unchanged copy of ledger.db back; aikeys-ledger(5) says what is checked"
_STEP = 1 << 14

IsSigned = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether the Ed25519 signature is right."""


def _never(_public: bytes, _signature: bytes, _message: bytes) -> bool:
    return False


class Known(NamedTuple):
    """What is known from elsewhere: public keys to be trusted, receipts, and the paths of segments."""

    signers: frozenset[bytes] = frozenset()
    is_signed: IsSigned = _never
    receipts: Sequence[Receipt] = ()
    segments: Sequence[str] = ()


class SignerChange(NamedTuple):
    """An act after which another key signs, that of another vault or a new one: its outcome's number, its public key.

    A ledger has one where its vault got a new signing key on purpose, or was replaced by another vault.
    """

    entry: int
    act: str
    public: bytes


class LedgerVerdict(NamedTuple):
    """What was found: the head, and the newest entry that a key vouched for, when, and by which public key.

    `first` is the number of the first entry that was there to be checked, `entries` how many were; `changes` of the
    signing key and `jumps` of the clock, oldest first, as far as their entries are there. `latest_us` is the latest
    time at which an entry says it was written.
    """

    head: Head
    signed: int
    signed_at_us: int | None
    signer: bytes | None
    first: int
    entries: int
    changes: tuple[SignerChange, ...] = ()
    jumps: tuple[Jump, ...] = ()
    latest_us: int = 0


def verify(ledger: Ledger, known: Known = Known(), advance: Callable[[int], None] = lambda _: None) -> LedgerVerdict:  # noqa: B008
    """Check the whole ledger; `advance` is told how many more entries have passed."""
    with ledger.reading() as connection:
        _check_form(connection, ledger)
        base = read_base(connection, ledger)
        wanted = dict.fromkeys((row[0] for row in connection.execute("SELECT number FROM checkpoint")), b"")
        wanted |= {receipt.head.number: b"" for receipt in known.receipts}
        first, walk = base.number + 1, Walk(wanted, advance, {})
        if known.segments:
            is_signed = None if known.is_signed is _never else known.is_signed
            first = check_segments(connection, ledger, base, known.segments, is_signed, walk)
        chain = _Chain(connection, ledger, advance, wanted)
        head = chain.walk()
        check_files(known.segments, walk.cuts | chain.cuts)
        check_receipts(known.receipts, ledger, head, wanted, first)
        projections.check(connection, ledger, chain.acts, chain.times.latest_us)
        signed = _check_checkpoints(connection, ledger, wanted, first, known)
        _check_base(connection, ledger, base, chain.cut)
        if known.signers and repeated_secrets.last_stated(connection) > signed[0]:
            raise Damaged(f"{ledger.path}: texts of calls were masked by nobody with the key", _HINT)
        if known.signers and chain.cut is not None and chain.cut.entry > signed[0]:
            raise Damaged(f"{ledger.path}: entries up to {base.number} were taken away by nobody with the key", _HINT)
    times = chain.times
    return LedgerVerdict(
        head, *signed, first, head.number - first + 1, tuple(chain.changes), tuple(times.jumps), times.latest_us
    )


def _check_form(connection: sqlite3.Connection, ledger: Ledger) -> None:
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise Damaged(f"{ledger.path} is damaged", _HINT)
    name = first_difference(connection, STATEMENTS.strip().split(";\n"))
    if name is not None:
        raise Damaged(f"{ledger.path}: {name} is not as format {FORMAT} has it", _HINT)


class _Chain:
    """One walk over acts and calls in the order of their numbers."""

    def __init__(
        self, connection: sqlite3.Connection, ledger: Ledger, advance: Callable[[int], None], wanted: dict[int, bytes]
    ) -> None:
        self.connection = connection
        self.ledger = ledger
        self.advance = advance
        self.wanted = wanted
        self.acts = projections.Acts(
            token_acts.read_tokens(connection, "archived_token"), raw_runs.read(connection, "archived_runs")
        )
        self.cut: Cut | None = None
        self.cuts: dict[int, str] = {}
        self.changes: list[SignerChange] = []
        self._signer = b""
        self.head = read_base(connection, ledger)
        self.digests = context_digests(connection)
        self.times = Times()

    def walk(self) -> Head:
        base = self.head.number
        self._note()
        for row in self.connection.execute(_ACTS):
            entry = checked(row[:-1], self.ledger.path)
            self._calls_before(entry.id)
            self._act(entry, row[-1])
        self._calls_before(1 << 62)
        hidden = self.connection.execute(_CUT_BY_PRINTF).fetchone()
        if hidden is not None:
            self._wrong(hidden[0])
        rows = self.connection.execute("SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM call)").fetchone()[
            0
        ]
        if rows != self.head.number - base:
            raise Damaged(f"{self.ledger.path} has entries outside of its chain", _HINT)
        self.advance(rows % _STEP)
        _check_contexts(self.connection, self.ledger, self.digests)
        return self.head

    def _act(self, entry: Entry, stored: bytes) -> None:
        head = Head(self.head.number + 1, chain_hash(self.head.hash, entry))
        if entry.id != head.number or stored != head.hash:
            self._wrong(head.number)
        self.head = head
        self._note()
        self.times.add(entry.id, entry.at_us)
        forward = forward_jump(entry)
        if forward is not None:
            self.times.jumps.append(forward)
        self.acts.add(entry)
        if not head.number % _STEP:
            self.advance(_STEP)
        if entry.manifest is not None:
            self._signed_by(entry, entry.manifest[_DIGEST_BYTES:])
        cut = parse_cut(entry) if entry.act == ARCHIVED else None
        if cut is not None:
            self.cut = cut
            self.cuts[cut.last.number] = cut.segment
            for anchor in cut.anchors:
                self.acts.anchor(*anchor)

    def _signed_by(self, entry: Entry, public: bytes) -> None:
        if self._signer and public != self._signer:
            self.changes.append(SignerChange(entry.id, entry.act, public))
        self._signer = public

    def _calls_before(self, end: int) -> None:
        at, digest = self.head
        if end == at + 1:  # act after act, as where keys are only lent
            return
        digests, wanted, add_time = self.digests, self.wanted, self.times.add
        for number, text, context, extra, stored, settled_us in self.connection.execute(_CALLS, (at, end)):
            at += 1
            try:
                digest = sha256(digest + text + digests[context] + extra).digest()
            except (KeyError, TypeError):
                self._wrong(at)
            if digest != stored or number != at:
                self._wrong(at)
            add_time(at, settled_us)
            if at in wanted:
                wanted[at] = digest
            if not at % _STEP:
                self.advance(_STEP)
        self.head = Head(at, digest)

    def _note(self) -> None:
        if self.head.number in self.wanted:
            self.wanted[self.head.number] = self.head.hash

    def _wrong(self, number: int) -> None:
        raise Damaged(f"{self.ledger.path}: entry {number} was changed, removed or inserted", _HINT)


def context_digests(connection: sqlite3.Connection) -> dict[int, bytes]:
    """Return every context's digest as it is in the chain, recomputed from its words; a masked one's by its act."""
    words = dict(connection.execute("SELECT id, text FROM word"))
    rows = connection.execute(
        "SELECT c.id, s.team, s.project, s.environment, s.person, c.tags, c.token, s.key, s.provider, s.model, "
        "c.answered, c.price, c.address, c.door, c.origin, c.tool, c.digest FROM context c JOIN slot s ON s.id = c.slot"
    )
    in_chain = repeated_secrets.checked_as(connection)
    return {number: in_chain(stored, fresh) for number, stored, fresh in _recomputed(rows, words)}


def _recomputed(rows: sqlite3.Cursor, words: dict[int, str]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number of each context, the digest it is stored with, and that of its words."""
    for row in rows:
        number, team, project, environment, user, tags, *texts, address, door, source, tool, stored = row
        try:
            if pairs_text(text_pairs(words[tags])) != words[tags]:
                continue
            labels = Labels(words[team], words[project], words[environment], "", text_pairs(words[tags]))
            token, key, provider, model, answered, price = (words[text] for text in texts)
            end = (words[door], words[source], words[tool])
            context = Context(labels, token, key, provider, model, answered, price, "", *end)
        except KeyError:
            continue
        yield number, stored, context_digest(context, user, address)


def _check_contexts(connection: sqlite3.Connection, ledger: Ledger, digests: dict[int, bytes]) -> None:
    """The stored digest is how a call finds its context, also the next one: it is that of the context's texts."""
    for number, stored in connection.execute("SELECT id, digest FROM context"):
        if digests.get(number) != stored:
            raise Damaged(f"{ledger.path}: the texts of calls (context {number}) are not those of its digest", _HINT)


def _check_base(connection: sqlite3.Connection, ledger: Ledger, base: Head, cut: Cut | None) -> None:
    """Where the chain begins after the first entry, the newest act of archiving says where and with which sums."""
    kept = "SELECT 1 FROM archived UNION ALL SELECT 1 FROM archived_token UNION ALL SELECT 1 FROM archived_runs LIMIT 1"
    if base.number == 0 and cut is None and not connection.execute(kept).fetchone():
        return
    if cut is None or cut.last != base:
        raise Damaged(f"{ledger.path}: entries up to {base.number} were removed, not archived", _HINT)
    if cut.sums != projections.archived_digest(connection):
        raise Damaged(f"{ledger.path}: the sums of archived entries are not those of entry {cut.entry}", _HINT)
    if cut.tokens != token_acts.archived_digest(connection):
        raise Damaged(f"{ledger.path}: what archived entries say of tokens is not what entry {cut.entry} says", _HINT)
    if cut.runs != raw_runs.archived_digest(connection):
        raise Damaged(f"{ledger.path}: what archived entries say of programs is not what entry {cut.entry} says", _HINT)
    if cut.imports != projections.imports_digest(connection, base.number):
        raise Damaged(f"{ledger.path}: what was imported and archived is not what entry {cut.entry} says", _HINT)


def _check_checkpoints(
    connection: sqlite3.Connection, ledger: Ledger, hashes: dict[int, bytes], first: int, known: Known
) -> tuple[int, int | None, bytes | None]:
    newest: tuple[int, int | None, bytes | None] = (0, None, None)
    rows = connection.execute("SELECT number, hash, at_us, signer, signature, day FROM checkpoint ORDER BY number")
    for number, digest, at_us, signer, signature, day in rows:
        if day != at_us // _DAY_US:
            raise Damaged(f"{ledger.path}: the checkpoint at entry {number} was moved to another day", _HINT)
        message = checkpoint_message(ledger.ledger_id, Head(number, digest), at_us)
        if known.is_signed is not _never and not known.is_signed(signer, signature, message):
            raise Damaged(f"{ledger.path}: the checkpoint at entry {number} is forged", _HINT)
        if number >= first - 1 and hashes[number] != digest:
            raise Damaged(f"{ledger.path}: entries up to {number} are not those that were signed", _HINT)
        if signer in known.signers:
            newest = (number, at_us, signer)
    return newest
