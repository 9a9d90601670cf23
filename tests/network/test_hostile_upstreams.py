"""An upstream that breaks the rules of HTTP: bounded in time and size, one clear failure, and an entry for the call."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import aiohttp
import pytest

from aikeys.gateway.upstream import Upstream
from aikeys.providers.transport import Broken, HttpxTransport, NotSent, Timeouts
from aikeys.tokens.token_request import TokenRequest
from tests.gateway.in_process import gateway
from tests.network.test_both_doors import parcel
from tests.spending.conftest import FakeProvider, Play, Seen

LIMITS = Timeouts(connect_s=2, first_byte_s=0.3, between_s=0.3, total_s=0.6)
LARGEST_BYTES = 1 << 20
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(64 << 20), 9)


def once(data: bytes) -> Play:
    def play(connection: socket.socket, _seen: Seen) -> None:
        connection.sendall(data)

    return play


def for_ever(head: bytes, again: bytes) -> Play:
    def play(connection: socket.socket, _seen: Seen) -> None:
        connection.settimeout(10)
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(again)

    return play


PLAYS: dict[str, Play] = {
    "no number of a chunk": once(CHUNKED + b"xyz\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk": once(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": once(CHUNKED + b"2\r\nhello\r\n0\r\n\r\n"),
    "a chunk of 2^64": once(CHUNKED + b"10000000000000000\r\nhello\r\n"),
    "a chunk that breaks off": once(CHUNKED + b"ff\r\nhello"),
    "a chunk's number without end": for_ever(CHUNKED, b"0" * 4096),
    "a chunk's extension without end": for_ever(CHUNKED + b"1;", b"x" * 4096),
    "trailers without end": for_ever(CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-t: y\r\n" * 512),
    "a header without end": for_ever(OK + b"x-long: ", b"a" * 4096),
    "a header's name without end": for_ever(OK, b"a" * 4096),
    "headers without end": for_ever(OK, b"x-many: y\r\n" * 512),
    "a status line without end": for_ever(b"HTTP/1.1 200 ", b"O" * 4096),
    "informational answers without end": for_ever(b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 64),
    "a negative length": once(OK + b"content-length: -2\r\n\r\n{}"),
    "a length that is none": once(OK + b"content-length: two\r\n\r\n{}"),
    "two lengths": once(OK + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}"),
    "a length longer than the body": once(OK + b"content-length: 99\r\n\r\n{}"),
    "no HTTP at all": once(b"SSH-2.0-OpenSSH_9\r\n"),
    "a status that is none": once(b"HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\n{}"),
    "a header without a colon": once(OK + b"nothing here\r\ncontent-length: 2\r\n\r\n{}"),
    "a header with a zero byte": once(OK + b"x-zero: a\x00b\r\ncontent-length: 2\r\n\r\n{}"),
    "a body without end": for_ever(OK + b"\r\n", b" " * 65536),
    "a body that inflates": once(OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB),
    "a deflated body that inflates": once(
        OK + b"content-encoding: deflate\r\nconnection: close\r\n\r\n" + zlib.compress(bytes(64 << 20), 9)
    ),
    "a body packed twice": once(
        OK + b"content-encoding: gzip, gzip\r\nconnection: close\r\n\r\n" + gzip.compress(BOMB)
    ),
    "a body that is not packed as it says": once(OK + b"content-encoding: gzip\r\nconnection: close\r\n\r\n{}"),
    "silence": once(b""),
}
Door = Callable[[str], None]


def by_httpx(url: str) -> None:
    with (
        closing(HttpxTransport(largest_reply_bytes=LARGEST_BYTES, environ={})) as transport,
        transport.send(parcel(url), LIMITS) as reply,
    ):
        for _ in reply.pieces():
            pass


def by_aiohttp(url: str) -> None:
    async def send() -> None:
        upstream = Upstream(LARGEST_BYTES, environ={})
        try:
            async with upstream.send(parcel(url), LIMITS) as reply:
                async for _ in reply.pieces():
                    pass
        finally:
            await upstream.close()

    asyncio.run(send())


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.parametrize("name", PLAYS)
@pytest.mark.parametrize("door", [by_httpx, by_aiohttp])
def test_it_is_a_failure_in_our_words_within_bounds(provider: FakeProvider, door: Door, name: str) -> None:
    provider.plays = [PLAYS[name]]
    before = peak_bytes()
    with pytest.raises((Broken, NotSent)) as failed:
        door(provider.url)
    assert isinstance(failed.value, Broken), "something was sent: it may have cost something"
    assert failed.value.message.isprintable()
    assert peak_bytes() - before < 48 << 20


SENT_AT_ONCE = [name for name in PLAYS if "without end" not in name and "inflates" not in name and "twice" not in name]
CHAT = {"model": "openai/gpt-4.1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


def test_a_client_of_the_gateway_is_told_one_status_and_the_call_has_its_entry(
    tmp_path: Path, provider: FakeProvider
) -> None:
    async def run() -> list[tuple[int, str]]:
        keys = {"openai": f"{provider.url}/v1"}
        async with gateway(tmp_path / "home", keys, TokenRequest(scopes=("chat:write",))) as running:
            found = []
            async with aiohttp.ClientSession() as session:
                for name in SENT_AT_ONCE:
                    provider.plays, provider.seen[:] = [PLAYS[name]], []
                    url, headers = f"{running.url}/v1/chat/completions", running.headers
                    async with session.post(url, json=CHAT, headers=headers) as answer:
                        found.append((answer.status, json.loads(await answer.read())["error"]["code"]))
            return found

    for name, (status, code) in zip(SENT_AT_ONCE, asyncio.run(run()), strict=True):
        assert (status, code) in {(502, "broken"), (502, "provider_unreadable")}, name
    with closing(sqlite3.connect(tmp_path / "home" / "ledger.db")) as connection:
        booked = connection.execute("SELECT source, cost_pusd > 0 FROM call").fetchall()
    assert len(booked) == len(SENT_AT_ONCE)
    assert set(booked) <= {("worst_case", 1), ("estimated", 1)}, "what was sent may have cost something"
