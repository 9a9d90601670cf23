"""A provider on loopback that repeats the key it is asked with: in its status line, headers, body and trailers."""

from __future__ import annotations

import gzip
import json
import re
import socket
from dataclasses import dataclass, field

from tests.providers.forms import forms
from tests.spending.conftest import FakeProvider, Seen

STATUSES = (
    *(200, 201, 202, 206, 301, 302, 307, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429),
    *(500, 502, 503, 504, 529),
)
_CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_USAGE = {
    "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "input_tokens": 3, "output_tokens": 4,
}  # fmt: skip


@dataclass
class Echo(FakeProvider):
    """How the next replies are: the key's form, their status, where the body is cut in two, whether it is packed.

    `statuses` are those of the first replies. One that `remembers` repeats the keys of all requests.
    """

    form: str = "raw"
    status: int = 200
    is_stream: bool = False
    cut: int = 0
    is_packed: bool = False
    remembers: bool = False
    statuses: list[int] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.plays = [self._echo]

    def _echo(self, connection: socket.socket, seen: Seen) -> None:
        key = next(seen.headers[name] for name in _CREDENTIALS if name in seen.headers).removeprefix("Bearer ").encode()
        self.keys.add(key)
        text = "".join(forms(each)[self.form].decode() for each in sorted(self.keys if self.remembers else {key}))
        status = self.statuses.pop(0) if self.statuses else self.status
        body = _events(text) if self.is_stream else whole(text, status)
        kind = "text/event-stream" if self.is_stream else "application/json"
        fields = dict.fromkeys(("x-request-id", "request-id", "x-ratelimit-remaining-requests", "retry-after"), text)
        fields |= {"openai-version": f"v {text}", "location": f"/{text}", "content-type": kind, "connection": "close"}
        if _NAMES.fullmatch(text):
            fields |= {text: "1", f"x-{text}": text}
        if self.is_packed:
            body, fields["content-encoding"] = gzip.compress(body), "gzip"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        first = f"HTTP/1.1 {status} no {text}\r\n{head}transfer-encoding: chunked\r\ntrailer: x-after\r\n\r\n"
        at = self.cut % len(body)
        for piece in filter(None, (body[:at], body[at:])):
            connection.sendall(first.encode() + b"%x\r\n%s\r\n" % (len(piece), piece))
            first = ""
        connection.sendall(f"0\r\nx-after: {text}\r\n\r\n".encode())


def whole(text: str, status: int) -> bytes:
    """A reply in every protocol's words at once; the key's form stands in it as it is, so that its escapes are JSON's."""
    value: dict[str, object] = {
        "id": "F", "model": "F", "modelVersion": "F", "object": "F", "type": "message", "role": "assistant",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "F"}, "text": "F", "finish_reason": "stop"}],
        "content": [{"type": "text", "text": "F"}], "stop_reason": "end_turn", "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "F"}]}],
        "candidates": [{"content": {"parts": [{"text": "F"}]}, "finishReason": "STOP"}],
        "data": [{"id": "F", "embedding": [0.5], "index": 0}], "input_tokens": 3, "F": 1,
        "usage": {**_USAGE, "F": 7, "service_tier": "F"},
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7},
    }  # fmt: skip
    if status >= 300:
        value |= {"error": {"message": "no F", "type": "F", "code": "F", "param": "F", "F": "F"}, "request_id": "F"}
    return json.dumps(value).replace("F", text).encode()


def _events(text: str) -> bytes:
    """A stream in every protocol's words, one event each."""
    values: tuple[dict[str, object], ...] = (
        {
            "type": "message_start",
            "message": {"id": "F", "model": "F", "usage": {"input_tokens": 3, "output_tokens": 1}},
        },
        {"type": "response.created", "response": {"id": "F", "model": "F", "status": "F"}},
        {"id": "F", "model": "F", "choices": [{"index": 0, "delta": {"content": "F"}, "text": "F"}]},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "F"}},
        {"candidates": [{"content": {"parts": [{"text": "F"}]}, "finishReason": "STOP"}], "modelVersion": "F"},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "F"}}}},
        {"id": "F", "model": "F", "choices": [], "usage": _USAGE},
        {"type": "error", "error": {"type": "F", "message": "F"}},
    )
    data = "".join(f"event: {value.get('type', 'F')}\ndata: {json.dumps(value)}\n\n: F\n\n" for value in values)
    return (data.replace("F", text) + "data: [DONE]\n\n").encode()
