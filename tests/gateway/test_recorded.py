"""What providers really said, through the gateway's native routes: the bytes reach the client as they were, and the
ledger holds the usage that was reported."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from aikeys.ledger.listing import newest_calls
from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import Reply, StreamEnd
from tests.gateway.in_process import Running, gateway
from tests.providers.wire.recorded_exchanges import FILE, Record, body_of, decoded, needs_recorded, records
from tests.spending.test_replay import PLACES as CHATS

pytestmark = needs_recorded
PLACES = {name: place for name, place in CHATS.items() if name != "azure"} | {"xai": ("xai", "/v1")}
"""The recorder's name of a provider: ours, and where its paths begin. Azure's paths name deployments."""
NOT_SERVED = (  # not on the lists: another version of an API, a router's paths, another protocol than the provider's own
    "403 cohere /v1/chat",
    "403 huggingface /",
    "403 gemini /v1beta/openai/",
    "403 anthropic /v1/chat/completions",
    "403 deepseek /beta/",
    "400 openai /v1/responses",  # in the background: whoever fetches it would learn what it cost
    "404 openai /v1/responses",  # names a conversation, or a response, that this token did not make
)
SERVED = {"chat", "completions", "responses", "messages", "generateContent", "cohere-chat", "embeddings"}


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[str]:
    """The recorded providers on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(FILE.parent / "replay_server.py"), str(port)], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None:
                raise RuntimeError("the replay server ended")
            asyncio.run(asyncio.sleep(0.02))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def served() -> list[Record]:
    return [
        record
        for record in records()
        if record["provider"] in PLACES
        and record["endpoint"] in SERVED
        and record["method"] == "POST"
        and record["request"].get("body")
        and "body_omitted_bytes" not in record["response"]
        and "body_omitted_bytes" not in record["request"]
        and int(record["response"]["status"]) == 200
    ]


def served_bytes(record: Record) -> bytes:
    """Return what the client gets: the replay server ends lines its own way, and a usage nobody asked for is withheld."""
    body = body_of(record)
    if record["body_kind"] != "sse":
        return body
    frames = body.replace(b"\r\n\r\n", b"\n\n").split(b"\n\n")
    asked = b"include_usage" in record["request"]["body"].encode()
    if record["endpoint"] in ("chat", "completions") and not asked:
        frames = [frame for frame in frames if not _is_only_usage(frame)]
    return b"\n\n".join(frames)


def _is_only_usage(frame: bytes) -> bool:
    data = frame.partition(b"data:")[2].strip()
    if not data.startswith(b"{"):
        return False
    value = json.loads(data)
    return value.get("choices") == [] and bool(value.get("usage"))


def expected_usage(record: Record) -> Usage | None:
    found = decoded(record)
    if isinstance(found, StreamEnd):
        return found.reply.metered.usage
    return found.metered.usage if isinstance(found, Reply) else None


def test_recorded_traffic_passes_byte_for_byte_and_is_metered_as_reported(tmp_path: Path, replay: str) -> None:
    keys = {name: f"{replay}/{recorder}{base}" for recorder, (name, base) in PLACES.items()}
    outcome: Counter[str] = Counter()
    wrong: list[str] = []

    async def run() -> None:
        async with gateway(tmp_path / "home", keys) as running, aiohttp.ClientSession() as session:
            for record in served():
                outcome[await _pass(running, session, record, wrong)] += 1

    asyncio.run(run())
    print(outcome)
    assert not wrong, wrong[:10]
    assert outcome.pop("same") > 600
    refused = {name: count for name, count in outcome.items() if not name.startswith(NOT_SERVED)}
    assert not refused


async def _pass(running: Running, session: aiohttp.ClientSession, record: Record, wrong: list[str]) -> str:
    provider = PLACES[record["provider"]][0]
    running.state.secret = record["id"]
    query = "&".join(part for part in record["query"].split("&") if part and not part.startswith("key="))
    url = f"{running.url}/{provider}{record['path']}" + (f"?{query}" if query else "")
    body = record["request"]["body"].encode()
    headers = {**running.headers, "content-type": "application/json"}
    async with session.post(url, data=body, headers=headers) as answer:
        found = await answer.read()
        if answer.status != 200:
            return f"{answer.status} {provider} {record['path']}"
    label = f"{record['id']} {provider} {record['path']}"
    if found != served_bytes(record):
        wrong.append(f"{label}: {len(found)} bytes instead of {len(served_bytes(record))}")
        return "other bytes"
    with running.state.ledger.reading() as connection:
        call = newest_calls(connection, running.state.ledger, 1)[-1].call
    if call.usage != (expected_usage(record) or Usage()):
        wrong.append(f"{label}: {call.usage} instead of {expected_usage(record)}")
        return "other usage"
    return "same"
