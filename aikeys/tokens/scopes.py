"""Scopes, what a token may do, and roles, named sets of them."""

from collections.abc import Iterable

from aikeys.errors import UsageError
from aikeys.names import meant

SCOPES = {
    "chat:write": "send prompts",
    "chat:read": "list models",
    "embeddings:write": "make embeddings",
    "usage:own": "see what it, its children and its own labels spent",
    "usage:read": "see what everybody spent",
    "budget:own": "see the budgets of its own labels, its own and its children's",
    "budget:read": "see everybody's budgets",
    "budget:write": "set and remove budgets within its own labels; only lower what limits itself",
    "audit:read": "read the audit log",
    "keys:read": "list tokens",
    "keys:write": "issue and revoke tokens",
    "env:read": "hold raw keys (exec)",
    "native:all": "call routes of a provider that are not on the list",
    "alert:send": "deliver alerts",
}
_ALIASES = {"models:read": "chat:read"}
_IMPLIED = {"usage:read": ("usage:own",), "budget:read": ("budget:own",)}

_DEVELOPER = ("chat:write", "chat:read", "embeddings:write", "usage:own", "budget:own")
_ONLY_BY_NAME = ("env:read", "native:all")
ROLES: dict[str, tuple[str, ...]] = {
    "viewer": ("usage:read",),
    "finance": ("usage:read", "budget:read", "audit:read"),
    "developer": _DEVELOPER,
    "operator": (*_DEVELOPER, "keys:read", "keys:write", "usage:read", "audit:read", "budget:read"),
    "admin": tuple(scope for scope in SCOPES if scope not in _ONLY_BY_NAME),
}
SPENDING = ("chat:write", "embeddings:write", "native:all")
"""Scopes for which a token is handed keys, together with the gateway unless it may hold them raw."""


def parse(names: Iterable[str]) -> tuple[str, ...]:
    """Return scopes sorted, each once, aliases resolved; UsageError names the nearest."""
    found = set()
    for name in names:
        scope = _ALIASES.get(name, name)
        if scope not in SCOPES:
            raise UsageError(f"{_shown(name)} is not a scope", _advice(name, SCOPES))
        found.add(scope)
    return tuple(sorted(found))


def of_role(name: str) -> tuple[str, ...]:
    """Return the scopes of a role; UsageError names the nearest."""
    if name not in ROLES:
        raise UsageError(f"{_shown(name)} is not a role", _advice(name, ROLES))
    return tuple(sorted(ROLES[name]))


def expanded(scopes: Iterable[str]) -> frozenset[str]:
    """Return scopes with what they imply."""
    have = set(scopes)
    for scope, implied in _IMPLIED.items():
        if scope in have:
            have.update(implied)
    return frozenset(have)


def roles_with(scope: str) -> tuple[str, ...]:
    """Return the roles that have a scope: those with no wider one in its place first, then those with the fewest."""
    having = [(scope not in scopes, len(scopes), name) for name, scopes in ROLES.items() if scope in expanded(scopes)]
    return tuple(name for *_, name in sorted(having))


def _advice(name: str, known: Iterable[str]) -> str:
    return meant(name, known, f"one of: {', '.join(known)}")


def _shown(name: str) -> str:
    return ascii(name)[1:-1] if len(name) <= 40 else "a long word"
