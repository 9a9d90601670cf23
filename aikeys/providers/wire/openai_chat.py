"""OpenAI chat completions and all who speak it (pure); what differs between them is the dialect.

Sources: openai/openai-openapi, createChatCompletion; facts of each dialect stand in catalogue.toml.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from aikeys.errors import UsageError
from aikeys.providers.wire import usage_openai
from aikeys.providers.wire.dialects import Dialect, check
from aikeys.providers.wire.exact_json import Table, given, items, read_table, table, text, write
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.tools_openai import kinds_in_chat, kinds_in_message, unbilled
from aikeys.providers.wire.unread import reports_in, unread_of
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
    Schema,
    Text,
    Tool,
    ToolCall,
    ToolCallPiece,
    ToolResult,
    Unreadable,
)

JSON_HEADERS = (("content-type", "application/json"),)
_FINISHES = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}
_MOST_KINDS = 100
_DELTA = frozenset(("role", "content", "refusal", "tool_calls", "reasoning", "reasoning_content", "function_call"))
_FINISHES |= {"content_filter": "content_filter", "eos": "stop", "end_turn": "stop", "max_tokens": "length"}
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def encode(request: Request, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError names what this dialect does not take."""
    check(request, dialect)
    options = request.options
    body: dict[str, Json] = {
        "model": request.model,
        "messages": [each for message in request.messages for each in _messages(message, dialect)],
        **given(
            temperature=options.temperature,
            top_p=options.top_p,
            stop=list(options.stop) or None,
            n=options.n,
            reasoning_effort=options.effort or None,
            frequency_penalty=options.frequency_penalty,
            presence_penalty=options.presence_penalty,
            parallel_tool_calls=options.parallel_tools,
            response_format=_format(request),
            **{dialect.cap: options.max_tokens, dialect.seed: options.seed},
        ),
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if options.tool_choice:
        body["tool_choice"] = tool_choice(options.tool_choice, {"type": "function"}, "function")
    if request.stream:
        body["stream"] = True
        if dialect.stream_usage == "include_usage":
            body["stream_options"] = {"include_usage": True}
    return Outgoing("POST", dialect.chat, JSON_HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error; Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    metered = usage_openai.metered(value, dialect)
    choices = items(value, "choices")
    if error := _error(value, choices):
        return error._replace(request_id=request_id(headers), message_id=text(value, "id"), metered=metered)
    first = table(choices[0], "message") if choices else {}
    texts = tuple(_text(table(choice, "message").get("content"), "text") or text(choice, "text") for choice in choices)
    return Reply(
        text=(texts[0] if texts else "") or text(first, "refusal"),
        reasoning=_reasoning(first) or _text(first.get("content"), "thinking"),
        tool_calls=tuple(_tool_call(each) for each in items(first, "tool_calls")),
        finish=finish(choices[0]) if choices else "",
        metered=metered,
        model=text(value, "model"),
        request_id=request_id(headers),
        message_id=text(value, "id"),
        choices=texts,
    )


def _error(value: Table, choices: list[Table]) -> ApiError | None:
    """Return the error that a reply with a good status is: its own, that of every choice, or no choice at all."""
    began = any(_holds_words(choice) for choice in choices)
    if value.get("error"):
        return in_body(value)._replace(began=began)
    if choices and all(each.get("error") or each.get("finish_reason") == "error" for each in choices):
        return in_body(choices[0])._replace(began=began)
    return None if choices else ApiError("server", "the reply holds no choice")


def _holds_words(choice: Table) -> bool:
    message = table(choice, "message")
    return bool(
        message.get("content") or message.get("tool_calls") or message.get("refusal") or _reasoning(message)
        or text(choice, "text")
    )  # fmt: skip


def _merge(seen: dict[str, Json], report: Table) -> None:
    """Take the next report into what was seen: of each field the last one that has it."""
    for name, each in report.items():
        before = seen.get(name)
        if isinstance(each, dict) and isinstance(before, dict):
            seen[name] = {**before, **{inner: count for inner, count in each.items() if count is not None}}
        elif each is not None:
            seen[name] = each


class ChatStream(Stream):
    """Chunks of a chat completion. Of each field of its usage the last report that has it counts."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._kinds: set[str] = set()
        self._reported: dict[str, Json] = {}

    def count(self) -> None:
        """Name what the reply shows and nothing bills."""
        self.leaves(unbilled(self._kinds, self.metered.usage, self.dialect.reported))

    def take(self, value: Table) -> None:
        if not self.model:
            self.started(text(value, "model"), text(value, "id"))
        choices = value.get("choices")
        reports = usage_openai.may_report(value) or "x_groq" in value or value.get("usage") is not None
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict):
                    self._choice(choice)
                    reports = reports or usage_openai.may_report(choice)
        if not usage_openai.PLAIN.issuperset(value):
            self._kinds.update(kinds_in_chat(value))
        if reports:
            self._report(value)
        if value.get("error"):
            self.failed(value)

    def _report(self, value: Table) -> None:
        if isinstance(value.get("usage"), dict):
            _merge(self._reported, table(value, "usage"))
            value = {**value, "usage": dict(self._reported)}
        self.usage(usage_openai.metered({**value, "model": text(value, "model") or self.model}, self.dialect))

    def _choice(self, choice: Table) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if content:
                self._content(content, choice.get("index"))
            elif delta.get("refusal"):
                self.text(text(delta, "refusal"))
            thought = _reasoning(delta)
            if thought:
                self.reasoning(thought)
            if delta.get("tool_calls"):
                self._tool_calls(items(delta, "tool_calls"))
            if not _DELTA.issuperset(delta):
                self._beside(delta)
        elif text(choice, "text"):
            self.text(text(choice, "text"))
        if choice.get("error") or choice.get("finish_reason") == "error":
            self.failed(choice)
        elif choice.get("finish_reason"):
            self.finished(finish(choice))

    def _content(self, content: Json, index: Json) -> None:
        piece = _text(content, "text")
        if piece:
            self.text(piece, index if type(index) is int else 0)
        thought = "" if isinstance(content, str) else _text(content, "thinking")
        if thought:
            self.reasoning(thought)

    def _beside(self, delta: Table) -> None:
        """Look at what a piece of a message holds beside what the model says."""
        self.leaves(unread_of(reports_in(delta, "choices.message."), set(), self.dialect.reported))
        if len(self._kinds) < _MOST_KINDS:
            self._kinds.update(kinds_in_message(delta))

    def _tool_calls(self, calls: list[Table]) -> None:
        for number, call in enumerate(calls):
            position = call.get("index")
            made = _tool_call(call)
            self.tool_call(
                ToolCallPiece(position if type(position) is int else number, made.id, made.name, made.arguments)
            )


def finish(choice: Table) -> str:
    """Return why a choice ended, in our words where we have one."""
    reason = text(choice, "finish_reason")
    return _FINISHES.get(reason.lower(), reason[:40])


def tool_choice(wanted: str, named: dict[str, Json], where: str = "") -> Json:
    """Return OpenAI's form of a tool choice: a word, or the object that names a tool."""
    if wanted in ("auto", "none", "required"):
        return wanted
    return {**named, where: {"name": wanted}} if where else {**named, "name": wanted}


def tool_input(call: ToolCall) -> Table:
    """Return a tool call's arguments as an object, {} for none; UsageError for whatever else the caller gave."""
    try:
        return read_table(call.arguments.encode() or b"{}")
    except (Unreadable, UnicodeEncodeError):
        raise UsageError(
            f"the arguments of the tool call {call.id} are not a JSON object", "send them as they came"
        ) from None


def schema_shape(schema: Schema) -> dict[str, Json]:
    """Return OpenAI's description of a schema for the reply."""
    shape = {"name": schema.name, "schema": schema.schema, "strict": schema.strict}
    return shape | given(description=schema.description or None)


def data_url(part: Image | File) -> str:
    """Return an image's address, or its bytes as one."""
    if isinstance(part, Image) and part.url:
        return part.url
    return f"data:{part.media_type};base64,{b64encode(part.data).decode()}"


def audio_format(part: File) -> str:
    """Return OpenAI's name of a recording's format; UsageError for one it does not take."""
    found = _AUDIO.get(part.media_type)
    if found is None:
        raise UsageError(f"a recording of type {part.media_type} cannot be sent", "convert it to WAV or MP3")
    return found


def _tool(tool: Tool) -> Json:
    function = given(name=tool.name, description=tool.description or None, parameters=tool.parameters)
    return {"type": "function", "function": {**function, "strict": True} if tool.strict else function}


def _format(request: Request) -> Json:
    if request.schema:
        return {"type": "json_schema", "json_schema": schema_shape(request.schema)}
    return {"type": "json_object"} if request.options.json_object else None


def _messages(message: Message, dialect: Dialect) -> list[Json]:
    """One message, or one for every tool result: OpenAI answers tools one by one."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    sent: list[Json] = [{"role": "tool", "tool_call_id": part.call_id, "content": part.text} for part in results]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    rest = [part for part in message.parts if not isinstance(part, ToolCall | ToolResult)]
    if not rest and not calls:
        return sent
    role = dialect.system if message.role == "system" else message.role
    body: dict[str, Json] = {"role": role, "content": _content(rest)} | given(name=message.name or None)
    if calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return [*sent, body]


def _content(parts: Sequence[Part]) -> Json:
    """A text alone goes as a string: some dialects take nothing else."""
    if all(isinstance(part, Text) for part in parts):
        return "\n\n".join(part.text for part in parts if isinstance(part, Text)) if parts else None
    return [_part(part) for part in parts]


def _part(part: Part) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            return {"type": "image_url", "image_url": {"url": data_url(part)} | given(detail=part.detail or None)}
        case File() if part.media_type.startswith("audio/"):
            data = b64encode(part.data).decode()
            return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part)}}
        case File():
            return {"type": "file", "file": {"filename": part.name or "file", "file_data": data_url(part)}}
        case _:
            raise TypeError(part)


def _text(content: Json, kind: str) -> str:
    """Return the text of a content: a string, or the parts of that kind (Mistral thinks in parts)."""
    if isinstance(content, str):
        return content if kind == "text" else ""
    found = []
    for part in items(content):
        if part.get("type") == kind:
            inner = part.get(kind)
            found.append(inner if isinstance(inner, str) else "".join(text(each, "text") for each in items(inner)))
    return "".join(found)


def _reasoning(message: Table) -> str:
    found = message.get("reasoning_content") or message.get("reasoning")
    return found if isinstance(found, str) else ""


def _tool_call(call: Table) -> ToolCall:
    arguments = table(call, "function").get("arguments")
    written = arguments if isinstance(arguments, str) else write(arguments).decode() if arguments else ""
    return ToolCall(text(call, "id"), text(call, "function", "name"), written)
