"""The recorded exchanges (../shared/recorded, not part of the project), decoded as aikeys does, and what an oracle says.

The oracle of the usage is genai-prices: on the body of a reply, and for a stream on the usage objects that were recorded
beside it. Where it knows no shape, the counts are read here, field by field.
"""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aikeys.providers.catalogue import load
from aikeys.providers.usage import Usage
from aikeys.providers.wire import (
    anthropic_messages,
    cohere_chat,
    gemini_generate,
    openai_chat,
    openai_embeddings,
    openai_responses,
)
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.streams import Stream
from aikeys.providers.wire.values import ApiError, Reply, StreamEnd

_PROJECT = Path(__file__).parents[3]
FILE = Path(os.environ.get("AIKEYS_SHARED", _PROJECT.parent / "shared")) / "recorded" / "exchanges.jsonl.gz"
needs_recorded = pytest.mark.skipif(not FILE.exists(), reason=f"the recorded exchanges are not here: {FILE}")

Record = dict[str, Any]
_PROVIDERS = {
    "azure": "azure-openai",
    "vertex": "gemini",
    "zai": "zhipu",
    "ollama-cloud": "ollama",
    # not in the catalogue, or a proxy of several: a plain OpenAI dialect
    **dict.fromkeys(("writer", "local-openai", "crusoe", "heroku", "snowflake", "pydantic-gateway"), "fireworks"),
}
_MODULES: dict[str, ModuleType] = {
    "chat": openai_chat,
    "completions": openai_chat,
    "responses": openai_responses,
    "messages": anthropic_messages,
    "generateContent": gemini_generate,
    "cohere-chat": cohere_chat,
    "embeddings": openai_embeddings,
    "rerank": openai_embeddings,
}
_STREAMS: dict[str, type[Stream]] = {
    "chat": openai_chat.ChatStream,
    "completions": openai_chat.ChatStream,
    "responses": openai_responses.ResponsesStream,
    "messages": anthropic_messages.MessageStream,
    "generateContent": gemini_generate.GenerateStream,
    "cohere-chat": cohere_chat.CohereStream,
}
_UNSPOKEN = ("converse", "invoke", "ollama-chat", "ollama-generate")
_FLAVOURS = {"messages": "anthropic", "completions": "chat", "cohere-chat": "default"}
_ORACLES = {"vertex": "google", "gemini": "google", "xai": "x-ai", "voyage": "voyageai"}


@cache
def all_records() -> tuple[Record, ...]:
    """Return every record of a format that a door speaks, read once."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return tuple(record for line in lines if _is_spoken(record := json.loads(line)))


def _is_spoken(record: Record) -> bool:
    """Tell whether a call reaches us in this format: not AWS's, Ollama's own or Cohere's first version."""
    is_old = (
        record["endpoint"] == "cohere-chat" and record["path"].startswith("/v1/") and record["provider"] != "writer"
    )
    return record["endpoint"] not in _UNSPOKEN and not (is_old and is_stream(record))


def records() -> Iterator[Record]:
    """Yield the records with usage."""
    return (record for record in all_records() if record["has_usage"])


@cache
def dialect(provider: str) -> Dialect:
    return load()[_PROVIDERS.get(provider, provider)].dialect()


def body_of(record: Record) -> bytes:
    response = record["response"]
    return b64decode(response["body_b64"]) if "body_b64" in response else (response.get("body") or "").encode()


def headers_of(record: Record) -> dict[str, str]:
    return {name.lower(): value for name, value in record["response"]["headers"].items()}


def is_stream(record: Record) -> bool:
    return record["body_kind"] != "json"


def stream_of(record: Record) -> Stream:
    """Return the decoder for a record of a stream."""
    made = _STREAMS[record["endpoint"]]
    if record["endpoint"] == "cohere-chat" and record["provider"] == "writer":  # OpenAI's shape at Cohere's path
        made = openai_chat.ChatStream
    return made(dialect(record["provider"]))


def decoded(record: Record) -> Reply | ApiError | StreamEnd:
    """Decode a whole record."""
    if not is_stream(record):
        module = openai_chat if record["provider"] == "writer" else _MODULES[record["endpoint"]]
        given = (record["response"]["status"], headers_of(record), body_of(record), dialect(record["provider"]))
        return module.decode(*given)  # type: ignore[no-any-return]
    stream = stream_of(record)
    stream.feed(body_of(record))
    while stream.next() is not None:
        pass
    stream.close()
    while stream.next() is not None:
        pass
    return stream.end()


