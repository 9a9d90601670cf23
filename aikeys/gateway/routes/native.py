"""Routes in a provider's own words: /v1/messages, /v1beta/models/M:…, and /PROVIDER/….

Only what stands on the provider's list is passed on, metered as the list says. What does not is 403, unless the token
has native:all and no budget could be blocked by what nobody meters: then it is an entry without a price.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from aikeys.budgets.queues import DEFAULT_PRIORITY
from aikeys.errors import Denied, NotFound
from aikeys.gateway.driver import Asker, answered
from aikeys.gateway.http import bodies, client_streams, error_bodies
from aikeys.gateway.http.admission import RequestContext, enter, require, shape_of, shown
from aikeys.gateway.http.client_streams import AsItCame
from aikeys.gateway.http.error_bodies import Told
from aikeys.gateway.http.queries import query_of
from aikeys.gateway.routes import further_names, stored_objects, turns
from aikeys.gateway.routes.native_models import model_at, refuse_of_another
from aikeys.gateway.routes.request_headers import native_headers
from aikeys.gateway.routes.turns import ClientCall, RequestWords, Turn, listen
from aikeys.providers.catalogue import Provider
from aikeys.providers.native_routes import FREE, Match, NativeRoute, below, match
from aikeys.providers.transport import Broken, NotSent, Parcel, checked_base_url, require_way
from aikeys.providers.wire.exact_json import write
from aikeys.providers.wire.values import Outgoing
from aikeys.spending.authorise import Caller, authorise, bound_labels
from aikeys.spending.call import Asking, Outcome
from aikeys.spending.labels import labels_of
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.order import Address, Native, PassedOn, Unmetered, is_in_background
from aikeys.tokens import admission
from aikeys.tokens.token_request import grantor

_ANY_MODEL = "*"


async def messages(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/messages and /v1/messages/count_tokens, in Anthropic's words."""
    return await _listed(request, "anthropic", request.path)


