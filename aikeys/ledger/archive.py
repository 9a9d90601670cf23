"""Archive: move the oldest entries into a segment; the chain, roll-ups and totals stay as they are.

- First the segment is written, in a file that nothing refers to yet; then one transaction puts the sums of its calls
  into `archived`, moves `ledger.base` up, deletes the rows and says so in an act that the vault's key signs. A crash
  leaves all entries where they were, or all moved.
- The act states the last archived entry, its hash, the digests of all archived sums and of their imported ids, the
  anchors of vaults, and the segment's SHA-256: what stands in for deleted rows is in the chain itself.
- Limits and alert channels made by an archived act, erasures and declared tags are stated again, so that `verify`
  still finds their origin.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from hashlib import file_digest
from typing import NamedTuple

from aikeys.errors import Damaged, MachineFailed, NotFound, UsageError
from aikeys.ledger import lost_ledgers, raw_runs, segments, token_acts
from aikeys.ledger.entries import Entry, Head, Pairs, checked
from aikeys.ledger.projections import ERASED, archived_digest, imports_digest
from aikeys.ledger.rollups import OF_CALLS, ROLLED, SUMS
from aikeys.ledger.store import Act, Ledger, Signer, Writer, read_base, read_head
from aikeys.ledger.write_cache import is_any_act

ARCHIVED = "ledger archive"
_ADD = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS.split(", "))
_COLUMNS = ", ".join(Entry._fields)


class Cut(NamedTuple):
    """What an act of archiving states; `entry` is its own number."""

    entry: int
    last: Head
    sums: str
    segment: str
    imports: str
    tokens: str
    anchors: tuple[tuple[bytes, int, bytes], ...] = ()
    runs: str = ""


def parse_cut(entry: Entry) -> Cut | None:
    """Return what an act of archiving states, None where it is none."""
    if entry.act != ARCHIVED or entry.phase != "event":
        return None
    said = dict(entry.pairs)
    try:
        return Cut(
            entry.id,
            Head(int(said["last"]), bytes.fromhex(said["hash"])),
            said["sums"],
            said["segment"],
            said["imports"],
            said["tokens"],
            _anchors(said.get("anchors", "")),
            said.get("runs", ""),
        )
    except (KeyError, ValueError):
        return None


def _anchors(text: str) -> tuple[tuple[bytes, int, bytes], ...]:
    """Return (vault, epoch, state) of every vault whose anchor may rest on an archived act."""
    parts = [part.split(":") for part in text.split(",") if part]
    return tuple((bytes.fromhex(vault), int(epoch), bytes.fromhex(state)) for vault, epoch, state in parts)


def _anchors_text(connection: sqlite3.Connection) -> str:
    rows = connection.execute("SELECT vault_id, epoch, digest FROM anchor ORDER BY vault_id")
    return ",".join(f"{vault.hex()}:{epoch}:{state.hex()}" for vault, epoch, state in rows)


def last_before(ledger: Ledger, before_us: int, keep_from: int) -> Head:
    """Return the last entry to archive: none of an instant or later, none still open, none from `keep_from` on.

    Raises NotFound where there is nothing to archive, UsageError where the act of a lost ledger is among it.
    """
    with ledger.reading() as connection:
        base = read_base(connection, ledger)
        stays = connection.execute(
            "SELECT min(n) FROM (SELECT ? AS n UNION ALL SELECT min(id) FROM entry WHERE at_us >= ? "
            "UNION ALL SELECT min(id) FROM call WHERE settled_us >= ? UNION ALL SELECT min(entry) FROM open_intent)",
            (min(keep_from, ledger.head().number + 1), before_us, before_us),
        ).fetchone()[0]
        digest = ledger.hash_at(stays - 1)
        lost = lost_ledgers.find(connection)
    if lost is not None and lost.entry < stays:
        raise UsageError(f"entry {lost.entry} stays until it is settled: {lost.sentence}", lost_ledgers.WAY_OUT)
    if stays - 1 <= base.number or digest is None:
        raise NotFound("there is nothing to archive before that day", "see the oldest calls: aikeys ledger export")
    return Head(stays - 1, digest)


def write(
    ledger: Ledger, last: Head, signer: Signer, folder: str, advance: Callable[[int], None] = lambda _: None
) -> segments.Segment:
    """Write entries up to `last` into a segment in a folder, on disk when this returns; nothing refers to it yet."""
    with ledger.reading() as connection:
        base = read_base(connection, ledger)
        path = os.path.join(folder, f"ledger-{base.number + 1:09d}-{last.number:09d}.segment")
        temporary = f"{path}.{os.urandom(4).hex()}"
        try:
            with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as body:
                frames = segments.entry_frames(connection, base.number, last.number)
                end, digest = segments.write_body(body, frames, base, advance)
                if end != last:
                    raise Damaged(f"{ledger.path}: entry {last.number} does not follow from those before it")
                header = segments.SegmentHeader(
                    ledger.ledger_id,
                    ledger.zone,
                    base.number + 1,
                    last.number,
                    base.hash,
                    end.hash,
                    digest,
                    signer.public,
                )
                segment = segments.put_together(body, path, header, signer)
        except OSError as error:
            raise MachineFailed(f"cannot write {path}: {error.strerror}", "nothing was archived; make room") from None
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return segment


def remove(ledger: Ledger, segment: segments.Segment, signer: Signer) -> Head:
    """Take the entries of a written segment out of the ledger, in one transaction; returns the act's place."""
    header = segment.header
    with open(segment.path, "rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    with ledger.reading() as connection:  # what takes longest takes no lock: calls come, what is archived stays
        known_to, imports = read_head(connection, ledger).number, imports_digest(connection, header.last)
    with ledger.writing() as writer:
        if is_any_act(writer.connection, known_to):
            imports = imports_digest(writer.connection, header.last)
        base = read_base(writer.connection, ledger)
        if base != Head(header.first - 1, header.base):
            raise Damaged(f"{segment.path} does not follow what was archived before")
        _add_up(writer.connection, header.last)
        _keep_tokens(writer.connection, header.last, ledger.path)
        _restate(writer, header.last)
        for table in ("entry", "call"):
            writer.connection.execute(f"DELETE FROM {table} WHERE id <= ?", (header.last,))  # noqa: S608
        writer.connection.execute("UPDATE ledger SET base = ?, base_hash = ?", (header.last, header.end))
        stated = _stated(writer.connection, segment, sha256, imports)
        head = writer.act(Act(ARCHIVED, os.path.basename(segment.path), facts=stated))
        writer.checkpoint(signer)
    return head


def _stated(connection: sqlite3.Connection, segment: segments.Segment, sha256: str, imports: str) -> Pairs:
    """Return what the act of archiving states of what stands for the entries that went."""
    header = segment.header
    return (
        ("last", str(header.last)),
        ("hash", header.end.hex()),
        ("sums", archived_digest(connection)),
        ("segment", sha256),
        ("imports", imports),
        ("tokens", token_acts.archived_digest(connection)),
        ("runs", raw_runs.archived_digest(connection)),
        ("anchors", _anchors_text(connection)),
    )


def _add_up(connection: sqlite3.Connection, last: int) -> None:
    connection.execute(
        f"INSERT INTO archived SELECT call.day, c.slot, c.token, c.tags, source, {OF_CALLS} FROM call "  # noqa: S608
        "JOIN context c ON c.id = call.context WHERE call.id <= ? GROUP BY 1, 2, 3, 4, 5 "
        f"ON CONFLICT DO UPDATE SET {_ADD}",
        (last,),
    )


def _keep_tokens(connection: sqlite3.Connection, last: int, path: str) -> None:
    """Keep what the entries that go say of tokens, and how many programs got keys."""
    query = f"SELECT {_COLUMNS} FROM entry WHERE id <= ? AND act IN (?, ?, ?, ?) ORDER BY id"  # noqa: S608
    for row in connection.execute(query, (last, *token_acts.ACTS, raw_runs.EXEC)).fetchall():
        entry = checked(row, path)
        token_acts.project(connection, entry, "archived_token")
        raw_runs.project(connection, entry, "archived_runs")


def _restate(writer: Writer, last: int) -> None:
    """Say once more what limits and channels rest upon, where the act that said it goes into the archive."""
    for table in ("budget", "channel"):
        rows = writer.connection.execute(f"SELECT rowid, entry FROM {table} WHERE entry <= ?", (last,)).fetchall()  # noqa: S608
        for row, number in rows:
            stated = writer.connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE id = ?", (number,)).fetchone()  # noqa: S608
            if stated is None:
                raise Damaged(f"{writer.ledger.path}: a {table} has no act that made it", "see: aikeys ledger verify")
            head = writer.repeat(checked(stated, writer.ledger.path))
            writer.connection.execute(f"UPDATE {table} SET entry = ? WHERE rowid = ?", (head.number, row))  # noqa: S608
    kept = "act = ? OR (act = ? AND subject IN (SELECT name FROM rolled_tag))"
    query = f"SELECT {_COLUMNS} FROM entry WHERE id <= ? AND ({kept}) AND status = 'ok' ORDER BY id"  # noqa: S608
    for said in writer.connection.execute(query, (last, ERASED, ROLLED)).fetchall():
        writer.repeat(checked(said, writer.ledger.path))
