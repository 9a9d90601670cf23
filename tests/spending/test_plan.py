"""Between its floor and its worst case a call can always be lowered to what is there, and then costs no more."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.errors import CannotDecide
from aikeys.pricing.book import Book
from aikeys.pricing.cost import cost
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import File, Image, Message, Options, Part, Request, Schema, Text
from aikeys.spending.names import ModelNames, SpendingKey, Target
from aikeys.spending.order import Translated
from aikeys.spending.plan import Circumstances, Plan, lowered

NOON_US = 1_795_435_200_000_000
MODELS = (
    "openai/gpt-4.1",
    "openai/gpt-5",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-pro",
    "deepseek/deepseek-v4-pro",
    "mistral/mistral-large-latest",
    "groq/llama-3.3-70b-versatile",
    "xai/grok-4",
)


@cache
def target(model: str) -> Target:
    known = catalogue.load()
    held = [SpendingKey(name, name, "https://x.invalid") for name in known]
    return ModelNames(held, known, Book("", {}, {}, known), {}).resolve(model)


def asked(text: str, *parts: Part, **options: object) -> Request:
    return Request("", (Message("user", (*parts, Text(text))),), options=Options(**options))  # type: ignore[arg-type]


def circumstances(left: int | None = None, most: int | None = None) -> Circumstances:
    return Circumstances(NOON_US, NOON_US + 900_000_000, left, most)


def plan(to: Target, request: Request, when: Circumstances) -> Plan:
    return Translated(request).plan(to, when)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(MODELS),
    st.text(max_size=500),
    st.none() | st.integers(1, 200_000),
    st.sampled_from(["", "low", "high"]),
    st.fractions(0, 1),
)
def test_a_call_fits_into_whatever_it_is_given(
    model: str, text: str, cap: int | None, effort: str, share: object
) -> None:
    if effort and "effort" in target(model).provider.dialect().lacks:
        effort = ""
    made = plan(target(model), asked(text, max_tokens=cap, effort=effort), circumstances(10**15))
    price = made.cost
    assert 0 < price.floor_pusd <= price.worst_pusd
    given_pusd = price.floor_pusd + int((price.worst_pusd - price.floor_pusd) * share)  # type: ignore[operator]
    low = lowered(made, given_pusd)
    assert low.worst.cost_pusd <= given_pusd
    assert low.cap >= min(made.cap, 1)
    assert low.price is not None
    used = Usage(input=min(len(text.encode()), low.worst.input_tokens), output=low.worst.output_tokens)
    assert cost(low.price, used, at_us=NOON_US).cost_pusd <= low.worst.cost_pusd


def test_thinking_has_room_below_a_lowered_cap() -> None:
    made = plan(target("gemini/gemini-2.5-pro"), asked("hi", effort="high"), circumstances(10**15))
    assert lowered(made, made.floor_pusd).cap > 24_576


def test_a_cap_that_bounds_nothing_is_not_lowered() -> None:
    made = plan(target("xai/grok-4"), asked("hi", max_tokens=10), circumstances(10**15))
    assert made.floor_pusd == made.worst.cost_pusd
    assert made.worst.output_tokens > 10


def test_the_dearest_way_of_serving_counts() -> None:
    made = plan(target("openai/gpt-4.1"), asked("hi", max_tokens=1000), circumstances(10**15))
    assert made.worst.output_pusd == 1000 * 14_000_000  # the account may serve by priority


def test_a_model_that_makes_images_unasked_is_planned_with_them_and_takes_no_cap_for_a_bound() -> None:
    made = plan(target("gemini/gemini-2.5-flash-image"), asked("a cat", max_tokens=10), circumstances(10**15))
    assert (made.worst.output_tokens, made.worst.output_rate) == (32_768, (30_000_000, 1))
    assert made.floor_pusd == made.worst.cost_pusd


def test_what_has_no_bound_is_refused_under_a_limit_only() -> None:
    searching = target("perplexity/sonar-deep-research")
    assert plan(searching, asked("hi"), circumstances()).price is not None
    with pytest.raises(CannotDecide):
        plan(searching, asked("hi"), circumstances(10**15))


@pytest.mark.parametrize("part", [Image("image/png", b"x" * 10_000_000), File("application/pdf", b"x" * 10_000_000)])
def test_media_count_by_their_caps_and_not_by_their_bytes(part: Part) -> None:
    made = plan(target("openai/gpt-4.1"), asked("hi", part, max_tokens=10), circumstances(10**15))
    assert 40_000 < made.worst.input_tokens <= 1_047_576


def test_everything_the_model_reads_counts() -> None:
    """The names of participants and the description of a schema too."""
    plain = asked("hello")
    named = plain._replace(messages=(Message("user", (Text("hello"),), "n" * 500),), schema=Schema({}))
    told = named._replace(schema=Schema({}, description="d" * 700))
    sizes = [plan(target("openai/gpt-4.1"), each, circumstances()).bounds.text_tokens for each in (plain, named, told)]
    assert sizes[1] >= sizes[0] + 500
    assert sizes[2] >= sizes[1] + 700
