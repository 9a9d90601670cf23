"""Cuts a stream of bytes into frames (pure), at any boundary of chunks: server-sent events (WHATWG HTML, section 9.2).

- Lines end in LF, CRLF or CR; a blank line ends a frame; lines of data are joined by LF; comments, `id` and `retry` are
  passed over; a byte order mark at the start is too.
- A frame that the end of the stream cuts is given out by `rest()`, not silently dropped: a last `data:` line often
  lacks its blank line.
- No frame is larger than 32 MiB: Unreadable.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.providers.wire.values import Unreadable

LARGEST_FRAME = 32 << 20
_TOO_LARGE = "a part of the provider's stream is larger than 32 MiB"
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    event: bytes
    data: bytes


class ServerSentEvents:
    """Cutter of a stream into frames: feed() bytes, then next() until it returns None; rest() at the end."""

    __slots__ = ("_at_start", "_buffer", "_ended_in_cr", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._ended_in_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._ended_in_cr or b"\r" in data:
            data = self._unix(data)
        self._buffer += data

    def next(self) -> Frame | None:
        """Return the next frame that has data, None when more bytes are needed."""
        while True:
            end = self._buffer.find(b"\n\n", self._searched)
            if end < 0:
                self._searched = max(0, len(self._buffer) - 1)
                if len(self._buffer) > LARGEST_FRAME:
                    raise Unreadable(_TOO_LARGE)
                return None
            if end > LARGEST_FRAME:
                raise Unreadable(_TOO_LARGE)
            block = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._searched = 0
            frame = self._frame(block)
            if frame is not None:
                return frame

    def rest(self) -> Frame | None:
        """Return what stands in the buffer when the stream is over, None if that is no data."""
        block, self._buffer, self._searched = bytes(self._buffer), bytearray(), 0
        return self._frame(block)

    def _unix(self, data: bytes) -> bytes:
        if self._ended_in_cr and data.startswith(b"\n"):
            data = data[1:]
            self._ended_in_cr = False
            if b"\r" not in data:
                return data
        if data:
            self._ended_in_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _frame(self, block: bytes) -> Frame | None:
        if self._at_start and block:
            self._at_start = False
            block = block.removeprefix(_BOM)
        block = block.lstrip(b"\n")
        if block.startswith(b"data: ") and b"\n" not in block:  # by far the most frames
            return Frame(b"", block[6:])
        event, data = b"", []
        for line in block.split(b"\n"):
            name, colon, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if name == b"data":
                data.append(value)
            elif name == b"event" and colon:
                event = value
        return Frame(event, b"\n".join(data)) if data else None
