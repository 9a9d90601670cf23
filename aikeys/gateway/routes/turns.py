"""Turns: one client's request, put to one target after the other until it is answered.

- The targets are the one that was asked for and its stand-ins, which config.toml names. Each is a call of its own: its
  own price, its own reservation in the same budgets, its own entry.
- Nothing of a reply reaches the client before it says something, as long as another target may be asked instead.
- A stand-in is asked in the words that the client used. Embeddings and compactions are of use with the same model only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from aiohttp import web

from aikeys.errors import UsageError
from aikeys.gateway.driver import Asker, answered
from aikeys.gateway.formats.openai_requests import chat_body
from aikeys.gateway.http import bodies, client_streams
from aikeys.gateway.http.admission import RequestContext, shape_of
from aikeys.gateway.http.client_streams import AsItCame, ClientStream
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.gateway.routes import stored_objects
from aikeys.gateway.routes.request_headers import JSON
from aikeys.providers.catalogue import Provider
from aikeys.providers.native_routes import endpoint
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import LARGE_BYTES, Table
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller, bound_labels
from aikeys.spending.call import Asking, Note, Outcome
from aikeys.spending.labels import labels_of
from aikeys.spending.names import Target
from aikeys.spending.order import Address, Native, PassedOn
from aikeys.spending.targets import MOST_TARGETS, spend, stand_ins

_OF_ONE_MODEL = ("openai_embeddings", "gemini_embeddings", "cohere_embeddings", "openai_compactions")
_NAMES_OBJECTS = ("openai_responses", "openai_compactions")


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


class RequestWords(NamedTuple):
    """The format of a request: its meter, the scope it takes, its body without what is for us, whether it streams."""

    meter: str
    scope: str
    body: Table
    stream: bool


class _Once:
    """Between two calls of a gateway: a client's own SDK asks again."""

    repeats = is_over = False

    def say(self, text: str) -> None:
        """Nobody hears it; `x-aikeys-model` and the log tell."""

    async def pause(self, seconds: float) -> None:
        """Nothing is asked again."""


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


async def first_answer(
    said: ClientCall, targets: Sequence[Target], make_turn: Callable[[Target], Awaitable[Turn]]
) -> web.StreamResponse:
    """Ask one target after the other, and answer with what the first that can says, or with the last refusal."""
    targets = targets[:MOST_TARGETS]
    last: list[Turn] = []

    async def make(target: Target) -> Outcome:
        turn = await make_turn(target)
        asking = turn.asking._replace(holds=target is not targets[-1])
        outcome = await answered(said.context.state, said.asker, asking, turn.listener)
        last[:] = [turn]
        return outcome

    spent = await spend(targets, make, _Once())
    return await _ended(last[0], spent.last)


async def _ended(turn: Turn, outcome: Outcome) -> web.StreamResponse:
    """Return the answer to a call that is over."""
    if turn.listener.response is None:
        return await turn.whole(outcome)
    await turn.listener.ends(outcome)
    return turn.listener.response


def others(said: ClientCall, first: Target, text: str, meter: str = "") -> list[Target]:
    """Return the stand-ins for a target that a text named, of those that the token reaches."""
    state = said.context.state
    fallbacks = dict(state.knowledge.config.fallbacks)
    found = stand_ins(state.names_for(said.context.holder.claims), first, text, fallbacks, lenient=True)
    return [each for each in found if meter not in _OF_ONE_MODEL or each.model == first.model]


def passing(
    said: ClientCall,
    target: Target,
    order: PassedOn,
    scope: str,
    note: Note | None = None,
    *,
    tells_status: bool = False,
) -> Turn:
    """Return a call that is passed on; `note` is what the ledger is to know of the reply.

    `tells_status`: an error that came with a good status is answered with its own.
    """
    context = said.context
    listener = AsItCame(context.request, context.request_id, lambda: order.adds_usage)

    async def whole(outcome: Outcome) -> web.Response:
        shape = shape_of(context.request.path)
        return client_streams.whole_as_it_came(
            context.request, outcome, listener.request_id, shape, tells_status=tells_status
        )

    return Turn(Asking(said.caller, target, order, said.carried, scope, said.size_bytes, note), listener, whole)


async def in_same_words(
    said: ClientCall, target: Target, words: RequestWords, headers: tuple[tuple[str, str], ...] = (JSON,)
) -> Turn:
    """Return the call that a request is to a target which takes its format; UsageError where it does not."""
    place = endpoint(target.provider, target.key.base_url, words.meter)
    if place is None:
        raise not_taken(target.provider, words.meter)
    target = at_base_url(target, place.base_url)
    is_chat = words.meter == "openai_chat"
    dialect = target.provider.dialect()
    body = chat_body(words.body, target.model, dialect) if is_chat else {**words.body, "model": target.model}
    native = Native(
        words.meter, body, words.stream, headers=headers, is_large=said.is_large,
        dialect=spoken(target.provider, words.meter),
    )  # fmt: skip
    note = await own_objects(said, target, words.meter, body)
    return passing(said, target, PassedOn(native, Address("POST", place.path, headers)), words.scope, note)


async def own_objects(said: ClientCall, target: Target, meter: str, body: Table) -> Note | None:
    """Refuse what names an object that is not the caller's at that provider; return what notes whose a new one is."""
    if meter in _NAMES_OBJECTS:
        named = await off_the_loop(said.size_bytes, stored_objects.named_in, body)
        stored_objects.require_own(said.context, target.provider.name, named)
    keeps = meter == "openai_responses" or body.get("store") is True
    return stored_objects.noting(said.context, target.provider.name) if keeps else None


def at_base_url(target: Target, base_url: str) -> Target:
    """Return a target whose route lies elsewhere at the host of its key's base URL; "" is the key's own."""
    return target._replace(key=target.key._replace(base_url=base_url)) if base_url else target


def spoken(provider: Provider, meter: str, cap: str = "") -> Dialect | None:
    """Return how a route is spoken to, where that is not the provider's own way."""
    if meter == "anthropic_messages" and provider.protocol != "anthropic":
        return provider.dialect()._replace(
            protocol="anthropic",
            chat="/v1/messages",
            cap="max_tokens",
            needs_cap=True,
            stream_usage="always",
            counter="",
        )
    return provider.dialect()._replace(cap=cap) if cap else None


def not_taken(provider: Provider, meter: str) -> UsageError:
    """Return the refusal of a format that a provider does not take."""
    maker, _, kind = meter.partition("_")
    whose = {"openai": "OpenAI's", "anthropic": "Anthropic's", "gemini": "Google's", "cohere": "Cohere's"}[maker]
    return UsageError(
        f"{provider.title} has no {kind} endpoint in {whose} words", "use its own route, or /v1/chat/completions"
    )
