"""The routes in OpenAI's words that spend: a body becomes an order, the order an attempt, the attempt an answer.

| route | goes |
|---|---|
| /v1/chat/completions | as it came to who speaks OpenAI's protocol, in their own words to all others |
| /v1/responses, /v1/embeddings, /v1/completions | as it came, to who has such an endpoint |
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from aikeys import clock
from aikeys.errors import UsageError
from aikeys.gateway.driver import Asker, answered
from aikeys.gateway.formats import openai_replies, openai_requests
from aikeys.gateway.formats.openai_requests import chat_body
from aikeys.gateway.http import bodies, client_streams
from aikeys.gateway.http.admission import RequestContext, enter, resolve, shape_of
from aikeys.gateway.http.client_streams import AsItCame, ClientStream, InOpenAIsWords
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.gateway.routes import stored_objects
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import LARGE_BYTES, Table
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller, bound_labels
from aikeys.spending.call import Asking, Note, Outcome
from aikeys.spending.labels import labels_of
from aikeys.spending.names import Target
from aikeys.spending.order import Address, Native, PassedOn, Translated
from aikeys.spending.targets import spend, stand_ins
from aikeys.tokens.admission import of_route

_SPEAKS_OPENAI = ("openai", "azure")
_CHAT = of_route("POST", "/v1/chat/completions")


class ClientCall(NamedTuple):
    """What a client said, whoever will answer it; `carried` are the keys it was sent with so far."""

    context: RequestContext
    body: Table
    caller: Caller
    priority: int
    size_bytes: int
    carried: list[Secret]

    @property
    def asker(self) -> Asker:
        """Return whose token it is, and how urgent."""
        return Asker(self.context.holder, self.priority)

    @property
    def is_large(self) -> bool:
        """Tell whether what is done with the body takes so long that others would have to wait."""
        return self.size_bytes > LARGE_BYTES


class Turn(NamedTuple):
    """A call to one target: what is asked, who hears it, and how a whole reply is answered."""

    asking: Asking
    listener: ClientStream
    whole: Callable[[Outcome], Awaitable[web.Response]]


class _Once:
    """Between two calls of a gateway: a client's own SDK asks again."""

    repeats = is_over = False

    def say(self, text: str) -> None:
        """Nobody hears it; `x-aikeys-model` and the log tell."""

    async def pause(self, seconds: float) -> None:
        """Nothing is asked again."""


class Endpoint(NamedTuple):
    """A route that is passed on: the meter of its bodies, and where the dialect has it."""

    protocol: str
    path: str


_ENDPOINTS = {
    "/v1/responses": Endpoint("openai_responses", "responses"),
    "/v1/embeddings": Endpoint("openai_embeddings", "embeddings"),
    "/v1/completions": Endpoint("openai_completions", ""),
}


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/chat/completions."""
    said = await listen(enter(request), tags=True)
    model = bodies.model_of(said.body)
    first = resolve(said.context, model)
    others = stand_ins(
        said.context.state.names_for(said.context.holder.claims), first, model, _fallbacks(said), lenient=True
    )
    last: list[Turn] = []

    async def make(target: Target) -> Outcome:
        turn = await _turn_of(said, target)
        outcome = await answered(said.context.state, said.asker, turn.asking, turn.listener)
        last[:] = [turn]
        return outcome

    spent = await spend((first, *others), make, _Once())
    return await _ended(last[0], spent.last)


async def passed_on(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/responses, /v1/embeddings or /v1/completions."""
    endpoint, scope = _ENDPOINTS[request.path], of_route("POST", request.path)
    said = await listen(enter(request), tags=False)
    target = resolve(said.context, bodies.model_of(said.body))
    dialect = target.provider.dialect()
    path = _path_in(dialect, endpoint)
    if not path:
        what = endpoint.protocol.removeprefix("openai_")
        raise UsageError(
            f"{dialect.title} has no {what} endpoint in OpenAI's words", "use its own route, or /v1/chat/completions"
        )
    body = {**{name: value for name, value in said.body.items() if name != "priority"}, "model": target.model}
    native = Native(endpoint.protocol, body, bodies.flag_of(body, "stream"), is_large=said.is_large)
    if endpoint.protocol == "openai_responses":
        stored_objects.require_own(
            said.context, target.provider.name, await off_the_loop(said.size_bytes, stored_objects.named_in, body)
        )
    note = (
        stored_objects.noting(said.context, target.provider.name) if endpoint.protocol == "openai_responses" else None
    )
    return await as_it_came(said, target, PassedOn(native, Address("POST", path)), scope, note)


