"""A reply as OpenAI's chat.completion, and the events of a stream as its chunks (pure).

- Ids are ours. What a provider did not report is left out: usage that is unknown is no `usage`, not zeros.
- Reasoning is `reasoning_content`; Gemini's mark of a tool call is `extra_content.google.thought_signature`.
- Tool calls are numbered from 0 in the order they begin, whatever the provider counts; their ids are unique beyond one
  reply. A call without arguments has `{}`, which OpenAI's clients parse.
- `finish_reason` is one of OpenAI's words: some clients read no other.
- A stream ends with the finish of every choice, the usage if it was asked for and is known, and [DONE]; one that
  failed ends with the error instead.

Source: openai/openai-openapi, CreateChatCompletionResponse and CreateChatCompletionStreamResponse.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import (
    Event,
    Json,
    ReasoningPiece,
    Reply,
    Started,
    TextPiece,
    ToolCall,
    ToolCallPiece,
)

DONE = b"data: [DONE]\n\n"
_FINISHES = ("stop", "length", "tool_calls", "content_filter")
_COUNTED = re.compile(r"(?:call_)?[0-9]*")
"""Ids that only number the calls of one reply."""
_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=float).encode
_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=float).encode


class Heading(NamedTuple):
    """What stands in every chunk: our id, when it was made (seconds since 1970), the model that was asked."""

    id: str
    created_s: int
    model: str


def heading(nonce: bytes, created_s: int, model: str) -> Heading:
    """Return the heading of one reply; `nonce`: at least 12 random bytes."""
    return Heading(f"chatcmpl-{nonce.hex()}", created_s, model)


def completion(reply: Reply, head: Heading) -> dict[str, Json]:
    """Return a whole reply as a chat.completion."""
    calls = [_tool_call(call, number, head) for number, call in enumerate(reply.tool_calls)]
    message: dict[str, Json] = {
        "role": "assistant",
        "content": reply.text if reply.text or not calls else None,
        "refusal": None,
    }
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = calls
    messages = [message, *({"role": "assistant", "content": text, "refusal": None} for text in reply.choices[1:])]
    finish = _finish(reply.finish, bool(calls))
    found: dict[str, Json] = {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created_s,
        "model": reply.model or head.model,
        "choices": [
            {"index": index, "message": each, "logprobs": None, "finish_reason": finish}
            for index, each in enumerate(messages)
        ],
    }
    if reply.usage is not None:
        found["usage"] = usage_of(reply.usage)
    return found


def usage_of(usage: Usage) -> dict[str, Json]:
    """Return a usage in OpenAI's words: cached tokens are a part of the prompt, reasoning of the completion."""
    other = dict(usage.other)
    written = usage.cache_write_5m + usage.cache_write_1h
    prompt = {"cached_tokens": usage.cache_read}
    prompt |= {"cache_write_tokens": written} if written else {}
    prompt |= {"audio_tokens": other["input_audio_tokens"]} if "input_audio_tokens" in other else {}
    output = {"reasoning_tokens": usage.reasoning}
    output |= {"audio_tokens": other["output_audio_tokens"]} if "output_audio_tokens" in other else {}
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": output,
    }


