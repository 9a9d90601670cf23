"""Whose money a budget limits (pure): WHO as people write it, as it is stored, and which WHOs a call counts for.

- `org` is everybody; `team:support` one; `team:*` each team without a budget of its own over the same period.
- A user is stored as `user:` and the digest that stands for the name (ledger.entries.person_digest), in hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from aikeys.errors import Usage
from aikeys.ledger.calls import Context
from aikeys.secret import refuse_token

ORG, USER, TOKEN, EACH = "org", "user", "token", "*"
LABELLED = ("team", "project", "environment", USER, "key", TOKEN)
_LONGEST_NAME = 200
_DIGEST_DIGITS, _TOKEN_DIGITS = 64, 16
_HEX = frozenset("0123456789abcdef")
_FORMS = "org, team:support, team:*, project:x, environment:prod, user:ana, key:openai or token:ID"


class Who(NamedTuple):
    """A WHO taken apart; `name` is empty for org, `*` for each, and a user's name or stored digest."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def is_each(self) -> bool:
        return self.name == EACH


def parse_who(text: str) -> Who:
    """Return a WHO as a person writes it; Usage names what is wrong. A token is named by its whole id."""
    refuse_token(text)
    kind, colon, name = text.partition(":")
    if kind == ORG and not colon:
        return Who(ORG)
    if kind not in LABELLED:
        nearest = get_close_matches(kind, [ORG, *LABELLED], n=1)
        hint = f"did you mean {nearest[0]}? write" if nearest else "write"
        raise Usage(f"{_shown(text)} is no WHO", f"{hint} {_FORMS}")
    if not name:
        raise Usage(f"{kind}: lacks a name", f"write {_FORMS}")
    if name != EACH and EACH in name:
        raise Usage(f"{_shown(text)} mixes a name and *", f"{kind}:* stands for each {kind}, alone")
    if name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise Usage(
            f"the name of a {kind} has outer spaces, an unprintable character or over {_LONGEST_NAME} characters",
            f"write {_FORMS}",
        )
    if kind == TOKEN and name != EACH:
        return Who(kind, _token_id(name))
    return Who(kind, name)


def _token_id(name: str) -> str:
    """Return the id of a token: calls are counted by it, a budget by another name would limit nobody."""
    digits = name.lower()
    if len(digits) != _TOKEN_DIGITS or set(digits) - _HEX:
        raise Usage(f"{_shown(name)} is no id of a token, which has {_TOKEN_DIGITS} digits", "see: aikeys token list")
    return digits


def stored_who(text: str) -> Who:
    """Return a WHO from its stored text."""
    kind, _, name = text.partition(":")
    return Who(kind, name)


def is_stored(text: str) -> bool:
    """Tell whether a text is the stored form of a WHO."""
    kind, colon, name = text.partition(":")
    if kind != USER or name == EACH:
        return text == ORG or (kind in LABELLED and bool(colon and name))
    return len(name) == _DIGEST_DIGITS and not set(name) - _HEX


def whos_of(context: Context, user: bytes, ancestors: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the WHOs, in stored form, that a call counts for; `user` is the digest of its user, empty for nobody.

    What a token spends counts for its `ancestors`, too.
    """
    labels = context.labels
    names = (labels.team, labels.project, labels.environment, user.hex(), context.key, context.token)
    above = (f"{TOKEN}:{token}" for token in ancestors)
    return (ORG, *(f"{kind}:{name}" for kind, name in zip(LABELLED, names, strict=True) if name), *above)


def each_of(who: str) -> str:
    """Return the wildcard a stored WHO falls under, itself for org."""
    kind, colon, _ = who.partition(":")
    return f"{kind}:{EACH}" if colon else who


def _shown(text: str) -> str:
    return ascii(text)[1:-1] if len(text) <= 60 else "a long text"
