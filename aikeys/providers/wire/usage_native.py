"""Counts the usage of the shapes that are not OpenAI's (pure): Anthropic, Gemini, Cohere.

- Anthropic: input, cache reads and cache writes are disjoint, the input is their sum. `iterations` holds what the top
  leaves out (compaction) and what other models used (advisor). Streamed reports are merged field by field.
  A search that is in the content counts where the usage says nothing of searches.
- Gemini: thoughts and tool results are not in the candidates and the prompt, they are added. Zeros are left out. What
  was looked up with Google stands beside the usage (grounding_gemini.py).
- Cohere: what is billed is `billed_units`, not the larger `tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.providers.usage import Usage
from aikeys.providers.wire.counts import UsageCounts, named, service_of, with_fees
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items, text
from aikeys.providers.wire.grounding_gemini import NOT_GROUNDED, Grounded
from aikeys.providers.wire.unread import Unread, beyond, fees_of, items_of, reports_in, together, unread_of
from aikeys.providers.wire.values import UNMETERED, Json, Metered, ModelUsage

_INPUT_FIELDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MODALITIES: dict[Json, str] = {
    "AUDIO": "audio",
    "IMAGE": "image",
    "DOCUMENT": "image",
    "VIDEO": "video",
    2: "image",
    3: "video",
    4: "audio",
    5: "image",
}
"""Vertex writes the names as numbers; TEXT is what remains, and pages of documents are read as images."""
_SEARCH = "content.server_tool_use.web_search"
_GEMINI_COUNTS = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount")


def anthropic(raw: Json, body: Table, dialect: Dialect, kinds: Sequence[str] = ()) -> Metered:
    """Return what a message's usage says; `body` is the message (model, service), `kinds` what its blocks are."""
    left = items_of(kinds, dialect.reported)
    beside = reports_in(body, plain=("usage",))
    for block in items(body, "content"):
        beside += reports_in(block, "content.")
    if not isinstance(raw, dict):
        return UNMETERED._replace(unread=together(left, unread_of(beside, set(), dialect.reported)))
    counts = UsageCounts(raw)
    usage: Usage | None = None
    others: tuple[ModelUsage, ...] = ()
    if counts.seen("input_tokens") is not None and counts.seen("output_tokens") is not None:
        usage, others = _with_iterations(counts, text(body, "model"))
        searches = kinds.count(_SEARCH)
        if searches and counts.seen("server_tool_use", "web_search_requests") is None:
            usage = with_fees(usage, {"web_searches": searches})
    known = (("usage", raw), *beside)
    usage = with_fees(usage, fees_of(known, counts.read, dialect.reported))
    left = together(left, unread_of(known, counts.read, dialect.reported))
    return Metered(usage, None, service_of(raw, body), others, raw, tuple(dict.fromkeys(counts.odd)), left)


def kind_of(block: Table) -> str:
    """Return what a content block is, as the lists of the catalogue name it."""
    kind = text(block, "type")
    return f"content.{kind}.{text(block, 'name')}" if kind == "server_tool_use" else f"content.{kind or 'text'}"


def merged(seen: dict[str, Json], report: Table) -> None:
    """Take the next report of a stream into what was seen: the last one wins, but null and a zero input say nothing."""
    for name, value in report.items():
        if value is None or (value == 0 and name in _INPUT_FIELDS and seen.get(name)):
            continue
        seen[name] = value


def gemini(raw: Json, dialect: Dialect, grounded: Grounded = NOT_GROUNDED) -> Metered:
    """Return what a usageMetadata says, with what was looked up; {} and one without any count say nothing."""
    found = raw if isinstance(raw, dict) else {}
    counts = UsageCounts(found)
    service = service_of(found)
    if not any(found.get(name) is not None for name in _GEMINI_COUNTS):
        return UNMETERED._replace(service=service, unread=_gemini_unread(counts, dialect, grounded))
    prompt, answer = counts.of("promptTokenCount"), counts.of("candidatesTokenCount")
    thoughts, tools = counts.of("thoughtsTokenCount"), counts.of("toolUsePromptTokenCount")
    total = counts.seen("totalTokenCount")
    if total is not None and total != prompt + answer + thoughts + tools:
        counts.odd.append("totalTokenCount")
    if counts.odd and counts.seen("promptTokenCount") is None and found.get("promptTokenCount") is not None:
        odd = tuple(dict.fromkeys(counts.odd))
        return Metered(None, None, service, (), found, odd, _gemini_unread(counts, dialect, grounded))
    other = {"input_tool_tokens": tools, **dict(grounded.units)}
    for prefix, suffix, names in (
        ("input", "tokens", ("promptTokensDetails", "promptTokenDetails", "toolUsePromptTokensDetails")),
        ("cache", "read_tokens", ("cacheTokensDetails",)),
        ("output", "tokens", ("candidatesTokensDetails",)),
    ):
        for name in names:
            _add_modalities(other, counts, items(found, name), (prefix, suffix))
    cached = counts.of("cachedContentTokenCount")
    for unit, count in fees_of((("usageMetadata", found),), counts.read, dialect.reported).items():
        other[unit] = other.get(unit, 0) + count
    usage = Usage(
        input=counts.at_least(prompt + tools, cached, "cachedContentTokenCount"),
        cache_read=cached,
        output=answer + thoughts,
        reasoning=thoughts,
        other=named(other),
    )
    left = _gemini_unread(counts, dialect, grounded)
    left = together(left, beyond("usageMetadata.totalTokenCount", total or 0, usage))
    return Metered(usage, None, service, (), found, tuple(dict.fromkeys(counts.odd)), left)


