"""Counts the usage of OpenAI's shapes (pure): chat, responses, completions, embeddings, and all who copied them.

- Cached tokens are a part of the input. Reasoning is a part of the output, or comes on top: the sums decide
  (total = input + output + reasoning, or = input + output); where they do not, the dialect does, and that is odd.
- The same for audio that a total has on top of the input (Mistral).
- Cached tokens that are more than the input, or that the total has on top of it, are no part of it (Grok at Azure).
- Usage without input and output is missing, not zero. What a total has beyond both, nobody read.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.providers.usage import Usage
from aikeys.providers.wire import tools_openai
from aikeys.providers.wire.counts import UsageCounts, billed_pusd, named, service_of, with_fees
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items, table, text
from aikeys.providers.wire.unread import Unread, beyond, fees_of, is_report, reports_in, together, unread_of
from aikeys.providers.wire.values import UNMETERED, Json, Metered

_WRITTEN = ("output_tokens_details", "completion_tokens_details", "completion_token_details")
_READ = ("input_tokens_details", "prompt_tokens_details", "prompt_token_details")
_CACHED = (
    (_READ[0], "cache_read_input_tokens"),
    ("prompt_cache_hit_tokens",),
    ("num_cached_tokens",),
    ("cached_tokens",),
)
PLAIN = frozenset(
    (
        *(
            "id",
            "object",
            "created",
            "created_at",
            "model",
            "choices",
            "system_fingerprint",
            "service_tier",
            "obfuscation",
        ),
        *("provider", "index", "delta", "message", "finish_reason", "native_finish_reason", "logprobs", "text"),
    )
)
"""Fields of a reply and of its choices that report nothing."""
_MODALITIES = ("audio_tokens", "image_tokens", "video_tokens")


class _UsageSums(NamedTuple):
    input: int
    output: int
    reasoning: int


def metered(body: Table, dialect: Dialect, *, embeds: bool = False) -> Metered:
    """Return what a reply (or the response object of a finished stream) says of its usage."""
    raw = _usage_object(body)
    if raw is not None:
        return of_usage(raw, body, dialect, embeds=embeds)
    counts = UsageCounts({})
    found = tools_openai.done(counts, body, dialect)
    left = _left(found, None, unread_of(_reports(body, None), counts.read, dialect.reported), dialect)
    return UNMETERED._replace(service=service_of(body), unread=left)


def of_usage(raw: Table, body: Table, dialect: Dialect, *, embeds: bool = False) -> Metered:
    """Return what a usage object says; `body` is what it stood in."""
    counts = UsageCounts(raw)
    sums = _sums(counts, dialect, embeds)
    billed = billed_pusd(raw, dialect.cost, counts.odd)
    found = tools_openai.done(counts, body, dialect)
    is_grok = dialect.provider == "azure-openai" and "grok" in text(body, "model").lower()
    usage = None if sums is None else _usage(counts, sums, {**found.units}, caches_apart=is_grok)
    known = (("usage", raw), *_reports(body, raw))
    usage = with_fees(usage, fees_of(known, counts.read, dialect.reported))
    left: Unread = ()
    if billed is None:
        left = _left(found, usage, unread_of(known, counts.read, dialect.reported), dialect)
        left = together(left, beyond("usage.total_tokens", counts.of("total_tokens"), usage))
        if dialect.cost in counts.odd:  # it says what it charges, and nobody can read that
            left = together(left, ((dialect.cost, 1),))
    odd = tuple(dict.fromkeys(counts.odd))
    return Metered(usage, billed, service_of(body, raw), found.others if usage else (), raw, odd, left)


def _left(found: tools_openai.ToolsUsed, usage: Usage | None, numbers: Unread, dialect: Dialect) -> Unread:
    """Return what is left unread: numbers, items, and what was used beside a usage that is missing."""
    kinds = found.kinds
    if usage is None:
        kinds += ("tool_usage.image_gen",) * len(found.others)
        kinds += tuple(f"tools.{unit}" for unit, count in found.units.items() if count)
    return together(numbers, tools_openai.unbilled(kinds, usage, dialect.reported))


def may_report(value: Table) -> bool:
    """Tell whether a chunk, or a choice in it, has a field that reports what was used."""
    return not PLAIN.issuperset(value) and any(is_report(name) and value[name] for name in value.keys() - PLAIN)


def _reports(body: Table, raw: Table | None) -> list[tuple[str, Json]]:
    """Return what a reply reports beside the usage that is read, with the paths."""
    found = [*reports_in(body, plain=PLAIN), ("x_groq.usage", _groq(body))]
    for choice in items(body, "choices"):
        found += reports_in(choice, "choices.", PLAIN)
        found += reports_in(table(choice, "message"), "choices.message.")
    for item in items(body, "output"):
        found += reports_in(item, "output.")
    return [(path, value) for path, value in found if value is not raw and value != raw]


def _usage_object(body: Table) -> Table | None:
    """Return the usage: at the top, in Groq's own field, or in a choice (Moonshot)."""
    raw = body.get("usage")
    if isinstance(raw, dict):
        return raw
    raw = _groq(body)
    if raw is not None or not isinstance(body.get("choices"), list):
        return raw
    return next((found for each in items(body, "choices") if isinstance(found := each.get("usage"), dict)), None)


