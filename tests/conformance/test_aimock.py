"""aimock: four formats, streamed and whole, with the key that it wants and with another; and its chaos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from tests.conformance.conftest import MODELS, SHARED, ask, entries, free_port, program, server
from tests.conftest import Aikeys, canary

PLACES = {"openai": "/v1", "anthropic": "", "gemini": "", "cohere": ""}
KEY = canary("real")


@contextmanager
def aimock(*options: str) -> Iterator[str]:
    """Run it; it answers nobody without KEY."""
    fixtures = SHARED / "aimock-fixtures.json"
    if not fixtures.exists():
        pytest.skip(f"the fixtures are not here: {fixtures}")
    port = free_port()
    argv = [program("AIKEYS_AIMOCK"), "-p", str(port), "-f", str(fixtures), *options]
    with server(argv, "listening", {"AIMOCK_API_KEYS": KEY}):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with aimock() as found:
        yield found


def with_keys(home: Aikeys, url: str, secret: str = KEY) -> Aikeys:
    for name, place in PLACES.items():
        home.add(name, secret, "--base-url", url + place)
    return home


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("words", [(), ("--no-stream",)], ids=["stream", "whole"])
def test_the_usage_that_it_states_is_recorded(
    ready_home: Aikeys, url: str, provider: str, words: tuple[str, ...]
) -> None:
    home = with_keys(ready_home, url)
    done = home.run("prompt", "-m", MODELS[provider], "usage", *words)
    assert (done.returncode, done.stdout.strip()) == (0, "counted"), done.stderr
    (entry,) = entries(home)
    assert (entry["status"], entry["cost_source"]) == ("ok", "computed")
    assert (entry["input_tokens"], entry["output_tokens"]) == (123, 45)


@pytest.mark.parametrize("provider", MODELS)
def test_its_errors_cost_nothing_and_are_made_again(ready_home: Aikeys, url: str, provider: str) -> None:
    home = with_keys(ready_home, url)
    assert home.run("prompt", "-m", MODELS[provider], "boom").returncode == 30
    assert home.run("prompt", "-m", MODELS[provider], "ratelimit").returncode == 32
    made = entries(home)
    assert [each["status"] for each in made] == ["server"] * 3 + ["rate_limited"] * 3
    assert {Decimal(each["cost_usd"]) for each in made} == {Decimal(0)}


@pytest.mark.parametrize("provider", MODELS)
def test_a_stream_that_is_cut_is_estimated_and_not_made_again(ready_home: Aikeys, url: str, provider: str) -> None:
    home = with_keys(ready_home, url)
    assert home.run("prompt", "-m", MODELS[provider], "cutstream-xyz").returncode == 31
    (entry,) = entries(home)
    assert (entry["status"], entry["cost_source"]) == ("broken", "estimated")
    assert Decimal(entry["cost_usd"]) > 0


@pytest.mark.parametrize("provider", MODELS)
def test_another_key_than_the_one_in_the_vault_is_refused(ready_home: Aikeys, url: str, provider: str) -> None:
    home = with_keys(ready_home, url, canary("other"))
    done = home.run("prompt", "-m", MODELS[provider], "usage")
    assert done.returncode == 30
    assert [(each["status"], each["cost_usd"]) for each in entries(home)] == [("authentication", "0.00")]


CHAOS = {
    "ratelimit": (32, {"rate_limited"}),
    "drop": (30, {"server"}),
    "disconnect": (31, {"broken"}),
    "malformed": (30, {"unreadable"}),
}


@pytest.mark.parametrize("kind", CHAOS)
def test_chaos_is_recorded_attempt_by_attempt(ready_home: Aikeys, kind: str) -> None:
    exit_status, statuses = CHAOS[kind]
    with aimock(f"--chaos-{kind}", "1") as url:
        home = with_keys(ready_home, url)
        for model in MODELS.values():
            done = home.run("prompt", "-m", model, "usage")
            assert done.returncode == exit_status, (model, done.stderr)
        seen = ask(f"{url}/v1/_requests", authorization=f"Bearer {KEY}")
    made = entries(home)
    assert {each["status"] for each in made} == statuses
    assert len(made) == len([each for each in seen if each["method"] == "POST"])
    assert all((Decimal(each["cost_usd"]) > 0) == (each["cost_source"] == "estimated") for each in made)


def test_a_slow_provider_is_waited_for(ready_home: Aikeys) -> None:
    with aimock("--chaos-latency", "1500") as url:
        home = with_keys(ready_home, url)
        assert home.run("prompt", "-m", MODELS["openai"], "usage").returncode == 0
    (entry,) = entries(home)
    assert entry["latency_ms"] >= 1500
