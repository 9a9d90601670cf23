"""The same table at the gateway's door: every route by every scope alone, and by nobody."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aikeys.tokens import admission
from aikeys.tokens.scopes import SCOPES, expanded
from tests.gateway.serving import Client, make_office, talk_to
from tests.vault.tokens_at_hand import Office

EXAMPLES = {"model": "openai/gpt-4.1", "tail": "gpt-4.1:generateContent", "id": "0" * 16, "provider": "openai"}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path, "openai")


def address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: EXAMPLES[found[1]], path)


def test_every_route_is_401_without_a_token_but_those_that_take_none(office: Office) -> None:
    async def talk(client: Client) -> None:
        for (method, path), takes in admission.ROUTES.items():
            told = await client.ask("GET" if method == "*" else method, address(path))
            assert (told.status == 401) == (takes != admission.NO_TOKEN), (method, path)
        for method in ("PUT", "PATCH"):
            assert (await client.ask(method, "/v1/usage")).status == 405

    talk_to(office, talk)


def test_every_route_of_a_scope_is_403_to_whoever_lacks_it_and_names_it(office: Office) -> None:
    alone = {scope: office.issue(scope) for scope in SCOPES}

    async def talk(client: Client) -> None:
        for (method, path), takes in admission.ROUTES.items():
            if takes not in SCOPES:
                continue
            for scope, token in alone.items():
                told = await client.ask(method, address(path), token, body={} if method == "POST" else None)
                is_let_in = takes in expanded([scope])
                refused = told.status == 403 and f"lacks the scope {takes};" in told.text
                assert refused != is_let_in, (method, path, scope, told.text)

    talk_to(office, talk)


def test_a_token_is_not_issued_where_the_act_cannot_be_recorded_and_revoked_all_the_same(office: Office) -> None:
    issuer = office.issue("keys:write", "chat:write")
    child = office.child(issuer, "chat:write")
    with closing(sqlite3.connect(office.home.ledger)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON entry WHEN NEW.act = 'access' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()

    async def talk(client: Client) -> None:
        before = len(office.rows().links)
        told = await client.ask("POST", "/v1/keys", issuer, body={"scopes": ["chat:write"]})
        assert told.status == 500
        assert len(office.rows().links) == before
        assert (await client.ask("DELETE", f"/v1/keys/{child.claims.shown_id}", issuer)).status == 204
        client.said.clear()

    talk_to(office, talk)
