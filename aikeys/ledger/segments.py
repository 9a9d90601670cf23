"""Segments: archived entries in a file of their own, signed, compressed, and still part of the chain.

    aikeys-ledger-segment-1 LF          which format
    hex of the header LF                pack("aikeys/1/segment", every field of Header)
    hex of the signature LF             Ed25519 by the signer over the header
    gzip                                frames: a 32-bit big-endian length, then the canonical bytes

- A frame holds exactly the bytes that are hashed: of a context (before the first call that uses it), an act or a call.
  Of a context with a masked text (repeated_secrets) they are those of its texts now, then the digest in the chain.
- `base` is the hash before the first entry, `end` that of the last, `digest` SHA-256 of all frames with their lengths.
- No person's name is in it, only digests: the names stay in ledger.db, where they can be erased.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import IO, Any, NamedTuple

from aikeys.errors import Damaged
from aikeys.ledger.calls import call_bytes, context_bytes
from aikeys.ledger.entries import Entry, Head, act_bytes
from aikeys.ledger.listing import Texts
from aikeys.ledger.repeated_secrets import checked_as
from aikeys.ledger.store import Ledger, Signer
from aikeys.storage.canonical import Field, pack, unpack

_MAGIC = b"aikeys-ledger-segment-1\n"
_CONTEXTS = (pack("aikeys/1/context"), pack("aikeys/2/context"))
_TEXTS = {_CONTEXTS[0]: 13, _CONTEXTS[1]: 15}
_CALL = b"call "
_LARGEST_FRAME = 1 << 20
_LONGEST_LINE = 4096
_ACTS = f"SELECT {', '.join(Entry._fields)} FROM entry WHERE id <= ? ORDER BY id"  # noqa: S608
_CALLS = """SELECT id, at_us, settled_us, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
  cost_pusd, latency_ms, first_token_ms, corrects, CAST(source AS BLOB), CAST(status AS BLOB), context,
  (SELECT digest FROM context WHERE id = call.context), extra FROM call WHERE id > ? AND id < ? ORDER BY id"""
_HINT = "bring the archive back from where you keep copies"


class SegmentHeader(NamedTuple):
    """What a segment says of itself; `base` and `end` are hashes of entries first - 1 and last."""

    ledger_id: bytes
    zone: str
    first: int
    last: int
    base: bytes
    end: bytes
    digest: bytes
    signer: bytes


class Segment(NamedTuple):
    """A segment's file: its path, header and signature."""

    path: str
    header: SegmentHeader
    signature: bytes


def header_bytes(header: SegmentHeader) -> bytes:
    """Return what is signed."""
    return pack("aikeys/1/segment", *header)


def entry_frames(connection: sqlite3.Connection, base: int, last: int) -> Iterator[bytes]:
    """Yield the frames of entries base + 1 … last."""
    texts, in_chain = Texts(connection), checked_as(connection)
    seen: dict[int, bytes] = {}

    def calls(after: int, before: int) -> Iterator[bytes]:
        for *numbers, source, status, context, stored, extra in connection.execute(_CALLS, (after, before)):
            if context not in seen:
                frame = context_bytes(*texts.digested(context))
                fresh = sha256(frame).digest()
                seen[context] = in_chain(stored, fresh)
                yield frame if seen[context] == fresh else frame + pack(seen[context])
            yield call_bytes(tuple(numbers), source, status, seen[context], extra)

    at = base
    for row in connection.execute(_ACTS, (last,)):
        yield from calls(at, row[0])
        yield act_bytes(Entry(*row))
        at = row[0]
    yield from calls(at, last + 1)


def write_body(
    file: IO[bytes], frames: Iterator[bytes], base: Head, advance: Callable[[int], None]
) -> tuple[Head, bytes]:
    """Compress frames into a file; returns the last entry and the digest of all."""
    digest, hashed, number = sha256(), base.hash, base.number
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as body:
        for frame in frames:
            data = len(frame).to_bytes(4, "big") + frame
            digest.update(data)
            body.write(data)
            if not frame.startswith(_CONTEXTS):
                hashed = sha256(hashed + frame).digest()
                number += 1
                advance(1)
    return Head(number, hashed), digest.digest()


