"""The wire formats by name (pure): the one door of this room for spending and the gateway.

protocol = protocol_of(dialect)                 # or protocol_of(dialect, "responses")
outgoing = protocol.encode(request, dialect)
reply = protocol.decode(status, headers, body, dialect)
stream = protocol.stream(dialect)               # see streams
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.providers.wire import (
    anthropic_messages,
    cohere_chat,
    gemini_generate,
    openai_chat,
    openai_embeddings,
    openai_responses,
)
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.refusals import Headers
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import ApiError, Outgoing, Reply, Request


class Protocol(NamedTuple):
    """One format. `stream` makes a decoder for one reply: stream(dialect, keeps_text=False) for a relay."""

    name: str
    encode: Callable[[Request, Dialect], Outgoing]
    decode: Callable[[int, Headers, bytes, Dialect], Reply | ApiError]
    stream: Callable[..., Stream]


def _nobody_encodes(request: Request, dialect: Dialect) -> Outgoing:
    raise UsageError(
        f"{dialect.title}: {request.model} is asked in the provider's own words only", "use its native route"
    )


PROTOCOLS = {
    "openai_chat": Protocol("openai_chat", openai_chat.encode, openai_chat.decode, openai_chat.ChatStream),
    "openai_responses": Protocol(
        "openai_responses", openai_responses.encode, openai_responses.decode, openai_responses.ResponsesStream
    ),
    "anthropic_messages": Protocol(
        "anthropic_messages", anthropic_messages.encode, anthropic_messages.decode, anthropic_messages.MessageStream
    ),
    "gemini_generate": Protocol(
        "gemini_generate", gemini_generate.encode, gemini_generate.decode, gemini_generate.GenerateStream
    ),
    "cohere_chat": Protocol("cohere_chat", cohere_chat.encode, cohere_chat.decode, cohere_chat.CohereStream),
    "openai_compactions": Protocol(
        "openai_compactions", _nobody_encodes, openai_responses.decode, openai_responses.ResponsesStream
    ),
    "openai_completions": Protocol("openai_completions", _nobody_encodes, openai_chat.decode, openai_chat.ChatStream),
    **{
        name: Protocol(name, _nobody_encodes, openai_embeddings.decode, openai_chat.ChatStream)
        for name in ("openai_embeddings", "cohere_embeddings", "gemini_embeddings")
    },
}
"""By name. The last five are only read: such requests are passed through as a client wrote them."""
_CHATS = {
    "openai": "openai_chat",
    "openai-responses": "openai_responses",
    "azure": "openai_chat",
    "anthropic": "anthropic_messages",
    "gemini": "gemini_generate",
    "cohere": "cohere_chat",
}


def protocol_of(dialect: Dialect, api: str = "chat") -> Protocol:
    """Return how to talk to a provider: `chat` in its own format, or `responses`; UsageError where it has none."""
    if api == "responses" and dialect.responses:
        return PROTOCOLS["openai_responses"]
    if api == "chat" and dialect.chat and dialect.protocol in _CHATS:
        return PROTOCOLS[_CHATS[dialect.protocol]]
    raise UsageError(f"{dialect.title} has no {api} API that aikeys speaks", "use another provider")
