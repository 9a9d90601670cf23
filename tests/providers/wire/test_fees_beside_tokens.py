"""What stands beside the tokens and is billed: searches, maps, containers, images; in streams it may come early."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from recorded_exchanges import Record, body_of, decoded, is_stream, needs_recorded, records
from test_unread_numbers import USAGE, USAGES, chat, metered, unread

from aikeys.providers.catalogue import load
from aikeys.providers.usage import Usage
from aikeys.providers.wire.exact_json import read
from aikeys.providers.wire.protocols import PROTOCOLS
from aikeys.providers.wire.values import Metered, StreamEnd


def streamed(protocol: str, provider: str, *events: dict[str, Any]) -> Metered:
    stream = PROTOCOLS[protocol].stream(load()[provider].dialect())
    stream.feed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))
    while stream.next() is not None:
        pass
    stream.close()
    return stream.end().reply.metered


MESSAGE = {
    "type": "message_start",
    "message": {"id": "m", "model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
RESPONSE = {"id": "r", "model": "gpt-5", "status": "completed", **USAGES["openai_responses"]}
CHUNK = {"model": "m", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}
STREAMS = [
    ("anthropic_messages", "anthropic", [MESSAGE, {"type": "ping", "usage": {"n": 3}}, DELTA], "usage.n"),
    ("anthropic_messages", "anthropic", [{**MESSAGE, "fees": {"n": 3}}, DELTA], "fees.n"),
    (
        "anthropic_messages",
        "anthropic",
        [MESSAGE, {"type": "content_block_start", "content_block": {"type": "text", "costs": {"n": 3}}}, DELTA],
        "content.costs.n",
    ),
    (
        "anthropic_messages",
        "anthropic",
        [MESSAGE, {**DELTA, "usage": {"output_tokens": 7, "n": 3}}, DELTA],
        "usage.n",
    ),
    (
        "openai_responses",
        "openai",
        [{"type": "response.x", "usage": {"n": 3}}, {"type": "response.completed", "response": RESPONSE}],
        "usage.n",
    ),
    (
        "openai_responses",
        "openai",
        [
            {"type": "response.created", "response": {"tool_usage": {"n": 3}}},
            {"type": "response.completed", "response": RESPONSE},
        ],
        "tool_usage.n",
    ),
    (
        "openai_chat",
        "openai",
        [{**CHUNK, "choices": [{"index": 0, "usage": {"n": 3}, "delta": {}}]}, {**CHUNK, "usage": USAGE}],
        "usage.n",
    ),
    (
        "openai_chat",
        "openai",
        [{**CHUNK, "choices": [{"index": 0, "delta": {"content": "x", "costs": {"n": 3}}}]}, {**CHUNK, "usage": USAGE}],
        "choices.message.costs.n",
    ),
    (
        "gemini_generate",
        "gemini",
        [
            {"candidates": [], "usageMetadata": {"promptTokenCount": 1, "n": 3}},
            {"candidates": [{"finishReason": "STOP"}], **USAGES["gemini_generate"]},
        ],
        "usageMetadata.n",
    ),
]


@pytest.mark.parametrize(("protocol", "provider", "events", "name"), STREAMS)
def test_in_a_stream_it_is_found_in_any_event(
    protocol: str, provider: str, events: list[dict[str, Any]], name: str
) -> None:
    found = streamed(protocol, provider, *events)
    assert found.usage is not None
    assert dict(found.unread) == {name: 3}


SEARCHED = {"type": "web_search_call", "id": "ws", "action": {"type": "search"}}
RAN = {"type": "code_interpreter_call", "container_id": "c1"}


@pytest.mark.parametrize("repeated", [False, True])
def test_items_that_the_last_event_leaves_out_are_counted_once(repeated: bool) -> None:
    done = [
        {"type": "response.output_item.done", "output_index": number, "item": item}
        for number, item in enumerate([SEARCHED, {**RAN, "id": "a"}, {**RAN, "id": "b"}])
    ]
    output = [event["item"] for event in done] if repeated else []
    end = {"type": "response.completed", "response": {**RESPONSE, "output": output}}
    found = streamed("openai_responses", "openai", *done, end)
    assert found.usage == Usage(10, output=5, other=(("code_executions", 1), ("web_searches", 1)))
    assert found.unread == ()


def test_images_are_the_tokens_of_the_model_that_drew_them() -> None:
    image_gen = {
        "input_tokens": 40,
        "input_tokens_details": {"text_tokens": 30, "image_tokens": 10},
        "output_tokens": 4160,
        "output_tokens_details": {"image_tokens": 4160},
        "total_tokens": 4200,
    }
    body = {
        **RESPONSE,
        "output": [{"type": "image_generation_call"}],
        "tools": [{"type": "image_generation", "model": "gpt-image-2"}],
        "tool_usage": {"image_gen": image_gen, "web_search": {"num_requests": 0}},
    }
    found = metered(body, "openai", "openai_responses")
    ((model, usage),) = found.others
    drawn = (("input_image_tokens", 10), ("output_image_tokens", 4160))
    assert (model, usage) == ("gpt-image-2", Usage(40, output=4160, other=drawn))
    assert found.unread == ()
    unsaid = metered({**body, "tools": []}, "openai", "openai_responses")
    assert unsaid.others[0].model == "gpt-image-1"
    assert dict(unsaid.unread) == {"tool_usage.image_gen.model": 1}


def test_a_search_model_has_searched_once_and_a_citation_tells_of_one() -> None:
    cited = {"choices": [{"message": {"content": "x", "annotations": [{"type": "url_citation"}]}}], "usage": USAGE}
    found = metered({**cited, "model": "gpt-4o-search-preview-2025-03-11"})
    assert found.usage == Usage(10, output=5, other=(("web_searches", 1),))
    assert found.unread == ()
    assert metered({**chat(), "model": "gpt-5-search-api"}).usage == found.usage
    assert metered({**chat(), "model": "o3-deep-research"}).usage == Usage(10, output=5)
    assert dict(metered({**cited, "model": "gpt-5"}).unread) == {"choices.message.annotations.url_citation": 1}
    chunks = [{"model": "gpt-5", "choices": [{"delta": cited["choices"][0]["message"], "finish_reason": "stop"}]}]  # type: ignore[index]
    assert dict(streamed("openai_chat", "openai", *chunks, {**CHUNK, "usage": USAGE}).unread) == {
        "choices.message.annotations.url_citation": 1
    }


GROUNDED = {"webSearchQueries": ["a", "b"], "groundingChunks": [{"maps": {"uri": "u"}}, {"maps": {"uri": "v"}}]}


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-flash-preview", 2), ("", 2)])
def test_google_is_billed_by_the_prompt_or_by_the_query(model: str, searches: int) -> None:
    body = {"modelVersion": model, "candidates": [{"groundingMetadata": GROUNDED, "finishReason": "STOP"}]}
    whole = {**body, **USAGES["gemini_generate"]}
    expected = Usage(10, output=5, other=(("maps_searches", 1), ("web_searches", searches)))
    assert metered(whole, "gemini", "gemini_generate").usage == expected
    assert streamed("gemini_generate", "gemini", body, whole).usage == expected


SPOKEN = {"message": {"content": None, "audio": {"id": "a", "data": "AAAA"}}}


def test_what_a_chat_shows_is_billed_by_its_unit_or_left_unread() -> None:
    details = {"completion_tokens_details": {"audio_tokens": 4}}
    assert unread({"model": "m", "choices": [SPOKEN], "usage": {**USAGE, **details}}) == {}
    assert unread({"model": "m", "choices": [SPOKEN], "usage": USAGE}) == {"choices.message.audio": 1}
    assert unread({"model": "m", "choices": [{"message": {"images": [{}]}}], "usage": USAGE}) == {
        "choices.message.images": 1
    }
    assert unread({**chat(), "search_results": [{}]}) == {"search_results": 1}
    assert unread({**chat(num_search_queries=2), "search_results": [{}]}) == {}
    found = streamed("openai_chat", "zhipu", {**CHUNK, "web_search": [{}]}, {**CHUNK, "usage": USAGE})
    assert dict(found.unread) == {"web_search": 1}


def test_tools_beside_a_usage_that_is_missing_are_left_unread() -> None:
    body = {"model": "m", "output": [SEARCHED], "tool_usage": {"image_gen": {"output_tokens": 5}}}
    found = metered(body, "openai", "openai_responses")
    assert found.usage is None
    assert dict(found.unread) == {"tools.web_searches": 1, "tool_usage.image_gen": 1, "tool_usage.image_gen.model": 1}


@pytest.mark.parametrize(
    ("queries", "searches"), [((["a"], ["b"]), 2), ((["a"], ["a", "b"]), 2), ((["a", "a"], []), 2)]
)
def test_the_searches_of_a_stream_are_each_counted_once(queries: tuple[list[str], ...], searches: int) -> None:
    chunks = [
        {"modelVersion": "gemini-3-pro", "candidates": [{"groundingMetadata": {"webSearchQueries": found}}]}
        for found in queries
    ]
    end = {"candidates": [{"finishReason": "STOP"}], **USAGES["gemini_generate"]}
    found = streamed("gemini_generate", "gemini", *chunks, end)
    assert found.usage == Usage(10, output=5, other=(("web_searches", searches),))


ITEM = "zzz_call"
HOLDERS = {
    "responses": ("output", {"type": ITEM}),
    "messages": ("content", {"type": ITEM}),
    "cohere-chat": ("content", {"type": ITEM}),
    "generateContent": ("parts", {ITEM: {"x": "y"}}),
}
EVENTS = {
    "responses": {"type": "response.output_item.done", "output_index": 99, "item": {"id": "zzz", "type": ITEM}},
    "messages": {"type": "content_block_start", "index": 99, "content_block": {"type": ITEM}},
    "cohere-chat": {"type": "content-start", "index": 99, "delta": {"message": {"content": {"type": ITEM}}}},
    "generateContent": {"candidates": [{"content": {"parts": [{ITEM: {"x": "y"}}]}}]},
}


def lists_of(value: Any, name: str) -> list[list[Any]]:
    if isinstance(value, list):
        return [found for each in value for found in lists_of(each, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if isinstance(value.get(name), list) else []
    return own or [found for key in ("message", "candidates", "content") for found in lists_of(value.get(key), name)]


def with_item(record: Record, dice: random.Random) -> Record | None:
    """Return the record with an item of an unknown kind among those that it has."""
    place, item = HOLDERS[record["endpoint"]]
    if is_stream(record):
        event = b"data: " + json.dumps(EVENTS[record["endpoint"]]).encode() + b"\n\n"
        frames = body_of(record).replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n\n")
        frames.insert(dice.randrange(1, len(frames)) if len(frames) > 1 else 1, event.rstrip())
        body = b"\n\n".join(frames) + b"\n\n"
    else:
        value = read(body_of(record))
        found = lists_of(value, place)
        if not found:
            return None
        found[0].append(item)
        body = json.dumps(value, default=float).encode()
    return {**record, "response": {**record["response"], "body": body.decode()}}


@needs_recorded
def test_an_item_of_an_unknown_kind_is_found_in_any_recorded_exchange() -> None:
    dice = random.Random(7)
    tried, missed = 0, []
    for record in records():
        if record["endpoint"] not in HOLDERS or record["provider"] == "writer" or "/v1/chat" in record["path"]:
            continue
        if "body_b64" in record["response"] or int(record["response"]["status"]) >= 300:
            continue
        changed = with_item(record, dice)
        if changed is None:
            continue
        result = decoded(changed)
        found = result.reply.metered if isinstance(result, StreamEnd) else result.metered
        tried += 1
        if found.billed_pusd is None and not any(ITEM in name for name, _ in found.unread):
            missed.append((record["id"], record["provider"], record["endpoint"], is_stream(record), found.unread))
    assert tried > 400
    assert not missed, missed[:10]
