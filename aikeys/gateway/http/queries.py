"""Parameters of an address that go on to a provider (pure but for the request).

A parameter can hide the usage from a reply (Google's `fields`), change how a call is served, or name somebody else's
account. So of a listed route only those below go on, and any other is refused by its name; of a route that is not
listed all but credentials. Ours, `key`, never goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http.parameters import unknown
from aikeys.providers.native_routes import FREE, NativeRoute

_OURS = "key"
_EVERYWHERE: Mapping[str, Mapping[str, str]] = {
    "anthropic": {"beta": "true"},
    "azure": {"api-version": r"[A-Za-z0-9.-]{1,40}"},
    "gemini": {"alt": "sse|json"},
}
"""By protocol: the parameters of every listed route, each with the values it may have. Sources: the SDKs of these."""
_OF_LISTS = (
    *("after", "after_id", "before", "before_id", "limit", "order", "starting_after"),
    *("page", "page_size", "pageSize", "page_token", "pageToken"),
    *("client_version", "default_only", "endpoint", "include", "include[]", "include_obfuscation"),
    *("metadata", "model", "stream"),
)
"""Parameters that choose a part of a list, or of an object, that is free to read."""
_CREDENTIALS = ("access_token", "oauth_token", "api_key", "api-key", "apikey", "subscription-key")


def query_of(request: web.Request, protocol: str, route: NativeRoute | None) -> str:
    """Return the query as it goes on, with its mark; InvalidRequest (400). `route`: None where it is not listed."""
    left = request.rel_url.query.copy()
    left.popall(_OURS, None)
    if not left:
        return ""
    known = dict(_EVERYWHERE.get(protocol, {}))
    if route is not None and route.meter == FREE and route.method == "GET":
        known |= dict.fromkeys(_OF_LISTS, ".*")
    for name in left:
        if route is None:
            if name.lower() in _CREDENTIALS:
                raise InvalidRequest(name, "is a credential, and the gateway sends its own", "leave it out")
        elif name not in known:
            raise unknown(name, "is not a parameter that is passed on here", sorted(known))
        elif not name.endswith("[]") and len(left.getall(name)) > 1:
            raise InvalidRequest(name, "stands there twice", "give it once")
        elif not re.fullmatch(known[name], left[name], re.DOTALL):
            raise InvalidRequest(name, "has a value that is not passed on here", f"known: {known[name]}")
    return f"?{request.rel_url.with_query(left).raw_query_string}"
