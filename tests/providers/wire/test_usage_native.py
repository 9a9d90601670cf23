"""Every trap of the shapes that are not OpenAI's."""

from __future__ import annotations

from functools import partial

from aikeys.providers.catalogue import load
from aikeys.providers.usage import Usage
from aikeys.providers.wire import usage_native
from aikeys.providers.wire.grounding_gemini import Grounded
from aikeys.providers.wire.usage_native import merged
from aikeys.providers.wire.values import ModelUsage

_KNOWN = load()
anthropic = partial(usage_native.anthropic, dialect=_KNOWN["anthropic"].dialect())
gemini = partial(usage_native.gemini, dialect=_KNOWN["gemini"].dialect())
cohere = partial(usage_native.cohere, dialect=_KNOWN["cohere"].dialect())


def test_anthropics_input_is_the_sum_of_three_disjoint_counts() -> None:
    usage = {
        "input_tokens": 4,
        "cache_read_input_tokens": 8845,
        "cache_creation_input_tokens": 106,
        "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 193,
        "output_tokens_details": {"thinking_tokens": 90},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "service_tier": "standard",
    }
    expected = Usage(8955, 8845, 6, 100, 193, 90, (("web_searches", 2),))
    found = anthropic(usage, {})
    assert found.usage == expected
    assert found.service == ()
    assert found.odd == ()


def test_a_cache_write_without_its_split_counts_as_five_minutes() -> None:
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 50, "output_tokens": 1}
    assert anthropic(usage, {}).usage == Usage(input=51, cache_write_5m=50, output=1)


def test_a_split_without_its_sum_counts_too() -> None:
    usage = {"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 50}, "output_tokens": 1}
    assert anthropic(usage, {}).usage == Usage(input=51, cache_write_1h=50, output=1)


def test_a_compaction_is_in_no_count_of_the_top_and_added_from_the_iterations() -> None:
    usage = {
        "input_tokens": 220,
        "output_tokens": 8,
        "iterations": [
            {"type": "compaction", "input_tokens": 55000, "cache_read_input_tokens": 196, "output_tokens": 125},
            {"type": "message", "input_tokens": 220, "output_tokens": 8},
        ],
    }
    found = anthropic(usage, {"model": "claude"})
    assert found.usage == Usage(input=55416, cache_read=196, output=133)
    assert found.others == ()


def test_iterations_that_the_top_contains_are_not_added_again() -> None:
    each = {"type": "message", "input_tokens": 100, "output_tokens": 8}
    usage = {"input_tokens": 200, "output_tokens": 16, "iterations": [each, each]}
    assert anthropic(usage, {}).usage == Usage(input=200, output=16)


def test_an_advisor_is_another_model_and_priced_apart() -> None:
    usage = {
        "input_tokens": 30,
        "output_tokens": 5,
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 2},
            {"type": "advisor_message", "model": "claude-opus", "input_tokens": 2518, "output_tokens": 22},
            {"type": "message", "input_tokens": 20, "output_tokens": 3},
        ],
    }
    found = anthropic(usage, {"model": "claude-haiku"})
    assert found.usage == Usage(input=30, output=5)
    assert found.others == (ModelUsage("claude-opus", Usage(input=2518, output=22)),)


def test_another_model_that_the_top_contains_is_taken_out_of_it() -> None:
    usage = {
        "input_tokens": 110,
        "output_tokens": 12,
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 2},
            {"type": "message", "model": "other", "input_tokens": 100, "output_tokens": 10},
        ],
    }
    found = anthropic(usage, {"model": "claude"})
    assert found.usage == Usage(input=10, output=2)
    assert found.others == (ModelUsage("other", Usage(input=100, output=10)),)


def test_fast_and_priority_are_told_in_the_words_of_pricing() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "priority", "speed": "fast"}
    assert anthropic(usage, {}).service == (("service_tier", "priority"), ("speed", "fast"))
    assert anthropic({**usage, "service_tier": "standard"}, {}).service == (("speed", "fast"),)
    assert anthropic({**usage, "service_tier": "batch", "speed": "standard"}, {}).service == (("processing", "batch"),)


