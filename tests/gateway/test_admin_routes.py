"""/v1/usage, /v1/budgets, /v1/audit and /v1/log by a plain HTTP client, on a ledger with known calls."""

from __future__ import annotations

import json
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aikeys import clock
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from aikeys.ledger.calls import ESTIMATED, UNPRICED, Call, Context, Labels
from aikeys.ledger.store import Act
from aikeys.money import parse_usd
from aikeys.providers.usage import Usage
from tests.gateway.serving import Client, make_office, record, talk_to
from tests.vault.tokens_at_hand import Office

ZONE = "Europe/Berlin"
USD = 10**12
SUPPORT = Labels("support", "bot", "prod", "ana", (("client", "acme"),))
SEARCH = Labels("search", "index", "prod", "ben", ())
OCTOBER = "start=2026-10-01&end=2026-10-31"


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()) * 1_000_000


def call(at: str, labels: Labels, model: str, cost_pusd: int, **more: Any) -> Call:
    context = Context(labels, "tok", "openai", model.partition("/")[0], model, door="gateway")
    return Call(us(at), us(at) + 1_000_000, context, Usage(100, 0, 0, 0, 20, 0), cost_pusd=cost_pusd, **more)


CALLS = (
    call("2026-09-30T23:59", SUPPORT, "openai/gpt-5", 64 * USD),
    call("2026-10-01T00:00", SUPPORT, "openai/gpt-5", 1 * USD),
    call("2026-10-05T09:30", SUPPORT, "openai/gpt-5", USD // 10),
    call("2026-10-05T09:45", SUPPORT, "anthropic/claude-sonnet-4-5", 2 * USD, cost_source=ESTIMATED),
    call("2026-10-05T10:15", SEARCH, "openai/gpt-5", 4 * USD),
    call("2026-10-20T12:00", Labels(), "openrouter/meta/llama-4", 0, cost_source=UNPRICED, unpriced=(("input", 100),)),
    call("2026-10-31T23:59", SEARCH, "openai/gpt-5", 8 * USD),
    call("2026-11-01T00:00", SEARCH, "openai/gpt-5", 128 * USD),
)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("TZ", ZONE)
    made = make_office(tmp_path)
    record(made, *CALLS)
    return made


def total(told: Any) -> Fraction:
    return sum((Fraction(row["cost_usd"]) for row in told["breakdown"]), Fraction(0))


def test_usage_has_a_total_and_a_breakdown_by_team_and_model(office: Office) -> None:
    reader = office.issue("usage:read")

    async def talk(client: Client) -> None:
        told = (await client.get(f"/v1/usage?{OCTOBER}", reader)).json
        assert (told["start"], told["end"], told["time_zone"]) == ("2026-10-01", "2026-10-31", ZONE)
        assert told["total_cost_usd"] == 15.1
        assert isinstance(told["total_cost_usd"], float)
        assert total(told) == Fraction("15.1") == Fraction(told["total_cost"])
        rows = [(row.get("team_id"), row["model"], row["cost"], row["cost_usd"]) for row in told["breakdown"]]
        assert rows == [
            ("search", "openai/gpt-5", 12.0, "12.00"),
            ("support", "anthropic/claude-sonnet-4-5", 2.0, "2.00"),
            ("support", "openai/gpt-5", 1.1, "1.10"),
            (None, "openrouter/meta/llama-4", 0.0, "0.00"),
        ]
        assert "team_id" not in told["breakdown"][-1]
        assert [(row["requests"], row["total_tokens"]) for row in told["breakdown"]] == [
            (2, 240),
            (1, 120),
            (2, 240),
            (1, 120),
        ]
        assert told["coverage"]["unpriced"] == {"requests": 1, "tokens": 120, "cost_usd": "0.00"}
        assert (told["total_requests"], told["total_tokens"]) == (6, 720)

    talk_to(office, talk)


RANGES = {
    "start=2026-10-01&end=2026-10-31": "15.1",
    "start=2026-10-05&end=2026-10-05": "6.1",
    "start=2026-10-05T00:00:00&end=2026-10-06T00:00:00": "6.1",
    "start=2026-10-05T10:00&end=2026-10-05": "4",
    "start=2026-10-05T09:30:00&end=2026-10-05T09:45:00": "0.1",
    "start=2026-10-05T09:30:00&end=2026-10-05T09:45:01": "2.1",
    "start=2026-10-05T07:30:00Z&end=2026-10-05T07:45:00Z": "0.1",
    "start=2026-10-05T09:30:00%2B02:00&end=2026-10-05T09:45:00%2B02:00": "0.1",
    "start=2026-10-05T09:30:00+02:00&end=2026-10-05T09:45:00+02:00": "0.1",
    "start=2026-10-05T08:00:00Z&end=2026-10-05T09:00:00Z": "4",
    "end=2026-10-05": "7.1",
    "end=2026-10-05T09:45": "1.1",
    "start=2026-09-30T22:00:00Z&end=2026-10-31T23:00:00Z": "15.1",
}


@pytest.mark.parametrize("query", RANGES)
def test_a_range_holds_what_lies_in_it(office: Office, query: str) -> None:
    reader = office.issue("usage:read")

    async def talk(client: Client) -> None:
        for group in ("", "&group_by=team_id,project,user,tag:client", "&group_by=day", "&group_by=token"):
            told = await client.get(f"/v1/usage?{query}{group}", reader)
            assert told.status == 200, told.text
            assert total(told.json) == Fraction(RANGES[query]), group
            assert told.json["total_cost_usd"] == float(RANGES[query])

    talk_to(office, talk)


def test_without_a_range_it_is_this_month(office: Office) -> None:
    reader = office.issue("usage:read")
    record(office, Call(clock.now_us(), clock.now_us(), CALLS[0].context, Usage(1, 0, 0, 0, 1, 0), cost_pusd=USD))

    async def talk(client: Client) -> None:
        told = (await client.get("/v1/usage?team_id=support", reader)).json
        month = datetime.now(ZoneInfo(ZONE)).date().isoformat()[:7]
        assert told["start"] == f"{month}-01"
        assert told["end"].startswith(month)
        assert total(told) >= 1

    talk_to(office, talk)


def test_groups_and_filters_take_the_words_of_the_report(office: Office) -> None:
    reader = office.issue("usage:read")

    async def talk(client: Client) -> None:
        async def rows(query: str) -> list[dict[str, Any]]:
            told = await client.get(f"/v1/usage?{OCTOBER}&{query}", reader)
            assert told.status == 200, told.text
            return [
                {name: row[name] for name in row if name not in {"cost", "requests", "failed"} and "token" not in name}
                for row in told.json["breakdown"]
            ]

        assert await rows("group_by=user&user=ana&user=ben") == [
            {"user": "ben", "cost_usd": "12.00"}, {"user": "ana", "cost_usd": "3.10"},
        ]  # fmt: skip
        assert await rows("group_by=month") == [{"month": "2026-10", "cost_usd": "15.10"}]
        assert await rows("group_by=provider&group_by=team_id&team_id=search") == [
            {"provider": "openai", "team_id": "search", "cost_usd": "12.00"}
        ]
        assert await rows("group_by=tag:client&tag:client=acme") == [{"tag:client": "acme", "cost_usd": "3.10"}]
        assert await rows("group_by=model&team_id=") == [{"model": "openrouter/meta/llama-4", "cost_usd": "0.00"}]
        assert await rows("model=anthropic/claude-sonnet-4-5&group_by=project") == [
            {"project": "bot", "cost_usd": "2.00"}
        ]
        assert await rows("team_id=nobody") == []

    talk_to(office, talk)


WRONG = {
    "start=yesterday-ish": ("start", "2026-11-01"),
    "start=2026-13-01": ("start", "2026-11-01"),
    "end=2026-10-05T99:00": ("end", "2026-11-01"),
    "end=9999-12-31T23:59:59Z": ("end", "2026-11-01"),
    "start=0001-01-01": ("start", "2026-11-01"),
    "start=0001-01-01T00:00:00%2B14:00": ("start", "2026-11-01"),
    "start=2026-10-05&end=2026-10-04": ("end", "is not after start"),
    "start=2026-10-05T10:00&end=2026-10-05T10:00": ("end", "is not after start"),
    "start=2026-10-05&start=2026-10-06": ("start", "twice"),
    "group_by=tema": ("group_by", "did you mean team?"),
    "group_by=team_id,team_id": ("group_by", "twice"),
    "group_by=tag:": ("group_by", "did you mean tag:NAME?"),
    "group-by=team_id": ("group-by", "did you mean group_by?"),
    "teamid=x": ("teamid", "did you mean team_id?"),
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_parameter_is_400_and_named(office: Office, query: str) -> None:
    reader = office.issue("usage:read")

    async def talk(client: Client) -> None:
        told = await client.get(f"/v1/usage?{query}", reader)
        field, words = WRONG[query]
        assert told.status == 400, told.text
        assert told.error["param"] == field
        assert field in told.error["message"]
        assert words in told.error["message"]

    talk_to(office, talk)


def test_usage_own_sees_its_own_labels_and_nobody_elses(office: Office) -> None:
    own = office.issue("usage:own", labels=(("team", "support"),))
    tagged = office.issue("usage:own", labels=(("client", "acme"), ("team", "support")))
    bare = office.issue("usage:own")
    record(office, CALLS[1]._replace(context=CALLS[1].context._replace(token=bare.claims.shown_id), cost_pusd=3 * USD))

    async def talk(client: Client) -> None:
        for token, expected in ((own, "6.1"), (tagged, "6.1"), (bare, "3")):
            told = await client.get(f"/v1/usage?{OCTOBER}", token)
            assert total(told.json) == Fraction(expected)
        assert (await client.get(f"/v1/usage?{OCTOBER}&team_id=support", own)).status == 200
        for query in ("team_id=search", "team_id="):
            assert (await client.get(f"/v1/usage?{OCTOBER}&{query}", own)).status == 404
        assert (await client.get("/v1/usage?token=tok", bare)).status == 404

    talk_to(office, talk)


def test_every_route_takes_its_scope(office: Office) -> None:
    needs = {"/v1/usage": "usage:own", "/v1/budgets": "budget:own", "/v1/audit": "audit:read", "/v1/log": "usage:own",
             "/metrics": "usage:read"}  # fmt: skip
    every = ("audit:read", "budget:own", "budget:read", "usage:own", "usage:read")

    async def talk(client: Client) -> None:
        for path, scope in needs.items():
            assert (await client.get(path)).status == 401
            assert (await client.get(path, office.issue(scope))).status == 200
            others = [name for name in every if name not in (scope, scope.replace(":own", ":read"))]
            told = await client.get(path, office.issue(*others))
            assert (told.status, scope in told.error["message"]) == (403, True)

    talk_to(office, talk)


def test_a_token_is_taken_from_its_own_addresses_only(office: Office) -> None:
    elsewhere = office.issue("usage:read", addresses=("10.0.0.0/8",))
    here = office.issue("usage:read", addresses=("127.0.0.0/8",))

    async def talk(client: Client) -> None:
        assert (await client.get("/v1/usage", elsewhere)).status == 403
        assert (await client.get("/v1/usage", here)).status == 200

    talk_to(office, talk)


def shown(office: Office, *words: str) -> Any:
    done = office.home.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_ledger_that_stands_for_a_lost_one_says_so_in_usage_budgets_and_log(office: Office) -> None:
    ledger = office.home.place.ledger.open()
    with ledger.writing() as writer:
        set_budget(writer, parse_who("team:support"), Terms(parse_usd("200"), "month", "block", (80, 100)))
    ledger.intent(Act("new-ledger", "vault"), b"v" * 16, 99)
    before = {"before": clock.rfc3339(ledger.entries(1)[0][0].at_us / 1e6)}
    ledger.close()
    reader = office.issue("budget:read", "usage:read")

    async def talk(client: Client) -> None:
        usage = (await client.get(f"/v1/usage?{OCTOBER}", reader)).json
        assert usage["coverage"]["lost_ledger"] == before
        later = (await client.get("/v1/usage?start=2996-10-01&end=2996-10-02", reader)).json
        assert "lost_ledger" not in later["coverage"]
        budgets = (await client.get("/v1/budgets", reader)).json
        assert (budgets["lost_ledger"], budgets["budgets"][0]["state"]) == (before, "undecided")
        assert (await client.get("/v1/log", reader)).json["lost_ledger"] == before
        check = (await client.get("/v1/budgets/check", reader)).json
        assert check["state"] == "undecided"
        assert check["notes"][0].startswith(f"what was spent before {before['before']} is not known")

    talk_to(office, talk)


def test_budgets_audit_and_log_are_what_the_command_line_prints(office: Office) -> None:
    ledger = office.home.place.ledger.open()
    with ledger.writing() as writer:
        set_budget(writer, parse_who("team:support"), Terms(parse_usd("200"), "month", "block", (80, 100)))
        set_budget(writer, parse_who("user:*"), Terms(parse_usd("5"), "day", "warn", ()))
    ledger.close()
    reader = office.issue("audit:read", "budget:read", "usage:read")
    expected = {
        "/v1/budgets": shown(office, "budget", "list"),
        "/v1/audit?limit=3": shown(office, "audit", "-n", "3"),
        "/v1/audit?act=budget+set": shown(office, "audit", "--act", "budget set"),
        "/v1/log?limit=4": shown(office, "log", "-n", "4"),
    }

    async def talk(client: Client) -> None:
        for path, value in expected.items():
            told = await client.get(path, reader)
            assert told.status == 200, told.text
            assert told.json == value, path
        assert len(expected["/v1/log?limit=4"]["calls"]) == 4

    talk_to(office, talk)


def test_the_log_goes_back_to_since_and_no_further_than_limit(office: Office) -> None:
    reader = office.issue("audit:read", "usage:read")

    async def talk(client: Client) -> None:
        async def times(query: str) -> list[str]:
            return [row["at"] for row in (await client.get(f"/v1/log?{query}", reader)).json["calls"]]

        assert len(await times("limit=100")) == len(CALLS)
        assert len(await times("since=2026-10-20")) == 3
        assert len(await times("since=2026-10-31T23:59:00%2B01:00")) == 2
        assert len(await times("since=2026-10-31T23:59:00+01:00")) == 2
        assert len(await times("month=2026-10")) == len(await times("since=2026-10-01&until=2026-10-31"))
        assert await times("until=2026-10-20") == [at for at in await times("limit=100") if at < "2026-10-21"]
        assert await times("since=2026-10-20&limit=2") == (await times("limit=2"))
        for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("limit=100000", "limit"), ("since=x", "since"),
                             ("since=2999-01-01", "since"), ("until=soon", "until"), ("month=2026-13", "month"),
                             ("month=last&since=30d", "month"), ("newest=3", "newest")):  # fmt: skip
            for path in ("/v1/log", "/v1/audit"):
                told = await client.get(f"{path}?{query}", reader)
                assert (told.status, told.error["param"]) == (400, field), told.text
                assert "--" not in told.error["message"]

    talk_to(office, talk)


def test_a_childs_own_labels_do_not_open_what_its_parent_could_not_see(office: Office) -> None:
    bare = office.issue("keys:write", "usage:own")
    child = office.child(bare, "usage:own", labels=(("team", "support"),))

    async def talk(client: Client) -> None:
        told = await client.get(f"/v1/usage?{OCTOBER}", child)
        assert total(told.json) == 0
        assert told.json["where"] == {"token": [child.claims.shown_id]}

    talk_to(office, talk)
