"""GET /v1/models[/ID]: what a token can ask, in OpenAI's words; with ?prices=true also what it costs, in ours."""

from __future__ import annotations

import asyncio

from aiohttp import web

from aikeys import clock
from aikeys.errors import NotFound, Usage
from aikeys.gateway.door import Visit, enter, resolve
from aikeys.gateway.openai_replies import written
from aikeys.pricing.listing import model_row
from aikeys.pricing.names import SHIPPED, spelled
from aikeys.providers.wire.values import Json
from aikeys.tokens import patterns

_AT_ONCE = 50
_JSON = {"content-type": "application/json"}


async def models(request: web.Request) -> web.Response:
    """Answer GET /v1/models."""
    visit = enter(request)
    wanted = _names(visit)
    if request.query.get("prices") == "true":  # other parameters of OpenAI's clients have no meaning here
        found = await _priced(visit, wanted)
    else:
        found = [_model(name) for name in wanted]
    return web.Response(headers=_JSON, body=written({"object": "list", "data": found}))


async def model(request: web.Request) -> web.Response:
    """Answer GET /v1/models/ID."""
    visit = enter(request)
    try:
        target = resolve(visit, request.match_info["model"][:256])
    except Usage as unknown:
        raise NotFound(unknown.message, unknown.hint) from None
    if not patterns.allows(visit.bearer.claims.models, str(target)):
        raise NotFound(f"there is no model {target} for this token", "GET /v1/models lists them")
    return web.Response(headers=_JSON, body=written(_model(str(target))))


def _names(visit: Visit) -> list[str]:
    state, claims = visit.state, visit.bearer.claims
    names = state.names_for(claims)
    providers = sorted(name for name in state.knowledge.catalogue if names.reaching(name))
    every = [f"{name}/{each}" for name in providers for each in state.knowledge.book.models(name)]
    return [each for each in every if patterns.allows(claims.models, each)]


async def _priced(visit: Visit, wanted: list[str]) -> list[Json]:
    """Return models with their prices, in the fields of `aikeys models`; others are served between them."""
    knowledge, names = visit.state.knowledge, visit.state.names_for(visit.bearer.claims)
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
