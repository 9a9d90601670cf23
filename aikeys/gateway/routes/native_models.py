"""Models named on a provider's own route: that provider's, else the request is refused and told the right route.

Every such route asks here, those that are free or not listed too: a prompt that is only counted has left as well.
A body that is passed on as it came is looked through as whoever gets it could read it: JSON and what lies one level
below, a form of either kind, the query. JSON that nobody can read exactly is not passed on.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote

from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http.admission import RequestContext, not_for, shown
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.providers.catalogue import Provider
from aikeys.providers.wire.exact_json import read
from aikeys.providers.wire.values import Json, Unreadable
from aikeys.spending.names import OfAnother, Target

_ANYWHERE = "/v1/chat/completions"
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]")
_PART = re.compile(
    rb"^content-disposition[ \t]*:(?=([^\r\n]*+(?:\r?\n[^\r\n]++){0,10}+)\r?\n\r?\n([^\r\n]{1,256}))",
    re.IGNORECASE | re.MULTILINE,
)
"""A part of a form: its fields, and the first line of what it holds. A file may hold what looks like one."""
_NAME = re.compile(rb"\bname\*?[ \t]*=[ \t]*([^\r\n;]{1,64})", re.IGNORECASE)
_MOST_ROWS = 1000
_LONGEST_FIELDS = 4096


def model_at(context: RequestContext, known: Provider, text: str) -> Target:
    """Return the model that a text names on a provider's route; InvalidRequest (400) for another provider's."""
    every, reachable = context.state.names, context.state.names_for(context.holder.claims)
    try:
        held, _ = every.own_name(known.name, text)
        if held is not None and held.name not in {key.name for key in reachable.reaching(known.name)}:
            raise not_for(context, held.name)
        return reachable.at(known.name, text)
    except OfAnother as found:
        raise InvalidRequest("model", _wrong(found), _right_route(found)) from None


async def refuse_of_another(context: RequestContext, known: Provider, body: bytes) -> None:
    """Refuse a request that is passed on as it came where it names another provider's model; InvalidRequest (400)."""
    kind = context.request.content_type
    for model in (*context.request.query.getall("model", []), *await off_the_loop(len(body), _models_in, body, kind)):
        if model:
            model_at(context, known, model)


def _models_in(body: bytes, kind: str) -> list[str]:
    """Return the models that a body names; InvalidRequest for JSON that cannot be read exactly."""
    if kind == "application/x-www-form-urlencoded":
        return parse_qs(body.decode("utf-8", "replace")).get("model", [])
    is_json = kind == "application/json" or kind.endswith("+json")
    if not is_json and not _JSON.match(body):
        parts = ((held, _NAME.findall(fields[:_LONGEST_FIELDS])) for fields, held in _PART.findall(body))
        return [held.decode("utf-8", "replace") for held, names in parts if any(map(_is_model, names))]
    if not body:
        return []
    try:
        return list(_named(read(body.removeprefix(codecs.BOM_UTF8))))
    except Unreadable:
        if is_json:
            raise InvalidRequest("", "is not JSON", "send JSON in UTF-8, each field once") from None
        return []  # lines of JSON, which a file to be stored may be


def _named(value: Json) -> Iterator[str]:
    """Yield the models that a document names: on top, in what lies on top, in the rows of a list there."""
    tops = value[:_MOST_ROWS] if isinstance(value, list) else [value]
    for top in tops:
        inner = list(top.values()) if isinstance(top, dict) else []
        rows = [row for each in inner if isinstance(each, list) for row in each[:_MOST_ROWS]]
        for each in (top, *inner, *rows):
            model = each.get("model") if isinstance(each, dict) else None
            if isinstance(model, str):
                yield model


def _is_model(name: bytes) -> bool:
    """Tell whether a form's field is the model's, in whatever quotes and charset its name is written."""
    plain = unquote(name.decode("utf-8", "replace")).rpartition("''")[2]
    return re.sub(r"[\s\"'\\]", "", plain).lower() == "model"


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
