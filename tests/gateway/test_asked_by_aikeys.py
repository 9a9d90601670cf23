"""The routes and fields that aikeys itself asks for from another machine, by a plain HTTP client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from tests.gateway.serving import Client, make_office, talk_to
from tests.vault.tokens_at_hand import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path, "openai")


def test_models_have_prices_where_they_are_asked_for_and_openais_words_always(office: Office) -> None:
    reader = office.issue("chat:read", models=("openai/gpt-4.1*",))

    async def talk(client: Client) -> None:
        plain = (await client.get("/v1/models", reader)).json["data"]
        priced = (await client.get("/v1/models?prices=true", reader)).json["data"]
        assert [row["id"] for row in plain] == [row["id"] for row in priced]
        assert set(plain[0]) == {"id", "object", "created", "owned_by"}
        (row,) = [row for row in priced if row["id"] == "openai/gpt-4.1"]
        assert (row["input_usd_per_million"], row["keys"]) == ("2.00", ["openai"])
        assert "gpt4" in row["aliases"]

    talk_to(office, talk)


def test_budgets_are_checked_for_whom_is_asked(office: Office) -> None:
    ledger = office.home.place.ledger.open()
    with ledger.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(10**12))
    ledger.close()
    reader = office.issue("budget:read")

    async def talk(client: Client) -> None:
        told = (await client.get("/v1/budgets/check", reader)).json
        assert (told["schema"], told["state"]) == ("aikeys.budget-check/1", "ok")
        assert [row["who"] for row in told["budgets"]] == ["org"]
        told = (await client.get("/v1/budgets/check?who=team:x&who=org", reader)).json
        assert [row["state"] for row in told["budgets"]] == ["undecided", "ok"]
        assert told["state"] == "undecided"
        for query, field in (("who=nobody", "who"), ("max_unpriced=x", "max_unpriced"), ("whom=org", "whom")):
            wrong = await client.get(f"/v1/budgets/check?{query}", reader)
            assert (wrong.status, wrong.error["param"]) == (400, field)
        assert (await client.get("/v1/budgets/check", office.issue("usage:read"))).status == 403

    talk_to(office, talk)


BODIES: dict[str, Any] = {
    "for": "robot",
    "tags": {"team": "x"},
    "addresses": ["here"],
    "once": "yes",
}


def test_a_token_can_have_tags_addresses_a_kind_and_a_single_use(office: Office) -> None:
    boss = office.issue("keys:write", "chat:write", "chat:read", ttl_s=3600)

    async def talk(client: Client) -> None:
        token_request = {"for": "agent", "tags": {"client": "acme"}, "addresses": ["127.0.0.0/8"], "once": True}
        made = await client.ask("POST", "/v1/keys", boss, token_request)
        assert made.status == 201, made.text
        assert {name: made.json[name] for name in token_request} == token_request
        assert made.json["scopes"] == ["chat:read", "chat:write"]  # an agent's
        for name, value in BODIES.items():
            wrong = await client.ask("POST", "/v1/keys", boss, {name: value})
            assert (wrong.status, wrong.error["param"].partition("[")[0]) == (400, name), wrong.text

    talk_to(office, talk)
