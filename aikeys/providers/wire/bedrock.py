"""Replies of AWS Bedrock (pure), only read: Converse and InvokeModel, whole and streamed. Nothing is encoded for it.

Sources: AWS API reference of ConverseStream and InvokeModelWithResponseStream; Smithy, Amazon event stream:
a frame is total length, length of headers, CRC32 of both, headers, payload, CRC32 of all; big-endian.
InvokeModel answers in the model's own shape; the headers of a reply and the metrics of a stream count for all of them.
"""

from __future__ import annotations

import struct
import zlib
from abc import abstractmethod
from base64 import b64decode
from collections.abc import Iterator

from aikeys.providers.wire import usage_native, usage_openai
from aikeys.providers.wire.anthropic_messages import MessageStream
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, at, read_table, table, text
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.sse import LARGEST_FRAME, Frame
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import ApiError, Json, Metered, Reply, ToolCallPiece, Unreadable

_PRELUDE = struct.Struct(">III")
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; types 6 (bytes) and 7 (text) carry their length."""
_HEADERS = {
    "inputTokens": "x-amzn-bedrock-input-token-count",
    "outputTokens": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokens": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokens": "x-amzn-bedrock-cache-write-input-token-count",
}
_METRICS = {
    "inputTokens": "inputTokenCount",
    "outputTokens": "outputTokenCount",
    "cacheReadInputTokens": "cacheReadInputTokenCount",
    "cacheWriteInputTokens": "cacheWriteInputTokenCount",
}
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


class EventStream:
    """Frames of an Amazon event stream, with the contract of sse; a frame's event is the JSON name of its payload."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer += data

    def next(self) -> Frame | None:
        """Return the next frame, None when more bytes are needed; Unreadable when a checksum is wrong."""
        if len(self._buffer) < _PRELUDE.size:
            return None
        size, headers_size, prelude_crc = _PRELUDE.unpack_from(self._buffer)
        if zlib.crc32(self._buffer[:8]) != prelude_crc or not 16 + headers_size <= size <= LARGEST_FRAME:
            raise Unreadable("the provider's stream is no event stream")
        if len(self._buffer) < size:
            return None
        message = bytes(self._buffer[:size])
        if zlib.crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
            raise Unreadable("a part of the provider's stream is damaged")
        del self._buffer[:size]
        headers = dict(_headers(message[12 : 12 + headers_size]))
        name = headers.get(b":event-type") or headers.get(b":exception-type") or headers.get(b":error-code", b"")
        is_event = headers.get(b":message-type", b"event") == b"event"
        return Frame(name if is_event else b"error", message[12 + headers_size : -4])

    def rest(self) -> Frame | None:
        """Return nothing: a frame that is cut cannot be checked."""
        return None


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply of Converse or InvokeModel: of the latter only what it used."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    if value.get("error") or text(value, "__type") or text(value, "Output", "__type") or value.keys() == {"message"}:
        return in_body(value)._replace(request_id=request_id(headers), metered=_metered(value, headers, dialect))
    stream = ConverseStream(dialect)
    for position, block in enumerate(_blocks(value)):
        stream.block(position, block)
    reply = stream.end().reply
    reason = text(value, "stopReason")
    return reply._replace(
        finish=_FINISHES.get(reason, reason[:40]),
        metered=_metered(value, headers, dialect),
        model=text(value, "model"),
        request_id=request_id(headers),
    )


class _Framed(Stream):
    """A reply in an event stream. Subclasses say what an event means; an error is one in all of them."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._frames = EventStream()

    def _frame(self, frame: Frame) -> None:
        value = read_table(frame.data) if frame.data else {}
        name = frame.event.decode("ascii", "replace")
        if name == "error" or name.endswith("Exception"):
            self.failed({"message": text(value, "message") or name})
        else:
            self._event(name, value)

    @abstractmethod
    def _event(self, name: str, value: Table) -> None: ...


class ConverseStream(_Framed):
    """The events of ConverseStream."""

    def _event(self, name: str, value: Table) -> None:
        self.take({name: value})

    def take(self, value: Table) -> None:
        position = at(value, "contentBlockDelta", "contentBlockIndex") or at(
            value, "contentBlockStart", "contentBlockIndex"
        )
        for kind, place in (("contentBlockDelta", "delta"), ("contentBlockStart", "start")):
            if kind in value:
                self.block(position if type(position) is int else 0, table(value, kind, place))
        if "messageStop" in value:
            reason = text(value, "messageStop", "stopReason")
            self.finished(_FINISHES.get(reason, reason[:40]))
        if "metadata" in value:
            self.usage(usage_native.bedrock(at(value, "metadata", "usage"), self.dialect))
            self.is_done = True

    def block(self, position: int, block: Table) -> None:
        """A content block, or a part of one."""
        if text(block, "text"):
            self.text(text(block, "text"))
        thought = text(block, "reasoningContent", "text") or text(block, "reasoningContent", "reasoningText", "text")
        if thought:
            self.reasoning(thought)
        if "toolUse" in block:
            call = table(block, "toolUse")
            self.tool_call(ToolCallPiece(position, text(call, "toolUseId"), text(call, "name"), text(call, "input")))


class InvokeStream(_Framed, MessageStream):
    """The events of InvokeModelWithResponseStream: Claude's are read, of other models only the metrics."""

    def _event(self, _name: str, value: Table) -> None:
        try:
            inner = read_table(b64decode(text(value, "bytes"), validate=True))
        except ValueError:
            raise Unreadable("a part of the provider's stream is damaged") from None
        self.take(inner)
        metrics = table(inner, "amazon-bedrock-invocationMetrics")
        if metrics:
            if self.metered.usage is None:
                self.usage(
                    usage_native.bedrock({name: metrics.get(theirs) for name, theirs in _METRICS.items()}, self.dialect)
                )
            self.is_done = True


def _blocks(value: Table) -> list[Table]:
    content = at(value, "output", "message", "content")
    return [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []


def _metered(value: Table, headers: Headers, dialect: Dialect) -> Metered:
    raw = value.get("usage")
    shapes: tuple[Metered, ...] = ()
    if isinstance(raw, dict):
        shapes = (
            usage_native.bedrock(raw, dialect),
            usage_native.anthropic(raw, value, dialect),
            usage_openai.metered(value, dialect),
        )
    found = next((metered for metered in shapes if metered.usage is not None), None)
    if found is not None:
        return found
    counted: dict[str, Json] = {}
    for name, header in _HEADERS.items():
        count = headers.get(header, "")
        if count.isascii() and count.isdigit():
            counted[name] = int(count[:15])
    if "inputTokens" in counted:
        counted.setdefault("outputTokens", 0)  # embeddings
    return usage_native.bedrock(counted, dialect)


def _headers(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(data):
        name_end = position + 1 + data[position]
        kind = data[name_end] if name_end < len(data) else 255
        start, size = name_end + 1, _SIZES.get(kind)
        if size is None and kind in (6, 7):
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        if size is None or start + size > len(data):
            raise Unreadable("the provider's stream is no event stream")
        yield data[position + 1 : name_end], data[start : start + size]
        position = start + size
