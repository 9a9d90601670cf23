"""One reply as it comes in (pure): whoever moves the bytes tells what happened, this says what it means.

    exchange.head(status, headers)       the reply began
    exchange.feed(data) -> events        the next bytes, cut anywhere
    exchange.close() -> events           the body came to its proper end
    exchange.cut(status, failure)        it did not, for this reason; also before anything came; `by_upstream`: it broke
    exchange.refuse(failure)             nothing was sent
    exchange.received()                  what is known now: reply, error, what was used
    exchange.body()                      the reply as it came, where it was not asked for as a stream

A reply that is no stream, though one was asked for, is read as a whole; so is every error.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from aikeys.errors import AikeysError, ProviderRefused, RateLimited
from aikeys.providers.wire.openai_embeddings import without_vectors
from aikeys.providers.wire.protocols import PROTOCOLS, protocol_of
from aikeys.providers.wire.refusals import Headers, request_id
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import (
    ApiError,
    Event,
    Finished,
    ReasoningPiece,
    Reply,
    StreamEnd,
    TextPiece,
    ToolCallPiece,
    Unreadable,
)
from aikeys.spending.bill import AttemptUse
from aikeys.spending.plan import Plan

OK, UNREADABLE, REDIRECTED, NOT_SENT, CUT, CANCELLED, REFUSED = (
    "ok", "unreadable", "redirected", "not_sent", "broken", "cancelled", "refused",
)  # fmt: skip

_EVENT_BEGINNINGS = b"deir:"
"""data, event, id, retry and comments: no JSON and no HTML begins like that."""
_ANSWERS = (TextPiece, ReasoningPiece, ToolCallPiece, Finished)
_CHOOSES = ("openai_chat", "openai_completions")
_ITS_FAULT = ("overloaded", "server", "timeout")
"""Kinds of errors that no request brings about."""
_LATER = "try again later"
_HINTS = {
    "authentication": "check the key: aikeys verify KEY; replace it: aikeys rotate KEY",
    "quota": "the account at the provider has no credit left: waiting does not help",
    "not_found": "aikeys models lists the names of models",
    "too_large": "shorten the input, or choose a model with a larger context window",
    "overloaded": _LATER,
    "server": _LATER,
    "timeout": _LATER,
}


class Received(NamedTuple):
    """What came of an attempt. `status` is one word for the ledger; `failure` what the caller is told, None if all is
    well; `error` the provider's own refusal."""

    status: str
    used: AttemptUse
    reply: Reply
    failure: AikeysError | None = None
    error: ApiError | None = None
    request_id: str = ""
    reply_digest: bytes = b""
    began: bool = False
    """Something of a reply was there: a second attempt would answer twice."""
    message_id: str = ""
    """The provider's id of the reply itself, beside that of the request."""
    by_upstream: bool = False
    """The provider broke a stream off: neither whoever asked nor a limit of ours did."""


class Redirected(ProviderRefused):
    """A provider answered with another address; whoever asks again gets the same answer."""

    may_pass = False

    def __init__(self, title: str) -> None:
        super().__init__(
            f"{title} answered with a redirect, which is not followed: a key goes to its own address only",
            "check the base URL of the key: aikeys show NAME",
        )


