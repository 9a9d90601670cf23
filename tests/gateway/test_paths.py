"""A path has one spelling: whatever could be read as another one is 404, before any token is looked at."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.gateway.http.paths import is_plain
from tests.gateway.in_process import Running, gateway
from tests.spending.conftest import FakeProvider

SERVED = (
    "/openai/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/models/chat/completions", "/responses/compact",
    "/v1beta/models/gemini-2.5-flash:generateContent", "/azure-openai/openai/deployments/gpt-4o/chat/completions",
    "/deepseek/anthropic/v1/messages", "/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent",
)  # fmt: skip
TRICKS = (
    "/openai/v1%2fchat/completions", "/openai/v1%2Fchat/completions", "/openai//v1/chat/completions", "//openai/v1/models",
    "/openai/v1/chat/completions;x=y", "/openai/v1/chat/completions%3bx", "/openai;/v1/chat/completions",
    "/openai/v1/%2e%2e/v1/chat/completions", "/openai/./v1/chat/completions", "/openai/v1/chat%5ccompletions",
    "/openai/v1/chat\\completions", "/openai/v1/chat%252fcompletions", "/openai/v1/chat/completions%00", "/openai/v1/..",
    "/openai/v1/chat/completions%3fapi-version=1", "/openai/v1/chat/completions%23x", "/v1/messages%0d%0ax:%20y", "/%ff",
    "/openai/v1/models/%2e%2e%2fx", "/v1beta/models/openai%2Fgpt-4.1:countTokens", "/openai/v1/chat%2/completions",
    "/v1%2fmessages", "/openai%2fv1/chat/completions", "/deepseek%2fanthropic/v1/messages", "/openai/v1/chat/completions%20",
)  # fmt: skip


@pytest.mark.parametrize("path", SERVED)
def test_what_sdks_send_is_plain(path: str) -> None:
    assert is_plain("POST", path)


@pytest.mark.parametrize("path", [each for each in TRICKS if not each.endswith("%20")])
def test_what_can_be_read_in_two_ways_is_not(path: str) -> None:
    assert not is_plain("POST", path)


@given(st.sampled_from(SERVED), st.sampled_from(["%2f", "%2F", "//", ";", "%3b", "%3B", "\\", "%5c", "/../", "/./", "%25", "%2e", "%00", "%0a"]), st.integers(0, 80))  # fmt: skip
def test_no_trick_at_any_place_of_any_route_is_plain(path: str, trick: str, at: int) -> None:
    at = min(at, len(path))
    assert not is_plain("POST", path[:at] + trick + path[at:] + "x")


def test_only_the_name_of_a_model_that_is_looked_up_here_may_hold_the_slash_that_sdks_escape() -> None:
    assert is_plain("GET", "/v1/models/openai%2Fgpt-4.1")
    assert not is_plain("POST", "/v1/models/openai%2Fgpt-4.1:generateContent")
    for path in (
        "/v1/models/..%2f..%2fx",
        "/v1/models/%2fx",
        "/v1/models/a%2f%2fb",
        "/v1/models/a%2f..",
        "/v1/models/a;b",
    ):
        assert not is_plain("GET", path), path


def test_a_gateway_answers_a_trick_with_404_whoever_asks_and_sends_nothing(tmp_path: Path) -> None:
    provider = FakeProvider()

    async def run() -> list[tuple[str, bytes]]:
        async with gateway(tmp_path, {"openai": provider.url + "/v1", "deepseek": provider.url}) as running:
            return [
                (path, await asyncio.to_thread(_status, running, path, token))
                for path in TRICKS
                for token in (running.token, "none")
            ]

    try:
        found = asyncio.run(run())
    finally:
        provider.close()
    odd = [each for each in found if each[1] not in (b"404", b"400")]
    assert [each for each in odd if not each[0].endswith("%20")] == []  # that one is a route of nobody: 401 or 403
    assert {status for path, status in found if "\\" not in path and "%20" not in path} == {b"404"}
    assert provider.seen == []


def _status(running: Running, path: str, token: str) -> bytes:
    host, _, port = running.url.removeprefix("http://").partition(":")
    fields = f"Host: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\n{fields}".encode())
        return sock.recv(65536).split(b" ")[1]
