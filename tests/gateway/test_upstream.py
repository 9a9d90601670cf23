"""The gateway's way out: the key goes to its own address only, every wait and size is bounded, no error repeats anything."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme

from aikeys.gateway.upstream import Upstream, address_of
from aikeys.network.proxies import without_proxies
from aikeys.providers.transport import Broken, NotSent, Parcel, Timeouts
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret
from tests.conftest import canary
from tests.spending.conftest import FakeProvider, Play, Seen, answer

SHORT = Timeouts(connect_s=2, first_byte_s=2, between_s=2, total_s=5)


def parcel(url: str, secret: str = "", path: str = "/v1/x", **fields: str) -> Parcel:
    headers = (("content-type", "application/json"), *fields.items())
    return Parcel(Outgoing("POST", path, headers, b"{}"), url, "bearer", Secret((secret or canary()).encode()))


def whole(one: Parcel, timeouts: Timeouts = SHORT, upstream: Upstream | None = None) -> tuple[int, bytes]:
    return asyncio.run(sent(upstream or Upstream(), one, timeouts))


async def sent(upstream: Upstream, one: Parcel, timeouts: Timeouts) -> tuple[int, bytes]:
    try:
        async with upstream.send(one, timeouts) as reply:
            return reply.status, b"".join([piece async for piece in reply.pieces()])
    finally:
        await upstream.close()


def raw(data: bytes, *, until: threading.Event | None = None) -> Play:
    def play(connection: socket.socket, _seen: Seen) -> None:
        connection.sendall(data)
        if until is not None:
            until.wait(20)

    return play


def encoded(body: bytes, encoding: str) -> Play:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n"
    return raw(head.encode() + body)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@pytest.fixture
def other() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What a provider waits for that hangs."""
    event = threading.Event()
    yield event
    event.set()


def test_a_reply_comes_whole_and_the_request_says_no_more_than_it_must(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"[1]")]
    assert whole(parcel(provider.url)) == (200, b"[1]")
    assert set(provider.seen[0].headers) == {
        "host", "authorization", "content-type", "content-length", "accept-encoding", "user-agent",
    }  # fmt: skip
    assert provider.seen[0].headers["authorization"] == f"Bearer {canary()}"
    assert provider.seen[0].headers["accept-encoding"] == "identity"


def test_a_path_goes_out_byte_by_byte(provider: FakeProvider) -> None:
    whole(parcel(provider.url, path="/v1/a%2Fb:x%20y?beta=true&q=%C3%A4+1"))
    assert provider.seen[0].path == "/v1/a%2Fb:x%20y?beta=true&q=%C3%A4+1"


def test_a_redirect_is_handed_on_and_not_followed(provider: FakeProvider, other: FakeProvider) -> None:
    provider.plays = [answer(307, b"", location=other.url)]
    assert whole(parcel(provider.url))[0] == 307
    assert not other.seen


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY", "https_proxy"])
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine_nor_where_none_is_wanted(
    provider: FakeProvider, other: FakeProvider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, other.url)
    whole(parcel(provider.url))
    with pytest.raises(NotSent):
        whole(parcel("https://provider.invalid"), upstream=Upstream(environ=without_proxies(os.environ)))
    assert len(provider.seen) == 1
    assert not other.seen


def test_a_cookie_is_not_sent_back(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"{}", **{"set-cookie": "session=1; path=/", "connection": "close"})]
    upstream = Upstream()

    async def twice() -> None:
        for _ in range(2):
            async with upstream.send(parcel(provider.url), SHORT) as reply:
                assert [piece async for piece in reply.pieces()] == [b"{}"]
        await upstream.close()

    asyncio.run(twice())
    assert len(provider.seen) == 2
    assert "cookie" not in provider.seen[1].headers


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://x", "", "//x"]
)
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(NotSent):
        whole(parcel(url))


@pytest.mark.parametrize(
    "path",
    ["@127.0.0.1:9/x", ".example.com/x", ":9/x", "x", "/v1/../../admin", "/v1/%2e%2e/admin", "/v1/..\\admin", "/a b",
     "/a\r\nx: 1", "/\x00"],
)  # fmt: skip
def test_no_path_leads_away_from_the_base_url(provider: FakeProvider, path: str) -> None:
    with pytest.raises(NotSent):
        whole(parcel(provider.url, path=path))
    assert not provider.seen


def test_a_base_url_with_a_user_in_it_is_refused() -> None:
    with pytest.raises(NotSent):
        address_of(parcel("https://api.openai.com@127.0.0.1"))