def counts(usage: Usage) -> dict[str, int]:
    """Return a usage in the words of the oracle, without zeros."""
    found = {
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "output_tokens": usage.output,
        "output_reasoning_tokens": usage.reasoning,
        **dict(usage.other),
    }
    return {name: count for name, count in found.items() if count}


def expected(record: Record) -> dict[str, int]:
    """Return what the oracle counts in a record, without zeros; {} where nothing can be counted."""
    whole = json.loads(body_of(record)) if not is_stream(record) else {}
    if isinstance(whole, list):  # a stream of Gemini as one list
        whole = whole[-1]
    usage = _reported(record)
    by_hand = _by_hand(record, usage)
    if by_hand is not None:
        return {name: count for name, count in by_hand.items() if count}
    is_google = "promptTokenCount" in usage or "candidatesTokenCount" in usage or "trafficType" in usage
    place = "usageMetadata" if is_google else "usage"
    body = whole if place in whole else {place: usage}
    if record["endpoint"] == "embeddings" and record["provider"] == "cohere":
        body = whole
    return _from_oracle(record, body)


def _reported(record: Record) -> dict[str, Any]:
    """The last usage object; Anthropic's are merged, null and a zero input say nothing."""
    seen: dict[str, Any] = {}
    for place, report in record["usage"]:
        if "guardrail" in place:
            continue
        if record["endpoint"] != "messages":
            seen = {}
        inputs = {"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"}
        seen |= {k: v for k, v in report.items() if v is not None and not (v == 0 and k in inputs and seen.get(k))}
    return seen


def _by_hand(record: Record, usage: dict[str, Any]) -> dict[str, int] | None:
    """Shapes that the oracle has no reader for."""
    if "search_units" in usage:
        return {"rerank_searches": usage["search_units"]}
    if record["endpoint"] in ("rerank", "embeddings") and set(usage) <= {"total_tokens", "cost"}:
        return {"input_tokens": usage.get("total_tokens", 0)}
    if record["endpoint"] == "cohere-chat" and set(usage) == {"input_tokens", "output_tokens"}:
        return usage
    return _numbered(usage)


def _numbered(usage: dict[str, Any]) -> dict[str, int] | None:
    """Vertex over gRPC names the modalities by number (1 is text), which the oracle cannot read."""
    if not any(isinstance(each.get("modality"), int) for each in usage.get("promptTokensDetails", [])):
        return None
    thoughts = usage.get("thoughtsTokenCount", 0)
    counted = {"input_tokens": usage["promptTokenCount"], "output_reasoning_tokens": thoughts}
    return {**counted, "output_tokens": usage.get("candidatesTokenCount", 0) + thoughts}


def _from_oracle(record: Record, body: dict[str, Any]) -> dict[str, int]:
    from genai_prices.data_snapshot import get_snapshot

    endpoint = record["endpoint"]
    name, flavour = _ORACLES.get(record["provider"], record["provider"]), _FLAVOURS.get(endpoint, endpoint)
    if name == "writer":
        flavour = "chat"
    snapshot = get_snapshot()
    known = {provider.id: provider for provider in snapshot.providers}
    usage = None
    for provider_id, wanted in ((name, flavour), (name, "default"), ("openai", flavour), ("anthropic", "default")):
        provider = known.get(provider_id)
        flavours = [each.api_flavor for each in (provider.extractors or ())] if provider else []
        if provider is None or wanted not in flavours:
            continue
        try:
            _, usage = provider.extract_usage(body, api_flavor=wanted)
        except ValueError:
            continue
        break
    if usage is None:
        return {}
    found = {key: count for key, count in vars(usage).items() if isinstance(count, int) and not key.startswith("_")}
    return {key: count for key, count in found.items() if count and not _is_redundant(key)}


def _is_redundant(name: str) -> bool:
    """Text is what the other modalities leave; a cache write of 5 minutes what the hour leaves; tools are a sum."""
    return (
        "text_" in name
        or name == "cache_write_5m_tokens"
        or (name.endswith("_tool_tokens") and name != "input_tool_tokens")
    )
