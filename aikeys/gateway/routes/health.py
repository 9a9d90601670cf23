"""/healthz, /readyz, /metrics and HEAD /: for whoever watches the gateway.

Health and readiness need no token and tell no more than which part fails. Metrics take usage:read: they say what was
spent. With several workers each counts its own requests; what was spent is the ledger's, the same from all.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import closing

from aiohttp import web

from aikeys import clock
from aikeys.errors import AikeysError
from aikeys.gateway.http.admission import STATE, enter
from aikeys.gateway.http.answers import answer
from aikeys.gateway.http.client_streams import REQUEST_ID
from aikeys.gateway.state import WorkerState
from aikeys.reports import asking
from aikeys.reports.openmetrics import family, samples
from aikeys.vault.opening import Place

GROUPS = ("team", "provider", "model", "key")
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_MOST_ROWS = 1000
_PATIENCE_S = 2.0
_FAMILIES = (2, 3, 4, 5)


async def healthz(request: web.Request) -> web.Response:
    """Answer GET /healthz: the process lives; 503 where its ledger's thread does not."""
    if not request.app[STATE].reserver.is_alive:
        return answer({"status": "unavailable"}, status=503)
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer GET /readyz: calls can be served; 503 names what is missing."""
    missing = await _missing(request.app[STATE])
    if not missing:
        return answer({"status": "ok"})
    return answer({"status": "unavailable", "not_ready": missing}, status=503)


async def metrics(request: web.Request) -> web.Response:
    """Answer GET /metrics."""
    context = enter(request)
    of_ledger = await asyncio.to_thread(_spent, context.state.place)
    text = "\n".join([*_of_worker(context.state), *of_ledger, "# EOF\n"])
    return web.Response(headers={"content-type": _OPENMETRICS, REQUEST_ID: context.request_id}, body=text.encode())


async def head(request: web.Request) -> web.Response:
    """Answer HEAD /: somebody listens."""
    del request
    return web.Response()


async def _missing(state: WorkerState) -> list[str]:
    if state.is_stopping:
        return ["stopping"]
    found = []
    try:
        state.token_verifier.rows  # noqa: B018  it looks at the file
    except AikeysError:
        found.append("vault")
    try:
        await asyncio.wait_for(state.reserver.act(lambda writer: writer.head), _PATIENCE_S)
    except (AikeysError, RuntimeError, TimeoutError):
        found.append("ledger")
    return found


def _of_worker(state: WorkerState) -> Iterator[str]:
    """Yield what this process counts."""
    worker = f'worker="{os.getpid()}"'
    yield from family("aikeys_gateway_requests", "counter", "Requests answered, by the family of their status.")
    for digit in _FAMILIES:
        yield f'aikeys_gateway_requests_total{{{worker},status="{digit}xx"}} {state.answered[digit]}'
    gauges = (
        ("aikeys_gateway_calls_open", "Calls that are under way.", "", len(state.calls)),
        ("aikeys_gateway_calls_waiting", "Calls that wait for a limit.", "", state.reserver.waiting),
        ("aikeys_gateway_uptime_seconds", "For how long it has run.", "seconds", _uptime_s(state)),
    )
    for name, meaning, unit, value in gauges:
        yield from family(name, "gauge", meaning, unit)
        yield f"{name}{{{worker}}} {value}"


def _uptime_s(state: WorkerState) -> str:
    return f"{time.monotonic() - state.started_s:.3f}"


def _spent(place: Place) -> list[str]:
    """Return this month's costs; the most expensive groups, and the rest in one with empty labels."""
    with closing(place.ledger) as ledger:
        request = asking.ReportRequest("cost", GROUPS, top=_MOST_ROWS)
        return samples(asking.report(ledger.open(), request, clock.now_us()))


async def not_allowed(request: web.Request) -> web.Response:
    """Refuse a method that a route of ours does not serve."""
    raise web.HTTPMethodNotAllowed(request.method, [])