def test_later_reports_replace_but_null_and_a_zero_input_say_nothing() -> None:
    seen: dict[str, object] = {}
    merged(seen, {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 1, "service_tier": "standard"})
    merged(seen, {"input_tokens": 0, "cache_read_input_tokens": None, "output_tokens": 40})
    assert seen == {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 40, "service_tier": "standard"}
    merged(seen, {"input_tokens": 30, "output_tokens": 0})
    assert (seen["input_tokens"], seen["output_tokens"]) == (30, 0)


def test_anthropics_zero_is_a_report_and_half_a_report_is_none() -> None:
    assert anthropic({"input_tokens": 0, "output_tokens": 0}, {}).usage == Usage()
    assert anthropic({"input_tokens": 5}, {}).usage is None
    assert anthropic(None, {}).usage is None
    assert anthropic({"input_tokens": -5, "output_tokens": 1}, {}).odd == ("input_tokens",)


def test_geminis_thoughts_and_tool_results_are_added() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 40,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 500,
        "totalTokenCount": 650,
    }
    found = gemini(usage)
    assert found.usage == Usage(140, 60, 0, 0, 510, 500, (("input_tool_tokens", 40),))
    assert found.odd == ()


def test_geminis_zeros_are_left_out_and_thoughts_may_be_all_there_is() -> None:
    assert gemini({"promptTokenCount": 5, "thoughtsTokenCount": 9, "totalTokenCount": 14}).usage == Usage(
        5, output=9, reasoning=9
    )
    assert gemini({"promptTokenCount": 5, "totalTokenCount": 5}).usage == Usage(5)


def test_a_metadata_without_counts_is_missing() -> None:
    assert gemini({}).usage is None
    assert gemini({"trafficType": "ON_DEMAND"}).usage is None
    assert gemini(None).usage is None


def test_a_total_that_does_not_add_up_is_odd() -> None:
    assert gemini({"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 50}).odd == ("totalTokenCount",)


def test_modalities_are_counted_by_name_and_by_number() -> None:
    usage = {
        "promptTokenCount": 500,
        "cachedContentTokenCount": 20,
        "candidatesTokenCount": 1290,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10},
            {"modality": "AUDIO", "tokenCount": 100},
            {"modality": "IMAGE", "tokenCount": 258},
            {"modality": 5, "tokenCount": 32},
            {"modality": ["AUDIO"], "tokenCount": 7},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
        "candidatesTokensDetails": [{"modality": 2, "tokenCount": 1290}],
    }
    found = gemini(usage, grounded=Grounded((("web_searches", 2),))).usage
    assert found is not None
    assert dict(found.other) == {
        "cache_audio_read_tokens": 20,
        "input_audio_tokens": 100,
        "input_image_tokens": 290,
        "output_image_tokens": 1290,
        "web_searches": 2,
    }


def test_vertex_says_its_tier_in_other_words() -> None:
    assert gemini({"promptTokenCount": 1, "trafficType": "ON_DEMAND"}).service == ()
    assert gemini({"promptTokenCount": 1, "trafficType": "ON_DEMAND_FLEX"}).service == (("service_tier", "flex"),)
    assert gemini({"promptTokenCount": 1, "serviceTier": "priority"}).service == (("service_tier", "priority"),)
    assert gemini({"promptTokenCount": 1, "trafficType": 1}).service == ()


def test_cohere_bills_its_units_and_not_the_larger_tokens() -> None:
    usage = {
        "billed_units": {"input_tokens": 25, "output_tokens": 9},
        "tokens": {"input_tokens": 91, "output_tokens": 11, "reasoning_tokens": 30},
        "cached_tokens": 80,
    }
    assert cohere({"usage": usage}).usage == Usage(input=25, output=9, reasoning=9)


def test_cohere_bills_searches_and_images_too() -> None:
    assert cohere({"meta": {"billed_units": {"search_units": 2}}}).usage == Usage(other=(("rerank_searches", 2),))
    assert cohere({"meta": {"billed_units": {"input_tokens": 3, "image_tokens": 40}}}).usage == Usage(
        input=43, other=(("input_image_tokens", 40),)
    )
    assert cohere({"usage": {"tokens": {"input_tokens": 91}}}).usage is None
    assert cohere({}).usage is None
