"""A request body in a provider's own words becomes what `worst_case` needs (pure).

    found = bounds_of_body(native, price, from_us, until_us)
    worst_case(price, found.bounds)

Where `unmetered` names anything, the bounds are none: under a limit such a request is refused. Headers, and the model's
name where it stands in the path, are the caller's to judge. A body whose JSON names a field twice must not be sent as
it came: the provider may believe the other one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from aikeys.pricing.bounds import Bounds, text_tokens, unasked_outputs, ways_of_serving
from aikeys.pricing.values import Price
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, pieces_of, table
from aikeys.providers.wire.values import Json
from aikeys.spending.native import (
    anthropic_messages,
    cohere_chat,
    embeddings,
    gemini_generate,
    openai_chat,
    openai_responses,
    price_caps,
)
from aikeys.spending.native.findings import Findings
from aikeys.spending.native.paths import unlisted

_READERS: dict[str, Callable[[Table, Findings], None]] = {
    "openai_chat": openai_chat.read,
    "openai_completions": openai_chat.read_completion,
    "openai_responses": openai_responses.read,
    "openai_compactions": openai_responses.read_compaction,
    "openai_embeddings": embeddings.read,
    "anthropic_messages": anthropic_messages.read,
    "gemini_generate": gemini_generate.read,
    "gemini_embeddings": gemini_generate.read_embedding,
    "cohere_chat": cohere_chat.read,
    "cohere_embeddings": embeddings.read_cohere,
}
_THINKING = (
    "thinking", "reasoning", "reasoning_effort", "enable_thinking", "thinking_budget", "output_config",
)  # fmt: skip
_CAPS = {"openai_responses": "max_output_tokens", "openai_completions": "max_tokens"}
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class NativeRequest(NamedTuple):
    """A body as it came, parsed; `protocol` is a name of PROTOCOLS, or of embeddings (`openai_embeddings` …)."""

    protocol: str
    dialect: Dialect
    model: str
    body: Table
    is_large: bool = False
    """Its text is made in steps that let other threads run."""


class Metering(NamedTuple):
    """What bounds a body. `unmetered`: fields whose cost nobody knows. A cap must stay above `thinking_tokens`."""

    bounds: Bounds
    unmetered: tuple[str, ...] = ()
    thinking_tokens: int = 0


def bounds_of_body(native: NativeRequest, price: Price | None, from_us: int, until_us: int) -> Metering:
    """Return what a request can cost at most, when it is sent between two instants."""
    body, dialect = native.body, native.dialect
    found = Findings(dialect, native.model, cap_covers_reasoning=dialect.cap_covers_reasoning)
    try:
        _READERS[native.protocol](body, found)
        price_caps.read(body, found)
        above = tuple(f"{path}." for path in found.unmetered)
        found.unmetered.extend(path for path in unlisted(native.protocol, body) if not path.startswith(above))
        written = _written(native)
    except RecursionError:
        written = ""
        found.unmetered.append("a body nested so deep")
    unasked = () if found.says_outputs else unasked_outputs(price, dialect.provider)
    bounds = Bounds(
        text_tokens([written]) - found.payload_bytes,
        from_us,
        until_us,
        messages=max(1, found.messages),
        tools=found.tools,
        media=tuple(found.media),
        referenced=found.referenced,
        iterations=found.iterations,
        choices=found.choices,
        max_output=found.max_output,
        cap_covers_reasoning=found.cap_covers_reasoning and not unasked,
        cache_write=_cache_write(native.protocol, written),
        services=ways_of_serving(price, found.asked),
        output_modalities=(*found.output_modalities, *unasked),
        units=tuple(sorted(found.units.items())),
        inputs=found.inputs,
        thinks=any(body.get(name) is not None for name in _THINKING),
    )
    return Metering(bounds, tuple(dict.fromkeys(found.unmetered)), found.thinking_tokens)


def with_cap(native: NativeRequest, cap: int) -> Table:
    """Return the body with this output cap, under the provider's own name for it and no other."""
    body: dict[str, Json] = dict(native.body)
    if native.protocol == "gemini_generate":
        config, name = gemini_generate.cap_place(body)
        body[config] = {**table(body, config), name: cap}
        return body
    if native.protocol == "openai_chat":
        for name in openai_chat.CAPS:
            body.pop(name, None)
    body[_CAPS.get(native.protocol, native.dialect.cap)] = cap
    return body


def _written(native: NativeRequest) -> str:
    if native.is_large:
        with suppress(ValueError):  # a number that cannot be sent
            return "".join(pieces_of(dict(native.body)))
    return _dump(native.body)


def _cache_write(protocol: str, written: str) -> str:
    """Anthropic writes only where it is told to; a schema that has a property of that name changes nothing to less."""
    if '"cache_control"' in written:
        return "1h" if '"ttl":"1h"' in written else "5m"
    return "none" if protocol == "anthropic_messages" else "auto"
