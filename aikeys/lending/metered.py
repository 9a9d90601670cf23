"""Environment of a metered program (pure but for chance and clock): a token instead of keys, and addresses.

- An address is what the SDK that reads a provider's variable takes. Below /PROVIDER the gateway serves a path with and
  without what the provider's base URL ends with, so an address without a path suits SDKs that add /v1 and those that
  do not.
- Refused is a provider that the gateway cannot meter, and one whose SDKs read no variable for an address: its program
  would send our token to the provider.
- A token that starts a program never makes a wider one. It needs no keys:write for that: nothing is handed out that
  lives longer than its own process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from aikeys.errors import Denied, UsageError
from aikeys.lending.environment import LentKey
from aikeys.names import Label
from aikeys.providers.catalogue import Provider
from aikeys.providers.native_routes import routes_of
from aikeys.secret import Secret
from aikeys.tokens import scopes
from aikeys.tokens.claims import Claims, wider
from aikeys.tokens.token_request import LONGEST_TTL_S, Identity, TokenRequest, claims_of

SCOPES = ("chat:read", "chat:write", "embeddings:write")
_AT_THE_ROOT = ("anthropic", "gemini")
_WITH_V1 = "OPENAI_BASE_URL"
_PROXIES = (b"HTTP_PROXY", b"HTTPS_PROXY", b"ALL_PROXY")
_NO_PROXY = ((b"NO_PROXY", b"no_proxy"), (b"no_proxy", b"NO_PROXY"))
_LOCAL = b"127.0.0.1"
_MARK = b"AIKEYS_EXEC"


def address(url: str, provider: Provider, key: str) -> str:
    """Return what a provider's base URL variables get for a gateway at `url`; UsageError where it has none."""
    otherwise = f"without --metered the program gets the key itself: aikeys exec {key} -- CMD"
    if not routes_of(provider):
        raise UsageError(f"{key}: nothing meters what is sent to {provider.title}", otherwise)
    if provider.protocol == "azure":
        raise UsageError(f"{key}: the routes that SDKs ask of {provider.title} are not metered", otherwise)
    if not provider.base_url_env:
        raise UsageError(
            f"{key}: no variable tells {provider.title}'s SDKs where the gateway is",
            "run aikeys gateway, and set its address in the program",
        )
    if provider.name in _AT_THE_ROOT:
        return url
    return f"{url}/{quote(provider.name, safe='')}" + ("/v1" if provider.base_url_env[0] == _WITH_V1 else "")


def lent_instead(key: LentKey, provider: Provider, url: str, token: Secret) -> LentKey:
    """Return what the program gets in place of a key: the token, and the gateway's address in the key's variables."""
    variables = tuple(dict.fromkeys((*key.base_url_env, *provider.base_url_env)))
    return key._replace(secret=token, base_url=address(url, provider, key.name), base_url_env=variables)


def check_one_key_each(keys: Sequence[tuple[str, Provider]]) -> None:
    """Raise Usage for two keys of one provider: a program's request does not say which of them it means."""
    first: dict[str, str] = {}
    for key, provider in keys:
        other = first.setdefault(provider.name, key)
        if other != key:
            raise UsageError(
                f"{other} and {key} are both keys of {provider.title}", "lend one of them to a metered program"
            )


def metered_environment(child: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return a child's environment without anything of ours but the mark of exec, and no proxy before the gateway."""
    found = {name: value for name, value in child.items() if not name.startswith(b"AIKEYS_") or name == _MARK}
    if any(name.upper() in _PROXIES for name in found):
        given = {name: found.get(name, found.get(other, b"")) for name, other in _NO_PROXY}
        found.update((name, _with_local(value)) for name, value in given.items())
    return found


def _with_local(value: bytes) -> bytes:
    hosts = [host.strip() for host in value.split(b",") if host.strip()]
    return value if {_LOCAL, b"*"} & {*hosts} else b",".join((*hosts, _LOCAL))


def run_claims(token_request: TokenRequest, identity: Identity, parent: Claims | None) -> Claims:
    """Return the claims of a run's token; Denied where they would be wider than those of who starts it."""
    if parent is None:
        lasting = token_request._replace(scopes=SCOPES, ttl_s=token_request.ttl_s or LONGEST_TTL_S)
        return claims_of(lasting, identity, None)
    if parent.is_once:
        raise Denied(f"token {parent.shown_id} is for a single use: no run is metered with it", "use another token")
    left_s = parent.expires_at - identity.now_s
    asked = token_request._replace(
        scopes=tuple(scope for scope in SCOPES if scope in scopes.expanded(parent.scopes)),
        ttl_s=token_request.ttl_s or max(left_s, 1),
        models=token_request.models or parent.models,
        labels=tuple({**dict(token_request.labels), **{name: Label(value) for name, value in parent.labels}}.items()),
        budget_pusd=parent.budget_pusd if token_request.budget_pusd is None else token_request.budget_pusd,
        rpm=parent.rpm if token_request.rpm is None else token_request.rpm,
        tpm=parent.tpm,
    )
    made = claims_of(asked, identity, None)._replace(parent=parent.id)
    # the program's address is this machine's, whatever addresses its starter may come from
    more = wider(made._replace(addresses=parent.addresses, ledger_id=parent.ledger_id or made.ledger_id), parent)
    if more:
        raise Denied(f"the run would be allowed more than token {parent.shown_id}: {', '.join(more)}", "ask for less")
    return made
