"""The worst case of a request in a provider's own words is one: for what was recorded, and for what could be sent."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.pricing.book import Book
from aikeys.pricing.bounds import Media, ways_of_serving
from aikeys.pricing.worst_case import worst_case
from aikeys.providers import catalogue
from aikeys.providers.wire.exact_json import read_table
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Image, Message, Options, Request, Schema, Text, Tool
from aikeys.spending.native.bodies import Metering, NativeRequest, bounds_of_body, with_cap
from aikeys.spending.native.findings import names
from aikeys.spending.order import metered
from aikeys.spending.plan import Circumstances
from tests.providers.wire.recorded_exchanges import needs_recorded
from tests.spending.recorded_bounds import NOON_US, SENT_US, Judged, judged_records

BODIES: dict[str, dict[str, object]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai_responses": {"input": "hi"},
    "anthropic_messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10},
    "gemini_generate": {"contents": [{"parts": [{"text": "hi"}]}]},
    "cohere_chat": {"messages": [{"role": "user", "content": "hi"}]},
}
PROVIDERS = dict(zip(BODIES, ("openai", "openai", "anthropic", "gemini", "cohere"), strict=True))


def native(protocol: str, provider: str = "", **fields: object) -> NativeRequest:
    dialect = catalogue.load()[provider or PROVIDERS[protocol]].dialect()
    return NativeRequest(protocol, dialect, "m", BODIES.get(protocol, {}) | fields)


def found(protocol: str, provider: str = "", **fields: object) -> Metering:
    return bounds_of_body(native(protocol, provider, **fields), None, NOON_US, SENT_US)


def said(*parts: object) -> list[object]:
    return [{"role": "user", "content": list(parts)}]


@needs_recorded
def test_no_recorded_call_cost_more_than_its_worst_case() -> None:
    """One that a limit refuses, because something in it has no bound, is not counted here: see the next test."""
    wrong = []
    bounded = [one for one in judged_records() if not one.refused]
    for one in bounded:
        is_dear = one.cost_pusd is not None and one.cost_pusd > one.worst.cost_pusd
        cap = one.worst.output_tokens
        if is_dear or one.usage.input > one.worst.input_tokens or (cap and one.usage.output > cap):
            wrong.append((one.record["id"], one.record["model"], one.kind, one.usage, one.cost_pusd, one.worst))
    assert not wrong
    assert len(bounded) > 570
    assert sum(one.cost_pusd is not None for one in bounded) > 430
    assert {"text", "tools", "images"} <= {one.kind for one in bounded}


@needs_recorded
def test_no_recorded_use_costs_more_in_the_dearest_region_and_tier_with_every_fee() -> None:
    bounded = [one for one in judged_records() if not one.refused and one.cost_pusd is not None]
    assert not [
        (one.record["id"], one.record["model"], one.dearest_pusd(), one.worst.cost_pusd)
        for one in bounded
        if one.dearest_pusd() > one.worst.cost_pusd
    ]
    regional = [one for one in bounded if any("residency" in way for way in one.metering.bounds.services)]
    assert len(regional) > 20
    assert sum(one.dearest_pusd() > (one.cost_pusd or 0) for one in regional) > 20
    assert any("service_tier" in way for one in bounded for way in one.metering.bounds.services)


@needs_recorded
def test_what_did_go_beyond_its_text_is_refused_under_a_limit() -> None:
    """Searches, hosted tools and runs of other models: the text bounds nothing then."""
    beyond = [one for one in judged_records() if one.worst.input_tokens and one.usage.input > one.worst.input_tokens]
    assert len(beyond) > 20
    assert all(one.refused for one in beyond)
    assert max(Counter(map(_first, beyond)).values()) > 1


def _first(one: Judged) -> str:
    return one.refused[0]


@pytest.mark.parametrize("protocol", BODIES)
def test_a_field_that_no_meter_knows_is_named(protocol: str) -> None:
    assert found(protocol).unmetered == ()
    assert found(protocol, turbo=None).unmetered == ()
    assert found(protocol, turbo=True, MaxTokens=9).unmetered == ("turbo", "MaxTokens")


@pytest.mark.parametrize("protocol", BODIES)
def test_a_cap_that_is_put_in_is_the_cap_that_is_read(protocol: str) -> None:
    request = native(protocol)
    capped = request._replace(body=with_cap(request, 321))
    assert bounds_of_body(capped, None, NOON_US, SENT_US).bounds.max_output == 321
    assert request.body == BODIES[protocol]


def test_a_cap_under_a_name_that_the_provider_may_pass_over_is_none() -> None:
    assert found("openai_chat", "mistral", max_completion_tokens=5).bounds.max_output == 0
    assert found("openai_chat", "mistral", max_tokens=5).bounds.max_output == 5
    assert found("openai_chat", max_tokens=5, max_completion_tokens=7).bounds.max_output == 7
    assert with_cap(native("openai_chat", max_tokens=5), 3)["max_completion_tokens"] == 3
    assert "max_tokens" not in with_cap(native("openai_chat", max_tokens=5), 3)


@pytest.mark.parametrize("provider", ["openai", "mistral", "deepseek", "openrouter"])
def test_of_two_caps_that_differ_the_larger_counts_and_a_limit_refuses_them(provider: str) -> None:
    for small, large in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
        both = found("openai_chat", provider, **{small: 5, large: 64_000})
        assert both.bounds.max_output == 64_000
        assert both.unmetered == ("max_tokens beside another max_completion_tokens",)
    assert found("openai_chat", provider, max_tokens=5, max_completion_tokens=5).unmetered == ()


IMAGES = "gemini-2.5-flash-image"


def of_images(provider: str = "gemini", **config: object) -> Metering:
    price = Book("", {}, {}, catalogue.load()).find("gemini", IMAGES)
    assert price is not None
    request = native("gemini_generate", provider, generationConfig={"maxOutputTokens": 9, **config})
    return bounds_of_body(request, price.price, NOON_US, SENT_US)


def test_a_model_that_makes_images_unasked_is_bounded_by_what_images_cost() -> None:
    price = Book("", {}, {}, catalogue.load()).find("gemini", IMAGES)
    assert price is not None
    assert price.price.max_output == 32_768
    for config in ({}, {"responseModalities": None}, {"responseModalities": []}, {"responseModalities": ["IMAGE"]}):
        worst = worst_case(price.price, of_images(**config).bounds)
        assert (worst.output_tokens, worst.output_rate, worst.undecided) == (32_768, (30_000_000, 1), ())
    text = worst_case(price.price, of_images(responseModalities=["TEXT"]).bounds)
    assert (text.output_tokens, text.output_rate) == (9, (2_500_000, 1))


def test_an_openai_model_that_can_speak_does_so_only_when_it_is_asked() -> None:
    price = Book("", {}, {}, catalogue.load()).find("openai", "gpt-audio")
    assert price is not None
    silent = bounds_of_body(native("openai_chat", max_completion_tokens=9), price.price, NOON_US, SENT_US)
    assert (silent.bounds.output_modalities, silent.bounds.cap_covers_reasoning) == ((), True)
    asked = native("openai_chat", modalities=["text", "audio"])
    assert bounds_of_body(asked, price.price, NOON_US, SENT_US).bounds.output_modalities == ("audio",)


@pytest.mark.parametrize("value", ["IMAGE", [2], {"a": 1}, [["IMAGE"]], 2])
def test_modalities_that_are_no_list_of_words_are_not_metered(value: object) -> None:
    where = "generationConfig.responseModalities"
    assert found("gemini_generate", generationConfig={"responseModalities": value}).unmetered == (where,)
    assert found("openai_chat", modalities=value).unmetered == ("modalities",)


@pytest.mark.parametrize("cap", [0, -1, "5", 5.0, True])
def test_a_cap_that_is_no_count_is_not_metered(cap: object) -> None:
    assert found("openai_chat", max_tokens=cap).unmetered == ("max_tokens",)


def test_google_names_count_in_both_spellings_but_not_in_both_at_once() -> None:
    snake = found("gemini_generate", generation_config={"max_output_tokens": 9, "candidate_count": 2})
    assert (snake.bounds.max_output, snake.bounds.choices, snake.unmetered) == (9, 2, ())
    both = found("gemini_generate", generationConfig={}, generation_config={"maxOutputTokens": 9})
    assert both.unmetered == ("generation_config",)


@pytest.mark.parametrize(
    ("protocol", "field", "value"),
    [
        ("openai_chat", "tools", [{"type": "browser_search"}]),
        ("openai_chat", "messages", said({"type": "hologram"})),
        ("openai_chat", "web_search_options", {}),
        ("openai_responses", "tools", [{"type": "web_search"}]),
        ("openai_responses", "background", True),
        ("anthropic_messages", "tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("anthropic_messages", "tools", [{"type": "code_execution_20260120"}]),
        ("anthropic_messages", "context_management", {"edits": [{"type": "compact_20260112"}]}),
        ("gemini_generate", "tools", [{"googleSearch": {}}]),
        ("gemini_generate", "tools", {"code_execution": {}}),
        ("cohere_chat", "connectors", [{"id": "web"}]),
    ],
)
def test_what_the_provider_may_repeat_as_it_likes_has_no_bound(protocol: str, field: str, value: object) -> None:
    assert found(protocol, **{field: value}).unmetered


@pytest.mark.parametrize(
    ("protocol", "field", "value"),
    [
        ("openai_responses", "previous_response_id", "resp_1"),
        ("openai_responses", "input", [{"type": "item_reference", "id": "msg_1"}]),
        ("gemini_generate", "cachedContent", "cachedContents/x"),
        ("gemini_generate", "contents", {"parts": {"file_data": {"mime_type": "image/png", "file_uri": "x"}}}),
        ("openai_chat", "messages", [{"role": "assistant", "audio": {"id": "audio_1"}}]),
        ("anthropic_messages", "messages", said({"type": "container_upload", "file_id": "f"})),
    ],
)
def test_what_is_only_named_may_fill_the_window(protocol: str, field: str, value: object) -> None:
    metering = found(protocol, **{field: value})
    assert metering.bounds.referenced
    assert not metering.unmetered


def test_declared_searches_run_the_model_once_more_each() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    bounds = found("anthropic_messages", tools=[tool]).bounds
    assert (bounds.iterations, bounds.units, bounds.referenced) == (4, (("web_searches", 3),), True)
    bounds = found("openai_responses", tools=[{"type": "web_search"}], max_tool_calls=2).bounds
    assert (bounds.iterations, bounds.units) == (3, (("web_searches", 2),))


def test_the_bytes_of_an_image_are_no_text_but_its_name_is() -> None:
    data = b64encode(b"x" * 300_000).decode()
    address = f"data:image/png;base64,{data}"
    for protocol, part in (
        ("openai_chat", {"type": "image_url", "image_url": {"url": address}}),
        ("anthropic_messages", {"type": "image", "source": {"type": "base64", "data": data}}),
        ("cohere_chat", {"type": "image_url", "image_url": {"url": address}}),
    ):
        bounds = found(protocol, messages=said(part)).bounds
        assert bounds.media == (Media("image"),)
        assert bounds.text_tokens < 200
    part = {"inline_data": {"mime_type": "audio/wav", "data": data}}
    assert found("gemini_generate", contents=[{"parts": [part]}]).bounds.media == (Media("audio"),)
    disguised = {"type": "text", "text": address}
    assert found("openai_chat", messages=said(disguised)).bounds.text_tokens > len(data)


def test_the_longest_normal_form_counts_and_not_the_escapes() -> None:
    ligature = "\ufdfa" * 1000  # 3 bytes, 33 in NFKC
    assert found("openai_chat", messages=said({"type": "text", "text": ligature})).bounds.text_tokens > 33_000


def test_the_window_bounds_each_text_to_embed_alone() -> None:
    book = Book("", {}, {}, catalogue.load())
    listed = book.find("openai", "text-embedding-3-small")
    assert listed is not None
    texts = ["x" * 8000] * 100
    request = native("openai_embeddings", "openai", input=texts)
    bounds = bounds_of_body(request, listed.price, NOON_US, SENT_US).bounds
    assert worst_case(listed.price, bounds).input_tokens > 8000 * 90


def test_a_dearer_way_of_serving_counts_where_it_is_asked_for() -> None:
    book = Book("", {}, {}, catalogue.load())
    listed = book.find("anthropic", "claude-opus-5")
    assert listed is not None
    assert {"speed": "fast"} not in ways_of_serving(listed.price)
    assert {"speed": "fast"} in ways_of_serving(listed.price, {"speed": "fast"})


def test_a_cache_is_written_where_it_is_told_to() -> None:
    def written(**control: str) -> str:
        return found("anthropic_messages", messages=said({"type": "text", "cache_control": control})).bounds.cache_write

    assert found("anthropic_messages").bounds.cache_write == "none"
    assert (written(type="ephemeral"), written(ttl="1h")) == ("5m", "1h")
    assert found("openai_chat").bounds.cache_write == "auto"


NAMES = sorted(
    names(
        "messages content type text image_url url tools contents parts input source data max_tokens n model prompt "
        "requests inputs texts images tool_result document system generationConfig inlineData thinking image"
    )
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from([*NAMES, "", "data:image/png;base64,xx", "é"])
)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*BODIES, "openai_completions", "openai_embeddings", "gemini_embeddings", "cohere_embeddings"]),
    st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=6),
)
def test_no_body_upsets_a_reader_or_counts_less_than_nothing(protocol: str, body: dict[str, object]) -> None:
    request = NativeRequest(protocol, catalogue.load()["openai"].dialect(), "m", body)
    bounds = bounds_of_body(request, None, NOON_US, SENT_US).bounds
    assert bounds.text_tokens >= 2
    assert min(bounds.choices, bounds.inputs, bounds.messages, bounds.iterations) >= 1


def test_a_body_nested_without_end_is_not_metered() -> None:
    deep: object = "hi"
    for _ in range(3000):
        deep = [{"type": "tool_result", "content": deep}]
    assert found("anthropic_messages", messages=[{"role": "user", "content": deep}]).unmetered


@pytest.mark.parametrize("name", sorted(catalogue.load()))
def test_what_we_send_ourselves_is_metered(name: str) -> None:
    """The readers know every field that the encoders write, and find in it what was asked for."""
    dialect = catalogue.load()[name].dialect() if catalogue.load()[name].protocol != "none" else None
    if dialect is None or not dialect.chat:
        return
    options = {
        "max_tokens": 5000, "temperature": 0.5, "top_p": 0.5, "stop": ("x",), "seed": 1, "n": 2, "effort": "low",
        "penalties": 0.5, "parallel_tools": False,
    }  # fmt: skip
    taken = {key: value for key, value in options.items() if key not in dialect.lacks}
    if taken.pop("penalties", None):
        taken |= {"frequency_penalty": 0.5, "presence_penalty": 0.5}
    tools = () if "tools" in dialect.lacks else (Tool("look", "Looks", {"type": "object"}),)
    shape = None if "schema" in dialect.lacks else Schema({"type": "object"})
    image = () if "images" in dialect.lacks else (Image("image/png", b"x" * 30),)
    message = Message("user", (*image, Text("What is this?")), "" if "names" in dialect.lacks else "ana")
    request = Request("m", (Message("system", (Text("Be brief"),)), message), tools, shape, Options(**taken))  # type: ignore[arg-type]
    protocol = protocol_of(dialect)
    body = read_table(protocol.encode(request, dialect).body)
    metering = bounds_of_body(NativeRequest(protocol.name, dialect, "m", body), None, NOON_US, SENT_US)
    assert metering == metered(request, dialect, None, Circumstances(NOON_US, SENT_US))
    assert [each for each in metering.unmetered if "searches" not in each] == []
    bounds = metering.bounds
    assert (bounds.max_output, bounds.choices) == (5000, taken.get("n", 1))
    assert (len(bounds.media), bounds.tools) == (len(image), len(tools) + (shape is not None))
    assert bounds.cap_covers_reasoning == dialect.cap_covers_reasoning
    assert bounds.text_tokens > len("What is this?" + "Be brief")
