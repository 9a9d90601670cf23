"""GET /v1/models[/ID]: what a token can ask, in OpenAI's words; with ?prices=true also what it costs, in ours."""

from __future__ import annotations

import asyncio

from aiohttp import web

from aikeys import clock
from aikeys.errors import NotFound, UsageError
from aikeys.gateway.formats.openai_replies import written
from aikeys.gateway.http.admission import RequestContext, enter, resolve
from aikeys.pricing.listing import model_row
from aikeys.pricing.names import SHIPPED, spelled
from aikeys.providers.wire.values import Json
from aikeys.tokens import patterns

_AT_ONCE = 50
_JSON = {"content-type": "application/json"}


async def models(request: web.Request) -> web.Response:
    """Answer GET /v1/models."""
    context = enter(request)
    wanted = _names(context)
    if request.query.get("prices") == "true":  # other parameters of OpenAI's clients have no meaning here
        found = await _priced(context, wanted)
    else:
        found = [_model(name) for name in wanted]
    return web.Response(headers=_JSON, body=written({"object": "list", "data": found}))


async def model(request: web.Request) -> web.Response:
    """Answer GET /v1/models/ID."""
    context = enter(request)
    try:
        target = resolve(context, request.match_info["model"][:256])
    except UsageError as unknown:
        raise NotFound(unknown.message, unknown.hint) from None
    if not patterns.allows(context.holder.claims.models, str(target)):
        raise NotFound(f"there is no model {target} for this token", "GET /v1/models lists them")
    return web.Response(headers=_JSON, body=written(_model(str(target))))


def _names(context: RequestContext) -> list[str]:
    state, claims = context.state, context.holder.claims
    names = state.names_for(claims)
    providers = sorted(name for name in state.knowledge.catalogue if names.reaching(name))
    every = [f"{name}/{each}" for name in providers for each in state.knowledge.book.models(name)]
    return [each for each in every if patterns.allows(claims.models, each)]


async def _priced(context: RequestContext, wanted: list[str]) -> list[Json]:
    """Return models with their prices, in the fields of `aikeys models`; others are served between them."""
    knowledge, names = context.state.knowledge, context.state.names_for(context.holder.claims)
    now_us = clock.now_us()
    keys = {name: [held.name for held in names.reaching(name)] for name in knowledge.catalogue}
    aliases: dict[str, list[str]] = {}
    for alias, target in {**SHIPPED, **knowledge.config.aliases}.items():
        aliases.setdefault(spelled(target), []).append(alias)
    found: list[Json] = []
    for number, name in enumerate(wanted, 1):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        provider, _, model = name.partition("/")
        known = names.price(provider, model)
        row = model_row(name, known.price if known else None, keys[provider], aliases.get(spelled(name), ()), now_us)
        found.append({**_model(name), **row})
    return found


def _model(name: str) -> dict[str, Json]:
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition("/")[0]}
