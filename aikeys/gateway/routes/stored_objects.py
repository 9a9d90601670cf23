"""Objects that a provider keeps (stored responses, conversations): only for the token, or the team, that made them.

A name that is not known here is 404, as one of another team is: nobody learns that it exists.
"""

from __future__ import annotations

from aikeys.errors import NotFound
from aikeys.gateway.http.admission import RequestContext
from aikeys.ledger import stored_objects
from aikeys.providers.wire.exact_json import Table, read_table, text
from aikeys.providers.wire.values import Json, Unreadable
from aikeys.spending.call import Note
from aikeys.spending.exchange import Received
from aikeys.tokens.sight import sight_of

_BY_NAME = ("previous_response_id", "file_id", "cachedContent", "cached_content")
_BY_NAME_OR_ID = ("conversation", "container")
_BY_ID = ("prompt", "audio")
_BY_LIST = ("file_ids", "vector_store_ids")
"""Fields of a body that name an object stored at the provider: by its name, as `id` of an object, or in a list."""


def named_in(body: Json) -> tuple[str, ...]:
    """Return every object that a body refers to, wherever it stands in it."""
    found: dict[str, None] = {}
    waiting: list[Json] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            found.update(dict.fromkeys(_named_by(value)))
            waiting += value.values()
    return tuple(found)


def _named_by(value: Table) -> list[str]:
    """Return the objects that one JSON object names by itself."""
    found = [text(value, name) for name in _BY_NAME]
    found += [text(value, name) or text(value, name, "id") for name in _BY_NAME_OR_ID]
    found += [text(value, name, "id") for name in _BY_ID]
    for name in _BY_LIST:
        listed = value.get(name)
        found += [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    if value.get("type") == "item_reference":
        found.append(text(value, "id"))
    uri = text(value, "fileUri") or text(value, "file_uri")
    if "generativelanguage.googleapis.com" in uri or uri.startswith("files/"):
        found.append(uri)
    return [name for name in found if name]


def require_own(context: RequestContext, provider: str, names: tuple[str, ...]) -> None:
    """Raise NotFound (404) for an object that neither the token nor its team made; native:all may reach all."""
    if not names or context.holder.may("native:all"):
        return
    with context.state.ledger.looking() as connection:
        for name in names:
            if not stored_objects.is_of(connection, provider, name, _reached(context)):
                raise NotFound(f"there is no object {name[:100]!a} of yours at the provider", "check its id")


def noting(context: RequestContext, provider: str) -> Note:
    """Return what notes whose a new object is: with the entry of its call, so before the client hears of it."""
    owner = owner_of(context)

    def note(received: Received, body: bytes) -> stored_objects.MadeObject | None:
        name = "" if received.failure is not None else _made_in(received, body)
        return stored_objects.MadeObject(provider, name, owner) if name else None

    return note


def _made_in(received: Received, body: bytes) -> str:
    if not body:
        return received.reply.message_id
    try:
        return text(read_table(body), "id")
    except Unreadable:
        return ""


def _reached(context: RequestContext) -> stored_objects.Owner:
    """Return the same of what a visitor may reach: under a token that had no labels, its own open nothing."""
    opened = sight_of(context.holder.claims, context.holder.above).opened
    return stored_objects.Owner(context.holder.shown_id, dict(opened).get("team", ""))


def owner_of(context: RequestContext) -> stored_objects.Owner:
    """Return whose objects a visitor's are."""
    claims = context.holder.claims
    return stored_objects.Owner(claims.shown_id, dict(claims.labels).get("team", ""))
