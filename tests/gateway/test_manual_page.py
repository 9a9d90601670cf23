"""aikeys-gateway(7) says what the gateway serves: every route, status, code, and the lines for clients."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aikeys.errors import AikeysError
from aikeys.gateway import app, settings
from aikeys.gateway.http import client_streams, error_bodies, presented
from aikeys.gateway.routes.request_headers import PASSED_HEADERS
from aikeys.providers import catalogue
from aikeys.providers.native_routes import match, routes_of
from aikeys.providers.wire.values import KINDS

PAGE = Path(__file__).parents[2] / "man" / "aikeys-gateway.7"
TEXT = PAGE.read_text(encoding="utf-8").replace("\\-", "-").replace("\\(aq", "'")
PROVIDERS = catalogue.load()
WAYS = {
    "openai": ("POST /v1/chat/completions", "POST /v1/responses", "POST /v1/embeddings", "GET /v1/models"),
    "groq": ("POST /openai/v1/chat/completions",),
    "cohere": ("POST /v2/chat",),
    "mistral": ("POST /v1/chat/completions",),
    "together": ("POST /v1/chat/completions",),
}
"""What each client sends below the base URL that the page gives it."""


def below(error: type[AikeysError]) -> Iterator[type[AikeysError]]:
    yield error
    for each in error.__subclasses__():
        yield from below(each)


def test_every_route_of_the_gateway_is_on_the_page() -> None:
    stub = cast("Any", SimpleNamespace(settings=settings.Settings()))
    served = app.make_app(stub, lambda *_: None).router.resources()
    paths = [re.sub(r"\{.*", "", each.canonical).rstrip("/") for each in served]
    lacking = [path for path in paths if path.removeprefix("/v1beta").removeprefix("/v1") not in TEXT]
    assert lacking == []


def test_every_listed_route_of_a_provider_is_on_the_page() -> None:
    for name in ("openai", "azure-openai", "anthropic", "gemini", "cohere", "minimax"):
        for route in routes_of(PROVIDERS[name]):
            words = (
                re.sub(r"\{model\}|\{deployment\}|\{\}", "", route.path)
                .rstrip("/")
                .removeprefix("/v1beta")
                .removeprefix("/v1")
            )
            for part in re.split(r"[/:]", words):
                assert part in TEXT, (name, route.path)


@pytest.mark.parametrize("name", WAYS)
def test_a_client_finds_its_route_below_the_base_url_that_the_page_gives(name: str) -> None:
    known = PROVIDERS[name]
    assert f"URL/{name}" in TEXT
    for way in WAYS[name]:
        method, path = way.split()
        assert match(known, known.base_url, method, path) is not None, way


def test_every_status_and_code_that_a_client_may_meet_is_on_the_page() -> None:
    served = {error for error in below(AikeysError) if re.match(r"aikeys\.(?!cli|remote|alerts)", error.__module__)}
    for error in served:
        if error.http_status not in (500, 503) and error.http_status != AikeysError.http_status:
            code = error_bodies._CODES.get(error.code, error.code)
            if code in ("provider_refused", "network_failed", "rate_limited"):
                continue  # raised below, told as a provider's kind
            assert code in TEXT, error
            assert f"\n.B {error.http_status}\n" in TEXT, error
    for kind in KINDS:
        assert f"provider_{kind}" in TEXT, kind


def test_headers_sizes_and_times_are_those_of_the_program() -> None:
    names = (
        *presented._HEADERS,
        *PASSED_HEADERS,
        *(name for each in PROVIDERS.values() for name in each.affinity),
        client_streams.REQUEST_ID,
        client_streams.MODEL,
        client_streams.MAX_TOKENS,
        client_streams.COST,
    )
    assert [name for name in (*names, client_streams.REMAINING) if name not in TEXT] == []
    ours = settings.Settings()
    assert f"over {ours.largest_request_bytes >> 20} MiB" in TEXT
    assert f"for {ours.drain_s:g} seconds at most" in TEXT
    assert f"have {ours.stop_s:g} seconds to end" in TEXT
    times = ours.timeouts
    words = f"{times.connect_s:g} seconds to connect, {times.first_byte_s:g} to the first byte"
    assert f"({words}, {times.between_s:g} between two, {times.total_s:g} in all)" in TEXT
    assert app.LOOPBACK == ("127.0.0.1", "::1", "localhost")


@pytest.mark.parametrize("linter", ["mandoc", "man"])
def test_the_page_is_well_formed(linter: str) -> None:
    program = shutil.which(linter)
    if program is None:
        pytest.skip(f"{linter} is not installed")
    options = {"mandoc": ["-Tlint", "-W", "warning"], "man": ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]}
    done = subprocess.run([program, *options[linter], str(PAGE)], capture_output=True, text=True, check=False)
    found = done.stdout if linter == "mandoc" else ""
    assert (done.returncode, found, done.stderr) == (0, "", "")
