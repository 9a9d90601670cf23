"""The messages of an OpenAI chat request as values (pure).

- `developer` is `system`. Results of tools that follow one another are one message: Gemini wants all of them in one.
- A tool's result must answer a call that stands before it; the tool's name is found there.
- Images, recordings and files come by their bytes; images also by an address, which the provider fetches, not we.
- Taken, and not sent on, because it only repeats what a reply once said: `annotations`, `reasoning_content` and
  `reasoning` of the assistant's messages (providers refuse or ignore their own reasoning without its signature).
- `cache_control` of a part, a message or a tool is Anthropic's mark of what is to be cached; of a message it is that of
  its last part.
- `extra_content.google.thought_signature` of a tool call is Gemini's mark (as Google's own OpenAI endpoint has it).
"""

from __future__ import annotations

from binascii import Error as NotBase64
from binascii import a2b_base64

from aikeys.gateway.formats.fields import Fields, InvalidRequest, checked_text
from aikeys.providers.wire.values import File, Image, Json, Message, Part, Text, ToolCall, ToolResult

ROLES = ("system", "developer", "user", "assistant", "tool")
_RECORDINGS = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_REPEATED = ("annotations", "reasoning", "reasoning_content", "reasoning_details")
_TTLS = ("5m", "1h")
_LONGEST_SIGNATURE = 1 << 20


def messages_of(values: list[Json], path: str = "messages") -> tuple[Message, ...]:
    """Return the messages; InvalidRequest names what cannot be sent."""
    if not values:
        raise InvalidRequest(path, "is missing or empty")
    tools: dict[str, str] = {}
    found: list[Message] = []
    for number, value in enumerate(values):
        fields = Fields(value, f"{path}[{number}]")
        message = _message(fields, tools)
        fields.done()
        if message.role == "tool" and found and found[-1].role == "tool":
            found[-1] = Message("tool", found[-1].parts + message.parts)
        else:
            found.append(message)
    return tuple(found)


def _message(fields: Fields, tools: dict[str, str]) -> Message:
    """Read one message; `tools` are the names of the tools that were called before, by the id of the call."""
    role = fields.text("role")
    if role not in ROLES:
        hint = "use the role tool" if role == "function" else f"known: {', '.join(ROLES)}"
        raise fields.wrong("role", "is missing or unknown", hint)
    cache = cache_mark(fields)
    if role == "tool":
        return Message("tool", (_result(fields, tools, cache),))
    parts = _parts(fields, role)
    if role == "assistant":
        parts += _said_before(fields, tools, bool(parts))
    elif not parts:
        raise fields.wrong("content", "is missing")
    # an empty text beside other parts says nothing, and Anthropic refuses it
    told = [part for part in parts if not (isinstance(part, Text) and not part.text)] or parts[:1]
    if cache and told:
        told[-1] = told[-1]._replace(cache=cache)
    return Message("system" if role == "developer" else role, tuple(told), fields.text("name", 256))


def _result(fields: Fields, tools: dict[str, str], cache: str) -> ToolResult:
    call_id = fields.required("tool_call_id")
    fields.text("name")  # repeats what the call says
    if call_id not in tools:
        raise fields.wrong("tool_call_id", "answers no tool call of a message before it", "send that message too")
    parts = _parts(fields, "tool")
    texts = [part.text for part in parts if isinstance(part, Text)]
    marks = [each for each in (*(part.cache for part in parts), cache) if each]
    return ToolResult(call_id, tools[call_id], "".join(texts), cache=max(marks, key=_TTLS.index, default=""))


def _said_before(fields: Fields, tools: dict[str, str], has_content: bool) -> list[Part]:
    """Return the rest of what the model once said: a refusal, and its tool calls."""
    for name in _REPEATED:
        fields.take(name)
    refusal = fields.text("refusal")
    calls: list[Part] = []
    for number, value in enumerate(fields.items("tool_calls")):
        call = _tool_call(Fields(value, f"{fields.name('tool_calls')}[{number}]"))
        tools[call.id] = call.name
        calls.append(call)
    found = [*([Text(refusal)] if refusal else []), *calls]
    if not found and not has_content:
        raise fields.wrong("content", "is missing, and there are no tool calls")
    return found


