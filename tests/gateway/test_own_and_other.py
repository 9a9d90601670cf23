"""Own and other over HTTP: refusals, headers, budgets, log and stored objects tell a token nothing of anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.who import HIGHER
from aikeys.ledger import stored_objects
from tests.gateway.process import Answer, Client, House, chat, gateway, house_at, talk

USD = 10**12
SUPPORT = ("team", "support")
OWN = ("budget:own", "chat:write", "usage:own")
HIGHER_WHOS = ("org", "key:openai", "environment:prod", "token:parent", "team:*", "project:bot")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_at(tmp_path) as made:
        yield made


def amounts(house: House, answer: Answer) -> list[str]:
    """Return which of the amounts and names of a budget stand in an answer."""
    said = answer.told.error["message"] + str(answer.headers)
    return [text for text in ("0.0001", "0.00 of", "spent", "org", "key:", "environment", "search") if text in said]


@pytest.mark.parametrize("who", HIGHER_WHOS)
def test_a_higher_limit_refuses_without_its_name_and_amounts(house: House, who: str) -> None:
    parent = house.issue("keys:write", *OWN, labels=(("environment", "prod"),))
    token = house.issue(*OWN, parent=parent, labels=(("environment", "prod"), ("project", "bot"), SUPPORT))
    seeing = house.issue("budget:read", "chat:write", labels=token.claims.labels)
    name = f"token:{parent.claims.shown_id}" if who == "token:parent" else who
    house.budget(name, USD // 10_000)

    async def ask(client: Client) -> None:
        told = await client.chat(token, "p=50 c=50 n=3")
        assert told.status == 402, told
        assert told.told.error["message"].startswith(f"{HIGHER} does not allow this call, which could cost up to $")
        assert amounts(house, told) == []
        if who != "token:parent":
            whole = await client.chat(seeing, "p=50 c=50 n=3")
            shown = "team:support" if who == "team:*" else who
            assert f"the budget of {shown} does not allow this call" in whole.told.error["message"]
        check = (await client.ask("GET", "/v1/budgets/check", token)).told.json
        assert [row["who"] for row in check["budgets"] if row["period"]] == []
        closed = [row for row in check["budgets"] if row["who"] == HIGHER]
        assert [{n: v for n, v in row.items() if v is not None} for row in closed] == [{"who": HIGHER, "state": "ok"}]

    with gateway(house) as running:
        talk(running, ask)


def test_its_own_budget_is_told_and_the_header_is_the_least_of_those_it_may_see(house: House) -> None:
    token = house.issue(*OWN, labels=(SUPPORT,))
    house.budget("team:support", 5 * USD)
    house.budget("org", 3 * USD)
    blind = house.issue(*OWN)

    async def ask(client: Client) -> None:
        told = await client.chat(token, "p=50 c=50")
        assert told.headers["x-aikeys-budget-remaining-usd"].startswith("4.99")
        assert "x-aikeys-budget-remaining-usd" not in (await client.chat(blind, "p=50 c=50")).headers
        reading = house.issue("budget:read", "chat:write")
        assert (await client.chat(reading, "p=50 c=50")).headers["x-aikeys-budget-remaining-usd"].startswith("2.99")
        house.budget("team:support", USD // 10_000)
        refused = await client.chat(token, "p=50 c=50")
        assert "the budget of team:support does not allow this call" in refused.told.error["message"]

    with gateway(house) as running:
        talk(running, ask)


def test_a_team_that_a_client_names_itself_is_no_window_on_that_teams_budget(house: House) -> None:
    house.budget("team:search", USD // 10_000)
    token = house.issue(*OWN)

    async def ask(client: Client) -> None:
        body = {**chat("p=50 c=50"), "metadata": {"team_id": "search"}}
        told = await client.ask("POST", "/v1/chat/completions", token, body)
        assert told.status == 402
        assert amounts(house, told) == []
        house.budget("team:search", USD)
        passed = await client.ask("POST", "/v1/chat/completions", token, body)
        assert passed.status == 200
        assert "x-aikeys-budget-remaining-usd" not in passed.headers

    with gateway(house) as running:
        talk(running, ask)


def test_a_rate_of_a_shared_key_is_told_to_usage_read_alone(house: House) -> None:
    (Path(house.place.home) / "config.toml").write_text('[limits]\n"key:openai" = 1\n')
    token, seeing = house.issue(*OWN), house.issue("usage:read", "chat:write")

    async def ask(client: Client) -> None:
        assert (await client.chat(token, "p=5 c=5")).status == 200
        told, whole = await client.chat(token, "p=5 c=5"), await client.chat(seeing, "p=5 c=5")
        assert (told.status, whole.status) == (429, 429)
        assert int(told.headers["retry-after"]) > 0
        assert "key:openai" not in told.told.error["message"]
        assert " 1 request" not in told.told.error["message"]
        assert "key:openai may have 1 request in a minute" in whole.told.error["message"]

    with gateway(house) as running:
        talk(running, ask)


def test_the_log_has_ones_own_calls_by_the_id_that_the_reply_carried(house: House) -> None:
    token, other = house.issue(*OWN), house.issue("chat:write", labels=(SUPPORT,))

    async def ask(client: Client) -> None:
        mine, _ = await client.chat(token, "p=5 c=5"), await client.chat(other, "p=5 c=5")
        (row,) = (await client.ask("GET", "/v1/log", token)).told.json["calls"]
        assert (row["id"], row["number"]) == (mine.headers["x-aikeys-request-id"], None)
        usage = (await client.ask("GET", "/v1/usage", token)).told.json
        assert (usage["total_requests"], "newest_call_at" in usage) == (1, False)

    with gateway(house) as running:
        talk(running, ask)


def test_a_child_reaches_no_object_of_a_team_that_its_issuer_made_it_of(house: House) -> None:
    with house.place.ledger.open().writing() as writer:
        stored_objects.note(writer.connection, "openai", "resp_theirs", stored_objects.Owner("f" * 16, "support"))
    parent = house.issue("keys:write", "chat:write", "chat:read")
    child = house.issue("chat:write", "chat:read", parent=parent, labels=(SUPPORT,))
    own = house.issue("chat:write", "chat:read", labels=(SUPPORT,))

    async def ask(client: Client) -> None:
        statuses: list[Any] = []
        for token in (child, own):
            for name in ("resp_theirs", "resp_never_was"):
                told = await client.ask("GET", f"/openai/v1/responses/{name}", token)
                statuses.append(told.status == 404 and "of yours" in told.told.error["message"])
        assert statuses == [True, True, False, True]

    with gateway(house) as running:
        talk(running, ask)


def test_when_others_called_last_is_not_told_with_keys_read_alone(house: House) -> None:
    reader, other = house.issue("chat:write", "keys:read"), house.issue("chat:write")

    async def ask(client: Client) -> None:
        for token in (reader, other):
            assert (await client.chat(token, "p=5 c=5")).status == 200
        keys = (await client.ask("GET", "/v1/keys", reader)).told.json["keys"]
        assert {row["id"] for row in keys if "last_used_at" in row} == {reader.claims.shown_id}
        assert len(keys) == 2

    with gateway(house) as running:
        talk(running, ask)
