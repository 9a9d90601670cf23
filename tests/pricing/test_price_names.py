"""What a model may be called, and when a name is only a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.pricing import book, names
from aikeys.providers import catalogue
from aikeys.spending.names import ModelNames, SpendingKey

PROVIDERS = {*catalogue.load(), *book.bundled_providers()}


@pytest.fixture(scope="module")
def shipped() -> book.Book:
    return book.Book("/nonexistent", {}, {}, catalogue.load())


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("openai/gpt-5", "openai", "gpt-5"),
        ("OpenAI/GPT-5", "openai", "GPT-5"),
        ("openrouter/openai/gpt-5", "openrouter", "openai/gpt-5"),
        ("google/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("x-ai/grok-4", "xai", "grok-4"),
        ("models/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("gpt-4o-2024-08-06", "openai", "gpt-4o-2024-08-06"),
        ("claude-opus-4-1", "anthropic", "claude-opus-4-1"),
        ("codestral-latest", "mistral", "codestral-latest"),
        ("llama-3.3-70b", "", "llama-3.3-70b"),
        ("nobody/some-model", "", "nobody/some-model"),
    ],
)
def test_a_name_says_the_provider_or_belongs_to_a_known_family(text: str, provider: str, model: str) -> None:
    assert names.resolve(text, {}, PROVIDERS) == names.Name(provider, model)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-5-5", "claude-haiku-4-5@20251001"])
def test_a_bare_claude_is_anthropics_also_for_whoever_has_a_key_of_google(shipped: book.Book, model: str) -> None:
    known = catalogue.load()
    held = [SpendingKey(name, name, "https://x.invalid") for name in ("anthropic", "gemini")]
    assert ModelNames(held, known, shipped, {}).resolve(model).provider.name == "anthropic"
    assert shipped.find("gemini", model) is None


@pytest.mark.parametrize("alias", names.SHIPPED)
def test_every_shipped_alias_has_a_certain_price(shipped: book.Book, alias: str) -> None:
    name = shipped.resolve(alias)
    found = shipped.find(name.provider, name.model)
    assert found is not None
    assert found.is_certain
    assert found.price.is_known
    assert name.alias == alias


def test_an_alias_of_the_user_comes_first() -> None:
    name = names.resolve("Claude", {"claude": "anthropic/claude-opus-4-1"}, PROVIDERS)
    assert str(name) == "anthropic/claude-opus-4-1"


@pytest.mark.parametrize(
    ("provider", "model", "means"),
    [
        ("anthropic", "claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-20240806", "gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "gpt-5.6-sol-2026-09-09", "gpt-5.6-sol"),
        ("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("openrouter", "openai/gpt-5", "openai/gpt-5"),
    ],
)
def test_a_name_is_exact_however_it_is_spelled(shipped: book.Book, provider: str, model: str, means: str) -> None:
    found = shipped.find(provider, model)
    assert found is not None
    assert (found.price.model, found.is_certain) == (means, True)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5-foo", "claude-opus-4-1-20991231"])
def test_what_only_a_rule_of_thumb_matches_is_fuzzy(shipped: book.Book, model: str) -> None:
    found = shipped.find("anthropic", model)
    assert found is not None
    assert not found.is_certain


def test_an_unknown_model_has_no_price_but_neighbours(shipped: book.Book) -> None:
    assert shipped.find("anthropic", "claude-opus-9") is None
    assert "anthropic/claude-opus-5" in shipped.nearest("anthropic", "claude-opus-9")
    assert shipped.find("no-such-provider", "m") is None


def test_azure_takes_prices_of_those_whose_models_it_sells(shipped: book.Book) -> None:
    found = shipped.find("azure-openai", "gpt-5.6-luna-2026-01-01") or shipped.find("azure-openai", "gpt-4.5-preview")
    assert found is not None


@pytest.mark.parametrize(
    ("listed", "name", "fits"),
    [
        ("m-*", "m-1", True),
        ("m-*", "am-1", False),
        ("*-tts", "m-tts", True),
        ("*m*", "amb", True),
        ("m-##", "m-12", True),
        ("m-##", "m-1a", False),
        ("m-#*", "m-1x", True),
        ("m-#*", "m-x", False),
        ("m*&!*-tts", "m-1", True),
        ("m*&!*-tts", "m-tts", False),
    ],
)
def test_listed_names(listed: str, name: str, fits: bool) -> None:
    assert names.matches(listed, name) == fits


@given(st.text())
def test_spelling_is_stable(text: str) -> None:
    once = names.spelled(text)
    assert names.spelled(once.removeprefix("models/")) == names.spelled(once).removeprefix(
        "models/"
    ) or once.startswith("models/")
    names.resolve(text, {}, PROVIDERS)
