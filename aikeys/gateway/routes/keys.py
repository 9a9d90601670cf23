"""/v1/keys: the tokens a caller may see; issue a child of its own token; revoke one.

- A child is sealed to without the vault's key: what the parent was handed is handed on. A sealed gateway can do it.
- Nothing is clamped: what the caller may not hand on is refused.
- The audit log names the token that issued or revoked. Without that entry nothing is issued, while revoking goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress

from aiohttp import web

from aikeys import clock
from aikeys.errors import AikeysError, Denied, Locked, NotFound
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http import bodies, parameters
from aikeys.gateway.http.admission import RequestContext, enter, shown
from aikeys.gateway.http.answers import answer, given, usd_number
from aikeys.gateway.routes.key_requests import check_expiry, token_request_of
from aikeys.gateway.state import WorkerState
from aikeys.ledger import listing, token_acts
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Act
from aikeys.tokens.claims import ALL_KEYS, LABELS, Claims
from aikeys.tokens.sight import sight_of
from aikeys.tokens.text import ID_BYTES
from aikeys.tokens.token_request import TokenRequest
from aikeys.tokens.visibility import may_revoke, visible
from aikeys.vault.format import Rows
from aikeys.vault.opening import Place
from aikeys.vault.tokens import revoking
from aikeys.vault.tokens.admission import Holder
from aikeys.vault.tokens.issuing import Issued, issue_child, names_of
from aikeys.vault.tokens.revoking import Tokens

_SCOPE = "keys:write"
_ATTEMPTS = 3


async def listed(request: web.Request) -> web.Response:
    """Answer GET /v1/keys: at least the caller's own token."""
    context = enter(request)
    asked = parameters.read(request, ("team_id",))
    team = parameters.once(asked, "team_id") if "team_id" in asked else None
    found = await asyncio.to_thread(_seen, context, context.state.token_verifier.rows, team)
    return answer({"keys": found}, context.request_id)


async def create(request: web.Request) -> web.Response:
    """Answer POST /v1/keys."""
    context = enter(request)
    token_request = token_request_of(await bodies.json_of(request))
    check_expiry(token_request, context.holder, clock.now_s())
    _check_keys(context, token_request)
    await _record(context, "POST:/v1/keys")
    issued = await _issued(context, token_request)
    claims = issued.claims
    body = {
        **_fields(claims, issued.key_names),
        "expires_in": claims.expires_at - claims.issued_at,
        "active": True,
        "key": issued.text,
    }
    return answer(body, context.request_id, 201, location=f"/v1/keys/{claims.shown_id}")


async def revoke(request: web.Request) -> web.Response:
    """Answer DELETE /v1/keys/ID: with it everything that was issued with it."""
    context = enter(request)
    parameters.read(request, ())
    wanted = request.match_info["id"]
    is_new = await asyncio.to_thread(_revoked, context.state.place, context.holder, wanted)
    if is_new:
        with suppress(AikeysError):
            await _record(context, "DELETE:/v1/keys/{id}")
    return web.Response(status=204, headers={"x-aikeys-request-id": context.request_id})


def _register(state: WorkerState, rows: Rows) -> Tokens:
    """Return every token of the vault; read and checked again only where its file was changed since."""
    known = state.register
    if known is None or known[0] is not rows:
        known = state.register = rows, revoking.read_without_ledger(state.place)
    return known[1]


def _seen(context: RequestContext, rows: Rows, team: str | None) -> list[dict[str, object]]:
    """Return the tokens that a holder may see; with a team those that carry its label."""
    now_s, state, caller = clock.now_s(), context.state, context.holder.claims
    sight = sight_of(caller, context.holder.above)
    tokens = _register(state, rows)
    with closing(state.place.ledger) as ledger, ledger.open().reading() as connection:
        over = frozenset(token_acts.over(connection))
        used_us = listing.last_call_times(connection, Calendar(ledger.zone))
    found = []
    for token_id, chain in tokens.chains.items():
        claims = chain[0]
        is_asked = team is None or dict(claims.labels).get("team") == team
        if not is_asked or not visible(caller, chain):
            continue
        is_over = tokens.state(token_id, now_s) != "active" or any(each.id in over for each in chain)
        last_s = used_us.get(claims.shown_id, 0) // 1_000_000 if sight.tells_calls_of(chain) else 0
        found.append(
            {
                **_fields(claims, names_of(tokens.rows, claims)),
                "active": not is_over,
                **given(last_used_at=clock.rfc3339(max(last_s, claims.issued_at)) if last_s else None),
            }
        )
    return sorted(found, key=lambda row: (str(row["created_at"]), str(row["id"])))


