"""Token requests, and the claims they become (pure).

A child takes over whatever it does not narrow: keys, models, addresses, labels, limits, expiry of its parent.
"""

from collections.abc import Iterable
from typing import NamedTuple

from aikeys import names
from aikeys.errors import Denied, UsageError
from aikeys.names import Label
from aikeys.tokens import patterns, scopes
from aikeys.tokens.claims import ALL_KEYS, Claims, wider
from aikeys.tokens.credentials import PublicHalves

HOUR_S, DAY_S = 3600, 86400
DEFAULT_TTL_S = HOUR_S
LONGEST_TTL_S = 5 * 365 * DAY_S


class Preset(NamedTuple):
    """What a kind of holder usually needs."""

    ttl_s: int
    scopes: tuple[str, ...]
    help: str


_OWN = ("usage:own", "budget:own")
PRESETS = {
    "person": Preset(90 * DAY_S, scopes.of_role("developer"), "90 days, role developer"),
    "app": Preset(
        90 * DAY_S, ("chat:read", "chat:write", "embeddings:write", *_OWN), "90 days, prompts and embeddings"
    ),
    "ci": Preset(
        30 * DAY_S,
        ("chat:read", "chat:write", "env:read", *_OWN),
        "30 days, raw keys, prompts, checks of its own budgets",
    ),
    "agent": Preset(8 * HOUR_S, ("chat:read", "chat:write", *_OWN), "8 hours, prompts only"),
}


class TokenRequest(NamedTuple):
    """What is asked for; None and empty leave it to the preset, the parent or the default."""

    name: str = ""
    kind: str = ""
    ttl_s: int | None = None
    role: str = ""
    scopes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Ids in hex, or ALL_KEYS."""
    models: tuple[str, ...] = ()
    labels: tuple[tuple[str, Label], ...] = ()
    addresses: tuple[str, ...] = ()
    budget_pusd: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    is_once: bool = False


class Identity(NamedTuple):
    """Whose token it will be, and when: what is not a matter of wishes."""

    vault_id: bytes
    ledger_id: bytes
    id: bytes
    halves: PublicHalves
    now_s: int


def check_token_request(token_request: TokenRequest) -> Preset | None:
    """Return the preset asked for; UsageError where the request cannot be."""
    if token_request.kind and token_request.kind not in PRESETS:
        raise UsageError(f"--for {token_request.kind[:40]!r} is not known", f"one of: {', '.join(PRESETS)}")
    if token_request.name:
        names.token_name(token_request.name)
    if not all(text and text.isprintable() for label in token_request.labels for text in label):
        raise UsageError("a label of the token is empty or has an unprintable character", "write it again")
    if token_request.ttl_s is not None and not 0 < token_request.ttl_s <= LONGEST_TTL_S:
        raise UsageError("a token lives at least a second and at most five years", "give --ttl 90d")
    for what, limit in (("--rpm", token_request.rpm), ("--tpm", token_request.tpm)):
        if limit is not None and limit < 1:
            raise UsageError(f"{what} {limit} would let nothing through", f"give {what} 1 or more, or leave it out")
    return PRESETS.get(token_request.kind)


def claims_of(token_request: TokenRequest, identity: Identity, parent: Claims | None) -> Claims:
    """Return the claims of a new token.

    UsageError where the request cannot be, Denied (20) where it is wider than the parent, naming in what.
    """
    preset = check_token_request(token_request)
    asked = _scopes(token_request, preset, parent)
    ttl_s = token_request.ttl_s or (preset.ttl_s if preset else DEFAULT_TTL_S)
    made = Claims(
        identity.vault_id, identity.id, parent.id if parent else b"",
        names.composed(token_request.name), token_request.kind,
        identity.now_s, _expiry(identity.now_s + ttl_s, parent, is_asked=token_request.ttl_s is not None),
        asked,
        _in_order(token_request.keys) or (parent.keys if parent else ALL_KEYS),
        _in_order(map(patterns.check_model, token_request.models)) or (parent.models if parent else ()),
        _labels(token_request, parent),
        _in_order(map(patterns.check_address, token_request.addresses)) or (parent.addresses if parent else ()),
        _least(token_request.budget_pusd, parent.budget_pusd if parent else None),
        _least(token_request.rpm, parent.rpm if parent else None),
        _least(token_request.tpm, parent.tpm if parent else None),
        token_request.is_once or (parent.is_once if parent else False),
        b"", *identity.halves,
    )  # fmt: skip
    if made.is_limited or (parent and parent.ledger_id):
        made = made._replace(ledger_id=identity.ledger_id)
    if parent is not None:
        _require_narrower(made, parent)
    return made


def _scopes(token_request: TokenRequest, preset: Preset | None, parent: Claims | None) -> tuple[str, ...]:
    asked = set(scopes.parse(token_request.scopes))
    if token_request.role:
        asked.update(scopes.of_role(token_request.role))
    if asked:
        return tuple(sorted(asked))
    usual = set(preset.scopes if preset else scopes.of_role("developer"))
    if parent is not None:
        usual &= scopes.expanded(parent.scopes)
        if not usual:
            raise UsageError(
                f"the token would have no scope: token {parent.shown_id} has none that is usual",
                f"say what it may do: --scope S, of {', '.join(parent.scopes)}",
            )
    return tuple(sorted(usual))


def _expiry(wanted: int, parent: Claims | None, *, is_asked: bool) -> int:
    if parent is None or is_asked:
        return wanted
    return min(wanted, parent.expires_at)


def _in_order(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))


def _labels(token_request: TokenRequest, parent: Claims | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**(dict(parent.labels) if parent else {}), **dict(token_request.labels)}.items()))


def _least(asked: int | None, inherited: int | None) -> int | None:
    return inherited if asked is None else asked


def _require_narrower(made: Claims, parent: Claims) -> None:
    if "keys:write" not in parent.scopes:
        raise Denied(
            f"token {parent.shown_id} may not issue tokens: it lacks the scope keys:write", grantor("keys:write")
        )
    if parent.is_once:
        raise Denied(
            f"token {parent.shown_id} is for a single use: it cannot issue others", "issue from a token further up"
        )
    if more := wider(made, parent):
        from aikeys.clock import rfc3339

        ends = f"; it expires {rfc3339(parent.expires_at)}" if "expiry" in more else ""
        raise Denied(
            f"the token would be wider than its parent {parent.shown_id}: {', '.join(more)}",
            f"ask for what the parent has, or less{ends}",
        )


def grantor(scope: str) -> str:
    """Return who could grant a scope, as a hint."""
    roles = scopes.roles_with(scope)
    instead = f" --role {roles[0]}" if roles else ""
    either = f" (or{instead})" if instead else ""
    return f"the owner of the vault can grant it: aikeys token issue --scope {scope}{either}"
