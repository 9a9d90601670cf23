"""Tokens as JSON fields, as cells of a table and as a tree (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aikeys import clock
from aikeys.money import about_usd, shown_usd, usd_text
from aikeys.tokens import scopes
from aikeys.tokens.claims import ALL_KEYS, Claims
from aikeys.tokens.visibility import SOON_S, left_text

HEADERS = (
    "ID",
    "NAME",
    "FOR",
    "SCOPES",
    "KEYS",
    "MODELS",
    "LABELS",
    "BUDGET",
    "LEFT",
    "EXPIRES",
    "PARENT",
    "LAST CALL",
)
ALL = "all"
_SOON_MARK = " !"


class TokenRow(NamedTuple):
    """A token and what is known of it beside its claims; times in seconds since 1970, None where there is none."""

    claims: Claims
    key_names: tuple[str, ...]
    state: str
    revoked_at: int | None = None
    remaining_pusd: int | None = None
    last_call: str | None = None
    is_soft: bool = False
    """Its budget lets an unknown end count as estimated: more may be spent than is counted."""


def fields(row: TokenRow) -> dict[str, object]:
    """Return a token for programs."""
    claims = row.claims
    return {
        "id": claims.shown_id,
        "name": claims.name or None,
        "for": claims.kind or None,
        "state": row.state,
        "scopes": list(claims.scopes),
        "keys": list(row.key_names),
        "models": list(claims.models) or ["*"],
        "labels": dict(claims.labels),
        "addresses": list(claims.addresses),
        "budget_usd": None if claims.budget_pusd is None else usd_text(claims.budget_pusd),
        "remaining_usd": None if row.remaining_pusd is None else usd_text(row.remaining_pusd),
        "rpm": claims.rpm,
        "tpm": claims.tpm,
        "once": claims.is_once,
        "parent": claims.parent.hex() or None,
        "issued_at": clock.rfc3339(claims.issued_at),
        "expires_at": clock.rfc3339(claims.expires_at),
        "revoked_at": None if row.revoked_at is None else clock.rfc3339(row.revoked_at),
        "last_call_on": row.last_call,
    }


def cells(row: TokenRow, now_s: int) -> list[str]:
    """Return a token for the table."""
    claims = row.claims
    return [
        claims.shown_id,
        claims.name,
        claims.kind,
        scopes_text(claims.scopes),
        keys_text(row.key_names),
        " ".join(claims.models) or ALL,
        labels_text(claims.labels),
        "" if claims.budget_pusd is None else shown_usd(claims.budget_pusd),
        _left(row),
        expiry_text(row, now_s),
        claims.parent.hex(),
        row.last_call or "",
    ]


def _left(row: TokenRow) -> str:
    if row.remaining_pusd is None:
        return ""
    return about_usd(row.remaining_pusd) if row.is_soft else shown_usd(row.remaining_pusd)


def scopes_text(held: Sequence[str]) -> str:
    """Return scopes in short: the largest role that they contain, and what is left."""
    have = set(held)
    whole = [(len(parts), name) for name, parts in scopes.ROLES.items() if have >= set(parts)]
    if not whole:
        return " ".join(sorted(have))
    _, role = max(whole)
    return " ".join([role, *sorted(have - set(scopes.ROLES[role]))])


def keys_text(names: Sequence[str]) -> str:
    """Return the names of keys, `all` for every one, `gone` where none of them is left."""
    return ALL if tuple(names) == ALL_KEYS else " ".join(names) or "gone"


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """Return labels as `team=support client=acme`."""
    return " ".join(f"{name}={value}" for name, value in labels)


def expiry_text(row: TokenRow, now_s: int) -> str:
    """Return when a token ends; what ends within three days is marked. Nothing of one that is over already."""
    if row.state in ("revoked", "used"):
        return ""
    expires_at = row.claims.expires_at
    return left_text(expires_at, now_s) + (_SOON_MARK if 0 < expires_at - now_s <= SOON_S else "")


def limits_text(claims: Claims) -> str:
    """Return budget, rates, addresses and single use, nothing where there is no limit."""
    parts = [] if claims.budget_pusd is None else [f"budget {shown_usd(claims.budget_pusd)}"]
    parts += [f"{claims.rpm} requests per minute"] if claims.rpm is not None else []
    parts += [f"{claims.tpm} tokens per minute"] if claims.tpm is not None else []
    parts += ["single use"] if claims.is_once else []
    parts += [f"from {' '.join(claims.addresses)}"] if claims.addresses else []
    return ", ".join(parts)


def lines(row: TokenRow, now_s: int) -> list[list[str]]:
    """Return a token as titles and values, empty ones left out."""
    claims = row.claims
    known = {
        "id": claims.shown_id,
        "name": claims.name,
        "for": claims.kind,
        "state": row.state + (f" {clock.rfc3339(row.revoked_at)}" if row.revoked_at is not None else ""),
        "scopes": " ".join(claims.scopes),
        "keys": keys_text(row.key_names),
        "models": " ".join(claims.models) or ALL,
        "labels": labels_text(claims.labels),
        "limits": limits_text(claims),
        "left": _left(row),
        "issued": clock.rfc3339(claims.issued_at),
        "expires": ", ".join(filter(None, (clock.rfc3339(claims.expires_at), expiry_text(row, now_s)))),
        "last call": row.last_call or "",
    }
    return [[title, value] for title, value in known.items() if value]


def tree(chains: Mapping[bytes, Sequence[Claims]], root: bytes, states: Mapping[bytes, str]) -> dict[str, object]:
    """Return a token with those below it, nested."""
    below: dict[bytes, list[Claims]] = {}
    for chain in chains.values():
        below.setdefault(chain[0].parent, []).append(chain[0])

    def node(claims: Claims) -> dict[str, object]:
        children = sorted(below.get(claims.id, ()), key=lambda child: (child.issued_at, child.shown_id))
        known = {"id": claims.shown_id, "name": claims.name or None, "state": states[claims.id]}
        return {**known, "children": [node(child) for child in children]}

    return node(chains[root][0])


def tree_lines(above: Sequence[Mapping[str, object]], node: Mapping[str, object]) -> Iterator[str]:
    """Yield a token between those above it (parent first) and those below it, each a step further in."""
    depth = len(above)
    for step, each in enumerate(reversed(above)):
        yield _tree_line(each, step)
    yield from _below(node, depth)


def _below(node: Mapping[str, object], depth: int) -> Iterator[str]:
    yield _tree_line(node, depth)
    children = node["children"]
    for child in children if isinstance(children, list) else []:
        yield from _below(child, depth + 1)


def _tree_line(node: Mapping[str, object], depth: int) -> str:
    name = f" ({node['name']})" if node["name"] else ""
    state = "" if node["state"] in ("active", None) else f" {node['state']}"
    return f"{'  ' * depth}{node['id']}{name}{state}"