def _groq(body: Table) -> Table | None:
    found = body.get("x_groq")
    raw = found.get("usage") if isinstance(found, dict) else None
    return raw if isinstance(raw, dict) else None


def _sums(counts: UsageCounts, dialect: Dialect, embeds: bool) -> _UsageSums | None:
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
    return _reasoned(counts, _UsageSums(read, written, reasoning), total, dialect.reasoning)


def _audio_on_top(counts: UsageCounts, read: int, written: int, total: int | None) -> int:
    audio = counts.within(counts.tables(_READ), "audio_tokens") or 0
    return read + audio if audio and total == read + audio + written else read


def _reasoned(counts: UsageCounts, sums: _UsageSums, total: int | None, default: str) -> _UsageSums:
    read, written, reasoning = sums
    if default == "apart":
        return _UsageSums(read, written + reasoning + counts.of("citation_tokens"), reasoning)
    if total == read + written + reasoning or (total is None and reasoning > written):
        return _UsageSums(read, written + reasoning, reasoning)
    if total == read + written:
        return _UsageSums(read, counts.at_least(written, reasoning, "reasoning_tokens"), reasoning)
    if total is not None and default == "hidden" and total > read + written:
        output = counts.at_least(total - read, reasoning, "reasoning_tokens")
        return _UsageSums(read, output, max(reasoning, total - read - written))
    if total is not None:
        counts.odd.append("total_tokens")
    on_top = reasoning if default == "additive" else 0
    return _UsageSums(read, counts.at_least(written + on_top, reasoning, "reasoning_tokens"), reasoning)


def _usage(counts: UsageCounts, sums: _UsageSums, other: dict[str, int], *, caches_apart: bool) -> Usage:
    of_input, of_output = counts.tables(_READ), counts.tables(_WRITTEN)
    cached = max(counts.within(of_input, "cached_tokens") or 0, counts.largest(*_CACHED))
    saved = counts.within(of_input, "cache_write_tokens") or 0
    other |= {f"input_{name}": counts.within(of_input, name) or 0 for name in _MODALITIES}
    other |= {f"output_{name}": counts.within(of_output, name) or 0 for name in _MODALITIES}
    other["input_audio_seconds"] = counts.of("prompt_audio_seconds")
    other["output_citation_tokens"] = counts.of("citation_tokens")
    return Usage(
        input=sums.input + cached + saved if caches_apart else _with_cached(counts, sums, cached + saved),
        cache_read=cached,
        cache_write_5m=saved,
        output=sums.output,
        reasoning=sums.reasoning,
        other=named(other),
    )


def _with_cached(counts: UsageCounts, sums: _UsageSums, cached: int) -> int:
    """The whole input: what is cached is a part of it, unless it cannot be."""
    if cached > sums.input:
        counts.odd.append("cached_tokens")
        return sums.input + cached
    is_apart = cached and counts.seen("total_tokens") == sums.input + cached + sums.output
    return sums.input + cached if is_apart else sums.input
