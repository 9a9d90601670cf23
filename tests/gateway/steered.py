"""A provider on loopback that does what the text of a message says, and keeps the truth of what it served.

    [[p=50 c=100 ms=5 n=4 gap=10 fault=die]]

| word | meaning |
|---|---|
| p, c | tokens of input and of output that it reports; c stays below the cap of the request unless greedy=1 |
| ms, n, gap | milliseconds before the reply; chunks of a stream; milliseconds between them |
| cached | how many of p were read from a cache |
| usage=0 | a stream without usage |
| dies | after so many chunks the connection ends |
| status | an error with this status |
| fault | dead, die, garbage, gzip, half-gzip, huge, redirect, silent, cookies, echo-key |
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SPEC = re.compile(r"\[\[([^\]]*)\]\]")
MODEL = "gpt-4.1"
INPUT_PUSD, CACHED_PUSD, OUTPUT_PUSD = 2_000_000, 500_000, 8_000_000
"""What a token of gpt-4.1 costs (OpenAI's price list of 2025 and 2026)."""
_PIECE = b"x" * (1 << 20)


class Served:
    """One request as it came in, and how far its reply got."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.digest = hashlib.sha256(body).digest()
        found = _SPEC.search(body.decode("utf-8", "replace"))
        self.spec = dict(word.partition("=")[::2] for word in found.group(1).split()) if found else {}
        self.output = 0
        self.is_whole = False

    def number(self, name: str, default: int = 0) -> int:
        return int(self.spec.get(name, default))

    @property
    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def cost_pusd(self) -> int:
        """What it charges for a whole reply."""
        cached = self.number("cached")
        fresh = self.number("p", 20) - cached
        return fresh * INPUT_PUSD + cached * CACHED_PUSD + self.output * OUTPUT_PUSD


class Steered:
    """The provider. `served` is the truth; ask it when the requests are over."""

    def __init__(self) -> None:
        self.served: list[Served] = []
        self.port = 0
        self.held = threading.Event()
        """Set: replies with `ms=hold` go on."""
        self.some = threading.Condition()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait_for(self, count: int, timeout_s: float = 30) -> None:
        """Wait until so many requests came in."""
        with self.some:
            assert self.some.wait_for(lambda: len(self.served) >= count, timeout_s), len(self.served)

    @property
    def billed_pusd(self) -> int:
        return sum(one.cost_pusd for one in self.served if one.is_whole)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (one := await _read(reader)) is not None:
                with self.some:
                    self.served.append(one)
                    self.some.notify_all()
                if not await self._answer(one, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, one: Served, writer: asyncio.StreamWriter) -> bool:
        """Answer; False where the connection is to be closed."""
        if one.spec.get("ms") == "hold":
            await asyncio.to_thread(self.held.wait, 60)
        elif one.number("ms"):
            await asyncio.sleep(one.number("ms") / 1000)
        one.output = _output(one)
        fault, stream = one.spec.get("fault", ""), one.json.get("stream") is True
        if fault == "dead":
            return False
        if fault == "silent":
            await asyncio.sleep(3600)
        if fault == "redirect":
            _head(writer, 307, "text/html", 0, f"Location: http://127.0.0.1:{self.port}/stolen\r\n")
        elif one.number("status"):
            said = f"no: {one.headers.get('authorization', '')}" if fault == "echo-key" else "no"
            _whole(writer, one.number("status"), {"error": {"message": said, "type": "server_error"}})
            one.output = 0
        elif fault == "huge":
            _head(writer, 200, "application/json", 100 << 20)
            for _ in range(100):
                writer.write(_PIECE)
                await writer.drain()
        elif stream:
            return await self._stream(one, writer)
        else:
            _reply(one, writer, fault)
            one.is_whole = fault != "half-gzip"
        await writer.drain()
        return fault != "half-gzip"

    async def _stream(self, one: Served, writer: asyncio.StreamWriter) -> bool:
        _head(writer, 200, "text/event-stream")
        count, fault = one.number("n", 4), one.spec.get("fault", "")
        for number in range(count):
            _event(writer, {"choices": [{"index": 0, "delta": {"content": f"w{number} "}, "finish_reason": None}]})
            await writer.drain()
            if fault == "die" or number + 1 == one.number("dies"):
                return False
            if fault == "garbage":
                _chunk(writer, b'data: {"choices": [{]]\xff\n\ndata: \xc3\n\n')
            if one.number("gap"):
                await asyncio.sleep(one.number("gap") / 1000)
        _event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        wants = (one.json.get("stream_options") or {}).get("include_usage")
        if wants and one.spec.get("usage") != "0":
            _event(writer, {"choices": [], "usage": _usage(one)})
        _chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        one.is_whole = True
        return True


async def _read(reader: asyncio.StreamReader) -> Served | None:
    line = (await reader.readline()).decode("latin-1").split()
    if len(line) < 2:
        return None
    headers = {}
    while field := (await reader.readline()).decode("latin-1").strip():
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Served(line[0], line[1], headers, body)


def _output(one: Served) -> int:
    caps = [one.json.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    cap = min((cap for cap in caps if isinstance(cap, int)), default=1 << 40)
    wanted = one.number("c", 10)
    return wanted if one.number("greedy") else min(wanted, cap)


def _usage(one: Served) -> dict[str, Any]:
    p = one.number("p", 20)
    cached = {"cached_tokens": one.number("cached")}
    return {
        "prompt_tokens": p, "completion_tokens": one.output, "total_tokens": p + one.output,
        "prompt_tokens_details": cached,
    }  # fmt: skip


def _reply(one: Served, writer: asyncio.StreamWriter, fault: str) -> None:
    message = {"role": "assistant", "content": "Hello"}
    name = hashlib.sha256(one.body + one.path.encode()).hexdigest()[:16]
    value: dict[str, Any] = {"id": f"resp_{name}", "model": MODEL, "object": "response", "usage": _usage(one)}
    if one.path.endswith("/responses"):
        usage = {"input_tokens": one.number("p", 20), "output_tokens": one.output, "total_tokens": 0}
        value |= {"status": "completed", "output": [], "usage": usage}
    elif one.method == "POST":
        value |= {
            "id": f"chatcmpl-{name}", "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }  # fmt: skip
    more = ""
    if fault == "cookies":
        more = (
            "Set-Cookie: session=of-the-provider\r\nOpenAI-Organization: org-secret\r\nOpenAI-Project: proj_x\r\n"
            f"X-Echo: {one.headers.get('authorization', '')}\r\nAuthorization: {one.headers.get('authorization', '')}"
            "\r\nWWW-Authenticate: Basic\r\nX-Request-Id: req_fine\r\n"
        )
    data = json.dumps(value).encode()
    if "gzip" in fault:
        data = gzip.compress(data)
        more += "Content-Encoding: gzip\r\n"
    if fault == "half-gzip":
        data = data[: len(data) // 2]
    _head(writer, 200, "application/json", len(data), more)
    writer.write(data)


def _whole(writer: asyncio.StreamWriter, status: int, value: object) -> None:
    data = json.dumps(value).encode()
    _head(writer, status, "application/json", len(data))
    writer.write(data)


def _head(writer: asyncio.StreamWriter, status: int, kind: str, length: int | None = None, more: str = "") -> None:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}{size}\r\n\r\n".encode())


def _event(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **value}
    _chunk(writer, b"data: " + json.dumps(whole).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@contextmanager
def steered() -> Iterator[Steered]:
    """Serve in a thread until the block ends."""
    provider, loop = Steered(), asyncio.new_event_loop()
    started, tasks = threading.Event(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await provider.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)

    async def whole() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 26, backlog=512)
        provider.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(whole()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
