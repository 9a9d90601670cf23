"""The parameters of an address (pure but for the request): each is known, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.ledger.questions import TAG
from aikeys.names import meant

Parameters = Mapping[str, Sequence[str]]
_LONGEST = 60


def read(request: web.Request, known: Sequence[str], *, tags: bool = False) -> dict[str, list[str]]:
    """Return the values of each parameter; with `tags` also `tag:NAME`. InvalidRequest names the nearest."""
    found: dict[str, list[str]] = {}
    for name, value in request.query.items():
        if name not in known and not (tags and name.startswith(TAG) and len(name) > len(TAG)):
            raise unknown(name, "is not a parameter here", known)
        found.setdefault(name, []).append(value)
    return found


def once(found: Parameters, name: str) -> str:
    """Return a parameter that stands there once or not at all, then ""."""
    values = found.get(name, ())
    if len(values) > 1:
        raise InvalidRequest(name, "stands there twice", "give it once")
    return values[0].strip() if values else ""


def whole(found: Parameters, name: str, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`."""
    text = once(found, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise InvalidRequest(name, f"is not a whole number from 1 to {most}")
    return int(text)


def unknown(name: str, problem: str, known: Sequence[str]) -> InvalidRequest:
    """Return the refusal of a name, with the nearest that is known."""
    return InvalidRequest(_shown(name), problem, _advice(name, known))


def unknown_value(name: str, value: str, known: Sequence[str]) -> InvalidRequest:
    """Return the refusal of a value, with the nearest that is known."""
    return InvalidRequest(name, f"does not know {_shown(value)}", _advice(value, known))


def _advice(text: str, known: Sequence[str]) -> str:
    return meant(text, known, f"known: {', '.join(known) or 'none'}")


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_LONGEST])