def written(value: Json) -> bytes:
    """Return compact JSON; half a character, as some models stream them, is written as its escape."""
    text = _plain(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _ascii(value).encode()


class ChunkWriter:
    """One stream: every event becomes the bytes of its chunks, in the order they come.

    writer.event(event)          each event of the upstream's stream; b"" where it says nothing to a client
    writer.whole(reply)          instead, where the upstream answered at once though a stream was asked for
    writer.end(finish, usage)    the stream came to its end
    writer.failed(error_body)    it did not: the error, in OpenAI's shape, and nothing after it
    """

    __slots__ = ("_calls", "_choices", "_filled", "_head", "_model", "_named", "_opening", "_tail", "_usage")

    def __init__(self, head: Heading, *, includes_usage: bool = False) -> None:
        self._head = head
        self._model = head.model
        self._usage = includes_usage
        self._opening = b""
        self._choices: set[int] = set()
        self._calls: dict[int, int] = {}
        """Our number of a call by the provider's position of it."""
        self._filled: set[int] = set()
        """Numbers of the calls that have arguments."""
        self._named: set[int] = set()
        """Numbers of the calls that have a name: some providers repeat it, and clients join what they get."""
        nothing = b',"usage":null' if includes_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + nothing + b"}\n\n"

    def event(self, event: Event) -> bytes:
        """Return what an event says to the client."""
        match event:
            case TextPiece():
                return self._delta(b'{"content":' + written(event.text) + b"}", event.choice)
            case ReasoningPiece():
                return self._delta(b'{"reasoning_content":' + written(event.text) + b"}", 0)
            case ToolCallPiece():
                return self._tool_call(event)
            case Started():
                if not self._opening:
                    self._model = event.model or self._model
                return self._begun(0)
            case _:
                return b""

    def whole(self, reply: Reply) -> bytes:
        """Return a reply that came at once, as if it had been streamed; `end` follows."""
        events: list[Event] = [Started(reply.model, "")]
        events += [ReasoningPiece(reply.reasoning)] if reply.reasoning else []
        texts = (reply.text, *reply.choices[1:])
        events += [TextPiece(text, choice) for choice, text in enumerate(texts) if text]
        events += [
            ToolCallPiece(number, call.id, call.name, call.arguments, call.signature)
            for number, call in enumerate(reply.tool_calls)
        ]
        return b"".join(self.event(event) for event in events)

    def end(self, finish: str, usage: Usage | None) -> bytes:
        """Return the last chunks; `finish` as the reply says it, `usage` None where it is not known."""
        found = [self._begun(0)]
        empty = (number for number in self._calls.values() if number not in self._filled)
        found += (self._delta(_call_delta({"index": number, "function": {"arguments": "{}"}}), 0) for number in empty)
        nothing = b',"usage":null' if self._usage else b""
        for choice in sorted(self._choices):
            reason = _finish(finish, bool(self._calls)).encode()
            end = b'{},"logprobs":null,"finish_reason":"' + reason + b'"}]' + nothing + b"}\n\n"
            found.append(self._opening + b'[{"index":%d,"delta":' % choice + end)
        if self._usage and usage is not None:
            found.append(self._opening + b'[],"usage":' + written(usage_of(usage)) + b"}\n\n")
        return b"".join((*found, DONE))

    def failed(self, error_body: bytes) -> bytes:
        """Return the error as the last thing of the stream; the SDKs raise it."""
        return b"data: " + error_body + b"\n\n"

    def _delta(self, delta: bytes, choice: int) -> bytes:
        begun = b"" if choice in self._choices else self._begun(choice)
        return begun + self._opening + b'[{"index":%d,"delta":' % choice + delta + self._tail

    def _begun(self, choice: int) -> bytes:
        """Return the chunk that opens a choice, once; choice 0 opens first."""
        if not self._opening:
            head = {"id": self._head.id, "object": "chat.completion.chunk", "created": self._head.created_s}
            self._opening = b"data: " + written({**head, "model": self._model})[:-1] + b',"choices":'
        if choice in self._choices:
            return b""
        first = self._begun(0) if choice else b""
        self._choices.add(choice)
        return first + self._delta(b'{"role":"assistant","content":""}', choice)

    def _tool_call(self, piece: ToolCallPiece) -> bytes:
        known = piece.position in self._calls
        number = self._calls.setdefault(piece.position, len(self._calls))
        if piece.arguments:
            self._filled.add(number)
        name = "" if number in self._named else piece.name
        if name:
            self._named.add(number)
        if not known:
            call = ToolCall(piece.id, piece.name, piece.arguments, piece.signature)
            shown = _tool_call(call, number, self._head, empty="")
            return self._delta(_call_delta({"index": number, **shown}), 0)
        if not piece.arguments and not name:
            return b""
        function = {"name": name} if name else {}
        return self._delta(_call_delta({"index": number, "function": {**function, "arguments": piece.arguments}}), 0)


def _call_delta(call: dict[str, Json]) -> bytes:
    return b'{"tool_calls":[' + written(call) + b"]}"


def _tool_call(call: ToolCall, number: int, head: Heading, empty: str = "{}") -> dict[str, Json]:
    call_id = call.id
    if _COUNTED.fullmatch(call_id):  # none, or one that the next reply has too
        call_id = f"call_{head.id.removeprefix('chatcmpl-')[:24]}_{number}"
    found: dict[str, Json] = {
        "id": call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or empty},
    }
    if call.signature:
        found["extra_content"] = {"google": {"thought_signature": call.signature}}
    return found


def _finish(reason: str, has_calls: bool) -> str:
    if reason in _FINISHES:
        return reason
    return "tool_calls" if has_calls else "stop"
