"""Requests and replies written by hand, so that this room is tested without the recorded exchanges."""

from __future__ import annotations

import json

from aikeys.providers.catalogue import load
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import (
    Event,
    Image,
    Message,
    Options,
    Outgoing,
    Request,
    Schema,
    StreamEnd,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

CATALOGUE = load()
PIXEL = b"\x89PNG\r\n"
WEATHER = Tool("weather", "the weather of a town", {"type": "object", "properties": {"town": {"type": "string"}}})
NUMBER = Schema({"type": "object", "properties": {"n": {"type": "integer"}}}, "number")
HELLO = Request("m", (Message("user", (Text("hello"),)),))
TALK = Request(
    "m",
    (
        Message("system", (Text("be brief"),)),
        Message("user", (Text("weather here?"), Image("image/png", PIXEL))),
        Message("assistant", (ToolCall("call_1", "weather", '{"town":"Bonn"}', "mark"),)),
        Message("tool", (ToolResult("call_1", "weather", "rain"),)),
    ),
    tools=(WEATHER,),
    options=Options(max_tokens=99),
)


def dialect(name: str) -> Dialect:
    return CATALOGUE[name].dialect()


def sent(outgoing: Outgoing) -> dict[str, object]:
    """Return the body of a request as JSON."""
    value = json.loads(outgoing.body)
    assert isinstance(value, dict)
    return value


def with_options(**options: object) -> Request:
    return HELLO._replace(options=Options(**{"max_tokens": 9, **options}))  # type: ignore[arg-type]


def sse(*values: object, done: bool = False, event: bool = False) -> bytes:
    """Return a stream of server-sent events."""
    frames = []
    for value in values:
        name = f"event: {value['type']}\n" if event and isinstance(value, dict) else ""
        frames.append(f"{name}data: {json.dumps(value)}\n\n")
    return "".join(frames).encode() + (b"data: [DONE]\n\n" if done else b"")


def drained(stream: Stream) -> list[Event]:
    """Return every event that is ready."""
    events = []
    while (event := stream.next()) is not None:
        events.append(event)
    return events


def ended(stream: Stream, data: bytes, *, closed: bool = True) -> StreamEnd:
    """Feed a whole body and return what is known at its end."""
    stream.feed(data)
    drained(stream)
    if closed:
        stream.close()
    return stream.end()
