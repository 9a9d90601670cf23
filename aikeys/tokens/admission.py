"""Admission: what each command and each route takes of a token; the one table that both doors decide by (pure).

- A command that is not here is for nobody who holds a token; a route that is not here is not served.
- Scopes of a provider's own routes are in the catalogue, one a route; only these may stand there, by meter.
- Without AIKEYS_TOKEN it is the owner of the vault who runs a command: this table says nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping

Scopes = tuple[str, ...]

OWNER_ONLY: Scopes | None = None
"""No token can run such a command."""
FREE: Scopes = ()
"""Any token can, also one that is over: the command shows nothing but what its holder may know anyway."""
COMMANDS: Mapping[str, Scopes | None] = {
    "init": OWNER_ONLY,
    "add": OWNER_ONLY,
    "list": FREE,
    "ls": FREE,
    "show": OWNER_ONLY,
    "edit": OWNER_ONLY,
    "verify": OWNER_ONLY,
    "rotate": OWNER_ONLY,
    "revoke": OWNER_ONLY,
    "import": OWNER_ONLY,
    "scan": FREE,
    "exec": ("env:read",),
    "env": ("env:read",),
    "exec --metered": ("env:read", "chat:write"),
    "use": ("env:read",),
    "allow": ("env:read",),
    "list --balance": ("env:read",),
    "token issue": ("keys:write",),
    "token create": ("keys:write",),
    "token list": ("keys:read",),
    "token show": FREE,
    "token revoke": ("keys:write",),
    "token prune": OWNER_ONLY,
    "gateway": ("alert:send", "env:read"),
    "login": FREE,
    "logout": FREE,
    "unlock": OWNER_ONLY,
    "lock": OWNER_ONLY,
    "prompt": ("chat:write", "env:read"),
    "estimate": FREE,
    "models": ("chat:read",),
    "providers": FREE,
    "help": FREE,
    "report": ("usage:own",),
    "ledger verify": ("audit:read",),
    "ledger head": ("audit:read",),
    "ledger export": ("audit:read", "usage:read"),
    "ledger import": OWNER_ONLY,
    "ledger archive": OWNER_ONLY,
    "ledger resolve": OWNER_ONLY,
    "ledger erase": OWNER_ONLY,
    "log": ("usage:own",),
    "audit": ("audit:read",),
    "top": ("usage:own",),
    "budget set": ("budget:write",),
    "budget list": ("budget:own",),
    "budget remove": ("budget:write",),
    "budget check": ("budget:own",),
    "alert add": OWNER_ONLY,
    "alert list": OWNER_ONLY,
    "alert remove": OWNER_ONLY,
    "alert test": OWNER_ONLY,
    "alert deliver": ("alert:send", "env:read"),
    "prices status": FREE,
    "prices show": FREE,
    "prices update": ("budget:write",),
    "unlock-method list": OWNER_ONLY,
    "unlock-method add": OWNER_ONLY,
    "unlock-method remove": OWNER_ONLY,
    "passphrase": OWNER_ONLY,
    "backup": OWNER_ONLY,
    "restore": OWNER_ONLY,
    "config export": OWNER_ONLY,
    "config apply": OWNER_ONLY,
    "doctor": FREE,
    "demo": FREE,
    "completion": FREE,
}
AT_GATEWAY = frozenset(
    (
        "prompt", "models", "report", "log", "audit", "budget list", "budget check", "token issue", "token create",
        "token list", "token revoke", "top",
    )
)  # fmt: skip
"""Commands that ask the gateway where there is one: it decides, by the routes below."""
NOT_AT_GATEWAY = frozenset(("budget set", "budget remove", "token prune"))
"""Commands that somebody with a gateway would take to be for it, and no gateway does."""

NO_TOKEN, ANY_TOKEN, CATALOGUE = "no token", "any token", "as the catalogue says"
ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/chat/completions"): "chat:write",
    ("POST", "/v1/responses"): "chat:write",
    ("POST", "/v1/responses/compact"): "chat:write",
    ("POST", "/responses/compact"): "chat:write",
    ("POST", "/v1/embeddings"): "embeddings:write",
    ("POST", "/v1/completions"): "chat:write",
    ("GET", "/v1/models"): "chat:read",
    ("GET", "/v1/models/{model}"): "chat:read",
    ("POST", "/v1/messages"): CATALOGUE,
    ("POST", "/v1/messages/count_tokens"): CATALOGUE,
    ("POST", "/messages"): CATALOGUE,
    ("POST", "/messages/count_tokens"): CATALOGUE,
    ("POST", "/models/chat/completions"): CATALOGUE,
    ("POST", "/models/embeddings"): CATALOGUE,
    ("POST", "/openai/deployments/{tail}"): CATALOGUE,
    ("POST", "/v1beta1/publishers/google/models/{tail}"): CATALOGUE,
    ("POST", "/v1/models/{tail}"): CATALOGUE,
    ("POST", "/v1beta/models/{tail}"): CATALOGUE,
    ("GET", "/v1beta/models"): CATALOGUE,
    ("GET", "/v1beta/models/{tail}"): CATALOGUE,
    ("*", "/{provider}/{tail}"): CATALOGUE,
    ("GET", "/v1/usage"): "usage:own",
    ("GET", "/v1/budgets"): "budget:own",
    ("GET", "/v1/budgets/check"): "budget:own",
    ("GET", "/v1/audit"): "audit:read",
    ("GET", "/v1/log"): "usage:own",
    ("GET", "/v1/keys"): ANY_TOKEN,
    ("POST", "/v1/keys"): "keys:write",
    ("DELETE", "/v1/keys/{id}"): "keys:write",
    ("GET", "/metrics"): "usage:read",
    ("GET", "/healthz"): NO_TOKEN,
    ("GET", "/readyz"): NO_TOKEN,
    ("HEAD", "/"): NO_TOKEN,
}
"""By method and path: a scope, or one of the three words above. HEAD is served as GET is, with the same scope.

`any token`: what is answered is the token's own. `as the catalogue says`: the path decides, by NATIVE.
"""
NATIVE: Mapping[str, Scopes] = {
    "anthropic_messages": ("chat:write",),
    "cohere_chat": ("chat:write",),
    "cohere_embeddings": ("embeddings:write",),
    "gemini_embeddings": ("embeddings:write",),
    "gemini_generate": ("chat:write",),
    "openai_chat": ("chat:write",),
    "openai_compactions": ("chat:write",),
    "openai_completions": ("chat:write",),
    "openai_embeddings": ("embeddings:write",),
    "openai_responses": ("chat:write",),
    "free": ("chat:read", "chat:write"),
}
"""By meter: the scopes that a route of the catalogue may take. What is on no list takes native:all."""


def of_command(command: str) -> Scopes | None:
    """Return the scopes that a command takes, OWNER_ONLY where no token can run it or nobody decided."""
    return COMMANDS.get(command, OWNER_ONLY)


def of_native(meter: str, scope: str) -> str:
    """Return the scope of a listed route; what its meter has no business with takes what an unlisted one does."""
    return scope if scope in NATIVE.get(meter, ()) else "native:all"


def of_route(method: str, path: str) -> str:
    """Return what a route takes, "" where nobody decided: it is not served."""
    method = "GET" if method == "HEAD" and ("HEAD", path) not in ROUTES else method
    return ROUTES.get((method, path)) or ROUTES.get(("*", path), "")