def _gemini_unread(counts: UsageCounts, dialect: Dialect, grounded: Grounded) -> Unread:
    left = unread_of((("usageMetadata", counts.raw),), counts.read, dialect.reported)
    return together(left, grounded.unread)


def cohere(body: Table, dialect: Dialect) -> Metered:
    """Return what a reply of v2, v1, embed or rerank says: `usage` or `meta`, and in it `billed_units`."""
    place = "usage" if "usage" in body else "meta"
    raw = body.get(place)
    made = items_of(map(kind_of, items(body, "message", "content")), dialect.reported)
    known = [*reports_in(body), *((("meta", body["meta"]),) if "meta" in body else ())]
    if not isinstance(raw, dict):
        return UNMETERED._replace(unread=together(made, unread_of(known, set(), dialect.reported)))
    counts = UsageCounts(raw)
    units = raw.get("billed_units")
    usage = None
    if isinstance(units, dict):
        billed = UsageCounts(units, counts)
        if any(UsageCounts(units).seen(name) is not None for name in units):
            usage = _of_billed_units(billed, counts)
    usage = with_fees(usage, fees_of(known, counts.read, dialect.reported))
    left = together(made, unread_of(known, counts.read, dialect.reported))
    return Metered(usage, None, (), (), raw, tuple(dict.fromkeys(counts.odd)), left)


def _of_billed_units(billed: UsageCounts, counts: UsageCounts) -> Usage:
    images, written = billed.of("image_tokens"), billed.of("output_tokens")
    other = {
        "input_image_tokens": images,
        "rerank_searches": billed.of("search_units"),
        "classifications": billed.of("classifications"),
    }
    return Usage(
        input=billed.of("input_tokens") + images,
        output=written,
        reasoning=min(written, counts.of("tokens", "reasoning_tokens")),
        other=named(other),
    )


def _with_iterations(counts: UsageCounts, model: str) -> tuple[Usage, tuple[ModelUsage, ...]]:
    """The top, or the sum of the iterations of the same model where that is more; other models stand apart."""
    top = _message(counts)
    own, others = Usage(), []
    for each in items(counts.raw, "iterations"):
        part = _message(UsageCounts(each, counts))
        name = text(each, "model")
        if name and name != model:
            others.append(ModelUsage(name, part))
        else:
            own = _sum(own, part)
    searches = max(dict(used.other).get("web_searches", 0) for used in (top, own))
    top = top._replace(other=named({"web_searches": searches}))
    apart = sum(each.usage.input + each.usage.output for each in others)
    if others and own.input + own.output + apart == top.input + top.output:
        return own._replace(reasoning=min(top.reasoning, own.output), other=top.other), tuple(others)
    if own.input + own.output <= top.input + top.output:
        return top, tuple(others)
    return own._replace(reasoning=min(top.reasoning, own.output), other=top.other), tuple(others)


def _sum(one: Usage, two: Usage) -> Usage:
    return Usage(
        one.input + two.input,
        one.cache_read + two.cache_read,
        one.cache_write_5m + two.cache_write_5m,
        one.cache_write_1h + two.cache_write_1h,
        one.output + two.output,
        other=named({"web_searches": sum(count for used in (one, two) for _, count in used.other)}),
    )


def _message(counts: UsageCounts) -> Usage:
    read, written = counts.of("cache_read_input_tokens"), counts.of("output_tokens")
    hour = counts.of("cache_creation", "ephemeral_1h_input_tokens")
    minutes = counts.of("cache_creation", "ephemeral_5m_input_tokens")
    saved = counts.of("cache_creation_input_tokens")
    saved = counts.at_least(saved, hour + minutes, "cache_creation") if saved else hour + minutes
    thoughts = counts.of("output_tokens_details", "thinking_tokens")
    return Usage(
        input=counts.of("input_tokens") + read + saved,
        cache_read=read,
        cache_write_5m=saved - hour,
        cache_write_1h=hour,
        output=counts.at_least(written, thoughts, "thinking_tokens"),
        reasoning=thoughts,
        other=named({"web_searches": counts.of("server_tool_use", "web_search_requests")}),
    )


def _add_modalities(other: dict[str, int], counts: UsageCounts, details: list[Table], name: tuple[str, str]) -> None:
    for detail in details:
        modality = detail.get("modality")
        kind = _MODALITIES.get(modality) if isinstance(modality, str | int) else None
        if kind:
            unit = f"{name[0]}_{kind}_{name[1]}"
            other[unit] = other.get(unit, 0) + UsageCounts(detail, counts).of("tokenCount")