def _fields(claims: Claims, key_names: tuple[str, ...]) -> dict[str, object]:
    """Return a token in the words of POST /v1/keys; what has no value is left out."""
    labels = dict(claims.labels)
    limits = given(
        budget_usd=None if claims.budget_pusd is None else usd_number(claims.budget_pusd),
        rate_limit_per_minute=claims.rpm,
        tokens_per_minute=claims.tpm,
    )
    return {
        "id": claims.shown_id,
        **given(name=claims.name),
        "scopes": list(claims.scopes),
        **given(team_id=labels.get("team"), **{name: labels.get(name) for name in LABELS if name != "team"}),
        **given(tags={name: value for name, value in claims.labels if name not in LABELS} or None),
        **given(models=list(claims.models), keys=list(key_names), parent=claims.parent.hex()),
        **given(**{"for": claims.kind}, addresses=list(claims.addresses), once=claims.is_once or None),
        **limits,
        "created_at": clock.rfc3339(claims.issued_at),
        "expires_at": clock.rfc3339(claims.expires_at),
    }


def _check_keys(context: RequestContext, token_request: TokenRequest) -> None:
    """Refuse names of keys; a caller that is not for every key does not learn which others there are."""
    claims, rows = context.holder.claims, context.state.rows
    for name in token_request.keys:
        key = rows.key_named(name)
        if name == "*" or (key is not None and claims.reaches(key.id)):
            continue
        if claims.keys == ALL_KEYS:
            raise InvalidRequest("keys", f"names {name[:40]!a}, which is not a key of the vault", "see: aikeys list")
        raise Denied(
            f"token {claims.shown_id} is not for a key {name[:40]!a}",
            f"it is for {', '.join(names_of(rows, claims)) or 'none'}",
        )


async def _issued(context: RequestContext, token_request: TokenRequest) -> Issued:
    """Issue it in a thread; once more where the vault was changed meanwhile."""
    state = context.state
    for attempt in range(1, _ATTEMPTS + 1):
        holder = state.admit(context.holder.given.reveal().decode())
        access = state.token_verifier.access_of(holder)
        try:
            return await asyncio.to_thread(issue_child, state.place, access, token_request)
        except Locked:
            if attempt == _ATTEMPTS:
                raise
        except Denied:
            check_expiry(token_request, holder, clock.now_s())  # a second may have passed: then that is what to say
            raise
    raise AssertionError


def _revoked(place: Place, holder: Holder, wanted: str) -> bool:
    """Revoke a token; False where it was revoked already."""
    token_id = _id(wanted)
    chain, is_over = revoking.read_chain(place, token_id) if token_id else ((), False)
    if not chain or not visible(holder.claims, chain):
        raise NotFound(f"there is no token {shown(wanted, 40)}", "GET /v1/keys lists those you may see")
    if not may_revoke((holder.claims, *holder.above), chain):
        raise Denied(
            f"token {holder.shown_id} may not revoke {wanted}, from which it descends", "the owner of the vault can"
        )
    if is_over:
        return False
    revoking.revoke(place, [token_id])
    return True


def _id(wanted: str) -> bytes:
    """Return an id as it is stored, nothing for what is none."""
    try:
        return bytes.fromhex(wanted) if len(wanted) == 2 * ID_BYTES else b""
    except ValueError:
        return b""


async def _record(context: RequestContext, route: str) -> None:
    """Put into the audit log which token asked."""
    act = Act("access", context.holder.shown_id, f"command={route} scopes={_SCOPE}")
    await context.state.reserver.act(lambda writer: writer.act(act))
