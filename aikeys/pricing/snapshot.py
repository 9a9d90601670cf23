"""The updated price book in the home (`prices.jsonl`): checked as a whole before it is kept, read one line at a time.

The file: a header line, then one line for each provider, as the bundled files but on one line.

    {"schema":"aikeys.price-book/1","date":"2026-11-23","sha256":"…"}
    {"schema":"aikeys.prices/1","provider":"anthropic","date":"2026-11-23",…,"models":[…]}

The digest covers every byte after the header line. A file that fails any check is refused and the one kept before
stays; a kept file never expires by age.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn, cast

from aikeys.errors import BadConfiguration, Damaged
from aikeys.pricing import reading
from aikeys.storage import folders

FILE = "prices.jsonl"
FETCHED = "prices-fetched.jsonl"
"""Prices that were fetched and not accepted: they only add and raise."""
SCHEMA = "aikeys.price-book/1"
PROVIDER_SCHEMA = "aikeys.prices/1"
LARGEST_BYTES = 16 * 1024 * 1024
_LONGEST_SOURCE = 200
_START = re.compile(rb'\{"schema":"aikeys\.prices/1","provider":"([a-z0-9_.-]{1,64})",')
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HINT = "make one with aikeys/pricing/data/generate.py --book FILE, or use another source; the prices so far stay"


class Snapshot(NamedTuple):
    """A price book's date and the unread line of each provider; where it came from, where that was noted."""

    date: str
    lines: Mapping[str, bytes]
    sha256: str = ""
    source: str = ""

    @property
    def mark(self) -> str:
        """Return what tells it from another of the same day."""
        return f"{self.date}.{self.sha256[:8]}"


def packed(date: str, lines: Iterable[str], source: str = "") -> bytes:
    """Return the file for these providers' lines."""
    body = "".join(line + "\n" for line in lines).encode()
    header = {"schema": SCHEMA, "date": date, "sha256": hashlib.sha256(body).hexdigest()}
    header |= {"source": source} if source else {}
    return json.dumps(header, separators=(",", ":")).encode() + b"\n" + body


def parse(line: bytes | str, where: str) -> Mapping[str, object]:
    """Return one provider's document, numbers with decimals as their text; ValueError where it is none."""
    document = json.loads(line, parse_float=str, parse_constant=_no_number)
    if not isinstance(document, dict) or document.get("schema") != PROVIDER_SCHEMA:
        raise ValueError(f"{where} is not in the schema {PROVIDER_SCHEMA}")
    if not isinstance(document.get("models"), list):
        raise ValueError(f"{where}: models is not a list")  # noqa: TRY004  it is the file that is wrong
    if _DAY.fullmatch(str(document.get("date"))) is None:
        raise ValueError(f"{where}: date is not a date")
    return document


def check(data: bytes, where: str) -> tuple[Snapshot, int]:
    """Return a book and its number of models after reading every price in it.

    Raises Damaged where the digest differs, BadConfiguration where anything else is wrong, naming it.
    """
    snapshot = _open(data, where)
    models = 0
    for provider, line in snapshot.lines.items():
        try:
            document = parse(line, provider)
        except (ValueError, RecursionError) as error:
            _refuse(where, f"{provider}: {str(error)[:120]}")
        for row in cast("list[object]", document["models"]):
            _check_row(row, provider, where)
            models += 1
        others = document.get("falls_back", [])
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            _refuse(where, f"{provider}: falls_back is not a list of names")
    return snapshot, models


def document(line: bytes, provider: str, file: str = FILE) -> Mapping[str, object]:
    """Return one provider's document of a kept book; Damaged where it is none."""
    try:
        return parse(line, provider)
    except ValueError as error:
        raise Damaged(f"{file} is damaged: {error}", "fetch it again: aikeys prices update") from None


def load(home: str, file: str = FILE) -> Snapshot | None:
    """Return a kept book, its digest checked; None where there is none."""
    path = os.path.join(home, file)
    data = folders.read_kept(home, file, LARGEST_BYTES)
    if data is None:
        return None
    try:
        return _open(data, path)
    except BadConfiguration as error:  # it was checked when it was kept
        raise Damaged(error.message, f"delete {path}, or fetch it again: aikeys prices update") from None


def store(home: str, data: bytes, file: str = FILE) -> None:
    """Keep a checked book: all of it or nothing, mode 0600."""
    folders.make(home)
    folders.write_kept(home, file, data)


def forget_fetched(home: str) -> None:
    """Delete what was fetched and not accepted."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(home, FETCHED))


def stamp(home: str) -> tuple[tuple[int, int, int], ...]:
    """Return what changes when a kept book does."""
    found = []
    for file in (FILE, FETCHED):
        try:
            status = os.stat(os.path.join(home, file))
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _open(data: bytes, where: str) -> Snapshot:
    if len(data) > LARGEST_BYTES:
        _refuse(where, "it is larger than 16 MiB")
    first, _, body = data.partition(b"\n")
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        _refuse(where, "its first line is not a header")
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        _refuse(where, f"it is not in the schema {SCHEMA}")
    date = header.get("date")
    if not isinstance(date, str) or _DAY.fullmatch(date) is None:
        _refuse(where, "date is not a date")
    if header.get("sha256") != hashlib.sha256(body).hexdigest():
        raise Damaged(
            f"the price book {where} is damaged: its sha256 differs", "fetch it again; the prices so far stay"
        )
    lines: dict[str, bytes] = {}
    for line in body.splitlines():
        match = _START.match(line)
        if match is None:
            _refuse(where, f"a line does not start with the schema {PROVIDER_SCHEMA} and a provider")
        lines[match[1].decode()] = line
    if not lines:
        _refuse(where, "it holds no provider")
    return Snapshot(date, lines, str(header["sha256"]), str(header.get("source", ""))[:_LONGEST_SOURCE])


def _check_row(row: object, provider: str, where: str) -> None:
    if not isinstance(row, Mapping):
        _refuse(where, f"{provider}: a model is not a table")
    try:
        reading.price(row, provider, "updated", "")
        reading.names(row)
    except ValueError as error:
        _refuse(where, f"{provider}/{ascii(row.get('id'))[1:80]}: {error}")


def _refuse(where: str, why: str) -> NoReturn:
    raise BadConfiguration(f"{where} is not a price book: {why}", _HINT)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a price")
