"""Request admission: authenticates the token, chooses the error format of the route, redacts what the log keeps.

- Which of its credentials counts is in `presented`; one that may hold raw keys is never taken from an address.
- Every refusal is audited; of one token and one reason at most one a minute.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

from aiohttp import web

from aikeys.errors import AikeysError, Denied, TokenRefused
from aikeys.gateway.http import error_bodies
from aikeys.gateway.http.error_bodies import Told
from aikeys.gateway.http.presented import presented
from aikeys.gateway.state import WorkerState
from aikeys.ledger.store import Act
from aikeys.secret import hidden
from aikeys.spending.names import ModelNames, Target
from aikeys.tokens import patterns
from aikeys.tokens.admission import ANY_TOKEN, CATALOGUE
from aikeys.tokens.sight import Sight, sight_of
from aikeys.tokens.token_request import grantor
from aikeys.vault.tokens.admission import Holder

STATE: web.AppKey[WorkerState] = web.AppKey("state", WorkerState)
TOKEN: web.RequestKey[str] = web.RequestKey("token", str)
_AUDIT_EVERY_S = 60.0
_MOST_NOTED = 10_000
_ANTHROPICS = re.compile(r"^/(?:anthropic|v1/messages)(?:/|$)|(?:^|/v1)/messages(?:/count_tokens)?$", re.ASCII)
"""Anthropic's own routes, and those in its format at whichever provider."""

Shape = Callable[[Told], bytes]


class RequestContext(NamedTuple):
    """A request with who stands behind it."""

    request: web.Request
    state: WorkerState
    holder: Holder
    request_id: str

    @property
    def sight(self) -> Sight:
        """Return what the token may see of calls, sums and budgets."""
        claims = self.holder.claims
        keys = [key.name for key in self.state.rows.keys if claims.reaches(key.id)]
        return sight_of(claims, self.holder.above, keys)

    @property
    def address(self) -> str:
        """Return where the client is, as far as it is known."""
        return address_of(self.request, self.state)


REQUEST_CONTEXT: web.RequestKey[RequestContext] = web.RequestKey("request_context", RequestContext)


def shape_of(path: str) -> Shape:
    """Return the shape of errors on a route: Anthropic's, Google's or OpenAI's."""
    if _ANTHROPICS.search(path):
        return error_bodies.anthropic_body
    if path.startswith(("/v1beta/", "/v1beta1/", "/v1/models/", "/gemini/")) and (":" in path or path[:7] == "/v1beta"):
        return error_bodies.google_body
    return error_bodies.openai_body


def shown(text: str, most: int) -> str:
    """Return what came from outside as a log or an answer may repeat it: printable, short, and no credential."""
    text = hidden(error_bodies.without_credential(text))
    return ascii(text if len(text) <= most else text[:most] + "...")[1:-1]


def new_request_id() -> str:
    """Return an id of ours."""
    return os.urandom(16).hex()


def enter(request: web.Request) -> RequestContext:
    """Return the context of the request that `admit` let in, of a route that takes a token."""
    return request[REQUEST_CONTEXT]


def admit(request: web.Request, takes: str) -> RequestContext:
    """Let a request in whose route takes a scope, or any token; TokenRefused (401), Denied (403) without the scope."""
    state = request.app[STATE]
    given = presented(request, takes_key=_is_geminis(request.path))
    try:
        holder = state.admit(given.text)
    except TokenRefused as refusal:
        raise _renewal(refusal) from None
    request[TOKEN] = holder.shown_id
    if holder.claims.holds_raw_keys and given.is_in_address:
        raise Denied("a token that may hold raw keys is never taken from an address", "send it as x-goog-api-key")
    context = RequestContext(request, state, holder, new_request_id())
    if context.address and not patterns.is_from(holder.claims.addresses, context.address):
        raise Denied(f"token {holder.shown_id} may not be used from here", "its owner limited it to other addresses")
    if takes not in (ANY_TOKEN, CATALOGUE):
        require(context, takes)
    request[REQUEST_CONTEXT] = context
    return context


def require(context: RequestContext, scope: str) -> None:
    """Raise Denied (403) where the token lacks a scope, saying who could grant it."""
    if not context.holder.may(scope):
        raise Denied(f"token {context.holder.shown_id} lacks the scope {scope}", grantor(scope))


def resolve(context: RequestContext, text: str) -> Target:
    """Return the model that a text names, among the keys the token is for."""
    every = context.state.names
    reachable = context.state.names_for(context.holder.claims)
    try:
        return reachable.resolve(text)
    except AikeysError:
        if reachable is every:
            raise
        _refuse_out_of_scope(context, every, text)
        raise


def _refuse_out_of_scope(context: RequestContext, every: ModelNames, wanted: str) -> None:
    """Raise Denied where the name is right, and only the token is not for the key."""
    try:
        target = every.resolve(wanted)
    except AikeysError:
        return
    raise not_for(context, target.key.name)


def not_for(context: RequestContext, key: str) -> Denied:
    """Return the refusal of a key that the token is not for."""
    return Denied(
        f"token {context.holder.shown_id} is not for the key {key}",
        f"the owner of the vault can issue one that is: aikeys token issue --key {key}",
    )


def address_of(request: web.Request, state: WorkerState) -> str:
    """Return a client's address: the connection's, or what the proxy in front says last."""
    if state.settings.is_behind_proxy:
        lines = request.headers.getall("x-forwarded-for", [])
        forwarded = lines[-1].rpartition(",")[2].strip() if lines else ""
        if is_address(forwarded):
            return forwarded
    return request.remote or ""


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class RefusalLog:
    """Writes refusals into the audit log, not every one of a storm."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._noted: dict[tuple[str, str], float] = {}

    def note(self, request: web.Request, failure: AikeysError) -> None:
        """Write down that somebody was refused; nothing where no token is known."""
        token = request.get(TOKEN, "")
        if not token or not isinstance(failure, Denied | TokenRefused):
            return
        now_s = self._now_s()
        if now_s < self._noted.get((token, failure.code), -_AUDIT_EVERY_S) + _AUDIT_EVERY_S:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted[token, failure.code] = now_s
        route = request.match_info.route.resource
        where = route.canonical if route is not None else "unknown"
        act = Act("access", token, f"command={request.method}:{where}")
        state = request.app[STATE]
        try:
            ticket = state.reserver.act(lambda writer: writer.act(act, failure.code))
        except RuntimeError:
            return
        ticket.add_done_callback(lambda done: done.cancelled() or done.exception())


def _is_geminis(path: str) -> bool:
    return shape_of(path) is error_bodies.google_body


def _renewal(refusal: TokenRefused) -> TokenRefused:
    hint = refusal.hint if "aikeys token issue" in refusal.hint else f"{refusal.hint}; or: aikeys token issue"
    return type(refusal)(refusal.message, hint)
