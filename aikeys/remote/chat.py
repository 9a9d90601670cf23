"""A prompt through a gateway's /v1/chat/completions: one request of our values, its reply whole or as it comes.

Nothing is retried here: the gateway does that, and every attempt stands in its ledger. What a streamed reply cost is
known there only, because its head is sent before it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from aikeys.errors import AikeysError, NetworkFailed, ProviderRefused, UsageError
from aikeys.money import parse_usd
from aikeys.providers.transport import Timeouts
from aikeys.providers.wire import openai_chat
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import read_table, write
from aikeys.providers.wire.values import (
    ApiError,
    Event,
    Outgoing,
    ReasoningPiece,
    Reply,
    Request,
    TextPiece,
    Unreadable,
)
from aikeys.remote.client import Gateway, no_gateway
from aikeys.remote.refusals import of_error

if TYPE_CHECKING:
    from aikeys.providers.transport import Incoming
    from aikeys.providers.wire.openai_chat import ChatStream

DIALECT = Dialect(
    "gateway",
    "the gateway",
    chat="/v1/chat/completions",
    cap="max_completion_tokens",
    max_stop=1024,
    lacks=frozenset(),
)
_NAMES = {"team": "team_id"}
_MOST_LABELS = 16
_EVENT_STREAM = "text/event-stream"
Sink = Callable[[Event], None]


class Answered(NamedTuple):
    """What came of it. `cost_pusd` None: the gateway's ledger knows. `failure`: why the reply is not whole."""

    reply: Reply
    failure: AikeysError | None
    cost_pusd: int | None
    max_tokens: int | None
    """The cap that the gateway set because of a budget."""
    request_id: str
    latency_ms: int
    first_token_ms: int | None = None


def outgoing(request: Request, labels: Mapping[str, str]) -> Outgoing:
    """Return the request as it goes to a gateway; UsageError for more labels than one takes."""
    written = openai_chat.encode(request, DIALECT)
    if not labels:
        return written
    if len(labels) > _MOST_LABELS:
        raise UsageError(f"a gateway takes {_MOST_LABELS} labels with a call", "leave some out")
    metadata = {_NAMES.get(name, name): value for name, value in labels.items()}
    return written._replace(body=write({**read_table(written.body), "metadata": metadata}))


def ask(
    gateway: Gateway,
    request: Request,
    labels: Mapping[str, str],
    sink: Sink,
    now_s: Callable[[], float] = time.monotonic,
) -> Answered:
    """Ask, and hand every event of a stream on as it comes; raises what was refused before anything came."""
    watch = _Timing(now_s, sink)
    with gateway.open(outgoing(request, labels), Timeouts()) as incoming:
        headers = dict(incoming.headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        reply, failure = _streamed(incoming, watch) if kind == _EVENT_STREAM else _whole(incoming)
    cap = headers.get("x-aikeys-max-tokens", "")
    return Answered(
        reply,
        failure,
        _cost_pusd(headers.get("x-aikeys-cost-usd", "")),
        int(cap) if cap.isascii() and cap.isdigit() and len(cap) < 16 else None,
        headers.get("x-aikeys-request-id", "")[:64],
        watch.elapsed_ms,
        watch.first_token_ms,
    )


class _Timing:
    """How long it took, and who hears it."""

    def __init__(self, now_s: Callable[[], float], sink: Sink) -> None:
        self._now_s = now_s
        self._sink = sink
        self._started_s = now_s()
        self.first_token_ms: int | None = None

    @property
    def elapsed_ms(self) -> int:
        return int((self._now_s() - self._started_s) * 1000)

    def hear(self, stream: ChatStream) -> None:
        while (event := stream.next()) is not None:
            if self.first_token_ms is None and isinstance(event, TextPiece | ReasoningPiece):
                self.first_token_ms = self.elapsed_ms
            self._sink(event)


def _whole(incoming: Incoming) -> tuple[Reply, AikeysError | None]:
    body = b"".join(incoming.pieces())
    try:
        found = openai_chat.decode(incoming.status, incoming.headers, body, DIALECT)
    except Unreadable:
        raise no_gateway() from None
    if isinstance(found, ApiError):
        return Reply(), of_error(found)
    return found, None


def _streamed(incoming: Incoming, watch: _Timing) -> tuple[Reply, AikeysError | None]:
    """Return the reply as far as it came, and why it is not whole."""
    stream = openai_chat.ChatStream(DIALECT)
    failure: AikeysError | None = None
    try:
        for piece in incoming.pieces():
            stream.feed(piece)
            watch.hear(stream)
        stream.close()
        watch.hear(stream)
    except Unreadable:
        failure = ProviderRefused("the reply of the gateway cannot be read", "try again")
    except NetworkFailed as broken:
        failure = NetworkFailed(broken.message, "what came counts; the gateway's ledger has the call")
    ended = stream.end()
    if ended.error is not None:
        failure = of_error(ended.error)
    elif failure is None and not ended.complete:
        failure = ProviderRefused("the reply ended in the middle", "try again")
    return ended.reply, failure


def _cost_pusd(text: str) -> int | None:
    try:
        return parse_usd(text) if text else None
    except UsageError:
        return None
