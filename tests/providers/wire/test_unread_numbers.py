"""What a reply reports and nobody read is found, wherever it stands; what is free, a part or a fee is told by lists."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_exchanges import Record, all_records, body_of, decoded, is_stream, needs_recorded, records

from aikeys.errors import BadConfiguration
from aikeys.providers.catalogue import load
from aikeys.providers.reported import NONE_LISTED, reported_of
from aikeys.providers.usage import Usage
from aikeys.providers.wire.exact_json import read
from aikeys.providers.wire.protocols import PROTOCOLS, protocol_of
from aikeys.providers.wire.unread import MOST_NAMES, bounded, is_report, unread_of
from aikeys.providers.wire.values import Metered, Reply, StreamEnd

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
NAME = "zzz_units"
PLACES = {
    "openai": ("usage", "tool_usage"),
    "gemini": ("usageMetadata", "groundingMetadata"),
    "anthropic": ("usage",),
    "cohere": ("usage", "meta"),
}


def metered(body: dict[str, Any], provider: str = "openai", protocol: str = "openai_chat") -> Metered:
    dialect = load()[provider].dialect()
    found = PROTOCOLS[protocol].decode(200, {}, json.dumps(body).encode(), dialect)
    assert isinstance(found, Reply)
    return found.metered


def chat(**usage: object) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"content": "ok"}}], "usage": {**USAGE, **usage}}


def unread(body: dict[str, Any], provider: str = "openai", protocol: str = "openai_chat") -> dict[str, int]:
    return dict(metered(body, provider, protocol).unread)


@pytest.mark.parametrize("nothing", [0, None, True, False, "text", "0", "0.0", "", [], {}, 0.0])
def test_zero_null_booleans_and_words_change_nothing(nothing: object) -> None:
    assert unread(chat(new_units=nothing)) == {}


@pytest.mark.parametrize(("number", "count"), [(3, 3), (0.5, 1), (-2, 2), (1e30, 10**15), (10**40, 10**15)])
def test_any_other_number_is_named_with_its_whole_path(number: object, count: int) -> None:
    assert unread(chat(new_units=number)) == {"usage.new_units": count}
    assert unread(chat(tools={"kinds": [{"deep": number}]})) == {"usage.tools.kinds.deep": count}
    assert unread({**chat(), "tool_usage": {"video": {"seconds": number}}}) == {"tool_usage.video.seconds": count}
    assert unread({**chat(), "extra_fees": number}) == {"extra_fees": count}


@pytest.mark.parametrize(("text", "count"), [("7", 7), ("0.02", 1), ("-3", 3), ("1e30", 10**15), (" 5 ", 5)])
def test_a_text_that_is_a_number_is_one_that_nobody_read(text: str, count: int) -> None:
    assert unread(chat(new_units=text)) == {"usage.new_units": count}
    assert unread(chat(tools=[text])) == {"usage.tools": count}
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18, "thoughtsTokenCount": text}
    body = {"candidates": [{"content": {"parts": [{"text": "ok"}]}}], "usageMetadata": counts}
    assert unread(body, "gemini", "gemini_generate") == {"usageMetadata.thoughtsTokenCount": count}


@pytest.mark.parametrize("stated", ["0.02", -0.02, True, [0.01], 1e30, ""])
def test_a_stated_cost_that_cannot_be_read_makes_the_cost_a_lower_bound(stated: object) -> None:
    assert unread(chat(cost=stated), "openrouter") == {"usage.cost": 1}
    upstream = chat(cost=0.0001, is_byok=True, cost_details={"upstream_inference_cost": stated})
    assert metered(upstream, "openrouter", "openai_chat").billed_pusd is None
    assert unread(upstream, "openrouter") == {"usage.cost": 1}


def test_what_was_searched_for_is_no_number() -> None:
    assert "groundingMetadata.groundingChunks.web.title" not in unread(
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": "ok"}]},
                    "groundingMetadata": {"webSearchQueries": ["42"], "groundingChunks": [{"web": {"title": "2026"}}]},
                }
            ],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18},
        },
        "gemini",
        "gemini_generate",
    )


def test_a_number_below_the_details_of_a_sum_that_is_read_changes_nothing() -> None:
    assert unread(chat(prompt_tokens_details={"new_tokens": 3, "deeper": {"more": 4}})) == {}
    assert unread(chat(search_details={"new": 3})) == {"usage.search_details.new": 3}


def test_a_count_that_cannot_be_true_was_not_read() -> None:
    assert unread(chat(server_tool_use={"web_search_requests": 2.5})) == {
        "usage.server_tool_use.web_search_requests": 3
    }


def test_names_are_few_short_and_printable() -> None:
    found = unread(chat(**{f"n{number}": 1 for number in range(20)}))
    assert len(found) == MOST_NAMES
    assert found["further fields"] == 13
    ((name, _),) = unread(chat(**{"a=b\n\x1b[31m" + "x" * 300: 1})).items()
    assert name.isprintable()
    assert "=" not in name
    assert len(name) == 100


def test_a_provider_that_says_what_it_charges_has_said_it_for_everything() -> None:
    found = metered(chat(cost=0.5, new_units=3), "openrouter")
    assert found.billed_pusd == 5 * 10**11
    assert found.unread == ()
    assert unread(chat(new_units=3), "openrouter") == {"usage.new_units": 3}


def test_config_toml_says_what_a_field_is() -> None:
    lists = {"free": ["usage.spare"], "part_of": ["usage.part"], "fee": {"usage.maps": "maps_searches"}}
    dialect = load(None, {"openai": lists})["openai"].dialect()
    body = json.dumps(chat(spare=1, part=2, maps=3, other=4)).encode()
    found = PROTOCOLS["openai_chat"].decode(200, {}, body, dialect)
    assert isinstance(found, Reply)
    assert found.metered.usage == Usage(10, output=5, other=(("maps_searches", 3),))
    assert found.metered.unread == (("usage.other", 4),)


@pytest.mark.parametrize(
    "table", [{"gratis": []}, {"free": [1]}, {"fee": ["a"]}, {"fee": {"a": 3}}, {"fee": {"a": "B!"}}]
)
def test_lists_that_say_nothing_are_refused_and_named(table: dict[str, object]) -> None:
    with pytest.raises(BadConfiguration, match=r"\[reported\.x\]"):
        reported_of("[reported.x]", table)
    with pytest.raises(BadConfiguration, match="no provider has that name"):
        load(None, {"opena": {}})


def test_no_item_and_no_number_is_listed_twice_or_with_a_wildcard() -> None:
    for provider in load().values():
        settled, fees = provider.reported
        assert not any("*" in path for path in settled)
        assert not settled & {path for path, _ in fees}


ITEMS = [
    ("openai_responses", "openai", {"output": [{"type": "video_generation_call"}]}, "output.video_generation_call"),
    (
        "openai_responses",
        "openai",
        {"output": [{"type": "web_search_call", "action": {"type": "open_page"}}]},
        "output.web_search_call.open_page",
    ),
    ("openai_responses", "openai", {"output": [{"type": "image_generation_call"}]}, "output.image_generation_call"),
    (
        "anthropic_messages",
        "anthropic",
        {"content": [{"type": "server_tool_use", "name": "new_tool"}]},
        "content.server_tool_use.new_tool",
    ),
    ("anthropic_messages", "anthropic", {"content": [{"type": "new_block"}]}, "content.new_block"),
    (
        "gemini_generate",
        "gemini",
        {"candidates": [{"content": {"parts": [{"toolCall": {"toolType": "NEW"}}]}, "finishReason": "STOP"}]},
        "parts.toolCall.NEW",
    ),
    (
        "gemini_generate",
        "gemini",
        {"candidates": [{"groundingMetadata": {"newQueries": ["a"]}, "finishReason": "STOP"}]},
        "groundingMetadata.newQueries",
    ),
    (
        "openai_chat",
        "groq",
        {"choices": [{"message": {"content": "", "executed_tools": [{"type": "search"}]}}]},
        "choices.message.executed_tools.search",
    ),
    (
        "openai_chat",
        "together",
        {"choices": [{"message": {"content": "", "annotations": [{"type": "url_citation"}]}}]},
        "choices.message.annotations.url_citation",
    ),
]
USAGES = {
    "openai_chat": {"usage": USAGE},
    "openai_responses": {"usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}},
    "anthropic_messages": {"usage": {"input_tokens": 10, "output_tokens": 5}, "type": "message"},
    "gemini_generate": {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}},
}


@pytest.mark.parametrize(("protocol", "provider", "body", "name"), ITEMS)
def test_an_item_that_is_billed_and_that_nobody_reads_is_named(
    protocol: str, provider: str, body: dict[str, Any], name: str
) -> None:
    found = metered({"model": "m", **body, **USAGES[protocol]}, provider, protocol)
    assert found.usage is not None
    assert dict(found.unread) == {name: 1}


def frames(record: Record) -> list[tuple[bytes, Any]]:
    """Return the lines of a stream, or the one body, with what is JSON in them."""
    lines = body_of(record).replace(b"\r\n", b"\n").split(b"\n") if is_stream(record) else [body_of(record)]
    found = []
    for line in lines:
        text = line.removeprefix(b"data:").strip()
        value = read(text) if text.startswith((b"{", b"[")) and text != b"[DONE]" else None
        found.append(
            (line[: len(line) - len(line.removeprefix(b"data:"))], value) if value is not None else (b"", line)
        )
    return found


def places(value: Any, *, inside: bool = False, name: str = "") -> Iterator[dict[str, Any]]:
    """Yield the objects of what is reported, but not the details of sums."""
    if isinstance(value, list):
        for each in value:
            yield from places(each, inside=inside, name=name)
    elif isinstance(value, dict):
        if inside:
            yield value
        for key, each in value.items():
            if key.lower().endswith("details") or key in ("output", "content", "parts", "tools", "metadata"):
                continue
            is_whole = key in ("usage", "tool_usage", "usageMetadata", "groundingMetadata", "billed_units")
            if inside or is_whole or key in ("response", "message", "candidates", "choices", "delta", "meta"):
                yield from places(each, inside=inside or is_whole, name=key)


def with_number(record: Record, dice: random.Random) -> Record | None:
    """Return the record with a number under a name that is on no list, somewhere in what it reports."""
    lines = frames(record)
    found = [place for _, value in lines for place in places(value)]
    if not found:
        return None
    dice.choice(found)[NAME] = dice.choice((1, 7, Decimal("0.25"), 10**6))
    texts = [
        before + (json.dumps(value, default=float).encode() if isinstance(value, dict | list) else value)
        for before, value in lines
    ]
    response = {name: each for name, each in record["response"].items() if name != "body_b64"}
    return {**record, "response": {**response, "body": b"\n".join(texts).decode()}}


@needs_recorded
@pytest.mark.parametrize("seed", range(2))
def test_a_number_on_no_list_is_found_anywhere_in_what_any_recorded_exchange_reports(seed: int) -> None:
    dice = random.Random(seed)
    tried, missed = 0, []
    for record in records():
        if (
            "body_b64" in record["response"]
            or record["endpoint"] in ("invoke", "converse")
            or "rerank" in record["path"]
        ):
            continue
        changed = with_number(record, dice) if int(record["response"]["status"]) < 300 else None
        if changed is None:
            continue
        result = decoded(changed)
        found = result.reply.metered if isinstance(result, StreamEnd) else result.metered
        tried += 1
        if found.billed_pusd is None and not any(name.endswith(NAME) for name, _ in found.unread):
            missed.append((record["id"], record["provider"], record["endpoint"], found.unread))
    assert tried > 700
    assert not missed, missed[:10]


@needs_recorded
def test_no_recorded_exchange_but_those_of_an_open_question_has_anything_unread() -> None:
    names = set()
    for record in all_records():
        if not record["has_usage"] or "body_omitted_bytes" in record["response"]:
            continue
        result = decoded(record)
        names |= {
            name for name, _ in (result.reply.metered if isinstance(result, StreamEnd) else result.metered).unread
        }
    assert names == {
        "content.server_tool_use.bash_code_execution",  # billed by the time of a container
        "content.server_tool_use.code_execution",
        "choices.message.executed_tools.search",  # Groq's compound models: their tools have no price here
        "choices.message.executed_tools.visit",
        "choices.message.audio",  # one reply speaks, and its usage does not say with how many tokens
    }


@given(st.dictionaries(st.text(max_size=300), st.integers(1, 10**18), max_size=30))
def test_whatever_the_names_are_they_fit_into_an_entry(found: dict[str, int]) -> None:
    kept = bounded(found)
    assert len(kept) <= MOST_NAMES
    for name, count in kept:
        assert 0 < len(name) <= 100
        assert name.isprintable()
        assert "=" not in name
        assert 0 < count <= 10**15
    assert bool(kept) == bool(found)


def test_a_report_is_known_by_its_name() -> None:
    assert all(map(is_report, ("usage", "tool_usage", "usageMetadata", "groundingMetadata", "billed_units", "newFees")))
    assert not any(map(is_report, ("id", "model", "choices", "output", "created", "metadata")))
    assert unread_of((("usage", {"a": {"b": [1, 2]}}),), set(), NONE_LISTED) == (("usage.a.b", 3),)


def test_what_a_total_has_beyond_its_parts_was_read_by_nobody() -> None:
    assert unread(chat(total_tokens=100)) == {"usage.total_tokens.rest": 85}
    assert unread(chat(total_tokens=12)) == {}
    assert unread(chat(total_tokens=100, cost=0.5), "openrouter") == {}
    google = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 20}
    body = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": google}
    assert unread(body, "gemini", "gemini_generate") == {"usageMetadata.totalTokenCount.rest": 5}


def test_searches_that_only_the_iterations_report_are_counted() -> None:
    parts = [{"input_tokens": 5, "output_tokens": 2, "server_tool_use": {"web_search_requests": 2}}] * 2
    usage = {"input_tokens": 10, "output_tokens": 4, "iterations": parts}
    found = metered({"model": "m", "type": "message", "content": [], "usage": usage}, "anthropic", "anthropic_messages")
    assert found.usage == Usage(10, output=4, other=(("web_searches", 4),))
    assert found.unread == ()


@pytest.mark.parametrize(
    ("provider", "frames", "fell"),
    [
        ("openai", [{"usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}}, {"usage": {"prompt_tokens": 1000, "completion_tokens": 1, "total_tokens": 1001}}], {"usage.output_fell": 999}),
        ("openai", [{"usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}}, {"usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}}], {}),
        ("anthropic", [{"type": "message_start", "message": {"usage": {"input_tokens": 1000, "output_tokens": 8}}}, {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 1, "output_tokens": 5}}], {"usage.input_fell": 999}),
        ("anthropic", [{"type": "message_start", "message": {"usage": {"input_tokens": 1000, "output_tokens": 8}}}, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}}], {}),
    ],
)  # fmt: skip
def test_a_count_that_falls_within_a_stream_is_a_lower_bound(
    provider: str, frames: list[dict[str, Any]], fell: dict[str, int]
) -> None:
    known = load()[provider].dialect()
    decoder = protocol_of(known).stream(known)
    for frame in frames:
        decoder.feed(b"data: " + json.dumps(frame).encode() + b"\n\n")
    unread = dict(decoder.end().reply.metered.unread)
    assert {name: count for name, count in unread.items() if name.endswith("_fell")} == fell
