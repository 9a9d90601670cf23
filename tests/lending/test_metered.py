from __future__ import annotations

from typing import Any

import pytest

from aikeys.errors import Denied, UsageError
from aikeys.lending.environment import LentKey
from aikeys.lending.metered import address, check_one_key_each, lent_instead, metered_environment, run_claims
from aikeys.providers import catalogue
from aikeys.providers.native_routes import match
from aikeys.secret import Secret
from aikeys.tokens.claims import Claims, wider
from aikeys.tokens.credentials import PublicHalves
from aikeys.tokens.token_request import DAY_S, Identity, TokenRequest, claims_of

URL = "http://127.0.0.1:1234"
NOW_S = 1_800_000_000
PROVIDERS = catalogue.load()
IDENTITY = Identity(b"v" * 16, b"l" * 16, b"tokenid1", PublicHalves(b"a" * 32, b"b" * 32, b"c" * 32), NOW_S)
ONE, OTHER = "11" * 8, "22" * 8


def parent(**token_request: Any) -> Claims:
    given = {"scopes": ("chat:write", "env:read"), "ttl_s": DAY_S, **token_request}
    return claims_of(TokenRequest(**given), IDENTITY._replace(id=b"parentid"), None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai", f"{URL}/openai/v1"),
        ("holysheep", f"{URL}/holysheep/v1"),
        ("anthropic", URL),
        ("gemini", URL),
        ("groq", f"{URL}/groq"),
        ("openrouter", f"{URL}/openrouter"),
        ("together", f"{URL}/together"),
        ("cohere", f"{URL}/cohere"),
    ],
)
def test_an_address_has_the_form_that_the_providers_sdk_takes(name: str, expected: str) -> None:
    assert address(URL, PROVIDERS[name], name) == expected


@pytest.mark.parametrize(
    ("name", "sends"),
    [
        ("openai", "/chat/completions"),
        ("openai", "/responses"),
        ("openai", "/embeddings"),
        ("holysheep", "/chat/completions"),
        ("groq", "/openai/v1/chat/completions"),
        ("openrouter", "/chat/completions"),
        ("together", "/chat/completions"),
        ("together", "/v1/chat/completions"),
        ("fireworks", "/chat/completions"),
        ("fireworks", "/inference/v1/chat/completions"),
        ("cerebras", "/v1/chat/completions"),
        ("perplexity", "/chat/completions"),
        ("moonshot", "/chat/completions"),
        ("zhipu", "/chat/completions"),
        ("cohere", "/v2/chat"),
    ],
)
def test_what_an_sdk_sends_to_its_address_is_on_the_list_of_metered_routes(name: str, sends: str) -> None:
    provider = PROVIDERS[name]
    path = (address(URL, provider, name) + sends).removeprefix(f"{URL}/{name}")
    found = match(provider, provider.base_url, "POST", path)
    assert found is not None
    assert found.route.meter != "free"


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_at_the_root_stands_only_who_has_routes_there(name: str) -> None:
    path = {"anthropic": "/v1/messages", "gemini": "/v1beta/models/gemini-2.5-pro:generateContent"}[name]
    assert match(PROVIDERS[name], PROVIDERS[name].base_url, "POST", path) is not None


