"""Asks a gateway: the same request, the same output; the keys, the price and the entry are over there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from aikeys.cli import home, terminal
from aikeys.errors import AikeysError, Denied, UsageError
from aikeys.money import shown_usd, usd_text
from aikeys.providers.wire.values import Event
from aikeys.remote import chat

if TYPE_CHECKING:
    from aikeys.cli.ports.asker import AskedPrompt
    from aikeys.cli.prompts.replies import Replies, ShownReply
    from aikeys.config import Config
    from aikeys.providers.wire.values import Request
    from aikeys.remote.chat import Answered
    from aikeys.remote.client import Gateway

_MASK = "‹secret›"
_PLANNED = (
    "model", "key", "method", "url", "headers", "body", "max_tokens", "worst_case_usd", "floor_usd",
    "input_tokens_at_most", "output_tokens_at_most", "undecided",
)  # fmt: skip
"""The fields of a request that --dry-run shows, here and at home."""


class Labelled(NamedTuple):
    """The labels that were typed, and those with what stands around: the project's file, config.toml, git and CI."""

    typed: Mapping[str, str]
    every: Mapping[str, str]


class AskerThere:
    """As the token that asks; the price and the entry are the gateway's."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def planned(self, what: AskedPrompt, *, as_json: bool) -> str:
        requests, labels = _prepared(what)
        bodies = [chat.outgoing(each, labels.every).body for each in requests]
        return _shown(self._gateway, bodies, requests, as_json=as_json)

    def ask(self, what: AskedPrompt, *, as_json: bool, usage: bool) -> None:
        from aikeys.cli.prompts.replies import Replies

        requests, labels = _prepared(what)
        replies = Replies(requests[0], len(requests), as_json=as_json, usage=usage)
        try:
            if replies.is_one:
                (request,) = requests
                with replies.of(request.model) as reply:
                    _finish(replies, reply, request, _asked(self._gateway, request, labels, reply.take))
            else:
                _ask_several(self._gateway, replies, requests, labels)
        except KeyboardInterrupt:
            terminal.say("stopped; the gateway's ledger has the call and what it cost")
            raise
        replies.finish()


def _prepared(what: AskedPrompt) -> tuple[list[Request], Labelled]:
    """Return a request for each model, and its labels; UsageError for what no gateway takes."""
    from aikeys import config
    from aikeys.cli import models
    from aikeys.cli.prompts import request as prompt_request

    if what.limit_pusd is not None:
        raise UsageError("a gateway takes no --max-cost", "give --max-tokens, or use a token with a budget")
    settings = config.load(home.folder())
    chosen = models.wanted(what.models, settings)
    request = prompt_request.request_of(what.typed, stream=not what.is_held)
    return [request._replace(model=each) for each in chosen], _labels(what, settings)


def _labels(what: AskedPrompt, settings: Config) -> Labelled:
    from aikeys.cli.around import Around
    from aikeys.cli.prompts.labels import labels, typed_labels
    from aikeys.spending.labels import pairs_of

    every = labels(what.labels, what.tags, settings, {}, Around(home.folder()))
    return Labelled(typed_labels(what.labels, what.tags), pairs_of(every))


def _asked(gateway: Gateway, request: Request, labels: Labelled, sink: chat.Sink) -> Answered:
    """Ask with all labels; where the token refuses what only stands around here, with those that were typed.

    A refusal comes before anything is sent on, so asking twice costs nothing.
    """
    try:
        return chat.ask(gateway, request, labels.every, sink)
    except Denied:
        if labels.every == labels.typed:
            raise
    return chat.ask(gateway, request, labels.typed, sink)


class _Strand:
    """One of several models, asked in a thread of its own: its events wait until it is shown."""

    def __init__(self, gateway: Gateway, request: Request, labels: Labelled) -> None:
        self.request = request
        self._queue: SimpleQueue[Event | chat.Answered | Exception] = SimpleQueue()
        self._work = (gateway, request, labels)
        Thread(target=self._run, name=f"aikeys {request.model}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._queue.put(_asked(*self._work, self._queue.put))
        except Exception as failure:  # noqa: BLE001  raised again where it is shown
            self._queue.put(failure)

    def events(self) -> Iterator[Event | chat.Answered]:
        """Yield what comes; the answer is the last."""
        while True:
            found = self._queue.get()
            if isinstance(found, Exception):
                raise found
            yield found
            if isinstance(found, chat.Answered):
                return


def _ask_several(gateway: Gateway, replies: Replies, requests: list[Request], labels: Labelled) -> None:
    """All at once; each reply is shown when those before it are."""
    for strand in [_Strand(gateway, request, labels) for request in requests]:
        with replies.of(strand.request.model) as reply:
            for event in strand.events():
                if isinstance(event, chat.Answered):
                    _finish(replies, reply, strand.request, event)
                else:
                    reply.take(event)


def _finish(replies: Replies, reply: ShownReply, request: Request, answered: Answered) -> None:
    """Show what is there when it is over."""
    from aikeys.cli.prompts.replies import misfit_of, warn_of

    reply.show_rest(answered.reply)
    failure = answered.failure or misfit_of(request.schema, answered.reply)
    if failure is None:
        warn_of(answered.reply, answered.max_tokens or request.options.max_tokens, "the provider")
    if replies.usage:
        terminal.say(_usage_line(request.model, answered))
    replies.documents.append(_document(request, answered, failure))
    if failure is not None:
        replies.failed(failure, request.model)


def _usage_line(model: str, answered: Answered) -> str:
    from aikeys.cli.prompts.replies import tokens_text

    used = answered.reply.usage
    tokens = tokens_text(used) if used else "tokens not told"
    cost = "its cost is in the gateway's ledger" if answered.cost_pusd is None else shown_usd(answered.cost_pusd)
    return f"{model}: {tokens}; {cost}; {answered.latency_ms / 1000:.1f} s"


def _document(request: Request, answered: Answered, failure: AikeysError | None) -> dict[str, object]:
    """Return the fields that a prompt at home has; what only the gateway knows is null."""
    from aikeys.cli.prompts.replies import error_fields, usage_fields

    reply = answered.reply
    return {
        "model": request.model,
        "model_answered": reply.model or None,
        "key": None,
        "text": reply.text,
        "choices": list(reply.choices) if len(reply.choices) > 1 else None,
        "reasoning": reply.reasoning or None,
        "finish": reply.finish or None,
        "usage": usage_fields(reply.usage) if reply.usage else None,
        "cost_usd": None if answered.cost_pusd is None else usd_text(answered.cost_pusd),
        "cost_source": None,
        "unpriced": None,
        "max_tokens": answered.max_tokens or request.options.max_tokens,
        "max_tokens_lowered": answered.max_tokens is not None and answered.max_tokens != request.options.max_tokens,
        "entry": None,
        "request_id": answered.request_id or None,
        "latency_ms": answered.latency_ms,
        "first_token_ms": answered.first_token_ms,
        "attempts": None,
        "error": error_fields(failure) if failure else None,
    }


def _shown(gateway: Gateway, bodies: list[bytes], requests: list[Request], *, as_json: bool) -> str:
    """Return what would be sent; what it could cost only the gateway can say."""
    import json

    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.prompt_request import body_text

    url, headers = gateway.url + chat.DIALECT.chat, {"content-type": "application/json"}
    headers["authorization"] = f"Bearer {_MASK}"
    if as_json:
        shown = [
            {
                **dict.fromkeys(_PLANNED),
                "model": request.model,
                "method": "POST",
                "url": url,
                "headers": headers,
                "body": json.loads(body),
                "max_tokens": request.options.max_tokens,
            }
            for request, body in zip(requests, bodies, strict=True)
        ]
        return document("aikeys.prompt-request/1", requests=shown)
    head = "\n".join([f"POST {url}", *(f"{name}: {value}" for name, value in headers.items())])
    cost = "could cost: only the gateway can say"
    return "\n\n".join(f"{head}\n\n{body_text(body)}\n\n{cost}" for body in bodies)
