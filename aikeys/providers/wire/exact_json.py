"""Reads and writes JSON bodies (pure): fractions are read as Decimal, so that a cost in a reply keeps every digit.

One decoder is made once: `json.loads` with arguments makes a new one for every call. What is large is read, and with
`write_large` written, in steps that let other threads run: the C code of json would stop them for seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NoReturn, cast

from aikeys.errors import UsageError
from aikeys.providers.wire.values import Json, Unreadable

LARGE_BYTES = 1 << 20
_LARGEST_BODY = 1 << 28
_AT_ONCE, _CHARACTERS_AT_ONCE = 512, 1 << 16
Table = Mapping[str, Json]


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse).raw_decode
_BOM = b"\xef\xbb\xbf"


def _fraction(digits: str) -> Decimal:
    return Decimal(digits)


def _whole(digits: str) -> int:
    return int(digits)


def _same(value: dict[str, object]) -> dict[str, object]:
    return value


_decode_in_steps = json.JSONDecoder(
    parse_float=_fraction, parse_int=_whole, parse_constant=_refuse, object_hook=_same
).raw_decode
"""Functions of Python's own are where the decoder gives way to other threads."""
_BLANKS = " \t\n\r"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=float).encode


def read(data: bytes) -> Json:
    """Return the value; Unreadable when it is not JSON. The error never repeats the text."""
    if len(data) > _LARGEST_BODY:
        raise Unreadable("the reply of the provider is larger than 256 MiB")
    try:
        written = (data[3:] if data.startswith(_BOM) else data).decode().strip(_BLANKS)
        value, end = (_decode if len(data) <= LARGE_BYTES else _decode_in_steps)(written)
    except (ValueError, RecursionError, ArithmeticError):
        raise Unreadable("the reply of the provider is not JSON") from None
    if end != len(written):
        raise Unreadable("the reply of the provider is not JSON")
    return cast("Json", value)


def read_table(data: bytes) -> Table:
    """Return the object; Unreadable for anything else."""
    value = read(data)
    if not isinstance(value, dict):
        raise Unreadable("the reply of the provider is not a JSON object")
    return value


def write(value: Json) -> bytes:
    """Return compact JSON in UTF-8."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise UsageError("the request holds half a character that UTF-8 cannot write", "send valid text") from None
    except ValueError:
        raise UsageError("the request holds a number that JSON cannot write", "give a finite number") from None
    except RecursionError:
        raise UsageError("the request is nested too deeply", "send a flatter one") from None


def write_large(value: Json) -> bytes:
    """Return what `write` does, made in steps that let other threads run."""
    try:
        return b"".join(piece.encode() for piece in pieces_of(value))
    except (ValueError, RecursionError):
        return write(value)  # it says what is wrong


def pieces_of(value: Json) -> Iterator[str]:
    """Yield the pieces of compact JSON."""
    if isinstance(value, dict):
        comma = "{"
        for name, each in value.items():
            yield f"{comma}{_encode(name)}:"
            yield from pieces_of(each)
            comma = ","
        yield "}" if value else "{}"
    elif isinstance(value, list):
        yield "["
        for start in range(0, len(value), _AT_ONCE):
            yield "," if start else ""
            yield from _pieces_of_some(value[start : start + _AT_ONCE])
        yield "]"
    elif isinstance(value, str) and len(value) > _CHARACTERS_AT_ONCE:
        yield '"'
        for start in range(0, len(value), _CHARACTERS_AT_ONCE):
            yield _encode(value[start : start + _CHARACTERS_AT_ONCE])[1:-1]
        yield '"'
    else:
        yield _encode(value)


def _pieces_of_some(values: list[Json]) -> Iterator[str]:
    if not any(isinstance(each, (dict, list, str)) for each in values):
        yield _encode(values)[1:-1]
        return
    for number, each in enumerate(values):
        yield "," if number else ""
        yield from pieces_of(each)


def table(value: Json, *path: str) -> Table:
    """Return the object at that path, an empty one where there is none."""
    found = value.get(path[0]) if len(path) == 1 and isinstance(value, dict) else at(value, *path)
    return found if isinstance(found, dict) else {}


def text(value: Json, *path: str) -> str:
    """Return the text at that path, "" where there is none."""
    found = value.get(path[0]) if len(path) == 1 and isinstance(value, dict) else at(value, *path)
    return found if isinstance(found, str) else ""


def items(value: Json, *path: str) -> list[Table]:
    """Return the objects of the list at that path; whatever else stands in it is passed over."""
    found = value.get(path[0]) if len(path) == 1 and isinstance(value, dict) else at(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def given(**fields: Json) -> dict[str, Json]:
    """Return the fields that were given: without those that are None."""
    return {name: value for name, value in fields.items() if value is not None}


def at(value: Json, *path: str) -> Json:
    """Return what stands at that path of objects, None where there is none."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
