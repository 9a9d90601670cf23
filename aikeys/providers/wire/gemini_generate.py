"""Gemini generateContent (pure).

Source: ai.google.dev, API reference of generateContent and thinking. Every chunk of a stream reports the usage so far,
so the last one counts; sums of them would be ten times too much.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from aikeys.errors import UsageError
from aikeys.providers.wire import usage_native
from aikeys.providers.wire.dialects import Dialect, check
from aikeys.providers.wire.exact_json import Table, given, items, read, table, text, write
from aikeys.providers.wire.grounding_gemini import NOT_GROUNDED, grounded, made_medium, tells_more
from aikeys.providers.wire.openai_chat import JSON_HEADERS, tool_input
from aikeys.providers.wire.refusals import Headers, refusal, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.unread import items_of
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
    Unreadable,
)

_FINISHES = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
}
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
"""Thinking tokens for the models before Gemini 3, as Google's own OpenAI endpoint maps them (minimal: their least)."""
_LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high"}
_NO_MARK = "skip_thought_signature_validator"
_OLD = re.compile(r"gemini-[12](?![0-9])")
_CHOICES = {"": "", "auto": "AUTO", "none": "NONE", "required": "ANY"}


def encode(request: Request, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError names what cannot be sent."""
    check(request, dialect)
    system = [_part(part) for each in request.messages if each.role == "system" for part in each.parts]
    body: dict[str, Json] = {
        "contents": [_content(each, request.model) for each in request.messages if each.role != "system"]
    }
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        declared = [
            {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": declared}]
    choice = _choice(request)
    if choice:
        body["toolConfig"] = {"functionCallingConfig": choice}
    config = _config(request)
    if config:
        body["generationConfig"] = config
    model = quote(request.model.removeprefix("models/"), safe="")
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Outgoing("POST", f"{dialect.chat}/{model}:{verb}", JSON_HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the reply, or the error; a stream that came as one JSON list is read too. Unreadable when it is none."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read(body)
    stream = GenerateStream(dialect)
    for chunk in value if isinstance(value, list) else [value]:
        if not isinstance(chunk, dict):
            raise Unreadable("the reply of the provider is not a JSON object")
        stream.take(chunk)
    ended = stream.end()
    found, message = request_id(headers), ended.reply.message_id
    if ended.error is not None:
        return ended.error._replace(request_id=found, message_id=message, metered=ended.reply.metered)
    return ended.reply._replace(request_id=found)


class GenerateStream(Stream):
    """Chunks of a reply: each is a whole GenerateContentResponse. There is no mark of the end but a finish reason.

    Every chunk reports the usage so far: it is counted when the model stops and at the end, not every time. A chunk may
    leave out what an earlier one reported: of each field the last report counts.
    """

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        super().__init__(dialect, keeps_text=keeps_text)
        self._calls_seen = 0
        self._reported: dict[str, Json] = {}
        self._is_counted = True
        self._reported_last = 0
        self._grounded = NOT_GROUNDED
        self._made: set[str] = set()

    def take(self, value: Table) -> None:
        if not self.model:
            self.started(text(value, "modelVersion"), text(value, "responseId"))
        if isinstance(value.get("usageMetadata"), dict):
            self._reported |= {name: each for name, each in table(value, "usageMetadata").items() if each is not None}
            self._is_counted, self._reported_last = False, self._taken
        if tells_more(value):
            self._grounded = self._grounded.plus(grounded(value, self.model, self.dialect))
            self._is_counted = False
        for position, candidate in enumerate(items(value, "candidates")):
            index = candidate.get("index")
            for part in items(candidate, "content", "parts"):
                self._piece(part, index if type(index) is int else position)
            if text(candidate, "finishReason"):
                self.count()
                self.finished(self._finish(candidate))
        blocked = text(value, "promptFeedback", "blockReason")
        if blocked:
            self.finished("content_filter")
        if value.get("error"):
            self.failed(value)

    def count(self) -> None:
        if not self._is_counted:
            metered = usage_native.gemini(dict(self._reported), self.dialect, self._grounded)
            self.usage(metered, taken=self._reported_last)
            self._is_counted = True
            used = dict(metered.usage.other) if metered.usage else {}
            kinds = [f"parts.inlineData.{kind}" for kind in self._made if not used.get(f"output_{kind}_tokens")]
            self.leaves(items_of(kinds, self.dialect.reported))

    def _piece(self, part: Table, choice: int) -> None:
        if "inlineData" in part and (medium := made_medium(part)):
            self._made.add(medium)
        said = text(part, "text")
        if said:
            if part.get("thought") is True:
                self.reasoning(said)
            else:
                self.text(said, choice)
        call = part.get("functionCall")
        if isinstance(call, dict):
            position, self._calls_seen = self._calls_seen, self._calls_seen + 1
            arguments = write(call.get("args") or {}).decode()
            made = text(call, "id") or f"call_{position}"
            piece = ToolCallPiece(position, made, text(call, "name"), arguments, text(part, "thoughtSignature"))
            self.tool_call(piece)

    def _finish(self, candidate: Table) -> str:
        reason = text(candidate, "finishReason")
        if reason == "STOP" and self._calls_seen:
            return "tool_calls"
        return _FINISHES.get(reason, reason.lower()[:40])


def _config(request: Request) -> dict[str, Json]:
    options = request.options
    fields = given(
        maxOutputTokens=options.max_tokens,
        temperature=options.temperature,
        topP=options.top_p,
        stopSequences=list(options.stop) or None,
        seed=options.seed,
        candidateCount=options.n,
        frequencyPenalty=options.frequency_penalty,
        presencePenalty=options.presence_penalty,
        mediaResolution=_resolution(request),
        thinkingConfig=_thinking(request.model, options.effort) if options.effort else None,
    )
    if request.schema or options.json_object:
        fields["responseMimeType"] = "application/json"
    if request.schema:
        fields["responseJsonSchema"] = request.schema.schema
    return fields


def _thinking(model: str, effort: str) -> Mapping[str, Json]:
    if _OLD.search(model):
        if effort not in _BUDGETS:
            raise UsageError(f"{model} has no reasoning effort {effort}", f"use {', '.join(_BUDGETS)}")
        return {"thinkingBudget": _BUDGETS[effort]}
    if effort not in _LEVELS:
        raise UsageError(f"{model} has no reasoning effort {effort}", f"use {', '.join(_LEVELS)}")
    return {"thinkingLevel": _LEVELS[effort]}


def _choice(request: Request) -> Mapping[str, Json]:
    """VALIDATED is AUTO with arguments that fit their schema; ANY makes them fit anyway."""
    wanted = request.options.tool_choice
    if wanted in ("", "auto") and any(tool.strict for tool in request.tools):
        return {"mode": "VALIDATED"}
    if wanted in _CHOICES:
        return {"mode": _CHOICES[wanted]} if wanted else {}
    return {"mode": "ANY", "allowedFunctionNames": [wanted]}


def _resolution(request: Request) -> Json:
    """Gemini is told how closely to look once, for all images."""
    found = {part.detail for each in request.messages for part in each.parts if isinstance(part, Image)}
    if len(found) > 1:
        raise UsageError("Gemini takes one level of detail for all images", "give every image the same detail")
    return {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}.get("".join(found))


def _content(message: Message, model: str) -> Json:
    """The model's turns are its own, everything else is the user's.

    A step of the model without its mark is refused since Gemini 3: where a caller lost it, or another model wrote it,
    the first call gets the one that Google documents for that.
    """
    role = "model" if message.role == "assistant" else "user"
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    unmarked = calls[0] if calls and not _OLD.search(model) and not any(call.signature for call in calls) else None
    parts = [part._replace(signature=_NO_MARK) if part is unmarked else part for part in message.parts]
    return {"role": role, "parts": [_part(part) for part in parts]}


def _part(part: Part) -> Json:
    match part:
        case Text():
            return {"text": part.text}
        case Image() | File():
            return {"inlineData": {"mimeType": part.media_type, "data": b64encode(part.data).decode()}}
        case ToolCall():
            call = {"name": part.name, "args": tool_input(part)}
            mark = {"thoughtSignature": part.signature} if part.signature else {}
            return {"functionCall": call, **mark}
        case ToolResult():
            answer = {"error" if part.failed else "result": part.text}
            return {"functionResponse": {"name": part.name, "response": answer}}
