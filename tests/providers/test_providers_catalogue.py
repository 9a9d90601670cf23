"""The catalogue is whole, is found by name, and takes what config.toml adds."""

from __future__ import annotations

import re

import pytest

from aikeys.errors import BadConfiguration, NotFound, UsageError
from aikeys.network.addresses import is_loopback
from aikeys.providers.catalogue import Provider, check_base_url, find, load

CATALOGUE = load()
AUTHS = {"bearer", "x-api-key", "x-goog-api-key", "xi-api-key", "api-key", "token"}
PROTOCOLS = {"openai", "anthropic", "gemini", "cohere", "azure", "native", "none"}


def test_the_catalogue_holds_the_known_providers() -> None:
    assert len(CATALOGUE) >= 36
    assert {"openai", "anthropic", "gemini", "deepseek", "moonshot", "qwen", "holysheep"} <= set(CATALOGUE)


@pytest.mark.parametrize("provider", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_field_of_a_provider_has_its_type_and_shape(provider: Provider) -> None:
    lists = (provider.base_url_env, provider.clear, provider.also_env, provider.env)
    assert all(isinstance(names, tuple) for names in lists)
    assert provider.env or provider.name == "other"
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for names in lists for name in names)
    assert provider.protocol in PROTOCOLS
    assert isinstance(provider.always_base_url, bool)
    for pattern in (*provider.key_patterns, *provider.shared_patterns, *provider.admin_patterns):
        re.compile(pattern)
    for url in (provider.base_url, *dict(provider.regions).values()):
        assert not url or check_base_url(url) == url
        assert not url or url.startswith("https://") or (provider.local and is_loopback(url))
    assert not provider.regions or provider.base_url in dict(provider.regions).values()
    assert provider.verify.auth in AUTHS
    assert provider.verify.method == "GET"
    assert all(not path or path.startswith(("/", "https://")) for path in provider.verify[1:3])
    assert not provider.key_page or provider.key_page.startswith("https://")
    assert provider.title
    assert provider.source
    assert provider.date == "2026-11"
    assert not set(provider.env) & set(provider.clear)


def test_no_two_providers_own_the_same_variable() -> None:
    owned = [name for provider in CATALOGUE.values() if not provider.always_base_url for name in provider.env]
    assert len(owned) == len(set(owned))


def test_a_provider_is_found_whatever_the_case() -> None:
    assert find(CATALOGUE, "OpenAI").name == "openai"


def test_an_unknown_provider_names_the_nearest_ones() -> None:
    with pytest.raises(NotFound) as caught:
        find(CATALOGUE, "antropic")
    assert "anthropic" in caught.value.hint


def test_a_name_like_no_other_still_gets_a_hint() -> None:
    with pytest.raises(NotFound) as caught:
        find(CATALOGUE, "zzzzzzzz")
    assert caught.value.hint


def test_a_region_leads_to_its_own_address() -> None:
    moonshot = CATALOGUE["moonshot"]
    assert moonshot.base_url_for("") == "https://api.moonshot.ai/v1"
    assert moonshot.base_url_for("cn") == "https://api.moonshot.cn/v1"


@pytest.mark.parametrize(("name", "said"), [("moonshot", "intl, cn, coding"), ("openai", "without a region")])
def test_an_unknown_region_names_the_known_ones(name: str, said: str) -> None:
    with pytest.raises(NotFound) as caught:
        CATALOGUE[name].base_url_for("mars")
    assert said in caught.value.hint


def test_the_default_address_needs_no_variable_and_another_one_does() -> None:
    assert not CATALOGUE["openai"].sets_base_url("https://api.openai.com/v1")
    assert not CATALOGUE["openai"].sets_base_url("")
    assert CATALOGUE["openai"].sets_base_url("http://127.0.0.1:1/v1")


def test_a_brand_that_borrows_variables_always_sets_the_address_too() -> None:
    assert CATALOGUE["holysheep"].sets_base_url(CATALOGUE["holysheep"].base_url)


def test_a_user_defined_provider_joins_the_catalogue() -> None:
    table = {"env": ["OPENAI_API_KEY"], "base_url_env": ["OPENAI_BASE_URL"], "base_url": "http://localhost:8000/v1/"}
    mine = load({"mine": table})["mine"]
    assert (mine.title, mine.protocol, mine.base_url) == ("mine", "openai", "http://localhost:8000/v1")
    assert mine.env == ("OPENAI_API_KEY",)
    assert mine.sets_base_url(mine.base_url)


def test_what_people_run_themselves_stays_that_whatever_address_config_toml_gives_it() -> None:
    table = {"env": ["A"], "base_url": "https://api.example.com/v1"}
    assert load({"ollama": table})["ollama"].local
    assert not load({"openai": {**table, "base_url": "http://127.0.0.1:1/v1"}})["openai"].local


def test_a_user_defined_provider_stands_in_for_a_built_in_one() -> None:
    assert load({"groq": {"env": "MY_KEY", "title": "My Groq"}})["groq"].title == "My Groq"


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"env": ["A"], "base_ulr": "x"}, "unknown setting base_ulr", "base_url"),
        ({"env": ["A"], "zzzz": "x"}, "unknown setting zzzz", "known settings"),
        ({"title": "X"}, "lacks env", "env = "),
        ({"env": ["A B"]}, "env is not a list of variable names", "env"),
        ({"env": [1]}, "env is not a list of variable names", "env"),
        ({"env": ["A"], "title": 3}, "title is not a text", "title"),
        ({"env": ["A"], "base_url": "ftp://x"}, "the base URL is not an http", "https://"),
        ("text", "is not a table", "heading"),
    ],
)
def test_a_wrong_definition_names_the_table_and_what_to_write(table: object, message: str, hint: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        load({"mine": table})  # type: ignore[dict-item]
    assert "[providers.mine]" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://API.example.com/V1/", "https://api.example.com/V1"),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_a_base_url_has_one_spelling(given: str, kept: str) -> None:
    assert check_base_url(given) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://example.com",
        "https://",
        "https:///v1",
        "https://me:hunter2@example.com",
        "https://example.com?a=1",
        "https://example.com/?",
        "https://example.com#x",
        "https://example.com:99999",
        "https://example.com:port",
        "https://[::1",
        "https://good.example\\@evil.example",
        "https://exa\nmple.com",
        " https://example.com",
    ],
)
def test_a_base_url_that_could_mislead_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_base_url(url)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None
