"""Further names of routes (pure): the table of paths that SDKs send beside the provider's own, each with what it means.

A name leads to a path of a provider below, and what that takes and how it is metered stands in the catalogue: nothing
here lets anything through. `{tail}` is what comes after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class FurtherRoute(NamedTuple):
    """A provider and a path of it."""

    provider: str
    path: str


FURTHER: Mapping[str, FurtherRoute] = {
    "/messages": FurtherRoute("anthropic", "/v1/messages"),
    "/messages/count_tokens": FurtherRoute("anthropic", "/v1/messages/count_tokens"),
    "/v1beta1/publishers/google/models/{tail}": FurtherRoute("gemini", "/v1beta/models/{tail}"),
    "/openai/deployments/{tail}": FurtherRoute("azure-openai", "/openai/deployments/{tail}"),
    "/models/chat/completions": FurtherRoute("azure-openai", "/models/chat/completions"),
    "/models/embeddings": FurtherRoute("azure-openai", "/models/embeddings"),
}
"""All are POST. `/responses/compact` is the gateway's own, as /v1/responses/compact is."""
_AZURES_PARAMETER = "api-version"


def named(canonical: str, tail: str) -> FurtherRoute:
    """Return what a further name means, with what came after it."""
    found = FURTHER[canonical]
    return found._replace(path=found.path.replace("{tail}", tail))


def below_provider(provider: str, tail: str, parameters: Mapping[str, str]) -> FurtherRoute:
    """Return the provider and path of /PROVIDER/…: Azure's begin with OpenAI's name, and have an api-version."""
    if provider == "openai" and _AZURES_PARAMETER in parameters:
        return FurtherRoute("azure-openai", f"/openai/{tail}")
    return FurtherRoute(provider, f"/{tail}")
