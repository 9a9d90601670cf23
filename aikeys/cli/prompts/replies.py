"""The replies of `aikeys prompt` as a person, a pipe or a program reads them: as they come, and when they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.errors import AikeysError, MachineFailed, ProviderRefused
from aikeys.ledger.calls import UNPRICED
from aikeys.money import least_usd, shown_usd, usd_text
from aikeys.providers.wire.values import Event, ReasoningPiece, Request, Schema, TextPiece
from aikeys.providers.wire.values import Reply as WireReply

if TYPE_CHECKING:
    from aikeys.ledger.store import Ledger
    from aikeys.providers.usage import Usage
    from aikeys.spending.call import Outcome
    from aikeys.spending.names import Target
    from aikeys.spending.targets import Spent


class Misfit(ProviderRefused):
    """The reply does not fit the schema."""

    code = "reply_misfit"


class Replies:
    """All replies of one command; the worst failure decides how it ends."""

    def __init__(
        self, request: Request, count: int, *, as_json: bool, usage: bool, ledger: Ledger | None = None
    ) -> None:
        """Begin. `ledger` is where the calls are recorded, None where a gateway has it."""
        self.ledger = ledger
        self.request = request
        self.is_one = count == 1
        self.as_json = as_json
        self.usage = usage
        self.documents: list[dict[str, object]] = []
        self.failure: AikeysError | None = None

    @contextmanager
    def of(self, target: Target | str) -> Iterator[ShownReply]:
        """Yield where one model's reply goes; of several, one that is refused does not keep the others from coming.

        At a gateway a model is only a name: which key reaches it is known there.
        """
        if not self.is_one and not self.as_json:
            terminal.out(f"== {target} ==")
        reply = ShownReply(self, target)
        try:
            yield reply
        except AikeysError as refusal:
            if self.is_one:
                raise
            self.failed(refusal, reply.target)
            key = None if isinstance(target, str) else target.key.name
            self.documents.append({"model": str(target), "key": key, "error": error_fields(refusal)})
        if not self.is_one and not self.as_json:
            terminal.out("")

    def failed(self, failure: AikeysError, target: Target | str) -> None:
        """Remember a failure; of several models it is said at once."""
        if not self.is_one:
            terminal.error(f"{target}: {failure.message}")
            if failure.hint:
                terminal.hint(failure.hint)
        if self.failure is None or _badness(failure) > _badness(self.failure):
            self.failure = failure

    def finish(self) -> None:
        """Print what is printed at the end; raise the failure."""
        from aikeys.cli.render.json_text import document

        if self.as_json:
            fields = self.documents[0] if self.is_one else {"replies": self.documents}
            terminal.out(document("aikeys.prompt/1", **fields))
        if self.failure is not None:
            if not self.is_one:
                self.failure = type_of(self.failure)("not every model answered", "")
            raise self.failure


class ShownReply:
    """One model's reply."""

    def __init__(self, replies: Replies, target: Target | str) -> None:
        self.target: Target | str = target
        self._all = replies
        self._has_thought = False
        self._has_text = False
        self._ends_with_line = True
        self._is_unread = False
        self._spent: Spent | None = None

    def say_cost(self) -> None:
        """Say what a call cost that was interrupted, where --usage has not."""
        if self._spent is not None and not self._all.usage:
            self._say_usage(self._spent)

    def _say_usage(self, spent: Spent) -> None:
        """Say what a call used and cost, and which fields of the reply nobody read."""
        from aikeys.cli.render.report_words import unread_text
        from aikeys.ledger.unread_fields import UnreadField, fields_of, unread_since

        terminal.say(usage_line(spent))
        fields = fields_of(spent.last.bill.unpriced)
        if not fields or self._all.ledger is None:
            return
        provider = spent.last.plan.dialect.provider
        found: list[tuple[str, int | None]] = [(name, None) for name in fields]
        with suppress(AikeysError), self._all.ledger.reading() as connection:
            found = [(name, unread_since(connection, provider, name)) for name in fields]
        for name, since_us in found:
            terminal.say(unread_text(UnreadField(provider, name, since_us or clock.now_us(), 0)))

    def take(self, event: Event) -> None:
        """Show what comes, as it comes; some stream what was not asked to be one."""
        if self._all.as_json:
            return
        try:
            self._show(event)
        except KeyboardInterrupt:
            self._is_unread = True  # whoever reads takes no more: the end of the line would wait as well
            raise

    def _show(self, event: Event) -> None:
        if isinstance(event, TextPiece):
            if self._has_thought:
                terminal.aside("\n")
                self._has_thought = False
            self._has_text = True  # first: an interrupt may end the line after this one, and nothing is shown twice
            self._ends_with_line = event.text.endswith("\n")
            terminal.out_piece(event.text)
        elif isinstance(event, ReasoningPiece):
            terminal.aside(event.text)
            self._has_thought = True

    def done(self, spent: Spent) -> None:
        """Show what is there when it is over."""
        self._spent, last = spent, spent.last
        self.show_rest(last.received.reply)
        failure = last.received.failure or misfit_of(last.plan.request.schema, last.received.reply)
        if failure is None:
            warn_of(last.received.reply, last.plan.cap, last.plan.dialect.title)
            if last.plan.lowered_from and last.received.reply.finish != "length":
                terminal.detail(f"the output was limited to {last.plan.cap} tokens")
        if self._all.usage:
            self._say_usage(spent)
        self._all.documents.append(_document(spent, failure))
        if failure is not None:
            self._all.failed(failure, last.plan.target)
        if last.unsettled is not None:
            words = f"the call could not be recorded ({last.unsettled.message}); it stays reserved"
            unsettled = MachineFailed(words, "make room; the next command books it at its worst case")
            self._all.failed(unsettled, last.plan.target)

    def show_rest(self, reply: WireReply) -> None:
        """Show what was not streamed, and end the line."""
        if self._is_unread:
            return
        if self._has_thought:
            terminal.aside("\n")
        if not self._ends_with_line:
            terminal.out_piece("\n")
        elif not self._has_text and not self._all.as_json:
            text = "\n\n".join(reply.choices) or reply.text
            if text:
                terminal.out_piece(text if text.endswith("\n") else f"{text}\n")


