"""OpenAI responses (pure): stateless, `store` is false, so nothing is kept at the provider.

Source: openai/openai-openapi, createResponse. There is no `stop`, no `seed` and no `n` in this API.
"""

from __future__ import annotations

from aikeys.errors import UsageError
from aikeys.providers.wire import usage_openai
from aikeys.providers.wire.dialects import Dialect, check
from aikeys.providers.wire.exact_json import Table, given, items, read_table, table, text, write
from aikeys.providers.wire.openai_chat import JSON_HEADERS, data_url, schema_shape, tool_choice
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.unread import is_report, reports_in, unread_of
from aikeys.providers.wire.values import (
    ApiError,
    File,
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

_LACKS = frozenset({"audio", "n", "names", "penalties", "seed", "stop"})
_OF_AN_ITEM = ("id", "type", "action", "container_id", "environment")
_OF_AN_EVENT = frozenset(
    (
        *(
            "type",
            "sequence_number",
            "item_id",
            "output_index",
            "content_index",
            "summary_index",
            "delta",
            "text",
            "item",
        ),
        *("part", "logprobs", "obfuscation", "arguments", "annotation", "annotation_index", "name"),
    )
)
_MOST_ITEMS = 10_000
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def encode(request: Request, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError names what cannot be sent."""
    if not dialect.responses:
        raise UsageError(f"{dialect.title} has no responses API", "use chat")
    lacks = dialect.lacks | _LACKS
    lacks = lacks if "files" in lacks else lacks - {"file_urls"}
    check(request, dialect._replace(lacks=lacks, title=f"{dialect.title} (responses)"))
    options = request.options
    body: dict[str, Json] = {
        "model": request.model,
        "input": [each for message in request.messages for each in _items(message)],
        "store": False,
        **given(max_output_tokens=options.max_tokens, temperature=options.temperature, top_p=options.top_p),
    }
    if options.effort:
        body["reasoning"] = {"effort": options.effort}
    if request.tools:
        body["tools"] = [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            | {"strict": tool.strict}
            for tool in request.tools
        ]
    if options.tool_choice:
        body["tool_choice"] = tool_choice(options.tool_choice, {"type": "function"})
    if request.schema:
        body["text"] = {"format": {"type": "json_schema", **schema_shape(request.schema)}}
    elif options.json_object:
        body["text"] = {"format": {"type": "json_object"}}
    if options.parallel_tools is not None:
        body["parallel_tool_calls"] = options.parallel_tools
    if request.stream:
        body["stream"] = True
    return Outgoing("POST", dialect.responses, JSON_HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error (a response that failed is one); Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    metered = usage_openai.metered(value, dialect)
    if value.get("error") or value.get("status") == "failed":
        error = in_body(value if value.get("error") else {})._replace(began=bool(items(value, "output")))
        return error._replace(request_id=request_id(headers), message_id=text(value, "id"), metered=metered)
    calls = tuple(_tool_call(item) for item in items(value, "output") if item.get("type") == "function_call")
    answer = _texts(value, "message", "content", ("output_text", "refusal"))
    return Reply(
        text=answer,
        reasoning=_texts(value, "reasoning", "summary", ("summary_text",))
        or _texts(value, "reasoning", "content", ("reasoning_text",)),
        tool_calls=calls,
        finish=_finish(value),
        metered=metered,
        model=text(value, "model"),
        request_id=request_id(headers),
        message_id=text(value, "id"),
        choices=(answer,),
    )


class ResponsesStream(Stream):
    """The events of a response. The items of its output come one by one; the last event may leave them out."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._done: dict[str, Table] = {}

    def take(self, value: Table) -> None:
        kind = text(value, "type")
        if not _OF_AN_EVENT.issuperset(value):
            self._beside(kind, value)
        self._event(kind, value)

    def _event(self, kind: str, value: Table) -> None:
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                self.text(text(value, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.reasoning(text(value, "delta"))
            case "response.function_call_arguments.delta":
                self.tool_call(ToolCallPiece(_position(value), arguments=text(value, "delta")))
            case "response.output_item.added" if text(value, "item", "type") == "function_call":
                made = _tool_call(table(value, "item"))
                self.tool_call(ToolCallPiece(_position(value), made.id, made.name, made.arguments))
            case "response.output_item.done":
                self._item_done(value)
            case "response.created":
                self.started(text(value, "response", "model"), text(value, "response", "id"))
            case "error":
                self.failed(value if isinstance(value.get("error"), dict) else {"error": value})
            case _ if kind in _ENDS:
                self._ended(kind, table(value, "response"))
            case "" if value.get("error"):
                self.failed(value)

    def _ended(self, kind: str, response: Table) -> None:
        self.started(text(response, "model"), text(response, "id"))
        self.usage(usage_openai.metered({**response, "output": self._output(response)}, self.dialect))
        if kind == "response.failed":
            self.failed(response if response.get("error") else {})
        else:
            self.finished(_finish(response))
        self.is_done = True

    def _beside(self, kind: str, value: Table) -> None:
        """Look at what an event reports that is no end of the response."""
        self.leaves(unread_of(reports_in(value), set(), self.dialect.reported))
        if "response" in value and kind not in _ENDS:
            self.leaves(usage_openai.metered(table(value, "response"), self.dialect).unread)

    def _item_done(self, value: Table) -> None:
        """Keep what an item costs, which is not its text."""
        item = table(value, "item")
        if len(self._done) < _MOST_ITEMS:
            kept: Table = {name: each for name, each in item.items() if name in _OF_AN_ITEM or is_report(name)}
            self._done[text(item, "id") or f"{value.get('output_index')}"] = kept

    def _output(self, response: Table) -> list[Table]:
        """Return the items of the last event, and those that only came one by one."""
        last = items(response, "output")
        known = {text(item, "id") for item in last}
        more = [item for name, item in self._done.items() if name not in known]
        return last + more if len(self._done) > len(last) else last

    def count(self) -> None:
        """Name what the items of a stream cost that never came to its last event."""
        if self.metered.raw is None and self._done:
            self.leaves(usage_openai.metered({"output": list(self._done.values())}, self.dialect).unread)


def _position(value: Table) -> int:
    found = value.get("output_index")
    return found if type(found) is int else 0


def _finish(response: Table) -> str:
    if text(response, "status") == "incomplete":
        reason = text(response, "incomplete_details", "reason")
        return {"max_output_tokens": "length", "max_tokens": "length"}.get(reason, reason[:40] or "incomplete")
    if any(item.get("type") == "function_call" for item in items(response, "output")):
        return "tool_calls"
    return {"completed": "stop", "": "stop"}.get(text(response, "status"), text(response, "status")[:40])


def _texts(response: Table, kind: str, place: str, kinds: tuple[str, ...]) -> str:
    return "".join(
        text(part, "refusal" if part.get("type") == "refusal" else "text")
        for item in items(response, "output")
        if item.get("type") == kind
        for part in items(item, place)
        if part.get("type") in kinds
    )


def _tool_call(item: Table) -> ToolCall:
    return ToolCall(text(item, "call_id"), text(item, "name"), text(item, "arguments"))


def _items(message: Message) -> list[Json]:
    """A message's texts and media as one item, its tool calls and results as items of their own."""
    sent: list[Json] = []
    content = [_part(part, message.role) for part in message.parts if not isinstance(part, ToolCall | ToolResult)]
    if content:
        sent.append({"type": "message", "role": message.role, "content": content})
    for part in message.parts:
        if isinstance(part, ToolCall):
            call = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
            sent.append(call)
        elif isinstance(part, ToolResult):
            sent.append({"type": "function_call_output", "call_id": part.call_id, "output": part.text})
    return sent


def _part(part: Part, role: str) -> Json:
    match part:
        case Text():
            return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        case Image():
            return {"type": "input_image", "image_url": data_url(part), "detail": part.detail or "auto"}
        case File() if part.url:
            return {"type": "input_file", "file_url": part.url}
        case File():
            return {"type": "input_file", "filename": part.name or "file", "file_data": data_url(part)}
        case _:
            raise TypeError(part)