SERVED = {
    *("openai", "anthropic", "gemini", "groq", "openrouter", "cohere", "together", "fireworks", "perplexity"),
    *("cerebras", "moonshot", "zhipu", "holysheep"),
    *("llama-cpp", "lmstudio", "vllm"),
}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_provider_either_has_an_address_or_is_refused_by_its_keys_name(name: str) -> None:
    provider = PROVIDERS[name]
    if name in SERVED:
        assert address(URL, provider, f"my-{name}").startswith(URL)
        return
    with pytest.raises(UsageError) as refused:
        address(URL, provider, f"my-{name}")
    assert refused.value.message.startswith(f"my-{name}: ")
    assert provider.title in refused.value.message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bedrock", "nothing meters"),
        ("replicate", "nothing meters"),
        ("mistral", "no variable tells"),
        ("azure-openai", "are not metered"),
    ],
)
def test_a_refusal_says_why(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        address(URL, PROVIDERS[name], name)


def test_two_keys_of_one_provider_cannot_be_told_apart() -> None:
    check_one_key_each([("one", PROVIDERS["openai"]), ("two", PROVIDERS["anthropic"])])
    with pytest.raises(UsageError, match="one and two are both keys of OpenAI"):
        check_one_key_each([("one", PROVIDERS["openai"]), ("two", PROVIDERS["openai"])])


def test_instead_of_a_key_stand_the_token_and_the_gateway() -> None:
    key = LentKey("work", Secret(b"sk-key"), ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "https://x", (), (), False)
    found = lent_instead(key, PROVIDERS["openai"], URL, Secret(b"aik_token"))
    assert found.secret.reveal() == b"aik_token"
    assert found.base_url == f"{URL}/openai/v1"
    assert found.base_url_env == ("OPENAI_BASE_URL", "OPENAI_API_BASE")
    assert found.env == ("OPENAI_API_KEY",)


def test_of_our_variables_only_the_mark_is_left() -> None:
    child = {b"AIKEYS_HOME": b"/h", b"AIKEYS_LEDGER": b"/l", b"AIKEYS_GATEWAY": b"u", b"AIKEYS_EXEC": b"openai"}
    assert metered_environment({**child, b"PATH": b"/bin"}) == {b"AIKEYS_EXEC": b"openai", b"PATH": b"/bin"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (None, None)),
        ({b"NO_PROXY": b"a.example"}, (b"a.example", None)),
        ({b"HTTP_PROXY": b"p"}, (b"127.0.0.1", b"127.0.0.1")),
        ({b"https_proxy": b"p", b"NO_PROXY": b"a, b"}, (b"a,b,127.0.0.1", b"a,b,127.0.0.1")),
        ({b"ALL_PROXY": b"p", b"NO_PROXY": b"a", b"no_proxy": b"b"}, (b"a,127.0.0.1", b"b,127.0.0.1")),
        ({b"HTTP_PROXY": b"p", b"no_proxy": b"*"}, (b"*", b"*")),
        ({b"HTTP_PROXY": b"p", b"NO_PROXY": b"127.0.0.1"}, (b"127.0.0.1", b"127.0.0.1")),
    ],
)
def test_no_proxy_stands_before_the_gateway(
    given: dict[bytes, bytes], expected: tuple[bytes | None, bytes | None]
) -> None:
    child = metered_environment(given)
    assert (child.get(b"NO_PROXY"), child.get(b"no_proxy")) == expected


def test_the_owners_run_may_ask_and_nothing_else() -> None:
    made = run_claims(TokenRequest(keys=(ONE,), models=("openai/*",), budget_pusd=5, rpm=6, ttl_s=60), IDENTITY, None)
    assert made.scopes == ("chat:read", "chat:write", "embeddings:write")
    assert (made.keys, made.models, made.budget_pusd, made.rpm) == ((ONE,), ("openai/*",), 5, 6)
    assert made.expires_at == NOW_S + 60
    assert made.parent == b""


def test_the_run_of_a_tokens_bearer_has_what_the_token_has_where_less_was_not_asked() -> None:
    above = parent(
        keys=(ONE, OTHER), models=("openai/*",), budget_pusd=10, rpm=3, tpm=4, labels=(("team", "x"),),
        addresses=("10.0.0.0/8",),
    )  # fmt: skip
    made = run_claims(TokenRequest(keys=(ONE,), labels=(("team", "mine"), ("branch", "main"))), IDENTITY, above)
    assert (made.models, made.budget_pusd, made.rpm, made.tpm) == (("openai/*",), 10, 3, 4)
    assert dict(made.labels) == {"team": "x", "branch": "main"}
    assert made.expires_at == above.expires_at
    assert made.parent == above.id
    assert made.scopes == ("chat:write",)
    assert wider(made._replace(addresses=above.addresses), above) == []


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"models": ("anthropic/*",)}, "models"),
        ({"budget_pusd": 11}, "budget"),
        ({"rpm": 4}, "requests per minute"),
        ({"ttl_s": 2 * DAY_S}, "expiry"),
        ({"keys": (OTHER,)}, "keys"),
    ],
)
def test_a_run_is_never_wider_than_the_token_that_starts_it(asked: dict[str, Any], what: str) -> None:
    above = parent(keys=(ONE,), models=("openai/*",), budget_pusd=10, rpm=3)
    with pytest.raises(Denied, match=what):
        run_claims(TokenRequest(**{"keys": (ONE,), **asked}), IDENTITY, above)


def test_a_single_use_token_starts_no_metered_run() -> None:
    with pytest.raises(Denied, match="single use"):
        run_claims(TokenRequest(keys=(ONE,)), IDENTITY, parent(is_once=True))
