"""/v1/keys by a plain HTTP client: issue, use, list, revoke; and what is refused, with its status."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock
from aikeys.gateway.routes import keys
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.listing import acts
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from aikeys.providers.usage import Usage
from aikeys.tokens.token_request import DAY_S
from aikeys.vault.tokens import revoking
from aikeys.vault.tokens.issuing import Issued, issue_child
from tests.gateway.serving import Client, make_office, record, talk_to
from tests.vault.tokens_at_hand import Office

OPERATOR = ("chat:read", "chat:write", "keys:read", "keys:write", "usage:read")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path, "openai", "work")


def operator(office: Office, **token_request: Any) -> Issued:
    return office.issue(*OPERATOR, **{"ttl_s": 120 * DAY_S, **token_request})


def secret_of(office: Office, text: str, name: str) -> str:
    """Open a key with a token's text and the gateway's private key, as a call would."""
    token_verifier = office.token_verifier()
    try:
        access = token_verifier.access_of(token_verifier.admit(text, clock.now_s()), office.gateway())
        key = access.rows.key_named(name)
        assert key is not None
        return access.content(key).secret.decode()
    finally:
        token_verifier.close()


def test_a_key_is_made_used_listed_and_revoked(office: Office) -> None:
    boss = operator(office)

    async def talk(client: Client) -> None:
        made = await client.ask(
            "POST", "/v1/keys", boss,
            {"name": "support bot", "scopes": ["chat:write", "usage:own"], "expires_in": 90 * DAY_S,
             "team_id": "support", "models": ["openai/*"], "budget_usd": 12.5, "rate_limit_per_minute": 60},
        )  # fmt: skip
        assert made.status == 201
        key = made.json["key"]
        assert made.headers["location"] == f"/v1/keys/{made.json['id']}"
        assert made.headers["cache-control"] == "no-store"
        assert {name: made.json[name] for name in ("name", "scopes", "expires_in", "team_id", "models")} == {
            "name": "support bot", "scopes": ["chat:write", "usage:own"], "expires_in": 90 * DAY_S,
            "team_id": "support", "models": ["openai/*"],
        }  # fmt: skip
        assert made.json["budget_usd"] == 12.5
        assert made.json["rate_limit_per_minute"] == 60
        assert secret_of(office, key, "openai") == "sk-openai"

        assert (await client.get("/v1/usage", key)).status == 200
        listed = (await client.get("/v1/keys?team_id=support", boss)).json["keys"]
        assert [row["id"] for row in listed] == [made.json["id"]]
        assert listed[0]["active"] is True
        assert "key" not in listed[0]
        assert key not in str(listed)

        gone = await client.ask("DELETE", f"/v1/keys/{made.json['id']}", boss)
        assert (gone.status, gone.text) == (204, "")
        assert (await client.ask("DELETE", f"/v1/keys/{made.json['id']}", boss)).status == 204
        assert (await client.get("/v1/usage", key)).status == 401
        listed = (await client.get("/v1/keys?team_id=support", boss)).json["keys"]
        assert [row["active"] for row in listed] == [False]

    talk_to(office, talk)
    ledger = office.home.place.ledger.open()
    with ledger.reading() as connection:
        told = [(entry.act, entry.subject, entry.detail) for entry, _ in acts(connection, ledger)]
    kinds = [act for act, _, _ in told]
    assert kinds.count("token issue") == 2
    assert kinds.count("token revoke") == 1
    assert ("access", boss.claims.shown_id, "command=POST:/v1/keys scopes=keys:write") in told
    assert ("access", boss.claims.shown_id, "command=DELETE:/v1/keys/{id} scopes=keys:write") in told
    verify(ledger)
    ledger.close()


def test_what_is_not_said_is_taken_over(office: Office) -> None:
    boss = operator(office, labels=(("team", "support"),), keys=("openai",), rpm=30, ttl_s=600)

    async def talk(client: Client) -> None:
        made = (await client.ask("POST", "/v1/keys", boss, {"name": None})).json
        assert made["team_id"] == "support"
        assert made["keys"] == ["openai"]
        assert made["rate_limit_per_minute"] == 30
        assert made["parent"] == boss.claims.shown_id
        assert 590 <= made["expires_in"] <= 600  # an hour, but not beyond its parent
        assert made["scopes"] == ["chat:read", "chat:write", "usage:own"]  # a developer's, as far as its parent goes
        assert not {"name", "models", "budget_usd", "project"} & set(made)

    talk_to(office, talk)


def test_an_expiry_beyond_the_callers_own_is_refused_with_the_longest_that_is_allowed(office: Office) -> None:
    boss = operator(office, ttl_s=3600)

    async def talk(client: Client) -> None:
        told = await client.ask("POST", "/v1/keys", boss, {"expires_in": 7200})
        assert told.status == 400
        assert told.error["param"] == "expires_in"
        words = told.error["message"].split()
        longest = int(words[words.index("most") + 1])
        assert 3500 < longest <= 3600
        again = await client.ask("POST", "/v1/keys", boss, {"expires_in": longest})
        assert (again.status, again.json["expires_in"]) == (201, longest)

    talk_to(office, talk)


WRONG = {
    "unknown field": ({"expire_in": 60}, "expire_in", "did you mean expires_in?"),
    "far from known": ({"zzz": 60}, "zzz", "known: name, scopes"),
    "unknown scope": ({"scopes": ["chat:wirte"]}, "scopes", "did you mean chat:write?"),
    "scopes no list": ({"scopes": "chat:write"}, "scopes", "list"),
    "no scopes": ({"scopes": []}, "scopes", "leave scopes out"),
    "scope no text": ({"scopes": ["chat:write", 5]}, "scopes[1]", "not a text"),
    "no models": ({"models": []}, "models", "leave models out"),
    "bare model": ({"models": ["gpt-4.1"]}, "models", "provider/model"),
    "expired": ({"expires_in": 0}, "expires_in", "from 1 to"),
    "expiry as text": ({"expires_in": "3600"}, "expires_in", "whole number"),
    "expiry true": ({"expires_in": True}, "expires_in", "whole number"),
    "six years": ({"expires_in": 6 * 366 * DAY_S}, "expires_in", "from 1 to"),
    "negative budget": ({"budget_usd": -1}, "budget_usd", "amount"),
    "endless budget": (b'{"budget_usd": 1e999999}', "budget_usd", "amount"),
    "too exact": (b'{"budget_usd": 0.0000000000001}', "budget_usd", "amount"),
    "no rate": ({"rate_limit_per_minute": 0}, "rate_limit_per_minute", "from 1 to"),
    "empty team": ({"team_id": ""}, "team_id", "empty"),
    "unprintable": ({"name": "a\nb"}, "name", "unprintable"),
    "unknown key": ({"keys": ["opneai"]}, "keys", "not a key of the vault"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_400_and_named(office: Office, case: str) -> None:
    body, field, words = WRONG[case]
    boss = operator(office)

    async def talk(client: Client) -> None:
        told = await client.ask("POST", "/v1/keys", boss, body)
        assert told.status == 400, told.text
        assert told.error["param"] == field
        assert words in told.error["message"]
        assert len((await client.get("/v1/keys", boss)).json["keys"]) == 1

    talk_to(office, talk)


def test_what_is_no_json_object_is_400(office: Office) -> None:
    boss = operator(office)

    async def talk(client: Client) -> None:
        for body in (b"", b"[]", b"{", b"\xff"):
            assert (await client.ask("POST", "/v1/keys", boss, body)).status == 400

    talk_to(office, talk)


WIDER: dict[str, dict[str, Any]] = {
    "scope": {"scopes": ["chat:write", "env:read"]},
    "team": {"team_id": "search"},
    "model": {"models": ["anthropic/*"]},
    "key": {"keys": ["work"]},
    "every key": {"keys": ["*"]},
    "an unknown key": {"keys": ["nobody"]},
    "budget": {"budget_usd": 11},
    "rate": {"rate_limit_per_minute": 61},
}


@pytest.mark.parametrize("what", WIDER)
def test_what_the_caller_may_not_hand_on_is_403(office: Office, what: str) -> None:
    boss = operator(
        office, keys=("openai",), models=("openai/*",), labels=(("team", "support"),), budget_pusd=parse_usd("10"),
        rpm=60,
    )  # fmt: skip

    async def talk(client: Client) -> None:
        told = await client.ask("POST", "/v1/keys", boss, WIDER[what])
        assert told.status == 403, told.text
        assert "work" not in told.text or what == "key"

    talk_to(office, talk)


def test_without_keys_write_nothing_is_issued_or_revoked(office: Office) -> None:
    reader = office.issue("keys:read", "chat:write")

    async def talk(client: Client) -> None:
        assert (await client.ask("POST", "/v1/keys", reader, {})).status == 403
        assert (await client.ask("DELETE", f"/v1/keys/{reader.claims.shown_id}", reader)).status == 403
        assert (await client.ask("POST", "/v1/keys", None, {})).status == 401

    talk_to(office, talk)


def test_a_caller_sees_itself_what_is_below_and_with_keys_read_its_own_labels(office: Office) -> None:
    team = (("team", "support"),)
    plain = office.issue("chat:write", "keys:write", labels=team)
    child = office.child(plain, "chat:write", "keys:write")
    grandchild = office.child(child, "chat:write")
    reader = office.issue("keys:read", labels=team)
    stranger = office.issue("chat:write", labels=(("team", "search"),))

    async def seen(client: Client, token: Issued, query: str = "") -> set[str]:
        return {row["id"] for row in (await client.get(f"/v1/keys{query}", token)).json["keys"]}

    def ids(*tokens: Issued) -> set[str]:
        return {token.claims.shown_id for token in tokens}

    async def talk(client: Client) -> None:
        assert await seen(client, plain) == ids(plain, child, grandchild)
        assert await seen(client, grandchild) == ids(grandchild)
        assert await seen(client, reader) == ids(plain, child, grandchild, reader)
        assert await seen(client, reader, "?team_id=support") == ids(plain, child, grandchild, reader)
        assert await seen(client, reader, "?team_id=search") == set()
        assert await seen(client, reader, "?team_id=") == set()
        assert await seen(client, stranger) == ids(stranger)
        assert (await client.get("/v1/keys?team=support", reader)).error["param"] == "team"

    talk_to(office, talk)


def test_a_token_that_may_not_be_seen_is_404_as_an_unknown_one(office: Office) -> None:
    caller = office.issue("chat:write", "keys:write", labels=(("team", "support"),))
    stranger = office.issue("chat:write")

    async def talk(client: Client) -> None:
        for name in (stranger.claims.shown_id, "0" * 16, "nobody", "zz" * 8, "%00", stranger.claims.shown_id[:8]):
            told = await client.ask("DELETE", f"/v1/keys/{name}", caller)
            assert told.status == 404, name
        assert (await client.get("/v1/keys", stranger)).status == 200

    talk_to(office, talk)


def test_revoking_takes_everything_below_along_and_nothing_above(office: Office) -> None:
    root = office.issue("chat:write", "keys:read", "keys:write")
    child = office.child(root, "chat:write", "keys:read", "keys:write")
    grandchild = office.child(child, "chat:write")

    async def talk(client: Client) -> None:
        assert (await client.ask("DELETE", f"/v1/keys/{root.claims.shown_id}", child)).status == 403
        assert (await client.ask("DELETE", f"/v1/keys/{child.claims.shown_id}", child)).status == 204
        for token in (child, grandchild):
            assert (await client.get("/v1/keys", token)).status == 401
        rows = {row["id"]: row["active"] for row in (await client.get("/v1/keys", root)).json["keys"]}
        assert rows == {root.claims.shown_id: True, child.claims.shown_id: False, grandchild.claims.shown_id: False}

    talk_to(office, talk)


def test_a_child_of_a_token_with_raw_keys_works_through_the_gateway(office: Office) -> None:
    raw = office.issue("chat:write", "env:read", "keys:write", keys=("openai",))

    async def talk(client: Client) -> None:
        made = await client.ask("POST", "/v1/keys", raw, {"scopes": ["chat:write"]})
        assert secret_of(office, made.json["key"], "openai") == "sk-openai"

    talk_to(office, talk)


def test_many_are_issued_at_once_and_the_chain_stays_whole(office: Office) -> None:
    boss = operator(office)

    async def talk(client: Client) -> None:
        made = await asyncio.gather(*(client.ask("POST", "/v1/keys", boss, {"budget_usd": "1"}) for _ in range(12)))
        assert [told.status for told in made] == [201] * 12
        assert len({told.json["id"] for told in made}) == 12

    talk_to(office, talk)
    ledger = office.home.place.ledger.open()
    verify(ledger)
    ledger.close()
    assert len(revoking.read_tokens(office.home.place).chains) == 13


def test_a_vault_that_changes_meanwhile_is_looked_at_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    boss = operator(office)
    added: list[str] = []

    def issue_later(*given: Any) -> Issued:
        if not added:
            added.append("third")
            office.home.add("third", "sk-third")
        return issue_child(*given)

    monkeypatch.setattr(keys, "issue_child", issue_later)

    async def talk(client: Client) -> None:
        made = await client.ask("POST", "/v1/keys", boss, {"scopes": ["chat:write"]})
        assert made.status == 201
        assert secret_of(office, made.json["key"], "third") == "sk-third"

    talk_to(office, talk)


def test_the_last_use_is_the_newest_call_of_the_ledger(office: Office) -> None:
    boss = operator(office)
    at_us = clock.now_us()
    context = Context(Labels("support"), boss.claims.shown_id, "openai", "openai", "openai/gpt-5", door="gateway")
    record(office, *(Call(at_us + offset, at_us + offset + 1, context, Usage(1, 0, 0, 0, 1, 0)) for offset in (0, 5)))

    async def talk(client: Client) -> None:
        (row,) = (await client.get("/v1/keys", boss)).json["keys"]
        assert row["last_used_at"] == clock.rfc3339(at_us // 1_000_000)
        child = await client.ask("POST", "/v1/keys", boss, {})
        rows = (await client.get("/v1/keys", child.json["key"])).json["keys"]
        assert "last_used_at" not in rows[0]

    talk_to(office, talk)


def test_no_secret_stands_in_the_ledger(office: Office) -> None:
    boss = operator(office)
    texts: list[str] = []

    async def talk(client: Client) -> None:
        texts.append((await client.ask("POST", "/v1/keys", boss, {"name": "x"})).json["key"])

    talk_to(office, talk)
    data = b"".join(path.read_bytes() for path in office.home.directory.iterdir() if path.is_file())
    assert texts[0].encode() not in data
    assert boss.text.encode() not in data