@pytest.mark.parametrize("secret", ["with space", "line\r\nx-injected: 1", "ключ"])
def test_a_key_that_no_header_can_carry_is_not_sent(provider: FakeProvider, secret: str) -> None:
    with pytest.raises(NotSent) as refused:
        whole(parcel(provider.url, secret))
    assert secret not in str(refused.value)
    assert not provider.seen


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "\x00", "ä"])
def test_a_header_that_cannot_be_written_is_not_sent(provider: FakeProvider, value: str) -> None:
    with pytest.raises(NotSent):
        whole(parcel(provider.url, **{"x-beta": value}))
    assert not provider.seen


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:])),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
        ("identity", lambda body: body),
    ],
)
def test_a_compressed_reply_is_unpacked(provider: FakeProvider, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = os.urandom(70_000) + b"x" * 300_000
    provider.plays = [encoded(pack(body), encoding)]
    assert whole(parcel(provider.url)) == (200, body)


def test_no_piece_of_an_unpacked_body_is_large(provider: FakeProvider) -> None:
    provider.plays = [encoded(gzip.compress(bytes(5_000_000)), "gzip")]

    async def largest() -> int:
        upstream = Upstream()
        async with upstream.send(parcel(provider.url), SHORT) as reply:
            size = max([len(piece) async for piece in reply.pieces()])
        await upstream.close()
        return size

    assert asyncio.run(largest()) <= 1 << 16


def test_a_small_body_that_unpacks_to_gigabytes_is_cut(provider: FakeProvider) -> None:
    provider.plays = [encoded(gzip.compress(bytes(50_000_000)), "gzip")]
    with pytest.raises(Broken) as refused:
        whole(parcel(provider.url), upstream=Upstream(largest_reply_bytes=1_000_000))
    assert refused.value.status == "too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (gzip.compress(b"x" * 9999, mtime=0)[:-12], "gzip"), (b"x", "br"), (b"x", "zstd")],
)
def test_a_body_that_cannot_be_unpacked_is_broken(provider: FakeProvider, body: bytes, encoding: str) -> None:
    provider.plays = [encoded(body, encoding)]
    with pytest.raises(Broken):
        whole(parcel(provider.url))


def test_a_reply_beyond_all_measure_is_cut(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"x" * 100_000)]
    with pytest.raises(Broken) as refused:
        whole(parcel(provider.url), upstream=Upstream(largest_reply_bytes=1000))
    assert refused.value.status == "too_large"


def test_headers_beyond_all_measure_are_refused(provider: FakeProvider) -> None:
    provider.plays = [raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\ncontent-length: 0\r\n\r\n")]
    with pytest.raises(Broken):
        whole(parcel(provider.url))


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "timeouts"),
    [
        (b"", SHORT._replace(first_byte_s=0.2)),
        (b"HTTP/1.1 200", SHORT._replace(first_byte_s=0.2)),
        (HEAD, SHORT._replace(between_s=0.2)),
        (HEAD + b"12345", SHORT._replace(between_s=0.2)),
        (HEAD + b"12345", SHORT._replace(total_s=0.3)),
    ],
)
def test_who_stops_talking_is_left(
    provider: FakeProvider, never: threading.Event, data: bytes, timeouts: Timeouts
) -> None:
    provider.plays = [raw(data, until=never)]
    with pytest.raises(Broken) as refused:
        whole(parcel(provider.url), timeouts)
    assert refused.value.status == "timeout"


def test_a_slow_reader_is_no_slow_provider(provider: FakeProvider) -> None:
    provider.plays = [answer(200, b"x" * 3_000_000)]

    async def read() -> int:
        upstream, size = Upstream(), 0
        async with upstream.send(parcel(provider.url), SHORT._replace(between_s=0.1)) as reply:
            async for piece in reply.pieces():
                if not size:
                    await asyncio.sleep(0.3)  # the reader's own time, three times what the provider may take
                size += len(piece)
        await upstream.close()
        return size

    assert asyncio.run(read()) == 3_000_000


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-le", HEAD + b"12345",
             b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
             b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_a_reply_without_an_end_is_broken_and_no_error_repeats_the_key(provider: FakeProvider, data: bytes) -> None:
    provider.plays = [raw(data)]
    with pytest.raises(Broken) as refused:
        whole(parcel(provider.url))
    error = refused.value
    assert error.status == "broken"
    assert error.__suppress_context__ or error.__context__ is None  # the library's own words stay unseen
    assert canary() not in f"{error!r} {error.__cause__!r}"


def test_nobody_at_home_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent) as refused:
        whole(parcel(f"http://127.0.0.1:{port}"))
    assert refused.value.may_pass


def test_leaving_early_closes_the_connection(provider: FakeProvider) -> None:
    closed = threading.Event()

    def play(connection: socket.socket, _seen: Seen) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")
        connection.settimeout(5)
        if connection.recv(1) == b"":
            closed.set()

    provider.plays = [play]

    async def leave() -> bool:
        upstream = Upstream()
        async with upstream.send(parcel(provider.url), SHORT) as reply:
            async for _ in reply.pieces():
                break
        gone = await asyncio.to_thread(closed.wait, 5)
        await upstream.close()
        return gone

    assert asyncio.run(leave())


@contextmanager
def secure(authority: trustme.CA, *names: str) -> Iterator[str]:
    """Serve one TLS connection with a certificate of an authority; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        except OSError:
            return

    thread = threading.Thread(target=serve)
    thread.start()
    yield str(listener.getsockname()[1])
    listener.close()
    thread.join(5)


def trusting(authority: trustme.CA) -> Upstream:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Upstream(certificates=context)


def test_tls_is_verified_against_authority_and_name() -> None:
    authority = trustme.CA()
    with secure(authority, "127.0.0.1") as port:
        assert whole(parcel(f"https://127.0.0.1:{port}"), upstream=trusting(authority)) == (200, b"{}")
    for upstream, name in ((Upstream(), "127.0.0.1"), (trusting(authority), "provider.example")):
        with secure(authority, name) as port, pytest.raises(NotSent) as refused:
            whole(parcel(f"https://127.0.0.1:{port}"), upstream=upstream)
        assert "is not trusted" in refused.value.message
