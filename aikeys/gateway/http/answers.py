"""Answers of the gateway's own routes: JSON, never cached on the way, with the id of the request."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from aikeys.gateway.formats.openai_replies import written
from aikeys.gateway.http.client_streams import REQUEST_ID
from aikeys.money import PUSD_PER_USD

_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}


def answer(value: Mapping[str, object], request_id: str = "", status: int = 200, **headers: str) -> web.Response:
    """Return a response."""
    own = {REQUEST_ID: request_id} if request_id else {}
    return web.Response(status=status, headers={**_HEADERS, **own, **headers}, body=written(dict(value)))


def given(**fields: object) -> dict[str, object]:
    """Return the fields that have a value: None, "" and empty lists are left out, 0 and False are not."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [])}


def usd_number(pusd: int) -> float:
    """Return an amount as the nearest number that JSON's readers know; exact amounts stand beside it as text."""
    return pusd / PUSD_PER_USD  # of two integers: rounded once, correctly
