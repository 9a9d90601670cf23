"""Who sends by drops, or takes nothing, is let go: it holds no connection, and no money."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.gateway.process import House, chat
from tests.gateway.serving import Client, talk_to
from tests.gateway.steered import INPUT_PUSD, OUTPUT_PUSD

SOON_S = 0.3
QUICK = {"idle_s": SOON_S, "slow_client_s": SOON_S}
_HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"


@asynccontextmanager
async def connected(
    client: Client, window: int = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    sock = socket.socket()
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", int(client.url.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024 if window else 1 << 16)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _drips(writer: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(ConnectionError):
        for byte in data * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(SOON_S / 10)


@pytest.mark.parametrize("head", ["", "GET /v1/mod", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b"])
def test_a_head_that_does_not_come_is_not_waited_for(house: House, head: str) -> None:
    async def talk(client: Client) -> None:
        async with connected(client) as (reader, writer):
            writer.write(head.encode())
            dripping = asyncio.create_task(_drips(writer, b"a" if head else b"\n"))
            found = await asyncio.wait_for(_all_of(reader), 10)
            assert not found.startswith(b"HTTP/1.1 200"), found
            dripping.cancel()

    talk_to(house.office, talk, **QUICK)


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the end; a reset, where something was still sent to a closed connection, is one."""
    found = b""
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            found += piece
    return found


@pytest.mark.parametrize("drips", [False, True], ids=["stops", "drips"])
def test_a_body_that_does_not_come_is_408_and_the_connection_ends(house: House, drips: bool) -> None:
    token = house.issue()

    async def talk(client: Client) -> None:
        async with connected(client) as (reader, writer):
            writer.write((_HEAD.format(token.text) + "Content-Length: 100000\r\n\r\n{").encode())
            dripping = asyncio.create_task(_drips(writer, b" ") if drips else asyncio.sleep(0))
            found = await asyncio.wait_for(_all_of(reader), 15)
            dripping.cancel()
        assert found.startswith(b"HTTP/1.1 408"), found
        assert b"did not come in time" in found

    talk_to(house.office, talk, **QUICK)
    assert house.entries() == []


def test_a_client_that_takes_nothing_of_its_stream_is_cut_and_its_call_settled(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13)
    body = chat("p=50 c=70 n=40000", max_tokens=100, stream=True)
    data = json.dumps(body).encode()

    async def talk(client: Client) -> None:
        async with connected(client, window=4096) as (reader, writer):
            writer.write((_HEAD.format(token.text) + f"Content-Length: {len(data)}\r\n\r\n").encode() + data)
            await reader.readexactly(12)
            transport = writer.transport
            assert isinstance(transport, asyncio.ReadTransport)
            transport.pause_reading()
            until_s = time.monotonic() + 30
            while not house.entries():
                assert time.monotonic() < until_s
                await asyncio.sleep(0.05)

    talk_to(house.office, talk, **QUICK)
    ((_, cost, source, status, _, _),) = house.entries()
    assert (cost, source, status) == (50 * INPUT_PUSD + 70 * OUTPUT_PUSD, "computed", "ok")
    assert house.reserved == 0
