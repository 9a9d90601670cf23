"""The openai package as a judge: its client, answered by a function instead of a server. Strict: types are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pytest


def client(answer: Callable[[Any], tuple[int, Mapping[str, str], bytes]]) -> Any:
    """Return the SDK's client, every request of which is answered with a status, headers and a body."""
    openai = pytest.importorskip("openai")
    # the HTTP library that this version of the SDK is built on: httpx, or httpx2
    library = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    def respond(request: Any) -> Any:
        status, headers, body = answer(request)
        return library.Response(status, headers=dict(headers), content=body)

    return openai.OpenAI(
        api_key="aik_test",
        base_url="http://localhost/v1",
        http_client=library.Client(transport=library.MockTransport(respond)),
        _strict_response_validation=True,
    )
