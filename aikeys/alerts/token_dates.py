"""Alerts for tokens that end soon (pure): one message each. The caller finds these tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aikeys import clock
from aikeys.alerts.key_dates import Due
from aikeys.alerts.messages import KEY, AlertMessage


class TokenDates(NamedTuple):
    """A token's id, its name or nothing, and when it ends in seconds since 1970."""

    id: str
    name: str
    expires_s: int


def ending_messages(tokens: Iterable[TokenDates]) -> list[Due]:
    """Return a message for each token, the first to end first; they go where those of keys go."""
    return [_ending(token) for token in sorted(tokens, key=lambda token: (token.expires_s, token.id))]


def _ending(token: TokenDates) -> Due:
    at = clock.rfc3339(token.expires_s)
    named = f"{token.id} ({token.name})" if token.name else token.id
    subject = f"token {named} expires on {at[:10]}"
    text = (
        f"The token {named} expires {at}. Whoever uses it will be refused from then on.\n\n"
        f"What it may do: aikeys token show {token.id}\nIssue another: aikeys token issue\n"
    )
    facts = (("token", token.id), *((("name", token.name),) if token.name else ()), ("due", "expiry"), ("at", at))
    return Due(f"token:{token.id}:expiry:{token.expires_s}", AlertMessage(KEY, subject, text, facts))
