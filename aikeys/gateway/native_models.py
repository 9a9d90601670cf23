"""Whose model a request on a provider's own route names: that provider's, else it is refused and told the right route.

Every such route asks here, those that are free or not listed too: a prompt that is only counted has left as well.
"""

from __future__ import annotations

import re
from contextlib import suppress

from aikeys.gateway.aside import aside
from aikeys.gateway.door import Visit, not_for, shown
from aikeys.gateway.fields import InvalidRequest
from aikeys.providers.catalogue import Provider
from aikeys.providers.wire.exact_json import read
from aikeys.providers.wire.values import Json, Unreadable
from aikeys.spending.names import OfAnother, Target

_ANYWHERE = "/v1/chat/completions"
_BEGINS = 4096
_IN_A_FORM = re.compile(rb'name="?model"?\r?\n(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]{1,256})')
"""A form has its model in a short part, before or after the file."""


def model_at(visit: Visit, known: Provider, text: str) -> Target:
    """Return the model that a text names on a provider's route; InvalidRequest (400) for another provider's."""
    every, reachable = visit.state.names, visit.state.names_for(visit.bearer.claims)
    try:
        held, _ = every.own_name(known.name, text)
        if held is not None and held.name not in {key.name for key in reachable.reaching(known.name)}:
            raise not_for(visit, held.name)
        return reachable.at(known.name, text)
    except OfAnother as found:
        raise InvalidRequest("model", _wrong(found), _right_route(found)) from None


async def refuse_of_another(visit: Visit, known: Provider, body: bytes) -> None:
    """Refuse a body that is passed on as it came, JSON or a form, where it names another provider's model."""
    model: Json = None
    if body[:_BEGINS].lstrip().startswith(b"{"):
        with suppress(Unreadable):
            value = await aside(len(body), read, body)
            model = value.get("model") if isinstance(value, dict) else None
    elif found := _IN_A_FORM.search(body[:_BEGINS] + body[-_BEGINS:]):
        model = found.group(1).decode("utf-8", "replace")
    if isinstance(model, str):
        model_at(visit, known, model)


def _wrong(found: OfAnother) -> str:
    return f"is not this provider's: {shown(found.message, 300)}"


def _right_route(found: OfAnother) -> str:
    whose, model = found.whose, shown(found.model, 100)
    if whose.protocol == "anthropic" and whose.name == "anthropic":
        own = "/v1/messages"
    elif whose.protocol == "gemini":
        own = f"/v1beta/models/{model}:generateContent"
    else:
        own = f"/{whose.name}/…"
    return f"send {model} to {own}, or {whose.name}/{model} to {_ANYWHERE}"
