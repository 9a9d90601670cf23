"""The routes, and what every request passes: Host, its token, the size of its body, errors in its route's shape.

What a route takes is in tokens/admission.py and nowhere else: one that is not there is not served.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from aikeys.errors import AikeysError, NotFound, UsageError
from aikeys.gateway.http import error_bodies, hosts, paths
from aikeys.gateway.http.admission import STATE, TOKEN, RefusalLog, address_of, admit, new_request_id, shape_of, shown
from aikeys.gateway.http.client_streams import REQUEST_ID, RESERVED, refusal
from aikeys.gateway.http.error_bodies import Told, TooLarge
from aikeys.gateway.routes import admin, calls, further_names, health, keys, models, native
from aikeys.gateway.settings import LOOPBACK
from aikeys.gateway.state import WorkerState
from aikeys.tokens import admission

AccessLog = Callable[[web.Request, int, float], None]
_REFUSALS: web.AppKey[RefusalLog] = web.AppKey("refusals", RefusalLog)


class WrongHost(AikeysError):
    """The Host header names somebody else: a page in a browser may be behind it (DNS rebinding)."""

    code = "wrong_host"
    exit_status = 2
    http_status = 421


class UpgradeRefused(AikeysError):
    """WebSockets are not served; clients fall back to HTTP at once."""

    code = "upgrade_required"
    exit_status = 2
    http_status = 426


def make_app(state: WorkerState, log: AccessLog) -> web.Application:
    """Return the application of one worker."""
    app = web.Application(middlewares=[_guarded(log)], client_max_size=state.settings.largest_request_bytes)
    app.on_response_prepare.append(_signed)
    app[STATE] = state
    app[_REFUSALS] = RefusalLog()
    add = app.router
    add.add_post("/v1/chat/completions", calls.chat)
    for path in calls.ENDPOINTS:
        add.add_post(path, calls.passed_on)
    add.add_get("/v1/models", models.models)
    add.add_get("/v1/models/{model:.+}", models.model)
    add.add_post("/v1/messages", native.messages)
    add.add_post("/v1/messages/count_tokens", native.messages)
    for path in further_names.FURTHER:
        add.add_post(path.replace("{tail}", "{tail:.+}"), native.further)
    for version in ("v1", "v1beta"):
        add.add_post(f"/{version}/models/{{tail:.+}}", native.gemini)
    add.add_get("/v1beta/models", native.gemini)
    add.add_get("/v1beta/models/{tail:.+}", native.gemini)
    add.add_get("/v1/usage", admin.usage)
    add.add_get("/v1/budgets", admin.budgets)
    add.add_get("/v1/budgets/check", admin.budget_check)
    add.add_get("/v1/audit", admin.audit)
    add.add_get("/v1/log", admin.log)
    add.add_get("/v1/keys", keys.listed)
    add.add_post("/v1/keys", keys.create)
    add.add_delete("/v1/keys/{id}", keys.revoke)
    add.add_get("/healthz", health.healthz)
    add.add_get("/readyz", health.readyz)
    add.add_get("/metrics", health.metrics)
    add.add_route("HEAD", "/", health.head)
    for resource in list(add.resources()):  # what is ours is served by its own methods only
        if "{" not in resource.canonical:
            add.add_route("*", resource.canonical, health.not_allowed)
    add.add_route("*", "/v1/keys/{id}", health.not_allowed)
    add.add_route("*", "/{provider}/{tail:.+}", native.provider)
    return app


def _guarded(log: AccessLog) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        started_s = time.monotonic()
        try:
            answer = await _answer(request, handler)
        except web.HTTPException as other:
            answer = _told(request, _of_http(request, other))
        except AikeysError as failure:
            request.app[_REFUSALS].note(request, failure)
            request.app[STATE].note_refusal(failure)
            if failure.http_status in (500, 503):  # the client is told nothing of it
                request.app[STATE].say(f"{failure.message} at {request.method} {shown(request.path, 80)}")
            answer = _told(request, error_bodies.told(failure))
        except ConnectionError:
            raise
        except Exception as failure:  # noqa: BLE001  the last place that can: its text may hold a secret
            state = request.app[STATE]
            state.say(f"internal error: {type(failure).__name__} at {request.method} {shown(request.path, 80)}")
            for place in _places(failure):
                state.say(place)
            answer = _told(request, error_bodies.told(failure))
        request.app[STATE].answered[answer.status // 100] += 1
        log(request, answer.status, time.monotonic() - started_s)
        return answer

    return guard


async def _signed(request: web.Request, response: web.StreamResponse) -> None:
    """Give every reply an id, and say nothing of what serves it."""
    del request
    response.headers.popall("Server", None)
    if REQUEST_ID not in response.headers:
        response.headers[REQUEST_ID] = new_request_id()


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    state = request.app[STATE]
    _check_host(request, state)
    if not paths.is_plain(request.method, request.rel_url.raw_path):
        raise web.HTTPNotFound
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise UpgradeRefused("WebSockets are not served", "use HTTP")
    resource = request.match_info.route.resource
    if resource is not None:
        takes = admission.of_route(request.method, resource.canonical)
        if not takes:
            raise web.HTTPMethodNotAllowed(request.method, [])
        if takes != admission.NO_TOKEN:
            admit(request, takes)
    return await handler(request)


def _check_host(request: web.Request, state: WorkerState) -> None:
    """Raise Usage (400) where the Host is none, WrongHost (421) where it is not a name of this gateway."""
    settings = state.settings
    host = hosts.host_in(request.headers.getall("host", []))
    if host is None:
        raise UsageError("the request names no host, or more than one", "send one Host header: HOST or HOST:PORT")
    asked = hosts.host_in([request.host])  # of an address with a host in it: GET http://HOST/ HTTP/1.1
    came_to = request.transport.get_extra_info("sockname") if request.transport is not None else None
    own = (str(came_to[0]),) if isinstance(came_to, tuple) else ()
    names = (*LOOPBACK, settings.host, *settings.hosts, *own)
    if asked is None or not (hosts.is_ours(host, names) and hosts.is_ours(asked, names)):
        raise WrongHost("the Host header names another machine", "name this host in [gateway] hosts of config.toml")


def _of_http(request: web.Request, other: web.HTTPException) -> Told:
    if isinstance(other, web.HTTPRequestEntityTooLarge):
        return error_bodies.told(TooLarge("the body is larger than the gateway takes", "send less"))
    if other.status == 405:
        return Told(405, "method_not_allowed", f"{request.method} is not served here", may_retry=False)
    if other.status == 404:
        return error_bodies.told(NotFound(f"there is no route {native.path_shown(request)}", "aikeys-gateway(7)"))
    if other.status >= 500:
        return error_bodies.told(other)
    return error_bodies.told(UsageError("the request cannot be read", "send plain HTTP/1.1"))


def _places(failure: Exception) -> list[str]:
    """Return where in the program it happened, for whoever asked with AIKEYS_DEBUG=1: no values."""
    found, frame = [], failure.__traceback__ if os.environ.get("AIKEYS_DEBUG") == "1" else None
    while frame is not None:
        code = frame.tb_frame.f_code
        found.append(f"{code.co_filename}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return found


def _told(request: web.Request, told: Told) -> web.Response:
    answer = refusal(told, request.get(RESERVED) or new_request_id(), shape_of(request.path))
    if told.status in (408, 413, 421):
        answer.force_close()
    return answer


def access_line(request: web.Request, status: int, took_s: float) -> str:
    """Return a line of the access log: no content, no credential, no query."""
    state = request.app[STATE]
    token = request.get(TOKEN, "-") or "-"
    path = shown(request.path, 200)
    return f"{address_of(request, state) or '-'} {token} {request.method} {path} {status} {took_s * 1000:.0f}ms"
