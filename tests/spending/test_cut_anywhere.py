"""A recorded stream that breaks after N bytes, at its beginning, its end and between: one entry, and never for nothing."""

from __future__ import annotations

import gzip
import json
import socket

import pytest

from aikeys.ledger.calls import COMPUTED, ESTIMATED
from tests.providers.wire.recorded_exchanges import FILE, Record, body_of, needs_recorded
from tests.spending.conftest import FakeProvider, Play, Purse, Seen

STREAMS = {
    "openai": ("openai/gpt-4.1", "chat", "/v1"),
    "anthropic": ("anthropic/claude-sonnet-4-5", "messages", ""),
    "gemini": ("gemini/gemini-2.5-flash", "generateContent", ""),
    "cohere": ("cohere/command-a-03-2025", "cohere-chat", ""),
}


def stream_of(provider: str) -> Record:
    """Return the shortest recorded stream of a provider, with some text and its usage."""
    endpoint = STREAMS[provider][1]
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    fitting = [
        each
        for each in found
        if (each["provider"], each["endpoint"], each["body_kind"]) == (provider, endpoint, "sse")
        and each["has_usage"]
        and len(body_of(each)) > 900
    ]
    return min(fitting, key=lambda each: len(body_of(each)))


def cut(body: bytes) -> Play:
    """Send so much of a chunked reply, and break."""

    def play(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        if body:
            connection.sendall(b"%x\r\n%s\r\n" % (len(body), body))

    return play


@needs_recorded
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_has_one_entry_and_a_cost(purse: Purse, provider: FakeProvider, name: str) -> None:
    model, _, path = STREAMS[name]
    body = body_of(stream_of(name))
    purse.held = [purse.held[0]._replace(name=name, provider=name, base_url=provider.url + path)]
    places = sorted({*range(0, len(body), max(1, len(body) // 24)), len(body) - 1, len(body)})
    provider.plays = [cut(body[:place]) for place in places]
    wrong = []
    for number, place in enumerate(places):
        spent = purse.ask(model=model, stream=True)
        calls = purse.calls()
        last, failure = calls[-1], spent.last.received.failure
        is_whole = failure is None and last.cost_source == COMPUTED and place > len(body) * 2 // 3
        is_broken = failure is not None and failure.exit_status == 31 and last.cost_source == ESTIMATED
        if len(calls) != number + 1 or not last.cost_pusd or not (is_whole or is_broken):
            wrong.append((place, len(body), len(calls), last.status, last.cost_source, last.cost_pusd, failure))
    assert not wrong
    assert len(provider.seen) == len(places)
