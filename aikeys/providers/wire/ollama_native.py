"""Replies of Ollama's own API (pure), only read: /api/chat and /api/generate, whole or one JSON object a line."""

from __future__ import annotations

from aikeys.providers.wire import usage_native
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, read_table, table, text
from aikeys.providers.wire.refusals import Headers, refusal, request_id
from aikeys.providers.wire.sse import JsonLines
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import ApiError, Reply


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error; Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    stream = OllamaStream(dialect)
    stream.take(read_table(body))
    ended = stream.end()
    return ended.error or ended.reply._replace(request_id=request_id(headers))


class OllamaStream(Stream):
    """The lines of a reply."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._frames = JsonLines()

    def take(self, value: Table) -> None:
        self.started(text(value, "model"), "")
        message = table(value, "message")
        thought = text(message, "thinking") or text(value, "thinking")
        if thought:
            self.reasoning(thought)
        said = text(message, "content") or text(value, "response")
        if said:
            self.text(said)
        if value.get("error"):
            self.failed(value)
        if value.get("done") is True:
            self.usage(usage_native.ollama(value, self.dialect))
            self.finished({"": "stop"}.get(text(value, "done_reason"), text(value, "done_reason")[:40]))
            self.is_done = True
