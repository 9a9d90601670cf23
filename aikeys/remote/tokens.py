"""/v1/keys in the words of `aikeys token`: a request as a body, a row as claims (without what only a vault holds)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from aikeys.errors import UsageError
from aikeys.money import parse_usd, usd_text
from aikeys.providers.wire.exact_json import table, text
from aikeys.remote.client import no_gateway, rows_in
from aikeys.tokens import finding, scopes
from aikeys.tokens.claims import ALL_KEYS, LABELS, Claims

if TYPE_CHECKING:
    from aikeys.providers.wire.exact_json import Table
    from aikeys.remote.client import Gateway
    from aikeys.tokens.token_request import TokenRequest

_PATH = "/v1/keys"
_NAMES = {"team": "team_id"}


class RemoteToken(NamedTuple):
    """A token as a gateway tells it. `last_call`: a date, in UTC."""

    claims: Claims
    key_names: tuple[str, ...]
    state: str
    last_call: str | None = None


def issue(gateway: Gateway, token_request: TokenRequest) -> tuple[RemoteToken, str]:
    """Issue a child of the token that asks; return it and its text."""
    made = gateway.post(_PATH, _body(token_request))
    given = text(made, "key")
    if not given:
        raise no_gateway()
    return _lent(made, 0), given


def lent(gateway: Gateway, now_s: int) -> list[RemoteToken]:
    """Return the tokens that may be seen, those that end first at the beginning."""
    found = [_lent(row, now_s) for row in rows_in(gateway.get(_PATH), "keys")]
    return sorted(found, key=lambda one: (one.claims.expires_at, one.claims.id))


def find(known: list[RemoteToken], wanted: str, now_s: int) -> RemoteToken:
    """Return the token with this id, beginning of an id, or name; NotFound, UsageError where several fit."""
    claims = finding.find_token({one.claims.id: (one.claims, one.state) for one in known}, wanted, now_s)
    return next(one for one in known if one.claims is claims)


def revoke(gateway: Gateway, shown_id: str) -> None:
    """Revoke a token, and with it what it issued."""
    gateway.delete(f"{_PATH}/{shown_id}")


def _body(token_request: TokenRequest) -> dict[str, object]:
    labels = dict(token_request.labels)
    found: Mapping[str, object] = {
        "name": token_request.name,
        "for": token_request.kind,
        "scopes": sorted({*token_request.scopes, *(scopes.of_role(token_request.role) if token_request.role else ())}),
        "expires_in": token_request.ttl_s,
        **{_NAMES.get(name, name): labels.pop(name, None) for name in LABELS},
        "tags": labels,
        "models": list(token_request.models),
        "keys": list(token_request.keys),
        "addresses": list(token_request.addresses),
        "budget_usd": None if token_request.budget_pusd is None else usd_text(token_request.budget_pusd),
        "rate_limit_per_minute": token_request.rpm,
        "tokens_per_minute": token_request.tpm,
        "once": token_request.is_once or None,
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _lent(row: Table, now_s: int) -> RemoteToken:
    """Return a row; NoGateway where it is none. What is not said is not limited."""
    expires_at = _instant_s(row, "expires_at")
    is_active = row.get("active") is True
    budget = row.get("budget_usd")
    try:
        claims = Claims(
            b"", bytes.fromhex(text(row, "id")), bytes.fromhex(text(row, "parent")), text(row, "name"),
            text(row, "for"), _instant_s(row, "created_at"), expires_at, _texts(row, "scopes"), ALL_KEYS,
            _texts(row, "models"), _labels(row), _texts(row, "addresses"),
            None if budget is None else parse_usd(f"{budget}"), _whole(row, "rate_limit_per_minute"),
            _whole(row, "tokens_per_minute"), row.get("once") is True, b"", b"", b"", b"",
        )  # fmt: skip
    except (ValueError, UsageError):
        raise no_gateway() from None
    state = "active" if is_active else "expired" if expires_at <= now_s else "revoked"
    return RemoteToken(claims, _texts(row, "keys"), state, text(row, "last_used_at")[:10] or None)


def _labels(row: Table) -> tuple[tuple[str, str], ...]:
    own = [(name, text(row, _NAMES.get(name, name))) for name in LABELS]
    tags = [(name, value) for name, value in table(row, "tags").items() if isinstance(value, str)]
    return tuple(sorted((name, value) for name, value in (*own, *tags) if value))


def _texts(row: Table, name: str) -> tuple[str, ...]:
    found = row.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _whole(row: Table, name: str) -> int | None:
    found = row.get(name)
    return found if isinstance(found, int) else None


def _instant_s(row: Table, name: str) -> int:
    try:
        return int(datetime.fromisoformat(text(row, name)).timestamp())
    except ValueError:
        raise no_gateway() from None
