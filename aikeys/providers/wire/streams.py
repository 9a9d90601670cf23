"""The contract of every stream decoder (pure), and what all of them gather.

    stream.feed(data)      the next bytes, cut anywhere
    stream.next()          an event, None for "needs more bytes", or Unreadable (and then for ever)
    stream.close()         the body came to its proper end (not: the connection broke); next() may have more events
    stream.end()           what is known now: the reply so far, its usage so far, whether the stream was complete

An error that the provider reports inside the stream is an event, `Failed`, because usage may stand beside it or follow.
A report of usage counts for the whole reply where it comes with the end or after it: a finish, an error, the mark of a
stream that is done. What is announced before (Anthropic's message_start), or was the state in the middle of a stream
that broke, reports nothing of what came later.
A decoder that does not keep texts (`keeps_text=False`: a relay) still counts their bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, read_table
from aikeys.providers.wire.refusals import in_body
from aikeys.providers.wire.sse import Frame, ServerSentEvents
from aikeys.providers.wire.unread import Unread, fallen, together
from aikeys.providers.wire.values import (
    UNMETERED,
    ApiError,
    Event,
    Failed,
    Finished,
    Json,
    Metered,
    ReasoningPiece,
    Reply,
    Started,
    StreamEnd,
    TextPiece,
    ToolCall,
    ToolCallPiece,
    Unreadable,
    UsageSeen,
)

_MOST_CHOICES = 1024


class _Call:
    """A tool call as its pieces come in."""

    __slots__ = ("arguments", "id", "name", "signature")

    def __init__(self) -> None:
        self.id = self.name = self.signature = ""
        self.arguments: list[str] = []


class Stream(ABC):
    """One reply as it comes in. Subclasses say what a frame means."""

    def __init__(self, dialect: Dialect, *, keeps_text: bool = True) -> None:
        self.dialect = dialect
        self.metered: Metered = UNMETERED
        self.model = self.reply_id = self.finish = ""
        self.is_done = False
        self._keeps_text = keeps_text
        self._frames = ServerSentEvents()
        self._events: deque[Event] = deque()
        self._texts: dict[int, list[str]] = {}
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._text_bytes = 0
        self._unread: Unread = ()
        self._error: ApiError | None = None
        self._broken: Unreadable | None = None
        self._is_closed = self._has_begun = self._is_refusal = False
        self._taken = self._reported_in = 0
        self._is_announced = False
        self._ended_in: int | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._frames.feed(data)

    def next(self) -> Event | None:
        """Return the next event, None when more bytes are needed; Unreadable when the stream makes no sense."""
        events = self._events
        while not events:
            if self._broken is not None:
                raise self._broken
            try:
                frame = self._frames.next()
                if frame is None:
                    return None
                self._next_frame(frame)
            except Unreadable as error:
                self._broken = error
        return events.popleft()

    def close(self) -> None:
        """Say that the body came to its proper end."""
        if not self._is_closed:
            self._is_closed = True
            self._last()

    def end(self) -> StreamEnd:
        """Return what is known when no more bytes come, complete or cut."""
        while self._broken is None:
            try:
                if self.next() is None:
                    break
            except Unreadable:
                break
        self._last()
        self.count()
        is_whole = self._broken is None and self._error is None
        complete = is_whole and (self.is_done or (self._is_closed and bool(self.finish)))
        is_last_word = self._ended_in is not None and self._reported_in >= self._ended_in
        is_reported = bool(self._reported_in) and (complete or is_last_word)
        return StreamEnd(self._reply(), complete, self._error, self._text_bytes, is_reported, self._is_refusal)

    def text(self, text: str, choice: int = 0) -> None:
        """A piece of the reply's text came in."""
        self._text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._keeps_text and (choice in self._texts or len(self._texts) < _MOST_CHOICES):
            self._texts.setdefault(choice, []).append(text)
        self._events.append(TextPiece(text, choice))

    def reasoning(self, text: str) -> None:
        """A piece of the reasoning's text came in."""
        self._text_bytes += len(text.encode("utf-8", "surrogatepass"))
        if self._keeps_text:
            self._reasoning.append(text)
        self._events.append(ReasoningPiece(text))

    def tool_call(self, piece: ToolCallPiece) -> None:
        """A piece of a tool call came in."""
        self._text_bytes += len(piece.name) + len(piece.arguments.encode("utf-8", "surrogatepass"))
        if self._keeps_text and (piece.position in self._calls or len(self._calls) < _MOST_CHOICES):
            call = self._calls.setdefault(piece.position, _Call())
            call.id = call.id or piece.id
            call.name = call.name or piece.name
            call.signature = call.signature or piece.signature
            call.arguments.append(piece.arguments)
        self._events.append(piece)

    def started(self, model: str, reply_id: str) -> None:
        """The stream said which model answers."""
        if (model or reply_id) and not (self.model or self.reply_id):
            self._events.append(Started(model, reply_id))
        self.model = self.model or model
        self.reply_id = self.reply_id or reply_id

    def finished(self, reason: str) -> None:
        """The model stopped."""
        if not self.finish:
            self.finish = reason
            self._events.append(Finished(reason))
        self._ends()

    def usage(self, metered: Metered, *, announced: bool = False, taken: int | None = None) -> None:
        """A report of usage came in: it replaces the one before, but one that says nothing replaces none.

        What nobody read of an earlier report stays, and so does what a count was more than a later one. `announced`: it
        was written before the reply. `taken`: the number of the frame that it came in, where it is counted later.
        """
        self.leaves(metered.unread)
        if metered.usage is None and metered.billed_pusd is None and self.metered.raw is not None:
            return
        if metered != UNMETERED:
            self.leaves(
                fallen("usage", _counts(self.metered, output=not self._is_announced), _counts(metered, output=True))
            )
            self._is_announced = announced
            if not announced and (metered.usage is not None or metered.billed_pusd is not None):
                self._reported_in = max(self._reported_in, self._taken if taken is None else taken)
            self.metered = metered
            if metered.raw is not None:
                self._events.append(UsageSeen(metered))

    def leaves(self, unread: Unread) -> None:
        """The reply reported something that nobody read."""
        if unread:
            self._unread = together(self._unread, unread)

    def failed(self, value: Json) -> None:
        """The provider reported an error in the stream."""
        error = in_body(value)
        if self._error is None:
            self._error = error
            self._is_refusal = not self._has_begun
        self._ends()
        self._events.append(Failed(error))

    def _ends(self) -> None:
        if self._ended_in is None:
            self._ended_in = self._taken

    @abstractmethod
    def take(self, value: Table) -> None:
        """Read one frame: what it says goes to the methods above."""

    def count(self) -> None:  # noqa: B027  # most decoders leave nothing for later
        """Read the latest report of usage, where it was left for now: called at the end."""

    def _next_frame(self, frame: Frame) -> None:
        self._has_begun = self._has_begun or bool(self._text_bytes or self.model or self.reply_id or self.finish)
        self._has_begun = self._has_begun or self.metered.raw is not None
        self._taken += 1
        self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        event, data = frame
        if data == b"[DONE]":
            self.is_done = True
        elif data and not self.is_done:
            value = read_table(data)
            if event == b"error" and "type" not in value and "error" not in value:
                self.failed(value)
            else:
                self.take(value)

    def _last(self) -> None:
        """Read what the end of the stream left without a blank line, if it is whole."""
        if self._broken is not None:
            return
        try:
            while (frame := self._frames.next()) is not None:
                self._next_frame(frame)
            frame = self._frames.rest()
            if frame is not None:
                self._next_frame(frame)
        except Unreadable as error:
            if self._is_closed:
                self._broken = error

    def _reply(self) -> Reply:
        choices = tuple("".join(self._texts[choice]) for choice in sorted(self._texts))
        calls = (self._calls[position] for position in sorted(self._calls))
        return Reply(
            text=choices[0] if choices else "",
            reasoning="".join(self._reasoning),
            tool_calls=tuple(ToolCall(c.id, c.name, "".join(c.arguments), c.signature) for c in calls),
            finish=self.finish,
            metered=self._metered(),
            model=self.model,
            message_id=self.reply_id,
            choices=choices,
        )

    def _metered(self) -> Metered:
        """Return the last report; beside what the provider says it charges, nothing is unread."""
        if self.metered.billed_pusd is not None or self.metered.unread == self._unread:
            return self.metered
        return self.metered._replace(unread=self._unread)


def _counts(metered: Metered, *, output: bool) -> dict[str, Json]:
    """Return the counts of a report that a later one cannot undo; the output that was written before the reply can."""
    if metered.usage is None:
        return {}
    found: dict[str, Json] = {"input": metered.usage.input}
    return {**found, "output": metered.usage.output} if output else found