class Exchange:
    """The state of one reply."""

    def __init__(self, plan: Plan, *, reads_vectors: bool = True) -> None:
        """Begin. Without `reads_vectors` embeddings are not read, only what they cost."""
        self._plan = plan
        self._reads_vectors = reads_vectors
        self._protocol = PROTOCOLS[plan.protocol] if plan.protocol else protocol_of(plan.dialect)
        self._status = 0
        self._headers: Headers = {}
        self._stream: Stream | None = None
        self._pieces: list[bytes] = []
        self._digest = sha256()
        self.size_bytes = 0
        self._may_be_stream = self._is_named_stream = False
        self._is_closed = False
        self._began = False
        self._broken: tuple[str, AikeysError] | None = None
        self._is_by_upstream = False
        self._refused: AikeysError | None = None

    def head(self, status: int, headers: Headers) -> None:
        """The reply began."""
        self._status, self._headers = status, headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self._may_be_stream = status < 300 and (self._plan.request.stream or kind == "text/event-stream")
        self._is_named_stream = "stream" in kind or "ndjson" in kind

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and return what they say; Unreadable when that makes no sense."""
        self._digest.update(data)
        self.size_bytes += len(data)
        if self._stream is None or not self._plan.request.stream:
            self._pieces.append(data)
        if self._stream is None:
            begun = self.body()[:64].lstrip()[:1] if self._may_be_stream else b""
            if not begun:
                return []
            self._may_be_stream = False
            if begun not in _EVENT_BEGINNINGS and not self._is_named_stream:
                return []
            # some send events under the name of JSON: how they begin tells
            self._stream = self._protocol.stream(self._plan.dialect)
            data = self.body()
            if self._plan.request.stream:
                self._pieces = []
        self._stream.feed(data)
        return self._events(self._stream)

    def body(self) -> bytes:
        """Return the reply as it came so far; of a stream that was asked for, b""."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def close(self) -> list[Event]:
        """The body came to its proper end."""
        self._is_closed = True
        if self._stream is None:
            return []
        self._stream.close()
        return self._events(self._stream)

    def cut(self, status: str, failure: AikeysError, *, by_upstream: bool = False) -> None:
        """No more bytes come; the first reason counts."""
        if self._broken is None:
            self._broken = (status, failure)
            self._is_by_upstream = by_upstream

    def refuse(self, failure: AikeysError) -> None:
        """Nothing was sent."""
        self._refused = failure

    def received(self) -> Received:
        """Return what is known now."""
        if self._refused is not None:
            return Received(NOT_SENT, AttemptUse(may_cost=False), Reply(), self._refused)
        found = self._of_stream(self._stream.end()) if self._stream is not None else self._of_body()
        return found._replace(
            reply_digest=self._digest.digest() if self.size_bytes else b"",
            request_id=found.request_id or request_id(self._headers),
            began=self._began,
        )

    def _events(self, stream: Stream) -> list[Event]:
        events: list[Event] = []
        try:
            while (event := stream.next()) is not None:
                events.append(event)
        finally:
            self._began = self._began or any(isinstance(event, _ANSWERS) for event in events)
        return events

    def _of_stream(self, ended: StreamEnd) -> Received:
        reply = ended.reply
        is_whole = ended.complete and self._broken is None
        is_known = ended.reported and (is_whole or reply.metered.billed_pusd is not None)
        used = AttemptUse(True, is_known, reply.metered, ended.text_bytes, reply.model)
        if self._broken is not None and not ended.complete and ended.error is None:
            status, failure = self._broken
            found = Received(status, used, reply, failure, message_id=reply.message_id)
            return found._replace(by_upstream=self._is_by_upstream)
        if ended.error is not None:
            # usage that an error brings with it, or that came with the end of the reply, is all there will be
            used = used._replace(may_cost=not ended.refused, complete=ended.reported)
            is_its = (self._broken is None or self._is_by_upstream) and ended.error.kind in _ITS_FAULT
            return self._refusal(ended.error, used, reply)._replace(by_upstream=is_its)
        if not ended.complete:
            failure = Unreadable(f"the reply of {self._title} ended in the middle", "try again")
            return Received(CUT, used, reply, failure, message_id=reply.message_id, by_upstream=True)
        if not self._began and not reply.finish and self._protocol.name in _CHOOSES:
            used = used._replace(may_cost=ended.text_bytes > 0)
            return self._refusal(ApiError("server", "the reply holds no choice"), used, reply)
        return Received(OK, used._replace(complete=ended.reported), reply, message_id=reply.message_id)

    def _of_body(self) -> Received:
        if self._status == 0 or (self._broken is not None and not self._is_closed and self._status < 300):
            status, failure = self._broken or (CUT, Unreadable(f"{self._title} did not answer", "try again"))
            return Received(status, AttemptUse(True, text_bytes=self.size_bytes), Reply(), failure)
        if 300 <= self._status < 400:
            return Received(REDIRECTED, AttemptUse(may_cost=False), Reply(), Redirected(self._title))
        if self._plan.request.stream and self._status < 300 and not self.body().strip():
            failure = Unreadable(f"the reply of {self._title} ended before it began", "try again")
            return Received(CUT, AttemptUse(True), Reply(), failure)
        body = self.body()
        if not self._reads_vectors and self._protocol.name.endswith("_embeddings"):
            body = without_vectors(body)
        try:
            found = self._protocol.decode(self._status, self._headers, body, self._plan.dialect)
        except Unreadable as failure:
            return Received(UNREADABLE, AttemptUse(True, text_bytes=self.size_bytes), Reply(), failure)
        if isinstance(found, ApiError):
            used = AttemptUse(self._status < 400 and found.began, found.metered.usage is not None, found.metered)
            return self._refusal(found, used, Reply())
        said = (*found.choices, found.reasoning, *(call.name + call.arguments for call in found.tool_calls))
        size_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in said)
        self._began = True
        return Received(
            OK,
            AttemptUse(True, True, found.metered, size_bytes, found.model),
            found,
            None,
            None,
            found.request_id,
            message_id=found.message_id,
        )

    def _refusal(self, error: ApiError, used: AttemptUse, reply: Reply) -> Received:
        message_id = error.message_id or reply.message_id
        return Received(error.kind, used, reply, self._told(error), error, error.request_id, message_id=message_id)

    def _told(self, error: ApiError) -> AikeysError:
        answer = f"{self._title}: {error.message.removesuffix('.')}"
        if error.kind == "rate_limited":
            wait_ms = error.retry_after_ms
            return RateLimited(answer, f"it asks to wait {-(-wait_ms // 1000)} seconds" if wait_ms else _LATER)
        return ProviderRefused(answer, _HINTS.get(error.kind, "").replace("KEY", self._plan.target.key.name))

    @property
    def _title(self) -> str:
        return self._plan.dialect.title


class Unread(Exchange):
    """A reply that nobody meters: kept as it came, and its cost is not known, whatever it says."""

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes."""
        self._digest.update(data)
        self.size_bytes += len(data)
        self._pieces.append(data)
        return []

    def _of_body(self) -> Received:
        used, reply = AttemptUse(may_cost=True), Reply()
        if not self._is_closed:
            status, failure = self._broken or (CUT, Unreadable(f"{self._title} did not answer", "try again"))
            return Received(status, used, reply, failure)
        return Received(OK if self._status < 300 else REFUSED, used, reply)
