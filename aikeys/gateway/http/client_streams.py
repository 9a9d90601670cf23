"""Client streams: a reply reaches the client of an HTTP request as it came, or in OpenAI's format.

- A stream begins when the provider's does; the entry is written before the client hears that it is over.
- A provider that dies in the middle of a stream that is passed on as it came: the connection is closed at once. In
  OpenAI's words the error is the stream's last event.
- A client that went away is noticed at the next write, or by its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from aikeys.gateway.formats import openai_replies
from aikeys.gateway.formats.openai_replies import ChunkWriter, Heading
from aikeys.gateway.http import error_bodies, reply_headers
from aikeys.gateway.http.admission import REQUEST_CONTEXT, shown
from aikeys.money import usd_text
from aikeys.providers.wire.exact_json import read_table
from aikeys.providers.wire.values import Event, Unreadable
from aikeys.spending.call import Outcome
from aikeys.spending.io import Audience
from aikeys.spending.plan import Plan

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
REQUEST_ID, MODEL, MAX_TOKENS = "x-aikeys-request-id", "x-aikeys-model", "x-aikeys-max-tokens"
COST, REMAINING = "x-aikeys-cost-usd", "x-aikeys-budget-remaining-usd"

RESERVED: web.RequestKey[str] = web.RequestKey("reserved", str)
"""The id that the ledger knows the last call of a request by, also where that is refused afterwards."""


class ClientStream:
    """A stream on its way to a client. Subclasses say in which words."""

    def __init__(self, request: web.Request, request_id: str) -> None:
        self._request = request
        self.request_id = request_id
        self.response: web.StreamResponse | None = None
        self._is_gone = False

    def reserved(self, request_id: str) -> None:
        """Take the id that the ledger knows the call by."""
        self.request_id = self._request[RESERVED] = request_id

    @property
    def is_gone(self) -> bool:
        """Tell whether the client left."""
        transport = self._request.transport
        return self._is_gone or transport is None or transport.is_closing()

    @property
    def audience(self) -> Audience:
        """Tell whether the client is there."""
        return Audience.LEFT if self.is_gone else Audience.LISTENS

    def sends(self, made: Plan) -> None:
        """A cap that was lowered is told in the head of the reply."""

    async def begins(self, made: Plan, status: int, headers: Mapping[str, str]) -> None:
        """Send the head."""
        fields = {**self._head(headers), REQUEST_ID: self.request_id, MODEL: model_shown(made), **announced(made)}
        self.response = web.StreamResponse(status=status, headers=fields)
        try:
            await self.response.prepare(self._request)
        except (ConnectionError, RuntimeError):
            self._is_gone = True

    async def hears(self, data: bytes, events: list[Event]) -> None:
        """Hand on the next bytes."""
        out = self._words(data, events)
        if out:
            await self._write(out)

    async def ends(self, outcome: Outcome) -> None:
        """Say how it ended; the entry is written."""
        if self.is_gone or self.response is None:
            return
        last, is_whole = self._last(outcome)
        if last:
            await self._write(last)
        if is_whole and not self.is_gone:
            try:
                await self.response.write_eof()
            except (ConnectionError, RuntimeError):
                self._is_gone = True
        else:
            self.cut()

    def cut(self) -> None:
        """Close the connection without a proper end, so that nobody takes a part for the whole."""
        self._is_gone = True
        if self._request.transport is not None:
            self._request.transport.close()

    async def _write(self, data: bytes) -> None:
        if self.response is None:
            return
        try:
            await self.response.write(data)
        except (ConnectionError, RuntimeError):
            self._is_gone = True

    def _head(self, headers: Mapping[str, str]) -> dict[str, str]:
        raise NotImplementedError

    def _words(self, data: bytes, events: list[Event]) -> bytes:
        raise NotImplementedError

    def _last(self, outcome: Outcome) -> tuple[bytes, bool]:
        raise NotImplementedError


class AsItCame(ClientStream):
    """The provider's own bytes; a usage that only we asked for is withheld."""

    def __init__(self, request: web.Request, request_id: str, withholds_usage: Callable[[], bool]) -> None:
        super().__init__(request, request_id)
        self._withholds_usage = withholds_usage
        self._rest = b""

    def _head(self, headers: Mapping[str, str]) -> dict[str, str]:
        return fields_for(self._request, headers)

    def _words(self, data: bytes, events: list[Event]) -> bytes:
        del events
        return self._without_usage(data) if self._withholds_usage() else data

    def _without_usage(self, data: bytes) -> bytes:
        """Hold a frame back until it is whole, and the chunk of usage altogether."""
        self._rest += data
        *frames, self._rest = self._rest.replace(b"\r\n", b"\n").split(b"\n\n")
        return b"".join(frame + b"\n\n" for frame in frames if not is_usage_chunk(frame))

    def _last(self, outcome: Outcome) -> tuple[bytes, bool]:
        return self._rest, outcome.received.failure is None or outcome.received.error is not None


