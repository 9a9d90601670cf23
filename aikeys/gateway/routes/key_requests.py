"""Bodies of POST /v1/keys as token requests (pure)."""

from __future__ import annotations

import re
from decimal import Decimal

from aikeys.clock import rfc3339
from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import Fields, InvalidRequest, checked_text
from aikeys.gateway.http import parameters
from aikeys.money import parse_usd
from aikeys.names import LONGEST_LABEL, LONGEST_TOKEN_NAME, Label, composed, problem
from aikeys.providers.wire.exact_json import Table
from aikeys.secret import refuse_secret
from aikeys.tokens import patterns, scopes
from aikeys.tokens.claims import LABELS
from aikeys.tokens.token_request import LONGEST_TTL_S, PRESETS, TokenRequest
from aikeys.vault.tokens.admission import Holder

_LABELS = {"team" if name == "team_id" else name: name for name in ("team_id", *LABELS[1:])}
"""A field of the body by the label it sets."""
FIELDS = (
    "name", "scopes", "expires_in", *_LABELS.values(), "models", "keys", "budget_usd", "rate_limit_per_minute",
    "tokens_per_minute", "for", "tags", "addresses", "once",
)  # fmt: skip
_MOST_ITEMS = 200
_HIGHEST_RATE = 10**9
_LARGEST_POWER = 14
_MOST_TAGS = 16
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MARGIN_S = 5


def token_request_of(body: Table) -> TokenRequest:
    """Return the request; InvalidRequest (400) names the field."""
    for name in body:
        if name not in FIELDS:
            raise parameters.unknown(name, "is not a field of a key", FIELDS)
    fields = Fields(dict(body))
    labels = [(label, _label(fields, field)) for label, field in _LABELS.items()]
    return TokenRequest(
        name=_name(fields),
        kind=fields.word("for", tuple(PRESETS)),
        ttl_s=fields.whole("expires_in", 1, LONGEST_TTL_S),
        scopes=_scopes(fields),
        keys=_texts(fields, "keys"),
        models=tuple(_model(each) for each in _texts(fields, "models")),
        labels=tuple(sorted((label, value) for label, value in (*labels, *_tags(fields)) if value)),
        addresses=tuple(_address(each) for each in _texts(fields, "addresses")),
        budget_pusd=_budget_pusd(fields),
        rpm=fields.whole("rate_limit_per_minute", 1, _HIGHEST_RATE),
        tpm=fields.whole("tokens_per_minute", 1, _HIGHEST_RATE),
        is_once=fields.flag("once") or False,
    )


def check_expiry(token_request: TokenRequest, holder: Holder, now_s: int) -> None:
    """Raise InvalidRequest where a child would outlive its parent, naming what is still possible in some seconds."""
    ends = min(each.expires_at for each in (holder.claims, *holder.above))
    if token_request.ttl_s is not None and token_request.ttl_s > ends - now_s:
        raise InvalidRequest(
            "expires_in",
            f"is beyond the token's own expiry: at most {max(1, ends - now_s - _MARGIN_S)} seconds are allowed",
            f"it ends {rfc3339(ends)}; without expires_in it is an hour, or less where that ends first",
        )


def _label(fields: Fields, name: str, path: str = "") -> Label:
    """Return a label, "" where it is absent; an empty one is refused, because it says neither."""
    value = fields.take(name)
    return Label("" if value is None else _as_name(checked_text(value, path or name), path or name, LONGEST_LABEL))


def _name(fields: Fields) -> str:
    value = fields.take("name")
    return "" if value is None else _as_name(checked_text(value, "name"), "name", LONGEST_TOKEN_NAME)


def _as_name(text: str, field: str, longest: int) -> str:
    refuse_secret(text)
    if wrong := problem(text, longest):
        raise InvalidRequest(field, wrong, "leave it out, or write it in letters that can be seen")
    return composed(text)


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    """Return a list of texts; an empty one is refused, because it could mean all as well as none."""
    value = fields.take(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise InvalidRequest(name, "is not a list with something in it", f"leave {name} out for what your token has")
    if len(value) > _MOST_ITEMS:
        raise InvalidRequest(name, f"has more than {_MOST_ITEMS} entries")
    return tuple(checked_text(each, f"{name}[{number}]", LONGEST_LABEL) for number, each in enumerate(value))


def _scopes(fields: Fields) -> tuple[str, ...]:
    try:
        return scopes.parse(_texts(fields, "scopes"))
    except InvalidRequest:
        raise
    except UsageError as wrong:
        raise InvalidRequest("scopes", f"cannot be: {wrong.message}", wrong.hint) from None


def _model(text: str) -> str:
    try:
        return patterns.check_model(text)
    except UsageError as wrong:
        raise InvalidRequest("models", f"cannot be: {wrong.message}", wrong.hint) from None


def _address(text: str) -> str:
    try:
        return patterns.check_address(text)
    except UsageError as wrong:
        raise InvalidRequest("addresses", f"cannot be: {wrong.message}", wrong.hint) from None


def _tags(fields: Fields) -> list[tuple[str, Label]]:
    """Return labels of the client's own; InvalidRequest for a name that is a label of ours."""
    tags = fields.tree("tags")
    if len(tags) > _MOST_TAGS:
        raise InvalidRequest("tags", f"has more than {_MOST_TAGS} names")
    for name in tags:
        if not _TAG.fullmatch(name) or name in LABELS:
            raise InvalidRequest("tags", f"has a name {name[:40]!a} that cannot be", "labels stand beside it")
    inner = Fields(tags, "tags")
    return [(name, _label(inner, name, f"tags.{name}")) for name in tags]


def _budget_pusd(fields: Fields) -> int | None:
    """Return an amount given as a number or as text."""
    value = fields.take("budget_usd")
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return parse_usd(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_usd(str(value))
        if isinstance(value, Decimal) and abs(value.adjusted()) <= _LARGEST_POWER:
            return parse_usd(f"{value.normalize():f}")
    except UsageError:
        pass
    raise InvalidRequest("budget_usd", "is not an amount in USD", 'write 5, 0.25 or "0.25", with at most 12 decimals')
