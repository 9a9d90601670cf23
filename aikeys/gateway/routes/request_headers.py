"""Header fields of a client's request that go on to a provider, by what its catalogue entry and the route's format say.

Each goes on once, as it came; one that stands there twice, or is longer than any such name, does not.
"""

from __future__ import annotations

from aiohttp import web

from aikeys.providers.catalogue import Provider

Fields = tuple[tuple[str, str], ...]

JSON = ("content-type", "application/json")
PASSED_HEADERS = ("content-type", "accept", "anthropic-version", "anthropic-beta", "openai-beta")
"""On native routes; those that keep a conversation with its cache go on everywhere, to providers that know them."""
_ANTHROPIC_VERSION = ("anthropic-version", "2023-06-01")
_EXTRA = ("extra-parameters", "pass-through")
"""Azure AI's common route refuses the fields it does not know, usage of a stream among them, unless it is told."""
_AZURES_COMMON_ROUTE = "/models/"
_LONGEST_NAME = 256


def with_affinity(fields: Fields, request: web.Request, provider: Provider) -> Fields:
    """Return header fields with those of the client that name a conversation whose cache the provider keeps."""
    found = dict(fields)
    for name in provider.affinity:
        values = request.headers.getall(name, [])
        value = values[0] if len(values) == 1 else ""
        if value and len(value) <= _LONGEST_NAME and value.isascii() and value.isprintable():
            found[name] = value
    return tuple(found.items())


def native_headers(
    request: web.Request, provider: Provider, *, path: str = "", is_anthropics: bool = False, is_ours: bool = True
) -> Fields:
    """Return the fields that go on; a body that we wrote is JSON whatever the client called its own."""
    found = {name: request.headers[name] for name in PASSED_HEADERS if name in request.headers}
    if is_ours and request.body_exists and request.method not in ("GET", "DELETE"):
        found["content-type"] = JSON[1]
    if provider.protocol == "anthropic" or is_anthropics:
        found.setdefault(*_ANTHROPIC_VERSION)
    if provider.protocol == "azure" and path.startswith(_AZURES_COMMON_ROUTE):
        found.update((_EXTRA,))
    return with_affinity(tuple(found.items()), request, provider)
