"""Check segments: each in itself, one after the other, and that they lead to what ledger.db still holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from aikeys.errors import Damaged, MachineFailed, NotFound
from aikeys.ledger import segments
from aikeys.ledger.archive import parse_cut
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import read_extra
from aikeys.ledger.entries import Entry, Head, genesis
from aikeys.ledger.projections import archived_digest, sums_digest
from aikeys.ledger.rollups import sums_of_frame
from aikeys.ledger.store import Ledger
from aikeys.storage.canonical import Field, unpack

_HINT = "bring an unchanged copy of the archive back"
Check = Callable[[bytes, bytes, bytes], bool]


class Walk(NamedTuple):
    """What a walk over entries notes (hashes of the numbers wanted) and whom it tells of its advance.

    `cuts`: by the last entry of an earlier segment, the SHA-256 of its file as the act of archiving states it.
    """

    wanted: dict[int, bytes]
    advance: Callable[[int], None]
    cuts: dict[int, str]


class _ArchivedSums:
    """The sums of archived calls, added up as `archived` has them."""

    def __init__(self, zone: str) -> None:
        self._calendar = Calendar(zone)
        self._contexts: dict[bytes, tuple[Field, ...]] = {}
        self._rows: dict[tuple[int, bytes, str], list[int]] = {}

    def add_context(self, frame: bytes) -> None:
        digest, texts = segments.read_context(frame)
        self._contexts[digest] = texts

    def add(self, call: segments.CallFrame) -> None:
        if call.context not in self._contexts:
            raise ValueError("a call without its context")
        sums = sums_of_frame(call.numbers, call.status, read_extra(call.extra).found)
        row = self._rows.setdefault(
            (self._calendar.day_of(call.numbers[1]), call.context, call.source), [0] * len(sums)
        )
        row[:] = [one + other for one, other in zip(row, sums, strict=True)]

    def digest(self) -> str:
        """Return the digest as `projections.archived_digest` makes it: contexts that differ in less come together."""
        together: dict[tuple[Field, ...], list[int]] = {}
        for (day, context, source), sums in self._rows.items():
            team, project, environment, user, tags, token, key, provider, model, *_ = self._contexts[context]
            texts = (day, team, project, environment, user, key, provider, model, token, tags, source)
            row = together.setdefault(texts, [0] * len(sums))
            row[:] = [one + other for one, other in zip(row, sums, strict=True)]
        return sums_digest((*texts, *sums) for texts, sums in together.items())


def check_segments(
    connection: sqlite3.Connection,
    ledger: Ledger,
    base: Head,
    paths: Sequence[str],
    is_signed: Check | None,
    walk: Walk,
) -> int:
    """Walk over archived entries up to `base`; returns the number of the first. Raises Damaged naming the place.

    Every segment is signed by the key it names (`is_signed` None: nobody can tell). That it is the one that was
    archived is in the chain: `check_files`.
    """
    found = sorted((_opened(path, ledger, is_signed) for path in paths), key=lambda segment: segment.header.first)
    first = found[0].header
    at = Head(first.first - 1, first.base)
    if at.number == 0 and at != genesis(ledger.ledger_id, ledger.zone):
        raise Damaged(f"{found[0].path}: the first entry does not begin this ledger", _HINT)
    sums = _ArchivedSums(ledger.zone)
    for segment in found:
        if at != Head(segment.header.first - 1, segment.header.base):
            raise Damaged(f"{segment.path} does not follow entry {at.number}", "give every archive in between")
        at = _walked(segment, at, sums, walk)
    if at != base:
        raise Damaged(
            f"{found[-1].path} ends at entry {at.number}, {ledger.path} begins after {base.number}",
            "give the newer archives, too",
        )
    if first.first == 1 and sums.digest() != archived_digest(connection):
        raise Damaged(f"{ledger.path}: the sums of archived entries are not those of the archives", _HINT)
    return first.first


def check_files(paths: Sequence[str], cuts: Mapping[int, str]) -> None:
    """Raise Damaged where a segment's file, signer and all, is not the one that the act of archiving states."""
    for path in paths:
        with _reading(path) as file:
            last = segments.open_segment(file, path).header.last
            file.seek(0)
            digest = sha256()
            while piece := file.read(1 << 20):
                digest.update(piece)
            if cuts.get(last) != digest.hexdigest():
                raise Damaged(f"{path} is not the file that was archived up to entry {last}", _HINT)


def _opened(path: str, ledger: Ledger, is_signed: Check | None) -> segments.Segment:
    with _reading(path) as file:
        segment = segments.open_segment(file, path)
    segments.belongs(segment, ledger)
    signer = segment.header.signer
    message = segments.header_bytes(segment.header)
    if is_signed is not None and not is_signed(signer, segment.signature, message):
        raise Damaged(f"{path}: its signature is forged", _HINT)
    return segment


def _walked(segment: segments.Segment, at: Head, sums: _ArchivedSums, walk: Walk) -> Head:
    number, digest, whole = *at, sha256()
    if number in walk.wanted:
        walk.wanted[number] = digest
    try:
        for frame in _frames(segment):
            whole.update(len(frame).to_bytes(4, "big"))
            whole.update(frame)
            if segments.is_context(frame):
                sums.add_context(frame)
                continue
            number += 1
            digest = sha256(digest + frame).digest()
            call = segments.read_call(frame)
            if call is not None:
                sums.add(call)
            elif (cut := parse_cut(Entry(*unpack(frame)[1:]))) is not None:  # type: ignore[arg-type]
                walk.cuts[cut.last.number] = cut.segment
            if number in walk.wanted:
                walk.wanted[number] = digest
            walk.advance(1)
    except ValueError:
        raise Damaged(f"{segment.path}: entry {number} cannot be read", _HINT) from None
    if Head(number, digest) != Head(segment.header.last, segment.header.end) or whole.digest() != segment.header.digest:
        raise Damaged(f"{segment.path}: its entries are not those of its header", _HINT)
    return Head(number, digest)


def _frames(segment: segments.Segment) -> Iterator[bytes]:
    with _reading(segment.path) as file:
        segments.open_segment(file, segment.path)
        yield from segments.read_frames(file, segment.path)


def _reading(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise NotFound(f"there is no archive at {path}", "name the file that aikeys ledger archive wrote") from None
    except OSError as error:
        raise MachineFailed(f"cannot read {path}: {error.strerror}") from None