async def gemini(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1beta/models/M:… and /v1/models/M:…, in Google's words."""
    return await _listed(request, "gemini", request.path)


async def provider(request: web.Request) -> web.StreamResponse:
    """Answer /PROVIDER/…."""
    info = request.match_info
    return await _listed(request, *further_names.below_provider(info["provider"], info["tail"], request.query))


async def further(request: web.Request) -> web.StreamResponse:
    """Answer what has a further name."""
    resource = request.match_info.route.resource
    canonical = resource.canonical if resource is not None else ""
    return await _listed(request, *further_names.named(canonical, request.match_info.get("tail", "")))


async def _listed(request: web.Request, name: str, path: str) -> web.StreamResponse:
    context = enter(request)
    known = context.state.knowledge.catalogue.get(name)
    if known is None:
        raise NotFound(f"there is no route {path_shown(request)}", "aikeys-gateway(7) lists the routes")
    held = _key_of(context, known)
    found = match(known, held.base_url, request.method, path)
    if found is None:
        return await _unlisted(context, known, held, path)
    require(context, admission.of_native(found.route.meter, found.route.scope))
    if found.route.keeps:
        stored_objects.require_own(context, known.name, (found.name,))
    if found.route.meter == FREE:
        return await _free(context, Target(held, known, "", None), found, path)
    said = await listen(context, tags=False)
    if not found.model and said.body.get("model") is None and context.holder.may("native:all"):
        # a stored prompt, or the provider, says which model: nobody can tell what it costs
        return await _unlisted(context, known, held, path, write(dict(said.body)))
    if is_in_background(found.route.meter, said.body) and context.holder.may("native:all"):
        return await _unlisted(context, known, held, path, write(dict(said.body)))
    model = found.model or bodies.model_of(said.body)
    target = model_at(context, known, model)
    words = RequestWords(found.route.meter, found.route.scope, said.body, _streams(said, found))

    async def turn(asked: Target) -> Turn:
        if asked.provider.name == known.name:
            return await _on_own_route(said, asked, _below(context, asked, found, path), words)
        headers = native_headers(request, asked.provider, is_anthropics=words.meter == "anthropic_messages")
        return await turns.in_same_words(said, asked, words, headers)

    return await turns.first_answer(said, [target, *turns.others(said, target, model, words.meter)], turn)


def _streams(said: ClientCall, found: Match) -> bool:
    return found.route.streams or bodies.flag_of(said.body, "stream")


async def _on_own_route(said: ClientCall, target: Target, found: Match, words: RequestWords) -> Turn:
    """Return the call on the route that the client chose, of the provider that it named."""
    request, route, body = said.context.request, found.route, dict(said.body)
    target, path = turns.at_base_url(target, found.base_url), found.path_of(target.model)
    if not found.model or ("model" in body and route.meter.startswith("openai")):  # Azure goes by the path alone
        body["model"] = target.model
    is_anthropics = route.meter == "anthropic_messages"
    headers = native_headers(request, target.provider, path=path, is_anthropics=is_anthropics)
    query = query_of(request, "anthropic" if is_anthropics else target.provider.protocol, route)
    native = Native(
        route.meter, body, words.stream, headers=headers, is_large=said.is_large,
        dialect=turns.spoken(target.provider, route.meter, route.cap),
    )  # fmt: skip
    note = await turns.own_objects(said, target, route.meter, body)
    return turns.passing(
        said, target, PassedOn(native, Address(request.method, path + query, headers)), route.scope, note
    )


class _Sent(NamedTuple):
    """A whole reply of a route that is not metered."""

    status: int
    headers: dict[str, str]
    body: bytes


async def _free(context: RequestContext, target: Target, found: Match, path: str) -> web.StreamResponse:
    """Pass on what costs nothing. A model in its path or body is this provider's, and one the token is for."""
    request, known, sent_to = context.request, target.provider, found.path
    if found.model:
        target = model_at(context, known, found.model)
        sent_to = _below(context, target, found, path).path_of(target.model)
    _authorise_key(context, target, found.route)
    body = b""
    if request.method in ("POST", "PUT", "PATCH") and request.body_exists:
        value = dict(await bodies.json_of(request))
        if isinstance(model := value.get("model"), str):
            named = model_at(context, known, model)
            target = target if found.model else named
            value["model"] = named.model
            _authorise_key(context, named, found.route)
        body = write(value)
    sent = await _sent(context, target, sent_to + query_of(request, known.protocol, found.route), body)
    passed = client_streams.fields_for(request, sent.headers, is_refusal=sent.status >= 400)
    fields = {**passed, client_streams.REQUEST_ID: context.request_id}
    return web.Response(status=sent.status, headers=fields, body=sent.body)


def _below(context: RequestContext, target: Target, found: Match, path: str) -> Match:
    """Return the route as it lies below the base URL of the key that is asked in the end."""
    again = match(target.provider, target.key.base_url, context.request.method, path)
    return again or found


def _authorise_key(context: RequestContext, target: Target, route: NativeRoute) -> None:
    """Refuse a key, or a model in the path, that the token is not for."""
    claims = context.holder.claims if target.model else context.holder.claims._replace(models=())
    authorise(Caller(labels_of({}), "gateway", claims, context.holder.above, context.address), target, route.scope)


async def _unlisted(
    context: RequestContext, known: Provider, held: SpendingKey, path: str, body: bytes | None = None
) -> web.StreamResponse:
    """Pass on what nobody meters, for who may; it is an entry without a price. `body`: where it has been read."""
    request, claims = context.request, context.holder.claims
    if not context.holder.may("native:all"):
        raise Denied(f"{path_shown(request)} is not on the list of routes that are metered", grantor("native:all"))
    if claims.models:
        raise Denied(f"{path_shown(request)} may use any model, and this token is for some", "use a listed route")
    target = Target(held, known, _ANY_MODEL, None)
    whole = body
    if whole is None:
        whole = await bodies.whole(request)
        await refuse_of_another(context, known, whole)
    sent_to = below(known, held.base_url, path) + query_of(request, known.protocol, None)
    outgoing = Outgoing(request.method, sent_to, native_headers(request, known, is_ours=body is not None), whole)
    caller = Caller(labels_of(bound_labels(claims, {})), "gateway", claims, context.holder.above, context.address)
    order, listener = Unmetered(outgoing, path_shown(request)), AsItCame(request, context.request_id, bool)
    asking = Asking(caller, target, order, [], "native:all", len(whole))
    outcome = await answered(context.state, Asker(context.holder, DEFAULT_PRIORITY), asking, listener)
    return _unread(request, outcome, listener.request_id, shape_of(request.path))


def _unread(request: web.Request, outcome: Outcome, request_id: str, shape: Callable[[Told], bytes]) -> web.Response:
    """Answer with a reply as it came; what concerns our key, or never came, in our words."""
    failure = outcome.received.failure
    told, advice = error_bodies.told_of_reply(outcome.plan.dialect.title, outcome.status, outcome.headers, outcome.body)
    if failure is not None:
        told = error_bodies.told(failure)
    if told is not None:
        return client_streams.refusal(told, request_id, shape)
    passed = client_streams.fields_for(request, outcome.headers, is_refusal=outcome.status >= 400)
    fields = {**dict(advice), **passed, client_streams.REQUEST_ID: request_id}
    return web.Response(status=outcome.status, headers=fields, body=outcome.body)


async def _sent(context: RequestContext, target: Target, path: str, body: bytes) -> _Sent:
    """Send and return the whole reply; what never came is 502."""
    state, request = context.state, context.request
    base_url = checked_base_url(target.key.base_url, target.provider.title)
    headers = native_headers(request, target.provider)
    outgoing = Outgoing(request.method, path, headers, body)
    secret = state.secret_of(context.holder, target)
    require_way(base_url, target.key.name, secret)
    parcel = Parcel(outgoing, base_url, target.provider.dialect().auth, secret)
    try:
        async with state.upstream.send(parcel, state.settings.timeouts) as reply:
            found = b"".join([piece async for piece in reply.pieces()])
            told, advice = error_bodies.told_of_reply(target.provider.title, reply.status, reply.headers, found)
            if told is None:
                return _Sent(reply.status, {**dict(advice), **reply.headers}, found)
    except (NotSent, Broken) as failure:
        told = error_bodies.told(failure)
    return _Sent(told.status, dict(error_bodies.headers(told)), shape_of(request.path)(told))


def _key_of(context: RequestContext, known: Provider) -> SpendingKey:
    """Return the key that a provider is asked with: its default among those the token is for."""
    found = context.state.names_for(context.holder.claims).reaching(known.name)
    if found:
        return found[0]
    if context.state.names.reaching(known.name):
        raise Denied(
            f"token {context.holder.shown_id} is for no key of {known.title}",
            "the owner of the vault can issue one that is: aikeys token issue --key NAME",
        )
    raise NotFound(f"there is no key for {known.title}", f"aikeys add {known.name}")


def path_shown(request: web.Request) -> str:
    """Return method and path as a message may repeat them."""
    return f"{request.method} {shown(request.path, 100)}"
