"""Replies of Ollama's own API."""

from __future__ import annotations

import json

from wire_samples import dialect, ended

from aikeys.providers.usage import Usage
from aikeys.providers.wire.ollama_native import OllamaStream, decode
from aikeys.providers.wire.values import ApiError, Reply

OLLAMA = dialect("ollama")
LAST = {"model": "tiny", "done": True, "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 63}


def test_a_whole_reply_is_read() -> None:
    body = {**LAST, "message": {"content": "hi", "thinking": "hm"}}
    reply = decode(200, {}, json.dumps(body).encode(), OLLAMA)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.finish, reply.usage) == ("hi", "hm", "stop", Usage(17, output=63))


def test_lines_are_read_as_they_come() -> None:
    lines = [{"model": "tiny", "response": "h"}, {"model": "tiny", "response": "i"}, LAST]
    end = ended(OllamaStream(OLLAMA), "\n".join(map(json.dumps, lines)).encode())
    assert (end.complete, end.reply.text, end.reply.usage) == (True, "hi", Usage(17, output=63))


def test_an_error_is_an_error_whatever_the_status() -> None:
    for status in (200, 404):
        error = decode(status, {}, b'{"error": "model not found"}', OLLAMA)
        assert isinstance(error, ApiError)
        assert error.message == "model not found"
