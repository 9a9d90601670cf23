"""Every trap of OpenAI's shapes of usage."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_samples import dialect

from aikeys.providers.usage import Usage
from aikeys.providers.wire.usage_openai import metered
from aikeys.providers.wire.values import UNMETERED, Metered


def read(usage: object, provider: str = "openai", **body: object) -> Metered:
    return metered({"usage": usage, **body}, dialect(provider))


def test_cached_and_written_tokens_are_a_part_of_the_input() -> None:
    details = {"cached_tokens": 60, "cache_write_tokens": 30}
    usage = read({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "prompt_tokens_details": details})
    assert usage.usage == Usage(input=100, cache_read=60, cache_write_5m=30, output=5)


def test_the_responses_shape_counts_the_same() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 150,
    }
    assert read(usage).usage == Usage(input=100, cache_read=60, output=50, reasoning=40)


@pytest.mark.parametrize("provider", ["openai", "xai"])
@pytest.mark.parametrize(
    ("total", "output"),
    [(107 + 20, 20), (107 + 20 + 15, 35)],
    ids=["the total has it once: a part", "the total has it on top: added"],
)
def test_the_sums_decide_whether_reasoning_is_on_top(provider: str, total: int, output: int) -> None:
    usage = {
        "prompt_tokens": 107,
        "completion_tokens": 20,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    found = read(usage, provider)
    assert found.usage == Usage(input=107, output=output, reasoning=15)
    assert found.odd == ()


@pytest.mark.parametrize(("provider", "output"), [("openai", 20), ("xai", 35)])
def test_sums_that_tell_nothing_leave_it_to_the_dialect_and_are_odd(provider: str, output: int) -> None:
    usage = {"prompt_tokens": 107, "completion_tokens": 20, "total_tokens": 9999}
    found = read({**usage, "completion_tokens_details": {"reasoning_tokens": 15}}, provider)
    assert found.usage == Usage(input=107, output=output, reasoning=15)
    assert found.odd == ("total_tokens",)


def test_reasoning_that_is_more_than_the_output_is_never_dropped() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 10, "total_tokens": 19}
    found = read({**usage, "completion_tokens_details": {"reasoning_tokens": 300}})
    assert found.usage is not None
    assert found.usage.output == 300
    without_total = {
        "prompt_tokens": 9,
        "completion_tokens": 10,
        "completion_tokens_details": {"reasoning_tokens": 300},
    }
    assert read(without_total).usage == Usage(input=9, output=310, reasoning=300)


def test_perplexity_bills_reasoning_and_citations_beside_the_completion_whatever_the_total() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "reasoning_tokens": 400}
    found = read({**usage, "citation_tokens": 50, "num_search_queries": 3}, "perplexity")
    other = (("output_citation_tokens", 50), ("web_searches", 3))
    assert found.usage == Usage(input=10, output=470, reasoning=400, other=other)


def test_deepseek_says_the_hits_of_its_cache_in_its_own_words() -> None:
    usage = {"prompt_tokens": 90, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 26, "completion_tokens": 1}
    assert read(usage, "deepseek").usage == Usage(input=90, cache_read=64, output=1)


def test_audio_that_only_the_total_contains_is_added_to_the_input() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 20,
        "total_tokens": 404,
        "prompt_tokens_details": {"audio_tokens": 375},
    }
    found = read({**usage, "prompt_audio_seconds": 30}, "mistral").usage
    assert found == Usage(input=384, output=20, other=(("input_audio_seconds", 30), ("input_audio_tokens", 375)))


def test_an_explicit_zero_is_a_report_and_null_is_none() -> None:
    assert read({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}).usage == Usage()
    assert read(None) == UNMETERED
    assert read({}).usage is None
    assert read({"prompt_tokens": None, "completion_tokens": None}).usage is None


def test_half_a_report_is_missing_unless_the_total_completes_it() -> None:
    assert read({"prompt_tokens": 12}).usage is None
    assert read({"completion_tokens": 12}).usage is None
    assert read({"prompt_tokens": 12, "total_tokens": 15}).usage == Usage(input=12, output=3)


@pytest.mark.parametrize("count", [-5, 1.5, "7", True, [], {}, 10**13, Decimal("NaN"), Decimal("1e900000")])
def test_a_count_that_cannot_be_true_is_missing_and_named(count: object) -> None:
    found = read({"prompt_tokens": count, "completion_tokens": 5})
    assert found.usage is None
    assert found.odd == ("prompt_tokens",)


def test_a_whole_number_with_a_point_is_a_count() -> None:
    assert read({"prompt_tokens": Decimal("12.0"), "completion_tokens": 5}).usage == Usage(input=12, output=5)


def test_more_cached_tokens_than_input_are_odd_and_stand_beside_it() -> None:
    found = read({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 161}})
    assert found.usage == Usage(input=171, cache_read=161, output=5)
    assert found.odd == ("cached_tokens",)


def test_groq_hides_the_usage_of_a_stream_in_a_field_of_its_own() -> None:
    body = {"usage": None, "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}}
    assert metered(body, dialect("groq")).usage == Usage(input=3, output=4)


def test_embeddings_may_only_have_a_total() -> None:
    assert metered({"usage": {"total_tokens": 8}}, dialect("openai"), embeds=True).usage == Usage(input=8)


@pytest.mark.parametrize(
    ("provider", "usage", "pusd"),
    [
        ("openrouter", {"cost": Decimal("0.00014145")}, 141_450_000),
        ("openrouter", {"cost": 0}, 0),
        ("openrouter", {"cost": Decimal("0E-8")}, 0),
        ("openrouter", {"cost": Decimal("1E-13")}, 1),
        ("openrouter", {"cost": Decimal("0.1234567890123")}, 123_456_789_013),
        (
            "openrouter",
            {"cost": Decimal("0.001"), "is_byok": True, "cost_details": {"upstream_inference_cost": Decimal("0.02")}},
            21_000_000_000,
        ),
        (
            "openrouter",
            {"cost": Decimal("0.001"), "is_byok": False, "cost_details": {"upstream_inference_cost": Decimal("0.02")}},
            1_000_000_000,
        ),
        ("xai", {"cost_in_usd_ticks": 6306000}, 630_600_000),
        ("perplexity", {"cost": {"total_cost": Decimal("0.00507")}}, 5_070_000_000),
        ("openai", {"cost": Decimal("0.5")}, None),
        ("azure-openai", {"cost_in_usd_ticks": 0}, None),
        ("openrouter", {}, None),
    ],
)
def test_a_cost_that_the_provider_states_is_exact_and_only_believed_where_it_is_known(
    provider: str, usage: dict[str, object], pusd: int | None
) -> None:
    assert read({"prompt_tokens": 1, "completion_tokens": 1, **usage}, provider).billed_pusd == pusd


@pytest.mark.parametrize("cost", [-1, Decimal("-0.1"), "0.1", True, Decimal("1E+30"), 10**9, Decimal("Infinity")])
def test_a_cost_that_cannot_be_true_is_missing_and_named(cost: object) -> None:
    found = read({"prompt_tokens": 1, "completion_tokens": 1, "cost": cost}, "openrouter")
    assert found.billed_pusd is None
    assert found.odd == ("usage.cost",)


@pytest.mark.parametrize(
    ("tier", "service"),
    [
        ("default", ()),
        ("on_demand", ()),
        ("", ()),
        (None, ()),
        ("priority", (("service_tier", "priority"),)),
        ("flex", (("service_tier", "flex"),)),
        ("batch", (("processing", "batch"),)),
    ],
)
def test_a_tier_is_told_in_the_words_of_pricing(tier: object, service: object) -> None:
    assert read({"prompt_tokens": 1, "completion_tokens": 1}, service_tier=tier).service == service


def test_the_providers_own_tools_are_counted_from_the_output() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call"},
        {"type": "code_interpreter_call"},
        {"type": "message"},
        "noise",
    ]
    found = read({"input_tokens": 1, "output_tokens": 1}, output=output).usage
    assert found is not None
    assert found.other == (("code_executions", 1), ("web_searches", 2))


def test_xais_own_tools_are_reported_and_not_counted_twice() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "server_side_tool_usage_details": {"web_search_calls": 2}}
    found = read(usage, "xai", output=[{"type": "web_search_call"}, {"type": "web_search_call"}]).usage
    assert found is not None
    assert found.other == (("web_searches", 2),)


_COUNT = st.one_of(st.integers(-5, 500), st.none(), st.booleans(), st.text(max_size=2), st.just(10**40))


@example(
    usage={"total_tokens": 102, "prompt_tokens": 101, "completion_tokens": 0},
    details={"reasoning_tokens": 2},
    provider="gemini",
)
@given(
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "reasoning_tokens"]),
        _COUNT,
    ),
    st.dictionaries(
        st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens"]), _COUNT
    ),
    st.sampled_from(["openai", "xai", "perplexity", "gemini"]),
)
def test_no_count_is_ever_negative_and_parts_fit_into_their_whole(
    usage: dict[str, object], details: dict[str, object], provider: str
) -> None:
    found = read({**usage, "prompt_tokens_details": details, "completion_tokens_details": details}, provider).usage
    if found is not None:
        assert all(count >= 0 for count in (*found[:6], *dict(found.other).values()))
        assert found.cache_read + found.cache_write_5m + found.cache_write_1h <= found.input
        assert found.reasoning <= found.output
