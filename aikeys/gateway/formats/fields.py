"""Reads the fields of a client's JSON body (pure): each one is taken once, and what nobody took is refused by its name.

- Null is the same as absent. Nothing is dropped silently: `done()` ends the reading of every object.
- An error names the field by its path (`messages[2].content`), never its value.
- Numbers may be int, float or Decimal, whichever way the body was parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite

from aikeys.errors import UsageError
from aikeys.providers.wire.values import Json

_DEEPEST = 100
_LONGEST_NAME = 60


class InvalidRequest(UsageError):
    """The body of a request is not what it must be; `field` is the path of what is wrong, "" for the whole body."""

    code = "invalid_request"

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field or 'the body of the request'} {problem}", hint)
        self.field = field


class Fields:
    """One JSON object at a path of the body."""

    __slots__ = ("_left", "path")

    def __init__(self, value: Json, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidRequest(path, "is missing" if value is None else "is not a JSON object")
        self.path = path
        self._left = {name: each for name, each in value.items() if each is not None}

    def name(self, key: str) -> str:
        """Return the path of a field."""
        shown = "".join(sign if sign.isprintable() else "?" for sign in key[:_LONGEST_NAME])
        return f"{self.path}.{shown}" if self.path else shown

    def wrong(self, key: str, problem: str, hint: str = "") -> InvalidRequest:
        """Return the error that says what is wrong with a field."""
        return InvalidRequest(self.name(key), problem, hint)

    def take(self, key: str) -> Json:
        """Return a field as it is, None where it is absent."""
        return self._left.pop(key, None)

    def text(self, key: str, most: int = 0) -> str:
        """Return a text, "" where it is absent; at most so many characters long."""
        value = self.take(key)
        return "" if value is None else checked_text(value, self.name(key), most)

    def required(self, key: str, most: int = 0) -> str:
        """Return a text that must be there and say something."""
        found = self.text(key, most)
        if not found:
            raise self.wrong(key, "is missing")
        return found

    def word(self, key: str, words: Sequence[str]) -> str:
        """Return one of these words, "" where it is absent."""
        found = self.text(key)
        if found and found not in words:
            raise self.wrong(key, "has an unknown value", f"known: {', '.join(words)}")
        return found

    def flag(self, key: str) -> bool | None:
        """Return true or false, None where it is absent."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, "is neither true nor false")

    def whole(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number between these, None where it is absent."""
        value = self.take(key)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(key, f"is not a whole number from {least} to {most}")
        return value

    def number(self, key: str) -> float | None:
        """Return a number, None where it is absent."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            try:
                found = float(value)
            except (OverflowError, ValueError):
                found = float("inf")
            if isfinite(found):
                return found
        raise self.wrong(key, "is not a number that can be sent")

    def items(self, key: str) -> list[Json]:
        """Return a list, an empty one where it is absent."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return value

    def inner(self, key: str) -> Fields:
        """Return the fields of the object that must stand there."""
        return Fields(self.take(key), self.name(key))

    def tree(self, key: str) -> dict[str, Json]:
        """Return an object whose inside is passed on as it is, an empty one where it is absent."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(key, "is not a JSON object")
        if _is_too_deep(value):
            raise self.wrong(key, f"is nested more than {_DEEPEST} levels deep")
        return value

    def done(self, hint: str = "") -> None:
        """Refuse what nobody took."""
        for key in self._left:
            raise self.wrong(key, "is not supported here", hint)


def checked_text(value: Json, field: str, most: int = 0) -> str:
    """Return a text that UTF-8 can write; InvalidRequest names the field."""
    if not isinstance(value, str):
        raise InvalidRequest(field, "is not a text")
    if most and len(value) > most:
        raise InvalidRequest(field, f"is longer than {most} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(field, "holds half a character that UTF-8 cannot write") from None
    return value


def _is_too_deep(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(_DEEPEST):
        inner: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return False
        level = inner
    return True