def _tool_call(fields: Fields) -> ToolCall:
    fields.take("index")  # a client may send a stream's pieces back as it joined them
    if fields.text("type") not in ("", "function"):
        raise fields.wrong("type", "is not function, and other tools are not supported here")
    function = fields.inner("function")
    name, arguments = function.required("name"), function.text("arguments")
    function.done()
    call = ToolCall(fields.required("id"), name, arguments, _signature(fields))
    fields.done()
    return call


def _signature(fields: Fields) -> str:
    extra = fields.take("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    mark = google.get("thought_signature") if isinstance(google, dict) else None
    where = fields.name("extra_content.google.thought_signature")
    return "" if mark is None else checked_text(mark, where, _LONGEST_SIGNATURE)


def _parts(fields: Fields, role: str) -> list[Part]:
    content = fields.take("content")
    where = fields.name("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(checked_text(content, where))]
    if not isinstance(content, list):
        raise InvalidRequest(where, "is neither a text nor a list of parts")
    found = []
    for number, value in enumerate(content):
        part = Fields(value, f"{where}[{number}]")
        found.append(_part(part, role)._replace(cache=cache_mark(part)))
        part.done()
    return found


def _part(fields: Fields, role: str) -> Part:
    kind = fields.text("type")
    if kind == "text":
        return Text(fields.text("text"))
    if kind == "refusal" and role == "assistant":
        return Text(fields.text("refusal"))
    if role == "user":
        match kind:
            case "image_url":
                return _image(fields)
            case "input_audio":
                return _recording(fields.inner("input_audio"))
            case "file":
                return _file(fields.inner("file"))
    known = "text, image_url, input_audio, file" if role == "user" else "text"
    raise fields.wrong("type", f"is not one that a message of the {role} can have here", f"known: {known}")


def cache_mark(fields: Fields) -> str:
    """Return how long a prompt is to be cached up to here, "" where nothing is said."""
    value = fields.take("cache_control")
    if value is None:
        return ""
    mark = Fields(value, fields.name("cache_control"))
    if mark.word("type", ("ephemeral",)) != "ephemeral":
        raise mark.wrong("type", "is missing", "known: ephemeral")
    ttl = mark.word("ttl", _TTLS)
    mark.done()
    return ttl or _TTLS[0]


def _image(part: Fields) -> Image:
    value = part.take("image_url")
    # an address alone is how Mistral's clients write it
    fields = Fields({"url": value} if isinstance(value, str) else value, part.name("image_url"))
    url = fields.required("url")
    detail = fields.word("detail", ("auto", "low", "high")).replace("auto", "")
    fields.done()
    if url.startswith(("https://", "http://")):
        if not url.isprintable() or " " in url:
            raise fields.wrong("url", "is not an address")
        return Image(url=url, detail=detail)
    media_type, data = _of_data_url(url, fields.name("url"))
    if not media_type.startswith("image/"):
        raise fields.wrong("url", "is not an image", "documents go into a part of type file")
    return Image("image/jpeg" if media_type == "image/jpg" else media_type, data, detail=detail)


def _recording(fields: Fields) -> File:
    kind = fields.word("format", tuple(_RECORDINGS))
    if not kind:
        raise fields.wrong("format", "is missing", "wav or mp3")
    data = _bytes(fields.required("data"), fields.name("data"))
    fields.done()
    return File(_RECORDINGS[kind], data)


def _file(fields: Fields) -> File:
    if fields.take("file_id") is not None:
        raise fields.wrong("file_id", "cannot be used here", "send the file itself as file_data, a data: address")
    name = fields.text("filename", 512)
    media_type, data = _of_data_url(fields.required("file_data"), fields.name("file_data"))
    fields.done()
    return File(media_type, data, name)


def _of_data_url(url: str, field: str) -> tuple[str, bytes]:
    """Return what a data: address holds."""
    head, comma, data = url.partition(",")
    media_type, _, rest = head.removeprefix("data:").partition(";")
    if not comma or not head.startswith("data:") or not head.endswith(";base64") or "/" not in media_type:
        raise InvalidRequest(field, "is not an address that can be sent", "https://… for images, or data:TYPE;base64,…")
    del rest  # parameters such as a name or a charset
    return media_type.lower(), _bytes(data, field)


def _bytes(data: str, field: str) -> bytes:
    try:
        found = a2b_base64(data, strict_mode=True)
    except (NotBase64, ValueError):
        raise InvalidRequest(field, "is not base64") from None
    if not found:
        raise InvalidRequest(field, "is empty")
    return found