class InOpenAIsWords(ClientStream):
    """Another provider's stream as chunks of a chat completion."""

    def __init__(self, request: web.Request, request_id: str, head: Heading, *, includes_usage: bool) -> None:
        super().__init__(request, request_id)
        self._writer = ChunkWriter(head, includes_usage=includes_usage)
        self._has_events = False

    def _head(self, headers: Mapping[str, str]) -> dict[str, str]:
        del headers
        return EVENT_STREAM

    def _words(self, data: bytes, events: list[Event]) -> bytes:
        del data
        self._has_events = self._has_events or bool(events)
        return b"".join(self._writer.event(event) for event in events)

    def _last(self, outcome: Outcome) -> tuple[bytes, bool]:
        received = outcome.received
        if received.failure is not None:
            told = error_bodies.told_upstream(received.failure, received.error)
            return self._writer.failed(error_bodies.openai_body(told)), False
        whole = b"" if self._has_events else self._writer.whole(received.reply)
        return whole + self._writer.end(received.reply.finish, received.reply.usage), True


def is_usage_chunk(frame: bytes) -> bool:
    """Tell whether an event is the extra chunk of a chat stream that holds usage and no choice."""
    if b'"usage"' not in frame or b'"choices"' not in frame or b'"usage":null' in frame:  # many say so in every chunk
        return False
    lines = [line[5:].strip() for line in frame.split(b"\n") if line.startswith(b"data:")]
    try:
        value = read_table(b"\n".join(lines))
    except Unreadable:
        return False
    return value.get("choices") == [] and isinstance(value.get("usage"), dict)


def announced(made: Plan) -> dict[str, str]:
    """Return the header that tells a cap the client did not ask for."""
    return {MAX_TOKENS: str(made.cap)} if made.lowered_from or (made.is_limited and made.cap) else {}


def model_shown(made: Plan) -> str:
    """Return who answers, as a header may say it."""
    return shown(str(made.target), 200)


def fields_for(request: web.Request, headers: Mapping[str, str], *, is_refusal: bool = False) -> dict[str, str]:
    """Return the header fields of a provider's reply that whoever sent a request may see."""
    context = request.get(REQUEST_CONTEXT)
    sees_amounts = context is not None and context.holder.may("usage:read")
    return reply_headers.for_client(headers, is_refusal=is_refusal, sees_amounts=sees_amounts)


def accounted(outcome: Outcome, request_id: str) -> dict[str, str]:
    """Return the headers of a whole reply."""
    found = {REQUEST_ID: request_id, MODEL: model_shown(outcome.plan), **announced(outcome.plan)}
    if outcome.bill.source not in ("unpriced", "worst_case"):
        found[COST] = usd_text(outcome.bill.cost_pusd)
    if outcome.left_pusd is not None:
        found[REMAINING] = usd_text(max(0, outcome.left_pusd))
    return found


def whole_as_it_came(
    request: web.Request,
    outcome: Outcome,
    request_id: str,
    shape: Callable[[error_bodies.Told], bytes],
    *,
    tells_status: bool,
) -> web.Response:
    """Answer with the provider's own reply or refusal; what concerns our key, or never came, in our words.

    `tells_status`: so is an error that came with a good status.
    """
    received = outcome.received
    error = received.error
    is_ours = error is None or (tells_status if outcome.status < 400 else error_bodies.concerns_our_key(error))
    if is_ours and received.failure is not None:
        told = error_bodies.told_upstream(received.failure, received.error)
        return refusal(told, request_id, shape, reply_headers.of_refusal(outcome.headers))
    advice = error_bodies.advice(outcome.status, received.error) if received.error is not None else ()
    passed = fields_for(request, outcome.headers, is_refusal=received.failure is not None)
    fields = {**dict(advice), **passed, **accounted(outcome, request_id)}
    return web.Response(status=outcome.status, headers=fields, body=outcome.body)


def whole_in_openais_words(outcome: Outcome, head: Heading, request_id: str) -> web.Response:
    """Answer with a chat completion, or the error in OpenAI's shape."""
    received = outcome.received
    if received.failure is not None:
        told = error_bodies.told_upstream(received.failure, received.error)
        return refusal(told, request_id, error_bodies.openai_body, reply_headers.of_refusal(outcome.headers))
    body = openai_replies.written(openai_replies.completion(received.reply, head))
    return web.Response(headers={"content-type": "application/json", **accounted(outcome, request_id)}, body=body)


def refusal(
    told: error_bodies.Told,
    request_id: str,
    shape: Callable[[error_bodies.Told], bytes],
    passed: Mapping[str, str] | None = None,
) -> web.Response:
    """Answer with an error; `passed` are the provider's own header fields that go along."""
    fields = {**(passed or {}), **dict(error_bodies.headers(told)), REQUEST_ID: request_id}
    return web.Response(status=told.status, headers=fields, body=shape(told))
