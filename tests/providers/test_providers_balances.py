"""What is left on an account: exact, from the key's own host only, and nothing of a reply that failed is repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from aikeys.errors import AikeysError, ProviderRefused, RateLimited, UsageError
from aikeys.providers.balances import Amount, balance, can_tell
from aikeys.providers.catalogue import load
from aikeys.providers.transport import HttpxTransport, NotSent
from aikeys.providers.wire.values import Unreadable
from aikeys.secret import Secret
from tests.conftest import Aikeys, canary
from tests.spending.conftest import FakeProvider, answer

CATALOGUE = load()
SECRET = Secret(canary().encode())


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@pytest.fixture
def stranger() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


def ask(name: str, url: str) -> tuple[Amount, ...]:
    transport = HttpxTransport()
    try:
        return balance(CATALOGUE[name], url, SECRET, transport, 2)
    finally:
        transport.close()


def deepseek(**balances: str) -> dict[str, object]:
    infos = [{"currency": code, "total_balance": each, "granted_balance": "0"} for code, each in balances.items()]
    return {"is_available": True, "balance_infos": infos}


@pytest.mark.parametrize(
    ("name", "path", "body", "found"),
    [
        ("deepseek", "/user/balance", deepseek(CNY="110.00"), [("110.00", "CNY")]),
        ("deepseek", "/user/balance", deepseek(CNY="0.00", USD="3.5"), [("3.50", "USD")]),
        ("deepseek", "/user/balance", deepseek(CNY="1", USD="3.5"), [("1.00", "CNY"), ("3.50", "USD")]),
        ("deepseek", "/user/balance", deepseek(CNY="0.00", USD="0"), [("0.00", "CNY")]),
        ("moonshot", "/users/me/balance", b'{"data": {"available_balance": 49.58894}}', [("49.58894", "")]),
        ("siliconflow", "/user/info", b'{"data": {"totalBalance": "88.88"}}', [("88.88", "")]),
        ("openrouter", "/key", b'{"data": {"limit_remaining": 1e-3}}', [("0.001", "USD")]),
        ("openrouter", "/key", b'{"data": {"limit_remaining": -0.25}}', [("-0.25", "USD")]),
    ],
)
def test_a_balance_is_what_the_provider_wrote(
    provider: FakeProvider, name: str, path: str, body: object, found: list[tuple[str, str]]
) -> None:
    provider.plays = [answer(200, body)]
    assert ask(name, provider.url) == tuple(Amount(*each) for each in found)
    assert [seen.path for seen in provider.seen] == [path]
    assert provider.seen[0].headers["authorization"] == f"Bearer {canary()}"


def test_a_key_without_a_limit_is_asked_what_the_account_holds(provider: FakeProvider) -> None:
    account = {"data": {"total_credits": 100.5, "total_usage": 25.75}}
    provider.plays = [answer(200, {"data": {"limit_remaining": None}}), answer(200, account)]
    assert ask("openrouter", provider.url) == (Amount("74.75", "USD"),)
    assert [seen.path for seen in provider.seen] == ["/key", "/credits"]


def test_a_currency_goes_with_the_region_and_a_region_without_a_balance_is_not_asked() -> None:
    moonshot = CATALOGUE["moonshot"]
    (asked,) = moonshot.balance
    assert dict(asked.regions) == {"intl": "USD", "cn": "CNY"}
    assert [can_tell(moonshot, url) for _, url in moonshot.regions] == [True, True, False]
    assert not can_tell(CATALOGUE["openai"], CATALOGUE["openai"].base_url)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>", Unreadable),
        (200, b"[]", Unreadable),
        (200, b"{}", Unreadable),
        (200, b'{"balance_infos": [{"total_balance": true, "currency": "CNY"}]}', Unreadable),
        (200, b'{"balance_infos": [{"total_balance": "1e999999", "currency": "CNY"}]}', Unreadable),
        (200, b'{"balance_infos": [{"total_balance": "1e-999999", "currency": "CNY"}]}', Unreadable),
        (200, b'{"balance_infos": [{"total_balance": "NaN", "currency": "CNY"}]}', Unreadable),
        (401, canary().encode(), ProviderRefused),
        (429, b"", RateLimited),
        (500, canary().encode(), ProviderRefused),
    ],
)
def test_what_is_no_balance_is_an_error_that_repeats_nothing(
    provider: FakeProvider, status: int, body: bytes, error: type[AikeysError]
) -> None:
    provider.plays = [answer(status, body)]
    with pytest.raises(error) as failed:
        ask("deepseek", provider.url)
    assert canary() not in failed.value.message


def test_a_redirect_is_refused_and_a_stranger_sees_nothing(provider: FakeProvider, stranger: FakeProvider) -> None:
    provider.plays = [answer(302, b"", location=stranger.url)]
    with pytest.raises(ProviderRefused, match="redirect"):
        ask("deepseek", provider.url)
    assert not stranger.seen


def test_plain_http_to_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="plain http"):
        ask("deepseek", "http://192.0.2.1")


def test_a_key_that_no_header_can_carry_is_not_sent(provider: FakeProvider) -> None:
    with pytest.raises(NotSent):
        balance(CATALOGUE["deepseek"], provider.url, Secret(b"a b"), HttpxTransport())
    assert not provider.seen


def test_list_shows_balances_and_goes_on_where_one_fails(
    ready_home: Aikeys, provider: FakeProvider, stranger: FakeProvider
) -> None:
    provider.plays = [answer(200, deepseek(CNY="110.00"))]
    stranger.plays = [answer(500, canary().encode())]
    ready_home.add("deepseek", canary(), "--base-url", provider.url)
    ready_home.add("broken", canary(), "--provider", "siliconflow", "--base-url", stranger.url)
    ready_home.add("openai", canary(), "--base-url", stranger.url)
    done = ready_home.run("list", "--balance", "--json")
    assert done.returncode == 30
    keys = {key["name"]: key for key in json.loads(done.stdout)["keys"]}
    assert keys["deepseek"]["balance"] == {"amount": "110.00", "currency": "CNY"}
    assert keys["broken"]["error"] == "SiliconFlow answered 500"
    assert "balance" not in keys["broken"]
    assert not {"balance", "balances", "error"} & keys["openai"].keys()
    assert len(stranger.seen) == 1
    done = ready_home.run("list", "--balance")
    assert "110.00 CNY" in done.stdout
    assert "unknown" in done.stdout
    assert "warning: broken: SiliconFlow answered 500" in done.stderr
    assert "– the provider tells no balance" in done.stderr
    assert "BALANCE" not in ready_home.run("list").stdout


def test_list_asks_nobody_without_the_option_and_nothing_of_a_locked_vault(
    ready_home: Aikeys, provider: FakeProvider
) -> None:
    ready_home.add("deepseek", canary(), "--base-url", provider.url)
    assert ready_home.run("list").returncode == 0
    ready_home.key_file.rename(ready_home.folder / "elsewhere")
    assert ready_home.run("list", "--balance").returncode == 11
    assert not provider.seen


def balance_acts(home: Aikeys) -> list[tuple[str, str | None]]:
    entries = json.loads(home.run("audit", "--json", "-n", "1000").stdout)["entries"]
    return [(entry["subject"], entry["detail"]) for entry in entries if entry["act"] == "balance"]


def test_a_token_asks_with_keys_it_may_hold_is_written_down_and_used_up(
    ready_home: Aikeys, provider: FakeProvider
) -> None:
    provider.plays = [answer(200, deepseek(CNY="110.00"))]
    ready_home.add("deepseek", canary(), "--base-url", provider.url)
    ready_home.add("openai", canary("two"))

    def issued(*args: str) -> tuple[str, str]:
        found = json.loads(ready_home.run("token", "issue", "--json", *args).stdout)
        return found["token"], found["id"]

    token, _ = issued("--scope", "chat:read")
    done = ready_home.run("list", "--balance", env={"AIKEYS_TOKEN": token})
    assert (done.returncode, done.stdout, provider.seen) == (20, "", [])
    assert "lacks the scope env:read" in done.stderr
    token, shown_id = issued("--scope", "env:read", "--once")
    done = ready_home.run("list", "--balance", env={"AIKEYS_TOKEN": token})
    assert (done.returncode, len(provider.seen)) == (0, 1), done.stderr
    assert "110.00 CNY" in done.stdout
    assert balance_acts(ready_home) == [("deepseek", f"token={shown_id}")]
    done = ready_home.run("list", "--balance", env={"AIKEYS_TOKEN": token})
    assert (done.returncode, len(provider.seen)) == (21, 1)
    assert ready_home.run("list", "--balance").returncode == 0
    assert balance_acts(ready_home)[1:] == [("deepseek", None)]
