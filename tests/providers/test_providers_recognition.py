"""The look of a text suggests a provider, warns or shows a placeholder; it never shows the text."""

from __future__ import annotations

import pytest

from aikeys.providers.catalogue import load
from aikeys.providers.recognition import by_variable, guess, is_admin, looks_like_placeholder, odd_format

CATALOGUE = load()
LETTERS = "aB3dE5gH1jK2mN4pQ6rS7tU8vW9xYz0" * 10
HEX = "0123456789abcdef" * 10


@pytest.mark.parametrize(
    ("key", "provider"),
    [
        (f"sk-proj-{LETTERS[:74]}T3BlbkFJ{LETTERS[:74]}", "openai"),
        (f"sk-svcacct-{LETTERS[:58]}T3BlbkFJ{LETTERS[:58]}", "openai"),
        (f"sk-{LETTERS[:20]}T3BlbkFJ{LETTERS[:20]}", "openai"),
        (f"sk-ant-api03-{LETTERS[:93]}AA", "anthropic"),
        (f"sk-ant-admin01-{LETTERS[:93]}AA", "anthropic"),
        (f"sk-or-v1-{HEX[:64]}", "openrouter"),
        (f"AIza{LETTERS[:35]}", "gemini"),
        (f"AQ.{LETTERS[:40]}", "gemini"),
        (f"gsk_{LETTERS[:52]}", "groq"),
        (f"xai-{LETTERS[:80]}", "xai"),
        (f"pplx-{LETTERS[:48]}", "perplexity"),
        (f"nvapi-{LETTERS[:64]}", "nvidia"),
        (f"sk_{HEX[:48]}", "elevenlabs"),
        (f"{HEX[:32]}.{LETTERS[:16]}", "zhipu"),
        (f"tgp_v1_{LETTERS[:43]}", "together"),
        (f"sk-api-{LETTERS[:60]}", "minimax"),
        (f"dapi{HEX[:32]}-2", "databricks"),
    ],
)
def test_a_brands_own_shape_is_recognised(key: str, provider: str) -> None:
    assert guess(CATALOGUE, key) == provider
    assert odd_format(CATALOGUE[provider], key) is None


@pytest.mark.parametrize(
    "key",
    [
        f"sk-{HEX[:32]}",
        f"sk-{LETTERS[:48]}",
        HEX[:32],
        LETTERS[:40],
        f"ghp_{LETTERS[:36]}",
        "",
        f"sk-ant-api03-{LETTERS[:93]}AA\n",
        f"see AIza{LETTERS[:35]}",
    ],
)
def test_a_shape_that_several_brands_share_or_a_part_of_a_text_tells_nothing(key: str) -> None:
    assert guess(CATALOGUE, key) is None


def test_the_more_specific_of_two_shapes_wins_and_equal_ones_tell_nothing() -> None:
    loose = CATALOGUE["qwen"]._replace(key_patterns=(r"sk-.*",))
    key = f"sk-ant-api03-{LETTERS[:93]}AA"
    assert guess({"qwen": loose, "anthropic": CATALOGUE["anthropic"]}, key) == "anthropic"
    assert guess({"qwen": loose, "other": loose._replace(name="other")}, key) is None


@pytest.mark.parametrize("key", [f"sk-ant-api03-{LETTERS[:60]}", f"sk-ant api03-{LETTERS[:60]}", "hunter2"])
def test_an_odd_key_gets_one_sentence_that_does_not_contain_it(key: str) -> None:
    sentence = odd_format(CATALOGUE["anthropic"], key)
    assert sentence is not None
    assert key not in sentence
    assert key[-8:] not in sentence
    assert not sentence.endswith(".")


def test_a_provider_without_a_published_shape_warns_of_nothing() -> None:
    assert odd_format(CATALOGUE["stepfun"], "anything") is None


def test_a_shared_shape_is_not_odd() -> None:
    assert odd_format(CATALOGUE["deepseek"], f"sk-{HEX[:32]}") is None


@pytest.mark.parametrize(
    ("provider", "key", "admin"),
    [
        ("openai", "sk-admin-abc", True),
        ("openai", "sk-proj-abc", False),
        ("anthropic", "sk-ant-admin01-abc", True),
        ("anthropic", "sk-ant-api03-abc", False),
        ("groq", "sk-admin-abc", False),
    ],
)
def test_an_administration_key_is_told_from_an_ordinary_one(provider: str, key: str, admin: bool) -> None:
    assert is_admin(CATALOGUE[provider], key) is admin


@pytest.mark.parametrize(
    ("variable", "provider"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("GOOGLE_API_KEY", "gemini"),
        ("COHERE_API_KEY", "cohere"),
        ("KIMI_API_KEY", "moonshot"),
        ("HOME", None),
    ],
)
def test_a_variable_belongs_to_the_brand_that_owns_its_name(variable: str, provider: str | None) -> None:
    assert by_variable(CATALOGUE, variable) == provider


def test_a_users_own_provider_is_found_by_its_own_variable_only() -> None:
    tables = {
        "mine": {"env": ["MINE_API_KEY"], "base_url_env": ["MINE_URL"]},
        "local": {"env": ["OPENAI_API_KEY"], "base_url_env": ["OPENAI_BASE_URL"]},
    }
    catalogue = load(tables)
    assert by_variable(catalogue, "MINE_API_KEY") == "mine"
    assert by_variable(catalogue, "OPENAI_API_KEY") == "openai"


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", '""', "xxx", "XXXXXXXX", "changeme", "change-me", "<your key>", "<OPENAI_API_KEY>", "your-key-here",
        "your_api_key", "YOUR-OPENAI-API-KEY", "sk-...", "sk-…", "sk-xxxxxxxxxxxx", "sk-proj-xxxxxxxxxxxx", "...",
        "***", "${OPENAI_API_KEY}", "{{ key }}", "sk-your-key-here", "insert-your-key-here", "TODO", "placeholder",
        "sk-ant-...", "sk-ant-api03-...", "gsk_xxxxxxxx", "my-api-key",
    ],
)  # fmt: skip
def test_a_placeholder_is_seen(text: str) -> None:
    assert looks_like_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        f"sk-{HEX[:32]}",
        f"sk-ant-api03-{LETTERS[:93]}AA",
        "hunter2",
        HEX[:32],
        "local-development-key-1f9c",
        "my-9f2c-key",
    ],
)
def test_a_key_is_no_placeholder(text: str) -> None:
    assert not looks_like_placeholder(text)
