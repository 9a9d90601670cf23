"""Counts the usage of OpenAI's shapes (pure): chat, responses, completions, embeddings, and all who copied them.

- Cached tokens are a part of the input. Reasoning is a part of the output, or comes on top: the sums decide
  (total = input + output + reasoning, or = input + output); where they do not, the dialect does, and that is odd.
- The same for audio that a total has on top of the input (Mistral).
- Usage without input and output is missing, not zero.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.providers.usage import Usage
from aikeys.providers.wire.counts import Counts, billed_pusd, named, service_of
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items, text
from aikeys.providers.wire.values import UNMETERED, Json, Metered

_WRITTEN = ("output_tokens_details", "completion_tokens_details", "completion_token_details")
_READ = ("input_tokens_details", "prompt_tokens_details", "prompt_token_details")
_OUTPUT_TOOLS = {
    "web_search_call": "web_searches",
    "code_interpreter_call": "code_executions",
    "file_search_call": "storage_searches",
}
_SERVER_TOOLS = {
    "web_search_calls": "web_searches",
    "x_search_calls": "social_searches",
    "code_interpreter_calls": "code_executions",
    "document_search_calls": "storage_searches",
    "file_search_calls": "storage_searches",
}


_SEARCHES = (
    ("num_search_queries",),
    ("server_tool_use_details", "web_search_requests"),
    ("server_tool_use", "web_search_requests"),
    ("tool_calls_details", "search_web", "invocation"),
)
_SEARCHING = frozenset(path[0] for path in _SEARCHES)
_MODALITIES = ("audio_tokens", "image_tokens", "video_tokens")


class _Sums(NamedTuple):
    input: int
    output: int
    reasoning: int


def metered(body: Table, dialect: Dialect, *, embeds: bool = False) -> Metered:
    """Return what a reply (or the response object of a finished stream) says of its usage."""
    raw = body.get("usage")
    if not isinstance(raw, dict):
        raw = _groq(body)
        if raw is None:
            return UNMETERED._replace(service=service_of(body))
    return of_usage(raw, body, dialect, embeds=embeds)


def of_usage(raw: Table, body: Table, dialect: Dialect, *, embeds: bool = False) -> Metered:
    """Return what a usage object says; `body` is what it stood in."""
    counts = Counts(raw)
    sums = _sums(counts, dialect, embeds)
    billed = billed_pusd(raw, dialect.cost, counts.odd)
    service = service_of(body, raw)
    usage = None if sums is None else _usage(counts, sums, body)
    return Metered(usage, billed, service, (), raw, tuple(dict.fromkeys(counts.odd)))


def _groq(body: Table) -> Table | None:
    found = body.get("x_groq")
    raw = found.get("usage") if isinstance(found, dict) else None
    return raw if isinstance(raw, dict) else None


def _sums(counts: Counts, dialect: Dialect, embeds: bool) -> _Sums | None:
    read = counts.seen("prompt_tokens")
    read = counts.seen("input_tokens") if read is None else read
    written = counts.seen("completion_tokens")
    written = counts.seen("output_tokens") if written is None else written
    total = counts.seen("total_tokens")
    if embeds:
        read, written = total if read is None else read, written or 0
    if total is not None:
        if read is None and written is not None and total >= written:
            read = total - written
        elif written is None and read is not None and total >= read:
            written = total - read
    if read is None or written is None:
        return None
    read = _audio_on_top(counts, read, written, total)
    reasoning = counts.within(counts.tables(_WRITTEN), "reasoning_tokens")
    reasoning = counts.of("reasoning_tokens") if reasoning is None else reasoning
    return _reasoned(counts, _Sums(read, written, reasoning), total, dialect.reasoning)


def _audio_on_top(counts: Counts, read: int, written: int, total: int | None) -> int:
    audio = counts.within(counts.tables(_READ), "audio_tokens") or 0
    return read + audio if audio and total == read + audio + written else read


def _reasoned(counts: Counts, sums: _Sums, total: int | None, default: str) -> _Sums:
    read, written, reasoning = sums
    if default == "apart":
        return _Sums(read, written + reasoning + counts.of("citation_tokens"), reasoning)
    if total == read + written + reasoning or (total is None and reasoning > written):
        return _Sums(read, written + reasoning, reasoning)
    if total == read + written:
        return _Sums(read, counts.at_least(written, reasoning, "reasoning_tokens"), reasoning)
    if total is not None and default == "hidden" and total > read + written:
        return _Sums(read, total - read, max(reasoning, total - read - written))
    if total is not None:
        counts.odd.append("total_tokens")
    on_top = reasoning if default == "additive" else 0
    return _Sums(read, counts.at_least(written + on_top, reasoning, "reasoning_tokens"), reasoning)


def _usage(counts: Counts, sums: _Sums, body: Table) -> Usage:
    of_input, of_output = counts.tables(_READ), counts.tables(_WRITTEN)
    cached = counts.within(of_input, "cached_tokens")
    if cached is None:
        cached = counts.first((_READ[0], "cache_read_input_tokens"), ("prompt_cache_hit_tokens",), ("cached_tokens",))
    saved = counts.within(of_input, "cache_write_tokens") or 0
    other = {f"input_{name}": counts.within(of_input, name) or 0 for name in _MODALITIES}
    other |= {f"output_{name}": counts.within(of_output, name) or 0 for name in _MODALITIES}
    other["input_audio_seconds"] = counts.of("prompt_audio_seconds")
    other["output_citation_tokens"] = counts.of("citation_tokens")
    for name, count in _tools(counts, body).items():
        other[name] = other.get(name, 0) + count
    return Usage(
        input=counts.at_least(sums.input, cached + saved, "cached_tokens"),
        cache_read=cached,
        cache_write_5m=saved,
        output=sums.output,
        reasoning=sums.reasoning,
        other=named(other),
    )


def _tools(counts: Counts, body: Table) -> dict[str, int]:
    """What the provider's own tools did: reported, or (OpenAI responses) counted from the calls in the output."""
    found = {"web_searches": counts.first(*_SEARCHES) if _SEARCHING & counts.raw.keys() else 0}
    if isinstance(counts.raw.get("server_side_tool_usage_details"), dict):
        for name, unit in _SERVER_TOOLS.items():
            found[unit] = found.get(unit, 0) + counts.of("server_side_tool_usage_details", name)
        return found
    for item in items(body, "output") if "output" in body else ():
        unit = _OUTPUT_TOOLS.get(text(item, "type"), "")
        if unit and _is_billed(item.get("action")):
            found[unit] = found.get(unit, 0) + 1
    return found


def _is_billed(action: Json) -> bool:
    """Of a web search, only the search itself is billed: opening a page and looking through it are not."""
    return not isinstance(action, dict) or action.get("type") in (None, "search")
