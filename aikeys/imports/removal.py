"""Lines that hold keys, taken out of a file's bytes and put back (pure). Everything else stays byte for byte.

- A line goes only where it holds that one assignment and nothing else; a comment takes its place and says how the
  program is run now. Languages without such a comment (JSON) and lines that do more are refused with the reason.
- What is put back fits only where the rest of the file, without our comments, is what it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from aikeys.imports.decoding import encoding_of
from aikeys.storage.canonical import sha256

_ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'`;,&|(){}\[\]<>#]+)"""
_ALONE = re.compile(
    rf"""\s*(?:-[ \t]+)?(?:(?:export|declare[ \t]+-x|typeset[ \t]+-x|setenv|set(?:[ \t]+-\w+)*)[ \t]+)?(?:\$env:)?
    ["']?{_NAME}["']?(?:[ \t]*[=:][ \t]*|[ \t]+)["]?{_QUOTED}["]?[ \t]*;?[ \t]*(?:\#.*)?\s*\Z""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_MARK = "aikeys exec"
_NO_COMMENTS = (".json", ".jsonc", ".plist")


class Held(NamedTuple):
    """Lines `first` to `last` (from 1) that set `variable` to the key `name`."""

    first: int
    last: int
    variable: str
    name: str


class Removed(NamedTuple):
    """What was taken out, byte for byte, and the comment in its place: line `at` of the new file (from 1)."""

    at: int
    taken: bytes
    comment: bytes


class Without(NamedTuple):
    """A file without its keys: the new bytes, what was taken out, and which lines stay, with the reason."""

    data: bytes
    removed: tuple[Removed, ...]
    staying: tuple[tuple[int, str], ...]


def without(data: bytes, path: str, held: Sequence[Held]) -> Without:
    """Return a file without these lines; of lines that overlap the first ones count."""
    lines = _lines(data)
    if lines is None or path.lower().endswith(_NO_COMMENTS):
        why = "its language has no comments" if lines is not None else "its encoding cannot be written again exactly"
        return Without(data, (), tuple((one.first, why) for one in held))
    removed: list[Removed] = []
    staying: list[tuple[int, str]] = []
    written: list[bytes] = []
    done = 0
    for one in sorted(held):
        taken = b"".join(lines[one.first - 1 : one.last])
        if one.first <= done:
            continue
        if not _ALONE.match(_decoded(taken, data)):
            staying.append((one.first, "the line does more than that"))
            continue
        written += lines[done : one.first - 1]
        comment = _comment(taken, data, one)
        removed.append(Removed(len(written) + 1, taken, comment))
        written.append(comment)
        done = one.last
    return Without(b"".join([*written, *lines[done:]]), tuple(removed), tuple(staying))


def put_back(data: bytes, removed: Sequence[Removed], rest: bytes) -> bytes | None:
    """Return the file as it was; None where the rest is not what `rest_of` said when the lines went."""
    if rest_of(data, removed) != rest:
        return None
    places = {one.at - 1: one.taken for one in removed}
    return b"".join(places.get(number, line) for number, line in enumerate(_lines(data) or ()))


def rest_of(data: bytes, removed: Sequence[Removed]) -> bytes:
    """Return the digest of a file but for the lines that took the places of others."""
    places = {one.at - 1 for one in removed}
    return sha256(b"".join(line for number, line in enumerate(_lines(data) or ()) if number not in places))


def _lines(data: bytes) -> list[bytes] | None:
    """Return the lines with their ends, the byte order mark in the first; None where they cannot be written again."""
    encoding = encoding_of(data)
    mark, body = _mark(data, encoding)
    text = _text(body, encoding)
    lines = [line.encode(encoding, "surrogateescape") for line in _ENDS.split(text) if line]
    if b"".join(lines) != body:
        return None
    return [mark + lines[0], *lines[1:]] if lines else [mark]


def _mark(data: bytes, encoding: str) -> tuple[bytes, bytes]:
    sizes = {"utf-8": 3 if data.startswith(b"\xef\xbb\xbf") else 0, "utf-16-le": 2, "utf-16-be": 2}
    size = sizes.get(encoding, 4)
    return data[:size], data[size:]


def _text(body: bytes, encoding: str) -> str:
    return body.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def _decoded(taken: bytes, data: bytes) -> str:
    encoding = encoding_of(data)
    return _text(_mark(data, encoding)[1] and taken.removeprefix(_mark(data, encoding)[0]), encoding)


def _comment(taken: bytes, data: bytes, one: Held) -> bytes:
    encoding = encoding_of(data)
    mark = _mark(data, encoding)[0]
    text = _decoded(taken, data)
    end = next((end for end in ("\r\n", "\n", "\r") if text.endswith(end)), "")
    indent = text[: len(text) - len(text.lstrip(" \t"))]
    comment = f"{indent}# {one.variable}: {_MARK} {one.name} -- COMMAND{end}".encode(encoding)
    return mark + comment if mark and taken.startswith(mark) else comment
