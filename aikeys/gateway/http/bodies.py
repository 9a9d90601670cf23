"""Bodies of requests as the gateway reads them: their JSON, for whom the call is, how urgent it is."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

from aiohttp import web

from aikeys import names
from aikeys.errors import AikeysError, UsageError
from aikeys.gateway.http.admission import STATE
from aikeys.gateway.http.error_bodies import TooLarge
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.names import Label, ModelName
from aikeys.providers.wire.exact_json import Table, read, table
from aikeys.providers.wire.values import Json, Unreadable
from aikeys.secret import refuse_secret
from aikeys.tokens.claims import LABELS

FIRST, DEFAULT, LAST = 1, 5, 10
_LABELS = {"team_id": "team", "team": "team", "project": "project", "environment": "environment", "user": "user"}
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MOST_TAGS = 16
_SLOWEST_BYTES_A_SECOND = 16 << 10


class SlowClient(AikeysError):
    """The body of a request does not come, or comes by drops."""

    code = "request_timeout"
    exit_status = 2
    http_status = 408


async def whole(request: web.Request) -> bytes:
    """Return the body; UsageError (400), TooLarge (413), SlowClient (408)."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UsageError("the body is compressed", "send it as it is")
    try:
        if request.content.is_eof():
            return await request.read()
        return await _awaited(request)
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("the body is larger than the gateway takes", "send less") from None
    except web.RequestPayloadError:
        raise UsageError("the body of the request breaks off or is not what its headers say", "send it again") from None
    except TimeoutError:
        raise SlowClient("the body of the request did not come in time", "send it again") from None


async def _awaited(request: web.Request) -> bytes:
    """Read on as long as something comes, and on the average not too little; TimeoutError."""
    settings = request.app[STATE].settings
    found, started_s = bytearray(), time.monotonic()
    while True:
        async with asyncio.timeout(settings.slow_client_s):
            piece = await request.content.readany()
        if not piece:
            return bytes(found)
        found += piece
        if len(found) > settings.largest_request_bytes:
            raise TooLarge("the body is larger than the gateway takes", "send less")
        late_s = time.monotonic() - started_s - settings.slow_client_s
        if late_s * _SLOWEST_BYTES_A_SECOND > len(found):
            raise TimeoutError


async def json_of(request: web.Request) -> Table:
    """Return the body, a JSON object; raises what `whole` does."""
    return await table_of(await whole(request))


async def table_of(data: bytes) -> Table:
    """Return a body as the JSON object it is; UsageError."""
    try:
        value = await off_the_loop(len(data), read, data)
    except Unreadable:
        raise UsageError("the body is not JSON", "send a JSON object in UTF-8") from None
    if not isinstance(value, dict):
        raise UsageError("the body is not a JSON object", "send a JSON object")
    return value


def model_of(body: Table) -> ModelName:
    """Return the model that a body asks for; UsageError."""
    value = body.get("model")
    if not isinstance(value, str) or not value:
        raise UsageError("model is missing, empty or no text", "give model as a text")
    return names.model_name(value)


def flag_of(body: Table, name: str) -> bool:
    """Return a truth value, False where it is not given; UsageError for anything else."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise UsageError(f"{name} is neither true nor false", "leave it out, or give true or false")


def labels_in(body: Table, *, tags: bool) -> dict[str, Label]:
    """Return the labels in `metadata`; with `tags` every name that is no label of ours is one. Usage."""
    found: dict[str, Label] = {}
    for name, value in table(body, "metadata").items():
        label = _LABELS.get(name)
        if label is None and tags:
            label = name if _TAG.fullmatch(name) else None
        if label is None or value is None or value == "":
            continue
        refuse_secret(name)
        if not isinstance(value, str):
            raise UsageError(f"metadata.{name} is not a text", "give it as a text")
        checked = names.label(value, f"metadata.{name}")
        if found.setdefault(label, checked) != checked:
            raise UsageError(f"metadata says two things of {label}", "say it once")
    if len(found) > _MOST_TAGS + len(LABELS):
        raise UsageError(f"metadata has more than {_MOST_TAGS} tags", "send fewer")
    return found


def priority_of(headers: Mapping[str, str], body: Table) -> int:
    """Return X-Priority or `priority`: 1 (first) to 10; UsageError for anything else."""
    value: Json = headers.get("x-priority") or body.get("priority")
    if value is None or value == "":
        return DEFAULT
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and FIRST <= int(text[:4]) <= LAST):
        raise UsageError(f"the priority is not between {FIRST} and {LAST}", f"{FIRST} goes first, {DEFAULT} is usual")
    return int(text)
