"""Anthropic messages and those who copied them (pure).

Sources: anthropics/anthropic-sdk-python, types of messages; platform.claude.com, streaming and structured outputs.
Cumulative usage: `message_start` announces (its output is a placeholder), every `message_delta` replaces what it names.
"""

from __future__ import annotations

from base64 import b64encode

from aikeys.errors import UsageError
from aikeys.providers.wire import usage_native
from aikeys.providers.wire.dialects import Dialect, check
from aikeys.providers.wire.exact_json import Table, given, items, read_table, table, text, write
from aikeys.providers.wire.openai_chat import JSON_HEADERS, tool_input
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.unread import items_of, reports_in, unread_of
from aikeys.providers.wire.values import (
    ApiError,
    File,
    Image,
    Json,
    Message,
    Options,
    Outgoing,
    Part,
    Reply,
    Request,
    Text,
    ToolCall,
    ToolCallPiece,
    ToolResult,
)

_HEADERS = (*JSON_HEADERS, ("anthropic-version", "2023-06-01"))
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_MOST_BLOCKS = 100_000
_OF_AN_EVENT = frozenset(("type", "index", "delta", "message"))


def encode(request: Request, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError names what cannot be sent."""
    check(request, dialect)
    options = request.options
    system = [part for each in request.messages if each.role == "system" for part in each.parts]
    body: dict[str, Json] = {
        "model": request.model,
        "max_tokens": options.max_tokens,
        "messages": [_message(each) for each in request.messages if each.role != "system"],
        **given(temperature=options.temperature, top_p=options.top_p, stop_sequences=list(options.stop) or None),
    }
    if system:
        is_marked = any(part.cache for part in system)
        texts = [_system(part) for part in system]
        body["system"] = [_block(part) for part in system] if is_marked else "\n\n".join(texts)
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            | ({"strict": True} if tool.strict else {})
            | _cached(tool.cache)
            for tool in request.tools
        ]
        body |= given(tool_choice=_tool_choice(options))
    body |= _output(request)
    if request.stream:
        body["stream"] = True
    return Outgoing("POST", dialect.chat, _HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error; Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    blocks = items(value, "content")
    kinds = [usage_native.kind_of(block) for block in blocks]
    metered = usage_native.anthropic(value.get("usage"), value, dialect, kinds)
    if value.get("type") == "error" or value.get("error"):
        error = in_body(value)._replace(metered=metered, began=bool(blocks))
        return error._replace(request_id=request_id(headers), message_id=text(value, "id"))
    answer = "".join(text(block, "text") for block in blocks if block.get("type") == "text")
    return Reply(
        text=answer,
        reasoning="".join(text(block, "thinking") for block in blocks if block.get("type") == "thinking"),
        tool_calls=tuple(
            ToolCall(text(block, "id"), text(block, "name"), write(block.get("input") or {}).decode())
            for block in blocks
            if block.get("type") == "tool_use"
        ),
        finish=_finish(value),
        metered=metered,
        model=text(value, "model"),
        request_id=request_id(headers),
        message_id=text(value, "id"),
        choices=(answer,),
    )


class MessageStream(Stream):
    """The events of a message."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._seen: dict[str, Json] = {}
        self._kinds: list[str] = []

    def count(self) -> None:
        """Name the kinds of blocks that no list names, wherever they came."""
        self.leaves(items_of(self._kinds, self.dialect.reported))

    def take(self, value: Table) -> None:
        if not _OF_AN_EVENT.issuperset(value):
            self._beside(value)
        self._message(value)

    def _message(self, value: Table) -> None:
        match value.get("type"):
            case "content_block_delta":
                self._delta(table(value, "delta"), value.get("index"))
            case "content_block_start" if text(value, "content_block", "type") == "tool_use":
                block = table(value, "content_block")
                self.tool_call(ToolCallPiece(_position(value.get("index")), text(block, "id"), text(block, "name")))
            case "content_block_start" if text(value, "content_block", "text"):
                self.text(text(value, "content_block", "text"))
            case "message_start":
                message = table(value, "message")
                self.started(text(message, "model"), text(message, "id"))
                self._report(table(message, "usage"), message, announced=True)
            case "message_delta":
                usage = table(value, "usage")
                self._report(usage, value, announced=usage.get("output_tokens") is None)
                if text(value, "delta", "stop_reason"):
                    self.finished(_finish(table(value, "delta")))
            case "message_stop":
                self.is_done = True
            case "error":
                self.failed(value)
            case None if value.get("error"):
                self.failed(value)

    def _beside(self, value: Table) -> None:
        """Look at the blocks that begin, and at what an event reports that is no report of the message."""
        plain = ("usage",) if value.get("type") == "message_delta" else ()
        self.leaves(unread_of(reports_in(value, plain=plain), set(), self.dialect.reported))
        block = value.get("content_block")
        if isinstance(block, dict) and len(self._kinds) < _MOST_BLOCKS:
            self._kinds.append(usage_native.kind_of(block))
            self.leaves(unread_of(reports_in(block, "content."), set(), self.dialect.reported))

    def _delta(self, delta: Table, index: Json) -> None:
        match delta.get("type"):
            case "text_delta":
                self.text(text(delta, "text"))
            case "thinking_delta":
                self.reasoning(text(delta, "thinking"))
            case "input_json_delta":
                self.tool_call(ToolCallPiece(_position(index), arguments=text(delta, "partial_json")))

    def _report(self, usage: Table, beside: Table, *, announced: bool) -> None:
        if usage:
            usage_native.merged(self._seen, usage)
            body = {**beside, "model": self.model}
            metered = usage_native.anthropic(dict(self._seen), body, self.dialect, self._kinds)
            self.usage(metered, announced=announced)


def _finish(value: Table) -> str:
    reason = text(value, "stop_reason")
    return _FINISHES.get(reason, reason[:40])


def _position(index: Json) -> int:
    return index if type(index) is int else 0


def _system(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    raise UsageError("a system prompt can only be text", "put the file or image into the user's message")


def _tool_choice(options: Options) -> Json:
    wanted = options.tool_choice or ("auto" if options.parallel_tools is False else "")
    if not wanted:
        return None
    kind = _CHOICES.get(wanted)
    choice: dict[str, Json] = {"type": kind} if kind else {"type": "tool", "name": wanted}
    if options.parallel_tools is False and kind != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _output(request: Request) -> dict[str, Json]:
    config: dict[str, Json] = {}
    if request.schema:
        config["format"] = {"type": "json_schema", "schema": request.schema.schema}
    effort = request.options.effort
    if effort == "none":
        return {"thinking": {"type": "disabled"}} | ({"output_config": config} if config else {})
    if effort:
        if effort not in _EFFORTS:
            raise UsageError(f"Anthropic has no reasoning effort {effort}", f"use none, {', '.join(_EFFORTS)}")
        config["effort"] = effort
    return {"output_config": config} if config else {}


def _message(message: Message) -> Json:
    """Results of tools are said by the user."""
    role = "user" if message.role == "tool" else message.role
    return {"role": role, "content": [_block(part) for part in message.parts]}


def _cached(cache: str) -> dict[str, Json]:
    """Return the mark of what is to be cached; five minutes are what it means without a word."""
    if not cache:
        return {}
    return {"cache_control": {"type": "ephemeral"} | ({"ttl": cache} if cache != "5m" else {})}


def _block(part: Part) -> Json:
    return _said(part) | _cached(part.cache)


def _said(part: Part) -> dict[str, Json]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image() if part.url:
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        case Image():
            return {"type": "image", "source": _source(part)}
        case File() if part.media_type == "application/pdf":
            source: Json = {"type": "url", "url": part.url} if part.url else _source(part)
            return {"type": "document", "source": source} | ({"title": part.name} if part.name else {})
        case File():
            raise UsageError(f"Anthropic does not take files of type {part.media_type}", "send a PDF, or its text")
        case ToolCall():
            return {
                "type": "tool_use",
                "id": part.id,
                "name": part.name,
                "input": tool_input(part),
            }
        case ToolResult():
            result: dict[str, Json] = {"type": "tool_result", "tool_use_id": part.call_id, "content": part.text}
            return {**result, "is_error": True} if part.failed else result


def _source(part: Image | File) -> Json:
    return {"type": "base64", "media_type": part.media_type, "data": b64encode(part.data).decode()}
