"""The one set of values that every wire format is written from and read into (pure).

- A `Request` goes out, a `Reply` or an `ApiError` comes back;
  a stream yields the events below and, at its end, `Ended`.
- Usage that the provider did not report is None, never zero counts. Money is pico-USD.
- Arguments of tools are JSON text as the model wrote it: nothing here judges whether it is valid.
- Texts of an `ApiError` hold no secrets and no control characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import ProviderRefused
from aikeys.providers.usage import Usage

Json = object
"""Whatever JSON can hold; fractions are Decimal, never float."""


class Unreadable(ProviderRefused):
    """A reply that is not what the protocol says: not JSON, cut in two, larger than any real one."""

    code = "provider_unreadable"


class Text(NamedTuple):
    """A text. `cache`, of every part and of tools: the prompt up to here is to be cached, for `5m` or `1h`, or not."""

    text: str
    cache: str = ""


class Image(NamedTuple):
    """An image by its bytes (`media_type` such as image/png), or by an address that the provider fetches.

    `detail`: how closely it is looked at, `low`, `high` or "" for the provider's choice.
    """

    media_type: str = ""
    data: bytes = b""
    url: str = ""
    detail: str = ""
    cache: str = ""


class File(NamedTuple):
    """A document or a recording (`media_type` such as application/pdf, audio/wav) by its bytes, or by an address that
    the provider fetches."""

    media_type: str
    data: bytes
    name: str = ""
    url: str = ""
    cache: str = ""


class ToolCall(NamedTuple):
    """The model asks for a tool. `signature` is the provider's opaque mark, sent back unchanged (Gemini)."""

    id: str
    name: str
    arguments: str
    signature: str = ""
    cache: str = ""


class ToolResult(NamedTuple):
    """What a tool answered to the call of that id; `name` is the tool's (Gemini asks for it)."""

    call_id: str
    name: str
    text: str
    failed: bool = False
    cache: str = ""


Part = Text | Image | File | ToolCall | ToolResult


class Message(NamedTuple):
    """`role`: system, user, assistant or tool. `name`: of the participant who speaks, where there are several."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""


class Tool(NamedTuple):
    """A function that the model may ask for; `parameters` is a JSON schema, which `strict` makes its arguments fit."""

    name: str
    description: str
    parameters: Mapping[str, Json]
    strict: bool = False
    cache: str = ""


class Schema(NamedTuple):
    """The JSON schema that the reply has to fit; not `strict`: as well as the model can, where that is on offer."""

    schema: Mapping[str, Json]
    name: str = "reply"
    description: str = ""
    strict: bool = True


class Options(NamedTuple):
    """What the caller wants said; None or empty: the provider's default. `effort`: of reasoning, one of EFFORTS."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int | None = None
    effort: str = ""
    tool_choice: str = ""
    """`auto`, `none`, `required` or the name of a tool."""
    parallel_tools: bool | None = None
    """False: at most one call of a tool in a reply."""
    json_object: bool = False
    """The reply is a JSON object, of whatever shape."""
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Request(NamedTuple):
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    schema: Schema | None = None
    options: Options = Options()
    stream: bool = False


class EmbeddingRequest(NamedTuple):
    """Texts to embed; `dimensions` 0 means the model's own."""

    model: str
    texts: tuple[str, ...]
    dimensions: int = 0


class Outgoing(NamedTuple):
    """What goes over the wire, without credential; `path` (and query) is appended to the provider's base URL."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ModelUsage(NamedTuple):
    """What a second model used within the call (Anthropic's advisor), priced apart."""

    model: str
    usage: Usage


class Metered(NamedTuple):
    """What one reply says of its cost.

    `usage` None: not reported. `billed_pusd`: what the provider says it charges, None where it does not say; zero is
    zero. `service`: how it was served, where not the standard way (`service_tier`, `speed`), in the words of pricing.
    `raw`: the usage object as reported. `odd`: names of counts that could not be true and what was made of them.
    `unread`: what was reported and nobody read (unread.py), with its numbers; nothing where the provider says what it
    charges.
    """

    usage: Usage | None = None
    billed_pusd: int | None = None
    service: tuple[tuple[str, str], ...] = ()
    others: tuple[ModelUsage, ...] = ()
    raw: Mapping[str, Json] | None = None
    odd: tuple[str, ...] = ()
    unread: tuple[tuple[str, int], ...] = ()


UNMETERED = Metered()


class Reply(NamedTuple):
    """One finished reply. `finish`: stop, length, tool_calls, content_filter, or what the provider calls it.

    `choices` holds the text of every choice where n > 1, else one; `text` is the first. `request_id` is what the
    provider's support asks for, from the head of the reply; `message_id` is the reply's own, which agents write into
    their logs. `vectors` only for embeddings.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""
    metered: Metered = UNMETERED
    model: str = ""
    request_id: str = ""
    choices: tuple[str, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    message_id: str = ""

    @property
    def usage(self) -> Usage | None:
        return self.metered.usage


class ApiError(NamedTuple):
    """A provider's refusal or failure. `kind` is one of KINDS, `code` the provider's own word.

    `retry_after_ms`: how long the provider asks to wait, None where it does not say. `status` 0: in a stream.
    """

    kind: str
    message: str
    status: int = 0
    code: str = ""
    retry_after_ms: int | None = None
    request_id: str = ""
    metered: Metered = UNMETERED
    message_id: str = ""
    began: bool = False
    """A part of a reply stands beside it: it may have cost something."""

    @property
    def may_pass(self) -> bool:
        """Tell whether the same request may succeed later."""
        return self.kind in ("rate_limited", "overloaded", "server", "timeout")


KINDS = (
    "bad_request",
    "authentication",
    "permission",
    "not_found",
    "too_large",
    "rate_limited",
    "quota",  # no credit left: waiting does not help
    "overloaded",
    "server",
    "timeout",
    "content_filter",
)


class Started(NamedTuple):
    """The first thing a stream says: which model answers, and the provider's id of the reply."""

    model: str
    id: str


class TextPiece(NamedTuple):
    text: str
    choice: int = 0


class ReasoningPiece(NamedTuple):
    text: str


class ToolCallPiece(NamedTuple):
    """A part of the call at `position`: id and name come once, arguments in pieces."""

    position: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str = ""


class UsageSeen(NamedTuple):
    """What the stream has reported so far, whole: it replaces what was seen before."""

    metered: Metered


class Finished(NamedTuple):
    """The model stopped; usage may still follow."""

    reason: str


class Failed(NamedTuple):
    """The provider reported an error in the middle of the stream. What was used until then stands in `Ended`."""

    error: ApiError


Event = Started | TextPiece | ReasoningPiece | ToolCallPiece | UsageSeen | Finished | Failed


class StreamEnd(NamedTuple):
    """What is known when no more bytes come. `complete`: the stream came to its own end, so usage that is None was
    never reported; else it was cut, and what was used is at least `reply.metered`.

    `text_bytes`: UTF-8 length of all text, reasoning and tool arguments received, for an estimate.
    `reported`: the usage is of the whole reply, not what was announced before it, or its state when it broke.
    `refused`: the error came before anything of a reply.
    """

    reply: Reply
    complete: bool
    error: ApiError | None = None
    text_bytes: int = 0
    reported: bool = False
    refused: bool = False
