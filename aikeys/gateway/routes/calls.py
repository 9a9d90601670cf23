"""The routes in OpenAI's words that spend: a body becomes an order, the order an attempt, the attempt an answer.

| route | goes |
|---|---|
| /v1/chat/completions | as it came to who speaks OpenAI's protocol, in their own words to all others |
| /v1/responses[/compact], /v1/embeddings, /v1/completions | as it came, to who has such an endpoint |
"""

from __future__ import annotations

import os

from aiohttp import web

from aikeys import clock
from aikeys.gateway.formats import openai_replies, openai_requests
from aikeys.gateway.formats.openai_requests import chat_body
from aikeys.gateway.http import bodies, client_streams
from aikeys.gateway.http.admission import enter, resolve
from aikeys.gateway.http.client_streams import InOpenAIsWords
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.gateway.routes import stored_objects, turns
from aikeys.gateway.routes.request_headers import JSON, with_affinity
from aikeys.gateway.routes.turns import ClientCall, RequestWords, Turn, listen
from aikeys.providers.native_routes import endpoint
from aikeys.spending.call import Asking, Outcome
from aikeys.spending.names import Target
from aikeys.spending.order import Address, Native, PassedOn, Translated
from aikeys.tokens.admission import of_route

_SPEAKS_OPENAI = ("openai", "azure")
_CHAT = of_route("POST", "/v1/chat/completions")
ENDPOINTS = {
    "/v1/responses": "openai_responses",
    "/v1/responses/compact": "openai_compactions",
    "/responses/compact": "openai_compactions",
    "/v1/embeddings": "openai_embeddings",
    "/v1/completions": "openai_completions",
}
"""Routes that are passed on, with the meter of their bodies."""


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/chat/completions."""
    said = await listen(enter(request), tags=True)
    model = bodies.model_of(said.body)
    first = resolve(said.context, model)

    async def turn(target: Target) -> Turn:
        return await _turn_of(said, target)

    return await turns.first_answer(said, [first, *turns.others(said, first, model)], turn)


async def passed_on(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/responses, /v1/responses/compact, /v1/embeddings or /v1/completions."""
    meter, scope = ENDPOINTS[request.path], of_route("POST", request.path)
    said = await listen(enter(request), tags=False)
    model = bodies.model_of(said.body)
    first = resolve(said.context, model)
    if endpoint(first.provider, first.key.base_url, meter) is None:
        raise turns.not_taken(first.provider, meter)
    body = {name: value for name, value in said.body.items() if name != "priority"}
    words = RequestWords(meter, scope, body, bodies.flag_of(body, "stream"))

    async def turn(target: Target) -> Turn:
        return await turns.in_same_words(said, target, words, with_affinity((JSON,), request, target.provider))

    return await turns.first_answer(said, [first, *turns.others(said, first, model, meter)], turn)


async def _turn_of(said: ClientCall, target: Target) -> Turn:
    """Return the call that a chat is to a target, in the words it speaks."""
    dialect, request = target.provider.dialect(), said.context.request
    if dialect.protocol in _SPEAKS_OPENAI:
        body = chat_body(said.body, target.model, dialect)
        named = await off_the_loop(said.size_bytes, stored_objects.named_in, body)
        stored_objects.require_own(said.context, target.provider.name, named)
        note = await turns.own_objects(said, target, "openai_chat", body)
        headers = with_affinity((JSON,), request, target.provider)
        native = Native("openai_chat", body, bodies.flag_of(body, "stream"), headers=headers, is_large=said.is_large)
        order = PassedOn(native, Address("POST", dialect.chat, headers))
        return turns.passing(said, target, order, _CHAT, note, tells_status=True)
    asked = await off_the_loop(said.size_bytes, openai_requests.chat_request, dict(said.body))
    head = openai_replies.heading(os.urandom(12), clock.now_s(), str(target))
    listener = InOpenAIsWords(request, said.context.request_id, head, includes_usage=asked.includes_usage)

    async def whole(outcome: Outcome) -> web.Response:
        return await off_the_loop(
            len(outcome.body), client_streams.whole_in_openais_words, outcome, head, listener.request_id
        )

    return Turn(
        Asking(said.caller, target, Translated(asked.request), said.carried, _CHAT, said.size_bytes), listener, whole
    )
