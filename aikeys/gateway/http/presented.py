"""Responsible for which of a request's credentials counts (pure but for the request).

- A token stands in Authorization (Bearer), x-api-key, x-goog-api-key or api-key on every route; in `?key=` on Gemini's
  routes alone: addresses end up in logs.
- A client may carry a credential of its own beside ours: the one that is a token of aikeys counts. Two different ones
  are refused, whichever would do: nobody could say for whom the call is. One that stands where none is taken (in
  Authorization without Bearer, in the address of another route) is no credential, but it is a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aiohttp import web

from aikeys.errors import TokenRefused
from aikeys.secret import TOKEN_PREFIX

_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
_MAKE_ONE = "make one: aikeys token issue"
_LONGEST_TOKEN = 400


class Unauthenticated(TokenRefused):
    """No token was given."""


class Presented(NamedTuple):
    """The credential that counts, and whether it stood in the address alone."""

    text: str
    is_in_address: bool


def presented(request: web.Request, *, takes_key: bool) -> Presented:
    """Return the credential of a request; Unauthenticated without one, TokenRefused for two tokens.

    `takes_key`: the route takes it in its address, too.
    """
    in_headers = list(dict.fromkeys(_in_headers(request)))
    in_address = [text for text in request.query.getall("key", []) if text] if takes_key else []
    every = list(dict.fromkeys((*in_headers, *in_address)))
    tokens = [text for text in every if text.startswith(TOKEN_PREFIX)]
    if len({*tokens, *_elsewhere(request)}) > 1:
        raise TokenRefused("two different tokens were sent", "send one: it says who asks")
    given = next(iter((*tokens, *every)), "")
    if not given:
        raise Unauthenticated("no token was sent", f"send Authorization: Bearer with a token; {_MAKE_ONE}")
    if len(given) > _LONGEST_TOKEN:
        raise TokenRefused("what was sent is not a token of aikeys", _MAKE_ONE)
    return Presented(given, given not in in_headers)


def _in_headers(request: web.Request) -> Iterator[str]:
    for value in request.headers.getall("authorization", []):
        kind, _, given = value.strip().partition(" ")
        if kind.lower() == "bearer" and given.strip():
            yield given.strip()
    for name in _HEADERS:
        for value in request.headers.getall(name, []):
            if value.strip():
                yield value.strip()


def _elsewhere(request: web.Request) -> Iterator[str]:
    """Yield the tokens that stand where a token is not taken."""
    words = [word for value in request.headers.getall("authorization", []) for word in value.split()]
    for word in (*words, *request.query.getall("key", [])):
        if word.strip().startswith(TOKEN_PREFIX):
            yield word.strip()
