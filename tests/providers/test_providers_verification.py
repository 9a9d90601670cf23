"""A key is asked about at its own host only, and no verdict shows it. The server is real, on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from aikeys.providers.catalogue import Provider, Verification, load
from aikeys.providers.verification import verify
from aikeys.secret import Secret

CATALOGUE = load()
KEY = "sk-test-c0ffee-0123456789abcdef"
SECRET = Secret(KEY.encode())


class Upstream(NamedTuple):
    url: str
    seen: list[tuple[str, dict[str, str]]]
    reply: dict[str, object]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    yield from serve()


@pytest.fixture
def stranger() -> Iterator[Upstream]:
    yield from serve()


def serve() -> Iterator[Upstream]:
    seen: list[tuple[str, dict[str, str]]] = []
    reply: dict[str, object] = {"status": 200, "headers": {}, "body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(int(str(reply["status"])))
            for name, value in dict(reply["headers"]).items():  # type: ignore[call-overload]
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply["body"])  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Upstream(f"http://127.0.0.1:{server.server_port}", seen, reply)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_that_the_provider_accepts_is_valid(upstream: Upstream) -> None:
    assert verify(CATALOGUE["openai"], upstream.url + "/v1/", SECRET).state == "valid"
    path, headers = upstream.seen[0]
    assert path == "/v1/models"
    assert headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "path", "header", "value"),
    [
        ("anthropic", "/v1/models", "x-api-key", KEY),
        ("anthropic", "/v1/models", "anthropic-version", "2023-06-01"),
        ("gemini", "/v1/models", "x-goog-api-key", KEY),
        ("elevenlabs", "/v1/user", "xi-api-key", KEY),
        ("deepgram", "/v1/projects", "authorization", f"Token {KEY}"),
    ],
)
def test_each_provider_gets_the_key_in_its_own_header(
    upstream: Upstream, name: str, path: str, header: str, value: str
) -> None:
    assert verify(CATALOGUE[name], upstream.url, SECRET).state == "valid"
    assert upstream.seen[0][0] == path
    assert upstream.seen[0][1][header] == value


def test_an_administration_key_is_asked_about_at_its_own_address(upstream: Upstream) -> None:
    assert verify(CATALOGUE["openai"], upstream.url, Secret(b"sk-admin-abc")).state == "valid"
    assert upstream.seen[0][0] == "/organization/admin_api_keys"


@pytest.mark.parametrize(
    ("status", "state", "detail"),
    [
        (401, "refused", "401"),
        (403, "refused", "403"),
        (400, "unverified", "400"),
        (404, "unverified", "404"),
        (429, "unverified", "rate limited"),
        (500, "unverified", "500"),
        (304, "unverified", "304"),
    ],
)
def test_the_status_decides(upstream: Upstream, status: int, state: str, detail: str) -> None:
    upstream.reply["status"] = status
    upstream.reply["body"] = b"" if status == 304 else KEY.encode()
    verdict = verify(CATALOGUE["openai"], upstream.url, SECRET)
    assert verdict.state == state
    assert detail in verdict.detail
    assert KEY not in verdict.detail


@pytest.mark.parametrize(("body", "state"), [(b'{"reason": "API_KEY_INVALID"}', "refused"), (b"{}", "unverified")])
def test_google_refuses_a_key_with_400(upstream: Upstream, body: bytes, state: str) -> None:
    upstream.reply.update(status=400, body=body)
    assert verify(CATALOGUE["gemini"], upstream.url, SECRET).state == state


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(upstream: Upstream, stranger: Upstream, status: int) -> None:
    upstream.reply.update(status=status, headers={"Location": stranger.url + "/v1/models"})
    verdict = verify(CATALOGUE["openai"], upstream.url, SECRET)
    assert verdict == ("unverified", "redirected to another address")
    assert stranger.seen == []


def test_a_dead_port_leaves_the_key_unverified() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        verdict = verify(CATALOGUE["openai"], f"http://127.0.0.1:{port}", SECRET)
    assert verdict == ("unverified", f"cannot connect to 127.0.0.1:{port}")


def test_a_silent_server_leaves_the_key_unverified() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        verdict = verify(CATALOGUE["openai"], f"http://127.0.0.1:{port}", SECRET, 0.1)
    assert verdict == ("unverified", f"127.0.0.1:{port} did not answer within 0.1 seconds")


@pytest.mark.parametrize("url", ["http://api.openai.com/v1", "http://192.0.2.1", "http://127.0.0.1.example.com"])
def test_a_key_never_goes_over_plain_http_to_another_machine(url: str) -> None:
    verdict = verify(CATALOGUE["openai"], url, SECRET)
    assert verdict.state == "unverified"
    assert "plain http" in verdict.detail


def test_a_proxy_of_the_environment_never_sees_a_key_for_this_machine(
    upstream: Upstream, stranger: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, stranger.url)
    assert verify(CATALOGUE["openai"], upstream.url, SECRET).state == "valid"
    assert stranger.seen == []


def test_a_providers_second_host_is_asked_only_for_its_own_base_url(upstream: Upstream) -> None:
    verdict = verify(CATALOGUE["huggingface"], upstream.url, SECRET)
    assert verdict == ("unverified", "only Hugging Face's own address can be asked")
    assert upstream.seen == []


def test_a_providers_second_host_is_asked_for_its_own_base_url(upstream: Upstream, stranger: Upstream) -> None:
    provider = Provider("x", "X", "openai", upstream.url, ("X",), verify=Verification(path=stranger.url + "/who"))
    assert verify(provider, upstream.url + "/", SECRET).state == "valid"
    assert [path for path, _ in stranger.seen] == ["/who"]


@pytest.mark.parametrize(
    ("name", "url", "detail"),
    [
        ("stepfun", "https://api.stepfun.com/v1", "no known address"),
        ("databricks", "", "no base URL"),
        ("openai", "https://me:pw@api.openai.com", "user name or password"),
    ],
)
def test_what_cannot_be_asked_is_unverified_and_says_why(name: str, url: str, detail: str) -> None:
    verdict = verify(CATALOGUE[name], url, SECRET)
    assert verdict.state == "unverified"
    assert detail in verdict.detail


@pytest.mark.parametrize("key", [b"", b"sk-abc\r\nX-Evil: 1", b"sk abc", "sk-é".encode(), b"\xff\xfe"])
def test_a_key_that_no_header_can_carry_is_not_sent_or_shown(upstream: Upstream, key: bytes) -> None:
    verdict = verify(CATALOGUE["openai"], upstream.url, Secret(key))
    assert verdict == ("unverified", "the key holds characters that a request cannot carry")
    assert upstream.seen == []


def test_a_reply_that_is_not_http_leaves_the_key_unverified_without_its_text() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(65536))

        thread = threading.Thread(target=echo)
        thread.start()
        verdict = verify(CATALOGUE["openai"], f"http://127.0.0.1:{server.getsockname()[1]}", SECRET, 5)
        thread.join()
    assert verdict.state == "unverified"
    assert KEY not in verdict.detail
