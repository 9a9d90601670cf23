"""The body of POST /v1/chat/completions as values (pure): what our values cannot carry is refused by its name.

Harmless, so taken without being sent on:
- `user`, `metadata`, `priority`: for our own labels and queue; `safety_identifier`, `prompt_cache_key`: hints that
  change neither the reply nor its meaning.
- What asks for the default: `store: false`, `logprobs: false`, `service_tier: auto` or `default`, `modalities:
  ["text"]`, `verbosity: medium`, `logit_bias: {}`, `stream_options.include_obfuscation`, penalties of 0, n of 1.
- What says nothing without tools: `parallel_tool_calls`, a `tool_choice` of auto or none.

Source of the fields: openai/openai-openapi, createChatCompletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import Fields, InvalidRequest, checked_text
from aikeys.gateway.formats.openai_messages import cache_mark, messages_of
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table
from aikeys.providers.wire.values import EFFORTS, Json, Options, Request, Schema, Tool

_MOST_TOKENS = (1 << 31) - 1
_MOST_SEED = (1 << 63) - 1
_MOST_CHOICES = 128
_MOST_LABELS, _LONGEST_LABEL, _LONGEST_VALUE = 16, 64, 512
_CHOICES = ("auto", "none", "required")
_NATIVE = (
    "leave it out, or send the request to the provider's own route (/openai/v1/chat/completions), which passes it on"
)
_NO_PARAMETERS: Mapping[str, Json] = {"type": "object", "properties": {}}
_HARMLESS: Mapping[str, tuple[Json, ...]] = {
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"], []),
    "prompt_cache_retention": ("in_memory", "in-memory"),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
_REPLACED = {"functions": "tools", "function_call": "tool_choice"}


class ChatRequest(NamedTuple):
    """What a client asks for. `request.model` is the name as the client wrote it, still to be resolved.

    `includes_usage`: a stream ends with a chunk of usage. `metadata`: labels as the client wrote them. `priority`: 1
    (first) to 10, None where it is not given.
    """

    request: Request
    includes_usage: bool = False
    metadata: Mapping[str, str] = {}
    priority: int | None = None
    user: str = ""


def chat_request(body: Json) -> ChatRequest:
    """Return what the parsed body asks for; InvalidRequest names the field that cannot be sent."""
    fields = Fields(body)
    model = fields.required("model", 256)
    messages = messages_of(fields.items("messages"))
    tools = _tools(fields)
    schema, json_object = _response_format(fields)
    options = _options(fields, tools)._replace(json_object=json_object)
    stream = fields.flag("stream") or False
    includes_usage = _stream_options(fields)
    found = ChatRequest(
        Request(model, messages, tools, schema, options, stream),
        includes_usage and stream,
        _metadata(fields),
        fields.whole("priority", 1, 10),
        fields.text("user", _LONGEST_VALUE),
    )
    _refuse_the_rest(fields)
    return found


def _options(fields: Fields, tools: tuple[Tool, ...]) -> Options:
    choices = fields.whole("n", 1, _MOST_CHOICES)
    if choices == 1:
        choices = None
    if choices and tools:
        raise fields.wrong("n", "cannot be more than 1 beside tools", "ask several times")
    parallel = fields.flag("parallel_tool_calls")
    return Options(
        max_tokens=_max_tokens(fields),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        stop=_stop(fields),
        seed=fields.whole("seed", -_MOST_SEED - 1, _MOST_SEED),
        n=choices,
        effort=fields.word("reasoning_effort", EFFORTS),
        tool_choice=_tool_choice(fields, tools),
        parallel_tools=parallel if tools else None,
        frequency_penalty=fields.number("frequency_penalty") or None,
        presence_penalty=fields.number("presence_penalty") or None,
    )


def _max_tokens(fields: Fields) -> int | None:
    old = fields.whole("max_tokens", 1, _MOST_TOKENS)
    new = fields.whole("max_completion_tokens", 1, _MOST_TOKENS)
    if old and new and old != new:
        raise fields.wrong("max_tokens", "differs from max_completion_tokens", "give one of them")
    return new or old


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.take("stop")
    values = [] if value is None else value if isinstance(value, list) else [value]
    stops = tuple(checked_text(each, fields.name("stop")) for each in values)
    if "" in stops:
        raise fields.wrong("stop", "holds an empty text")
    return stops


def _tools(fields: Fields) -> tuple[Tool, ...]:
    found = []
    for number, value in enumerate(fields.items("tools")):
        tool = Fields(value, f"tools[{number}]")
        if tool.text("type") not in ("", "function"):
            raise tool.wrong("type", "is not function, and other tools are not supported here", _NATIVE)
        function = tool.inner("function")
        name, description = function.required("name", 256), function.text("description")
        parameters = function.tree("parameters") or _NO_PARAMETERS
        cache = cache_mark(tool) or cache_mark(function)
        found.append(Tool(name, description, parameters, function.flag("strict") or False, cache))
        function.done()
        tool.done()
    return tuple(found)


def _tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> str:
    value = fields.take("tool_choice")
    if value is None or (not tools and value in ("auto", "none")):
        return ""
    if not tools:
        raise fields.wrong("tool_choice", "needs tools", "give the tools, or leave it out")
    if isinstance(value, str):
        if value not in _CHOICES:
            raise fields.wrong("tool_choice", "has an unknown value", f"known: {', '.join(_CHOICES)}, or one function")
        return value
    choice = Fields(value, "tool_choice")
    if choice.text("type") != "function":
        raise choice.wrong("type", "is not function", f"known: {', '.join(_CHOICES)}, or one function")
    function = choice.inner("function")
    name = function.required("name")
    function.done()
    choice.done()
    if name in _CHOICES or name not in [tool.name for tool in tools]:
        raise function.wrong("name", "is the name of none of the tools that can be chosen")
    return name


def _response_format(fields: Fields) -> tuple[Schema | None, bool]:
    """Return the schema of the reply, and whether it is to be JSON of whatever shape."""
    if (value := fields.take("response_format")) is None:
        return None, False
    wanted = Fields(value, "response_format")
    kind = wanted.text("type")
    if kind == "json_schema":
        shape = wanted.inner("json_schema")
        schema = shape.tree("schema")
        if not schema:
            raise shape.wrong("schema", "is missing or empty")
        name, description = shape.text("name", 64) or "reply", shape.text("description")
        found = Schema(schema, name, description, shape.flag("strict") or False)
        shape.done()
        wanted.done()
        return found, False
    wanted.done()
    if kind not in ("text", "json_object"):
        raise wanted.wrong("type", "has an unknown value", "known: text, json_object, json_schema")
    return None, kind == "json_object"


def _stream_options(fields: Fields) -> bool:
    if (value := fields.take("stream_options")) is None:
        return False
    options = Fields(value, "stream_options")
    options.flag("include_obfuscation")
    includes_usage = options.flag("include_usage") or False
    options.done()
    return includes_usage


def _metadata(fields: Fields) -> dict[str, str]:
    value = fields.take("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise fields.wrong("metadata", "is not a JSON object")
    if len(value) > _MOST_LABELS:
        raise fields.wrong("metadata", f"has more than {_MOST_LABELS} names")
    found = {}
    for name, text in value.items():
        if not name or len(name) > _LONGEST_LABEL or not name.isprintable():
            raise fields.wrong("metadata", f"has a name that is empty or longer than {_LONGEST_LABEL} characters")
        found[name] = checked_text(text, Fields({}, "metadata").name(name), _LONGEST_VALUE)
    return found


def _refuse_the_rest(fields: Fields) -> None:
    fields.text("safety_identifier")
    fields.text("prompt_cache_key")
    for name, values in _HARMLESS.items():
        value = fields.take(name)
        if value is not None and value not in values:
            raise fields.wrong(name, "asks for something that is not supported here", _NATIVE)
    for name, instead in _REPLACED.items():
        if fields.take(name) is not None:
            raise InvalidRequest(name, "is out of date and not supported here", f"use {instead}")
    fields.done(_NATIVE)


def chat_body(body: Table, model: str, dialect: Dialect) -> dict[str, Json]:
    """Return the body of a chat for a provider that speaks OpenAI's protocol: its model, its word for the cap.

    What is for us is taken out: priority, and metadata, which labels the call.
    """
    found = {name: value for name, value in body.items() if name not in ("priority", "metadata")}
    found["model"] = model
    caps = [found.pop(name) for name in ("max_tokens", "max_completion_tokens") if found.get(name) is not None]
    if len(caps) == 2 and caps[0] != caps[1]:
        raise UsageError("max_tokens differs from max_completion_tokens", "give one of them")
    if caps:
        found[dialect.cap] = caps[0]
    return found
