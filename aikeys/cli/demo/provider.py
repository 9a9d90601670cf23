"""The provider of `aikeys demo`, on loopback: OpenAI's chat with usage, streamed or not, and a webhook for alerts.

It takes one key and no other credential, so that a token or a wrong key that reached it would show. It counts what it
answered, for the demo to compare with the ledger. Knows nothing of vaults, tokens or budgets.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MODEL = "gpt-4.1"
REPLY = "Ask somebody else: I am the provider of a demo. But I count every token."
_LONGEST_REPLY_TOKENS = 150
_LARGEST_BODY_BYTES = 1 << 20
_STREAM = "text/event-stream"
_OTHER_CREDENTIALS = ("x-api-key", "x-goog-api-key", "api-key", "cookie")


class DemoProvider:
    """Serves between `with` and its end. `answered` counts chats, `subjects` are those of the alerts it was sent."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.answered = 0
        self.subjects: list[str] = []
        self.has_alert = threading.Event()
        self._lock = threading.Lock()
        self._server = _DemoServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def note_chat(self) -> None:
        with self._lock:
            self.answered += 1

    def note_alert(self, subject: str) -> None:
        with self._lock:
            self.subjects.append(subject)
        self.has_alert.set()


class _DemoServer(ThreadingHTTPServer):
    daemon_threads = True  # a client's idle connection keeps nobody waiting
    block_on_close = False

    def __init__(self, provider: DemoProvider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no event; anything else shows as a call that failed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _DemoServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class calls it
        """Say nothing: the demo's output is its story."""

    def do_GET(self) -> None:
        if self._may() and self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "demo"}]})

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            self._refuse(400, "no JSON object")
        elif self.path == "/alerts":
            self.server.provider.note_alert(str(body.get("subject", body)))
            self._send(200, {})
        elif self._may() and self.path == "/v1/chat/completions":
            self._chat(body)

    def _may(self) -> bool:
        """Answer 401 to any credential but the key, and 404 to what is not served."""
        is_own = self.headers.get_all("authorization") == [f"Bearer {self.server.provider.key}"]
        if not is_own or any(name in self.headers for name in _OTHER_CREDENTIALS):
            self._refuse(401, "no such key")
            return False
        if self.path not in ("/v1/models", "/v1/chat/completions"):
            self._refuse(404, "no such route")
            return False
        return True

    def _body(self) -> dict[str, Any] | None:
        size = int(self.headers.get("content-length") or 0)
        if size > _LARGEST_BODY_BYTES:
            self.close_connection = True
            return None
        try:
            body = json.loads(self.rfile.read(size))
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def _chat(self, body: dict[str, Any]) -> None:
        usage = usage_of(body)
        self.server.provider.note_chat()
        common = {"id": "chatcmpl-demo", "created": 0, "model": body.get("model", MODEL)}
        if not body.get("stream"):
            message = {"role": "assistant", "content": REPLY}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            self._send(200, {**common, "object": "chat.completion", "choices": choices, "usage": usage})
            return
        self.close_connection = True  # its end is the reply's end
        self.send_response(200)
        self.send_header("content-type", _STREAM)
        self.send_header("connection", "close")
        self.end_headers()
        for word in (*REPLY.replace(" ", " \n").split("\n"), ""):
            delta, reason = ({"content": word}, None) if word else ({}, "stop")
            self._event(common | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event(common | {"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk | {"object": "chat.completion.chunk"}).encode() + b"\n\n")

    def _refuse(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def usage_of(body: dict[str, Any]) -> dict[str, int]:
    """Return what a chat used: four bytes a token, and as many tokens back as were allowed, up to 150."""
    said = sum(len(str(message.get("content", "")).encode()) for message in body.get("messages", ()))
    allowed = body.get("max_completion_tokens") or body.get("max_tokens") or _LONGEST_REPLY_TOKENS
    prompt, completion = said // 4 + 8, min(int(allowed), _LONGEST_REPLY_TOKENS)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
