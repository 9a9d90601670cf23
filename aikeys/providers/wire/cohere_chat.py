"""Cohere v2 chat (pure); replies of v1 are read too. Source: docs.cohere.com, reference of chat v2 and streaming."""

from __future__ import annotations

from aikeys.errors import UsageError
from aikeys.providers.wire import usage_native
from aikeys.providers.wire.dialects import Dialect, check
from aikeys.providers.wire.exact_json import Table, given, items, read_table, table, text, write
from aikeys.providers.wire.openai_chat import JSON_HEADERS, data_url
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.unread import items_of
from aikeys.providers.wire.values import (
    ApiError,
    Image,
    Json,
    Message,
    Outgoing,
    Part,
    Reply,
    Request,
    Text,
    ToolCall,
    ToolCallPiece,
    ToolResult,
)

_FINISHES = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
}


def encode(request: Request, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError names what cannot be sent."""
    check(request, dialect)
    options = request.options
    body: dict[str, Json] = {
        "model": request.model,
        "messages": [each for message in request.messages for each in _messages(message)],
        "stream": request.stream,
        **given(
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            p=options.top_p,
            seed=options.seed,
            stop_sequences=list(options.stop) or None,
            frequency_penalty=options.frequency_penalty,
            presence_penalty=options.presence_penalty,
            response_format=_format(request),
        ),
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
        if any(tool.strict for tool in request.tools):
            body["strict_tools"] = True
    if options.tool_choice and options.tool_choice != "auto":
        if options.tool_choice not in ("none", "required"):
            raise UsageError(f"{dialect.title} cannot be told to call one tool by name", "use none or required")
        body["tool_choice"] = options.tool_choice.upper()
    return Outgoing("POST", dialect.chat, JSON_HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error; Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    message = table(value, "message")
    parts = items(message, "content")
    answer = "".join(text(part, "text") for part in parts if part.get("type") == "text") or text(value, "text")
    thoughts = "".join(text(part, "thinking") for part in parts if part.get("type") == "thinking")
    is_error = bool(value.get("error")) or text(value, "finish_reason").upper() in ("ERROR", "ERROR_LIMIT")
    if is_error or (text(value, "message") and not answer):
        error = in_body(value if value.get("error") or text(value, "message") else {})
        metered, began = usage_native.cohere(value, dialect), bool(answer or thoughts or items(message, "tool_calls"))
        return error._replace(request_id=request_id(headers), metered=metered, began=began)
    return Reply(
        text=answer,
        reasoning=thoughts or text(message, "tool_plan"),
        tool_calls=tuple(_tool_call(call) for call in items(message, "tool_calls")),
        finish=_finish(value),
        metered=usage_native.cohere(value, dialect),
        model=text(value, "model"),
        request_id=request_id(headers),
        message_id=text(value, "id") or text(value, "generation_id"),
        choices=(answer,),
    )


class CohereStream(Stream):
    """The events of a reply."""

    def take(self, value: Table) -> None:
        delta = table(value, "delta")
        message = table(delta, "message")
        match value.get("type"):
            case "content-start":
                kind = usage_native.kind_of(table(message, "content"))
                self.leaves(items_of((kind,), self.dialect.reported))
            case "content-delta":
                self._content(table(message, "content"))
            case "tool-plan-delta":
                self.reasoning(text(message, "tool_plan"))
            case "tool-call-start" | "tool-call-delta":
                index = value.get("index")
                call = _tool_call(table(message, "tool_calls"))
                piece = ToolCallPiece(index if type(index) is int else 0, call.id, call.name, call.arguments)
                self.tool_call(piece)
            case "message-start":
                self.started(text(message, "model"), text(value, "id"))
            case "message-end":
                self._ended(delta)
            case None if value.get("message") and not delta:
                self.failed(value)

    def _content(self, content: Table) -> None:
        if text(content, "text"):
            self.text(text(content, "text"))
        if text(content, "thinking"):
            self.reasoning(text(content, "thinking"))

    def _ended(self, delta: Table) -> None:
        self.usage(usage_native.cohere(delta, self.dialect))
        reason = text(delta, "finish_reason")
        if reason == "ERROR" or text(delta, "error"):
            self.failed({"message": text(delta, "error")})
        self.finished(_finish(delta))
        self.is_done = True


def _finish(value: Table) -> str:
    reason = text(value, "finish_reason")
    return _FINISHES.get(reason, reason.lower()[:40])


def _tool_call(call: Table) -> ToolCall:
    return ToolCall(text(call, "id"), text(call, "function", "name"), text(call, "function", "arguments"))


def _format(request: Request) -> Json:
    if request.schema:
        return {"type": "json_object", "schema": request.schema.schema}
    return {"type": "json_object"} if request.options.json_object else None


def _messages(message: Message) -> list[Json]:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    sent: list[Json] = [{"role": "tool", "tool_call_id": part.call_id, "content": part.text} for part in results]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    content = [_part(part) for part in message.parts if not isinstance(part, ToolCall | ToolResult)]
    if not content and not calls:
        return sent
    body: dict[str, Json] = {"role": message.role}
    if content:
        body["content"] = content
    if calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return [*sent, body]


def _part(part: Part) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            return {"type": "image_url", "image_url": {"url": data_url(part)} | given(detail=part.detail or None)}
        case _:
            raise TypeError(part)