def put_together(body: IO[bytes], path: str, header: SegmentHeader, signer: Signer) -> Segment:
    """Write the lines and the compressed part into the segment's file; it is on disk when this returns."""
    message = header_bytes(header)
    signature = signer.sign(message)
    temporary = f"{path}.{os.urandom(4).hex()}"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_MAGIC + message.hex().encode() + b"\n" + signature.hex().encode() + b"\n")
            body.seek(0)
            shutil.copyfileobj(body, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Segment(path, header, signature)


def open_segment(file: IO[bytes], path: str) -> Segment:
    """Read the lines before the compressed part; raises Damaged where it is no segment."""
    if file.readline(_LONGEST_LINE) != _MAGIC:
        raise Damaged(f"{path} is not an archive of a ledger", _HINT)
    try:
        purpose, *fields = unpack(bytes.fromhex(file.readline(_LONGEST_LINE).decode("ascii")))
        signature = bytes.fromhex(file.readline(_LONGEST_LINE).decode("ascii"))
        header = SegmentHeader(*_typed(fields))
    except (ValueError, TypeError):
        raise Damaged(f"{path} is damaged: its header cannot be read", _HINT) from None
    if purpose != "aikeys/1/segment":
        raise Damaged(f"{path} is damaged: its header cannot be read", _HINT)
    return Segment(path, header, signature)


def read_frames(file: IO[bytes], path: str) -> Iterator[bytes]:
    """Yield the frames of a segment whose lines were read; raises Damaged."""
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as body:
            while size := body.read(4):
                length = int.from_bytes(size, "big")
                frame = body.read(length) if len(size) == 4 and length <= _LARGEST_FRAME else b""
                if len(frame) != length or not frame:
                    raise Damaged(f"{path} is damaged: a frame is cut off", _HINT)
                yield frame
    except (OSError, EOFError, zlib.error):
        raise Damaged(f"{path} is damaged: it cannot be decompressed", _HINT) from None


def is_context(frame: bytes) -> bool:
    """Tell whether a frame is a context, and so no entry."""
    return frame.startswith(_CONTEXTS)


class CallFrame(NamedTuple):
    """A call as its frame has it: the thirteen numbers, source, the digest of its context, and its extra."""

    numbers: tuple[int, ...]
    source: str
    status: str
    context: bytes
    extra: bytes


def read_call(frame: bytes) -> CallFrame | None:
    """Return a frame's call, None where it is an act; raises ValueError."""
    if not frame.startswith(_CALL):
        return None
    parts = frame.split(b" ", 16)
    numbers = tuple(int(part) for part in parts[1:14])
    return CallFrame(numbers, parts[14].decode(), parts[15].decode(), parts[16][:32], parts[16][32:])


def read_context(frame: bytes) -> tuple[bytes, tuple[Field, ...]]:
    """Return a context's digest in the chain and its texts, in the order of `context_bytes`; raises ValueError."""
    texts, count = unpack(frame)[1:], _TEXTS[frame[: len(_CONTEXTS[0])]]
    if len(texts) == count:
        return sha256(frame).digest(), texts
    if len(texts) != count + 1 or not isinstance(texts[-1], bytes):
        raise ValueError("no context")
    return texts[-1], texts[:-1]


def belongs(segment: Segment, ledger: Ledger) -> None:
    """Raise Damaged where a segment is of another ledger."""
    if (segment.header.ledger_id, segment.header.zone) != (ledger.ledger_id, ledger.zone):
        raise Damaged(f"{segment.path} belongs to another ledger", _HINT)


def _typed(fields: list[Any]) -> list[Any]:
    kinds = (bytes, str, int, int, bytes, bytes, bytes, bytes)
    if len(fields) != len(kinds) or any(type(field) is not kind for field, kind in zip(fields, kinds, strict=True)):
        raise ValueError("no header")
    return fields