async def listen(context: RequestContext, *, tags: bool) -> ClientCall:
    """Read what a client says; UsageError, TooLarge, Denied where its labels contradict the token."""
    data = await bodies.whole(context.request)
    size_bytes = len(data)
    body = await bodies.table_of(data)
    del data
    claims = context.holder.claims
    labels = labels_of(bound_labels(claims, bodies.labels_in(body, tags=tags)))
    caller = Caller(labels, "gateway", claims, context.holder.above, context.address)
    return ClientCall(context, body, caller, bodies.priority_of(context.request.headers, body), size_bytes, [])


async def as_it_came(
    said: ClientCall, target: Target, order: PassedOn, scope: str, note: Note | None = None
) -> web.StreamResponse:
    """Pass a request on and its reply back; `note` is what the ledger is to know of the reply."""
    turn = passing(said, target, order, scope, note)
    outcome = await answered(said.context.state, said.asker, turn.asking, turn.listener)
    return await _ended(turn, outcome)


def passing(said: ClientCall, target: Target, order: PassedOn, scope: str, note: Note | None = None) -> Turn:
    """Return a call that is passed on."""
    context = said.context
    listener = AsItCame(context.request, context.request_id, lambda: order.adds_usage)

    async def whole(outcome: Outcome) -> web.Response:
        return client_streams.whole_as_it_came(outcome, listener.request_id, shape_of(context.request.path))

    return Turn(Asking(said.caller, target, order, said.carried, scope, said.size_bytes, note), listener, whole)


async def _turn_of(said: ClientCall, target: Target) -> Turn:
    """Return the call that a chat is to a target, in the words it speaks."""
    dialect = target.provider.dialect()
    if dialect.protocol in _SPEAKS_OPENAI:
        body = chat_body(said.body, target.model, dialect)
        stored_objects.require_own(
            said.context, target.provider.name, await off_the_loop(said.size_bytes, stored_objects.named_in, body)
        )
        native = Native("openai_chat", body, bodies.flag_of(body, "stream"), is_large=said.is_large)
        note = stored_objects.noting(said.context, target.provider.name) if body.get("store") is True else None
        return passing(said, target, PassedOn(native, Address("POST", dialect.chat)), _CHAT, note)
    asked = await off_the_loop(said.size_bytes, openai_requests.chat_request, dict(said.body))
    head = openai_replies.heading(os.urandom(12), clock.now_s(), str(target))
    listener = InOpenAIsWords(said.context.request, said.context.request_id, head, includes_usage=asked.includes_usage)

    async def whole(outcome: Outcome) -> web.Response:
        return await off_the_loop(
            len(outcome.body), client_streams.whole_in_openais_words, outcome, head, listener.request_id
        )

    return Turn(
        Asking(said.caller, target, Translated(asked.request), said.carried, _CHAT, said.size_bytes), listener, whole
    )


async def _ended(turn: Turn, outcome: Outcome) -> web.StreamResponse:
    """Return the answer to a call that is over."""
    if turn.listener.response is None:
        return await turn.whole(outcome)
    await turn.listener.ends(outcome)
    return turn.listener.response


def _fallbacks(said: ClientCall) -> dict[str, tuple[str, ...]]:
    return dict(said.context.state.knowledge.config.fallbacks)


def _path_in(dialect: Dialect, endpoint: Endpoint) -> str:
    if dialect.protocol not in (*_SPEAKS_OPENAI, "openai-responses"):
        return ""
    if endpoint.path:
        return str(getattr(dialect, endpoint.path))
    return dialect.chat.removesuffix("/chat/completions") + "/completions" if dialect.chat else ""
