"""Objects that a provider keeps (stored responses, conversations): only for the token, or the team, that made them.

A name that is not known here is 404, as one of another team is: nobody learns that it exists.
"""

from __future__ import annotations

from aikeys.errors import AikeysError, NotFound
from aikeys.gateway.attempts import Done
from aikeys.gateway.door import Visit
from aikeys.ledger import kept_objects
from aikeys.providers.wire.exact_json import Table, read_table, text
from aikeys.providers.wire.values import Json, Unreadable


def named_in(body: Table) -> tuple[str, ...]:
    """Return the objects that a body refers to: the response before, and the conversation."""
    conversation: Json = body.get("conversation")
    names = (
        text(body, "previous_response_id"),
        conversation if isinstance(conversation, str) else text(body, "conversation", "id"),
    )
    return tuple(name for name in names if name)


def require_own(visit: Visit, provider: str, names: tuple[str, ...]) -> None:
    """Raise NotFound (404) for an object that neither the token nor its team made; native:all may reach all."""
    if not names or visit.bearer.may("native:all"):
        return
    with visit.state.ledger.looking() as connection:
        for name in names:
            if not kept_objects.is_of(connection, provider, name, owner_of(visit)):
                raise NotFound(f"there is no object {name[:100]!a} of yours at the provider", "check its id")


def remember(visit: Visit, provider: str, done: Done) -> None:
    """Note whose a new object is."""
    name = "" if done.received.failure is not None else _made_in(done)
    if not name:
        return
    owner = owner_of(visit)
    try:
        ticket = visit.state.desk.act(lambda writer: kept_objects.note(writer.connection, provider, name, owner))
    except (RuntimeError, AikeysError):
        return
    ticket.add_done_callback(lambda done: done.cancelled() or done.exception())


def _made_in(done: Done) -> str:
    if not done.body:
        return done.received.reply.request_id  # of a stream it is the id of the reply
    try:
        return text(read_table(done.body), "id")
    except Unreadable:
        return ""


def owner_of(visit: Visit) -> kept_objects.Owner:
    """Return whose objects a visitor's are."""
    claims = visit.bearer.claims
    return kept_objects.Owner(claims.shown_id, dict(claims.labels).get("team", ""))