def misfit_of(schema: Schema | None, reply: WireReply) -> AikeysError | None:
    """Return in what a reply does not fit the schema that was asked for."""
    if schema is None:
        return None
    from aikeys.spending.reply_schema import misfit

    choices = reply.choices or (reply.text,)
    wrong = next(filter(None, (misfit(each, schema.schema) for each in choices)), "")
    if not wrong:
        return None
    return Misfit(f"the reply does not fit the schema: {wrong}", "ask again, or loosen the schema")


def warn_of(reply: WireReply, cap: int | None, title: str) -> None:
    """Say why a whole reply is less than was asked for; `cap`: of its tokens, where there was one."""
    if reply.finish == "length":
        terminal.warn(f"the reply ends at the limit{f' of {cap} tokens' if cap else ''}")
    elif reply.finish == "content_filter":
        terminal.warn(f"{title} withheld the reply, or a part of it")
    elif not reply.text and not reply.tool_calls:
        terminal.warn("the reply is empty")


def usage_line(spent: Spent) -> str:
    """Return tokens, cost and time of a call on one line."""
    last = spent.last
    used = last.bill.usage
    attempts = f" in {len(spent.calls)} attempts" if len(spent.calls) > 1 else ""
    cost = f"{shown_usd(spent.cost_pusd)} {last.bill.source}"
    if last.bill.source == UNPRICED:
        cost = least_usd(spent.cost_pusd) if spent.cost_pusd else "cost unknown: no price"
    took_s = sum(each.latency_ms for each in spent.calls) / 1000
    return f"{last.plan.target}: {tokens_text(used)}; {cost}{attempts}; {took_s:.1f} s"


def tokens_text(used: Usage) -> str:
    """Return the tokens of a call: `1,200 in (1,000 cached) 80 out`."""
    parts = [f"{used.input:,} in", *([f"({used.cache_read:,} cached)"] if used.cache_read else [])]
    parts += [f"{used.output:,} out", *([f"({used.reasoning:,} reasoning)"] if used.reasoning else [])]
    return " ".join(parts)


def _badness(failure: AikeysError) -> tuple[bool, int]:
    """What could not be recorded is the worst; then what a higher status says."""
    return failure.exit_status == 1, failure.exit_status


def type_of(failure: AikeysError) -> type[AikeysError]:
    """Return an error class with the same code and status, that takes a message and a hint."""
    return type("NotAll", (AikeysError,), {"code": failure.code, "exit_status": failure.exit_status})


def _document(spent: Spent, failure: AikeysError | None) -> dict[str, object]:
    last = spent.last
    reply, costs = last.received.reply, last.bill
    return {
        "model": str(last.plan.target),
        "model_answered": reply.model or None,
        "key": last.plan.target.key.name,
        "text": reply.text,
        "choices": list(reply.choices) if len(reply.choices) > 1 else None,
        "reasoning": reply.reasoning or None,
        "finish": reply.finish or None,
        "usage": usage_fields(costs.usage),
        "cost_usd": _cost(last),
        "cost_source": costs.source,
        "unpriced": dict(costs.unpriced) or None,
        "max_tokens": last.plan.cap or None,
        "max_tokens_lowered": bool(last.plan.lowered_from),
        "entry": _entry(last),
        "request_id": last.received.request_id or None,
        "latency_ms": last.latency_ms,
        "first_token_ms": last.first_token_ms,
        "attempts": [_attempt(each) for each in spent.calls],
        "error": error_fields(failure) if failure else None,
    }


def _attempt(one: Outcome) -> dict[str, object]:
    return {
        "entry": _entry(one),
        "model": str(one.plan.target),
        "key": one.plan.target.key.name,
        "status": one.received.status,
        "cost_usd": _cost(one),
        "cost_source": one.bill.source,
    }


def _entry(one: Outcome) -> int | None:
    """Return the number of a call's entry, where it may be known: it tells how many there are."""
    from aikeys.cli import authority

    return one.entry if authority.sees_calls() else None


def _cost(one: Outcome) -> str | None:
    """What is unpriced costs an unknown amount, not zero."""
    return None if one.bill.source == UNPRICED else usd_text(one.bill.cost_pusd)


def usage_fields(used: Usage) -> dict[str, object]:
    """Return the tokens of a call for a program."""
    return {
        "input_tokens": used.input,
        "cached_input_tokens": used.cache_read,
        "cache_write_5m_tokens": used.cache_write_5m,
        "cache_write_1h_tokens": used.cache_write_1h,
        "output_tokens": used.output,
        "reasoning_tokens": used.reasoning,
        **dict(used.other),
    }


def error_fields(failure: AikeysError) -> dict[str, object]:
    """Return a failure for a program."""
    return {"code": failure.code, "message": failure.message, "exit_status": failure.exit_status}
