"""A secret that cannot be printed by accident, and one that was typed where a name belongs.

`reveal()` is the one way out: grep for it.
"""

from __future__ import annotations

from typing import NoReturn

from aikeys.errors import Usage

TOKEN_PREFIX = "aik_"  # noqa: S105  it is none
_MASK = "‹secret›"
_TELLING = 20
"""From so many characters on what follows the prefix is a token, or a part of one, and no name."""


class Secret:
    """Bytes that never show in str, repr, format, a traceback's locals or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the secret's bytes."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def refuse_token(*texts: str) -> None:
    """Raise Usage where a token stands in one of these texts, which would be kept and shown; it is not repeated."""
    for text in texts:
        for rest in text.split(TOKEN_PREFIX)[1:]:
            start = rest[:_TELLING]
            if len(start) == _TELLING and start.isascii() and start.isalnum():
                raise Usage(
                    "a token stands where a name belongs: it is a secret, is in the shell's history now, and should be "
                    "revoked",
                    "its id: aikeys token show - < FILE; then: aikeys token revoke ID",
                )
