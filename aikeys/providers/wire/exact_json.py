"""Reads and writes JSON bodies (pure): fractions are read as Decimal, so that a cost in a reply keeps every digit.

One decoder is made once: `json.loads` with arguments makes a new one for every call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn, cast

from aikeys.errors import Usage
from aikeys.providers.wire.values import Json, Unreadable

_LARGEST_BODY = 1 << 28
Table = Mapping[str, Json]


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse).raw_decode
_BOM = b"\xef\xbb\xbf"
_BLANKS = " \t\n\r"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=float).encode


def read(data: bytes) -> Json:
    """Return the value; Unreadable when it is not JSON. The error never repeats the text."""
    if len(data) > _LARGEST_BODY:
        raise Unreadable("the reply of the provider is larger than 256 MiB")
    try:
        written = (data[3:] if data.startswith(_BOM) else data).decode().strip(_BLANKS)
        value, end = _decode(written)
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
        raise Usage("the request holds half a character that UTF-8 cannot write", "send valid text") from None
    except ValueError:
        raise Usage("the request holds a number that JSON cannot write", "give a finite number") from None
    except RecursionError:
        raise Usage("the request is nested too deeply", "send a flatter one") from None


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
