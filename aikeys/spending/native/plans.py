"""A request in a provider's own words becomes a plan like any other, and its body as it has to go out (pure).

- What is only queued is refused: nobody would ever learn what it cost.
- What no meter covers is refused where a limit has to bound the call; without one it goes as it is.
- Changed in the body: the cap, where a budget brings or lowers one; that a stream reports its usage, where the provider
  does so only when asked.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.errors import CannotDecide, Usage
from aikeys.providers.wire.exact_json import Table, table, write, write_large
from aikeys.providers.wire.values import Json, Options, Request
from aikeys.spending.names import Target
from aikeys.spending.native.betas import unmetered
from aikeys.spending.native.bodies import NativeRequest, bounds_of_body, with_cap
from aikeys.spending.plan import Circumstances, Draft, Plan, fitted, price_of

_WITHOUT_CAP = ("openai_embeddings", "cohere_embeddings", "gemini_embeddings", "openai_moderations")
_SHOWN = 5


class Native(NamedTuple):
    """A request in a provider's own words. `protocol` is a name of PROTOCOLS."""

    protocol: str
    body: Table
    stream: bool = False
    cap: int = 0
    """The output cap that the body came with; filled in by `native_plan`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Those that go along."""
    is_large: bool = False
    """Read and written in steps that let other threads run."""


def native_plan(target: Target, native: Native, circumstances: Circumstances) -> tuple[Plan, Native]:
    """Return what a call may cost; CannotDecide (23) names the fields that nobody meters."""
    if is_in_background(native.protocol, native.body):
        raise Usage(
            "background is set: the reply has no usage yet, and what the call costs would never be known",
            "leave it out; a token with the scope native:all that no budget limits may, on the provider's own route",
        )
    dialect = target.provider.dialect()
    price, _ = price_of(target, circumstances)
    request = NativeRequest(native.protocol, dialect, target.model, native.body, native.is_large)
    found = bounds_of_body(request, price, circumstances.now_us, circumstances.until_us)
    unknown = (*found.unmetered, *unmetered(native.headers, (price.context_window or 0) if price else 0))
    if unknown and circumstances.is_limited and price is not None and not price.free:
        named = ", ".join(unknown[:_SHOWN])
        raise CannotDecide(
            f"what this request can cost has no bound ({named[:300]}), and a budget limits this call",
            "leave these fields out, or use a token and labels without a blocking budget",
        )
    bounds = found.bounds
    if native.protocol in _WITHOUT_CAP:
        bounds = bounds._replace(max_output=0, cap_covers_reasoning=False)  # no cap is added either
    stub = Request(target.model, (), stream=native.stream, options=Options(max_tokens=bounds.max_output or None))
    draft = Draft(
        target, dialect, stub, bounds, found.thinking_tokens, protocol=native.protocol, unmetered=tuple(unknown)
    )
    if native.cap != bounds.max_output:
        native = native._replace(cap=bounds.max_output)
    return fitted(draft, circumstances), native


def is_in_background(protocol: str, body: Table) -> bool:
    """Tell whether a response is only queued: its usage is reported to whoever fetches it later."""
    return protocol == "openai_responses" and body.get("background") not in (None, False)


def body_of(native: Native, made: Plan) -> tuple[bytes, bool]:
    """Return the body to send, and whether its stream reports usage that the client did not ask for."""
    body: Table = native.body
    request = NativeRequest(native.protocol, made.dialect, made.target.model, body)
    if made.cap and (made.cap != native.cap or (made.is_limited and native.protocol == "openai_chat")):
        body = with_cap(request, made.cap)  # under the one name that the provider is sure to obey
    adds_usage = (
        native.protocol in ("openai_chat", "openai_completions")
        and native.stream
        and made.dialect.stream_usage == "include_usage"
        and table(body, "stream_options").get("include_usage") is not True
    )
    if adds_usage:
        options: dict[str, Json] = {**table(body, "stream_options"), "include_usage": True}
        body = {**body, "stream_options": options}
    return (write_large if native.is_large else write)(dict(body)), adds_usage
