"""Finds what a reply reports and nobody read (pure): such a number makes the cost of the call a lower bound.

- Readers note every number that they read (counts.Read). Everything else in a reported object that is a number (or a
  text that is one) and not zero counts as unread, unless a list of the catalogue settles it (providers.reported).
- Numbers below an object `…_details` belong to the sum beside it: they change nothing where that sum was read.
- Items of an output are billed by their tokens, by a count that is read, or not at all: a list says so. An item of any
  other kind is unread.
- A reported object is whatever has a name of that sense: what a provider adds tomorrow is one, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from aikeys.providers.reported import Reported
from aikeys.providers.usage import Usage
from aikeys.providers.wire.exact_json import Table
from aikeys.providers.wire.values import Json

Read = set[tuple[int, str]]
"""What was read: the id of an object, which lives as long as its reply, and the name of the number in it."""
Unread = tuple[tuple[str, int], ...]
MOST_NAMES = 8
_OTHERS = "further fields"
_LONGEST_NAME = 100
_LARGEST = 10**15
_DEEPEST = 12
_SENSE = re.compile(
    r"usage|bill|grounding|cost|fee(?!d)|charge|credit|metering|price|pricing|spend|consum|units", re.IGNORECASE
)
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?\s*", re.ASCII)
_KNOWN_SUMS = {"cacheTokensDetails": "cachedContentTokenCount", "cacheDetails": "cacheWriteInputTokens"}


def is_report(name: str) -> bool:
    """Tell whether a field of a reply, by its name, reports what was used."""
    return _kept_sense(name) if len(name) <= _LONGEST_NAME else _has_sense(name)


def _has_sense(name: str) -> bool:
    return _SENSE.search(name) is not None


_kept_sense = lru_cache(maxsize=1024)(_has_sense)


def reports_in(value: Table, above: str = "", plain: Collection[str] = ()) -> list[tuple[str, Json]]:
    """Return the fields of an object that report what was used, with their paths; not those in `plain`."""
    return [(above + name, each) for name, each in value.items() if name not in plain and is_report(name)]


def unread_of(tables: Iterable[tuple[str, Json]], read: Read, lists: Reported) -> Unread:
    """Return the numbers of reported objects, given with their paths, that nobody read."""
    found: dict[str, int] = {}
    for path, value in tables:
        for name, number in _numbers(path, value, read, 0):
            if name not in lists.settled:
                found[name] = min(_LARGEST, found.get(name, 0) + number)
    return bounded(found)


def items_of(kinds: Iterable[str], lists: Reported) -> Unread:
    """Return the kinds of items that are on no list, with how many there are."""
    found: dict[str, int] = {}
    for kind in kinds:
        if kind not in lists.settled:
            found[kind] = found.get(kind, 0) + 1
    return bounded(found)


def beyond(name: str, total: int, usage: Usage | None) -> Unread:
    """Return what a reported total has beyond the input and output that were read: nobody knows what it is."""
    rest = total - usage.input - usage.output if usage is not None else 0
    return ((f"{name}.rest", rest),) if rest > 0 else ()


def together(one: Unread, two: Unread) -> Unread:
    """Return what two reports of one reply left unread: reports are cumulative, so the larger number counts."""
    if not one or not two:
        return one or two
    found = dict(one)
    for name, number in two:
        found[name] = max(found.get(name, 0), number)
    return bounded(found)


def fallen(path: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Unread:
    """Return by how much counts of a report are more than those of a later one: reports of a stream add up.

    Not so at Gemini, whose recorded streams take counts back.
    """
    pairs = ((name, before.get(name), value) for name, value in after.items() if name in before)
    return tuple(
        (f"{path}.{name}_fell", _number(old) - _number(new))
        for name, old, new in pairs
        if type(old) is type(new) is int and old > new >= 0
    )


def bounded(found: Mapping[str, int]) -> Unread:
    """Return names as they may be kept: printable, short and few; what is beyond is added up under one name."""
    if not found:
        return ()
    kept: dict[str, int] = {}
    for name, number in found.items():
        plain = "".join(sign for sign in name[: 4 * _LONGEST_NAME] if sign.isprintable() and sign != "=")
        plain = plain[:_LONGEST_NAME].strip() or _OTHERS
        if plain not in kept and len(kept) >= MOST_NAMES - 1 and len(found) > MOST_NAMES:
            plain = _OTHERS
        kept[plain] = min(_LARGEST, kept.get(plain, 0) + number)
    return tuple(kept.items())


def fees_of(tables: Iterable[tuple[str, Json]], read: Read, lists: Reported) -> dict[str, int]:
    """Return what a list says is a fee, by unit, and note it as read."""
    found: dict[str, int] = {}
    units = dict(lists.fees)
    for path, value in tables if units else ():
        for holder, name, number, where in _leaves(path, value, 0):
            if where in units and _key(holder, name) not in read:
                found[units[where]] = found.get(units[where], 0) + number
                read.add(_key(holder, name))
    return found


def _numbers(path: str, value: Json, read: Read, depth: int) -> Iterator[tuple[str, int]]:
    """Yield the numbers of a value that nobody read, with their paths."""
    if depth > _DEEPEST:
        yield path, 1
    elif isinstance(value, dict):
        for name, inner in value.items():
            where = f"{path}.{name}"
            if isinstance(inner, dict | list):
                if not _belongs_to_sum(value, name, read):
                    yield from _numbers(where, inner, read, depth + 1)
            elif (number := _counted(where, inner)) and (id(value), name) not in read:
                yield where, number
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(path, inner, read, depth + 1)
    elif number := _counted(path, value):
        yield path, number


def _leaves(path: str, value: Json, depth: int) -> Iterator[tuple[Table, str, int, str]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            where = f"{path}.{name}"
            if number := _number(inner):
                yield value, name, number, where
            else:
                yield from _leaves(where, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner, depth + 1)


def _key(holder: Table, name: str) -> tuple[int, str]:
    return id(holder), name


def _counted(path: str, value: Json) -> int:
    """Return a number, or a text that is one; what was searched for and found stays a text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value) and "grounding" not in path:
        return _number(Decimal(value))
    return _number(value)


def _belongs_to_sum(holder: Table, name: str, read: Read) -> bool:
    """Tell whether what stands below a name is the detail of a sum beside it that was read."""
    if name.endswith("_details"):
        base = name.removesuffix("_details")
        sums = (base, f"{base}s")  # some write completion_token_details
    elif name.endswith("Details"):
        base = name.removesuffix("Details").removesuffix("s")
        sums = (_KNOWN_SUMS.get(name, ""), f"{base}Count")
    else:
        return False
    return any((id(holder), each) in read for each in sums)


def _number(value: Json) -> int:
    """Return a number as a whole one, at least 1; 0 for zero, a boolean and whatever is no number."""
    if type(value) is int:
        return min(abs(value), _LARGEST)
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 15:
            return _LARGEST
        return min(_LARGEST, int(abs(value).to_integral_value(ROUND_CEILING)))
    return 0
