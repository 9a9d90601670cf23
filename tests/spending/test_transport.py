"""The key goes to its own address only, every wait and size is bounded, and no error repeats anything."""

from __future__ import annotations

import socket

import pytest

from aikeys.errors import UsageError
from aikeys.providers.transport import Broken, HttpxTransport, NotSent, Parcel, Timeouts, checked_base_url, require_way
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret
from tests.conftest import canary
from tests.spending.conftest import SHORT, FakeProvider, Purse, answer

POST = Outgoing("POST", "/v1/x", (("content-type", "application/json"),), b"{}")


def parcel(url: str, secret: str = "") -> Parcel:
    return Parcel(POST, url, "bearer", Secret((secret or canary()).encode()))


def whole(transport: HttpxTransport, one: Parcel, timeouts: Timeouts = SHORT) -> tuple[int, bytes]:
    with transport.send(one, timeouts) as incoming:
        return incoming.status, b"".join(incoming.pieces())


def test_a_reply_comes_whole(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"[1]")]
    assert whole(HttpxTransport(), parcel(provider.url)) == (200, b"[1]")
    assert provider.seen[0].headers["accept-encoding"] == "identity"
    assert provider.seen[0].headers["user-agent"].startswith("aikeys/")


def test_a_redirect_is_handed_on_and_not_followed(provider: FakeProvider, other: FakeProvider) -> None:
    provider.plays = [answer(302, b"", location=other.url)]
    assert whole(HttpxTransport(), parcel(provider.url))[0] == 302
    assert not other.seen


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
def test_a_proxy_never_sees_a_call_to_this_machine(
    provider: FakeProvider, other: FakeProvider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, other.url)
    whole(HttpxTransport(), parcel(provider.url))
    assert len(provider.seen) == 1
    assert not other.seen


def test_an_https_proxy_sees_a_host_and_no_key(other: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def proxy(connection: socket.socket, _seen: object) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.settimeout(1)
        heard.append(connection.recv(65536))  # the beginning of TLS
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")  # a proxy that answers itself

    other.plays = [proxy]
    monkeypatch.setenv("HTTPS_PROXY", other.url)
    with pytest.raises(NotSent):
        whole(HttpxTransport(), parcel("https://provider.invalid"))
    assert other.seen[0].path == "provider.invalid:443"
    assert canary().encode() not in heard[0]
    assert "authorization" not in other.seen[0].headers


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"])
def test_a_base_url_in_the_environment_is_ignored(
    purse: Purse, provider: FakeProvider, other: FakeProvider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, other.url)
    purse.ask()
    assert len(provider.seen) == 1
    assert not other.seen


@pytest.mark.parametrize("url", ["http://example.com/v1", "http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://x"])
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(UsageError):
        require_way(checked_base_url(url, "OpenAI"), "openai", Secret(b"sk-x"))
    with pytest.raises(NotSent):
        whole(HttpxTransport(), parcel(url))


def test_a_key_without_an_address_is_sent_nowhere() -> None:
    with pytest.raises(UsageError, match="base URL"):
        checked_base_url("", "Azure OpenAI")


@pytest.mark.parametrize("secret", ["with space", "line\r\nx-injected: 1", "ключ"])
def test_a_key_that_no_header_can_carry_is_not_sent(provider: FakeProvider, secret: str) -> None:
    with pytest.raises(NotSent) as refused:
        whole(HttpxTransport(), parcel(provider.url, secret))
    assert secret not in str(refused.value)
    assert not provider.seen


def test_a_reply_beyond_all_measure_is_cut(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"x" * 100_000)]
    with pytest.raises(Broken) as refused:
        whole(HttpxTransport(largest_reply_bytes=1000), parcel(provider.url))
    assert refused.value.status == "too_large"


def test_no_error_repeats_the_key(provider: FakeProvider) -> None:
    provider.plays = [lambda connection, _seen: connection.sendall(b"\x00\x01garbage\r\n\r\n")]
    with pytest.raises(Broken) as refused:
        whole(HttpxTransport(), parcel(provider.url))
    error: BaseException | None = refused.value
    assert error is not None
    assert canary() not in f"{error!r} {error.__cause__!r} {error.__suppress_context__}"
    assert error.__suppress_context__  # the library's own words stay unseen
    assert canary() not in repr(parcel(provider.url))


def test_nobody_at_home_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent) as refused:
        whole(HttpxTransport(), parcel(f"http://127.0.0.1:{port}"))
    assert refused.value.may_pass
