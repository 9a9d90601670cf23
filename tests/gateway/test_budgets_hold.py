"""64 clients at one budget of a real gateway: never overspent at any instant, and used up to the last call that fits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.load import CLIENTS, exhaust, watched
from tests.gateway.process import Client, House, chat, gateway, talk
from tests.gateway.steered import INPUT_PUSD, OUTPUT_PUSD

INPUT, OUTPUT = 60, 2000
CALL_PUSD = INPUT * INPUT_PUSD + OUTPUT * OUTPUT_PUSD
FLOOR_PUSD = 10_000_000_000
"""More than the least that these calls can cost: the worst of their input, and 257 tokens of output."""
SPEC = f"p={INPUT} c={OUTPUT} ms=5"
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("whole-honest", {"max_tokens": OUTPUT}),
    ("whole-open", {}),
    ("stream-honest", {"max_tokens": OUTPUT, "stream": True}),
    ("stream-open", {"stream": True}),
)


def check_books(house: House, who: str, limit_pusd: int) -> int:
    """Return what was spent, after everything agrees: the ledger, its counters, and the provider's own count."""
    spent, reserved = house.counter(who)
    assert spent <= limit_pusd
    assert reserved == 0
    assert house.reserved == 0
    assert limit_pusd - spent < FLOOR_PUSD
    return spent


@pytest.mark.parametrize("workers", [1, 4])
def test_a_budget_for_ten_calls_is_used_up_and_never_overspent(house: House, workers: int) -> None:
    limit = 10 * CALL_PUSD
    tokens = {name: house.issue(labels=(("team", name),)) for name, _ in WAYS}
    for name, _ in WAYS:
        house.budget(f"team:{name}", limit)

    async def go(client: Client) -> None:
        for name, fields in WAYS:
            answers = await exhaust(client, [tokens[name]], SPEC, **fields)
            assert answers["budget_exceeded"] == CLIENTS
            assert answers["200"] >= 10

    with gateway(house, "--workers", str(workers)) as running, watched(house):
        talk(running, go)
    spent = sum(check_books(house, f"team:{name}", limit) for name, _ in WAYS)
    assert spent == house.provider.billed_pusd
    assert len(house.entries()) == len(house.provider.served)
    house.verify()


@pytest.mark.parametrize(("workers", "way"), [(1, WAYS[1]), (4, WAYS[2])], ids=["1-whole-open", "4-stream-honest"])
def test_a_budget_for_four_hundred_calls_is_used_to_97_percent_at_least(
    house: House, workers: int, way: tuple[str, dict[str, Any]]
) -> None:
    limit = 400 * CALL_PUSD
    house.budget("org", limit)
    token = house.issue("budget:read", "chat:write")  # it is told the amounts it is refused for
    with gateway(house, "--workers", str(workers)) as running, watched(house):
        answers = talk(running, lambda client: exhaust(client, [token], SPEC, **way[1]))
    spent = check_books(house, "org", limit)
    assert spent >= limit * 97 // 100
    assert spent == house.provider.billed_pusd
    assert answers["200"] == len(house.provider.served) == len(house.entries())
    house.verify()


def test_children_share_what_their_parent_may_spend(house: House) -> None:
    """Whether the budget stands in the token or was set for it later."""
    limit = 10 * CALL_PUSD
    scopes = ("budget:read", "chat:write", "chat:read", "keys:write")
    born = house.issue(*scopes, budget_pusd=limit)
    later = house.issue(*scopes)
    house.budget(f"token:{later.claims.shown_id}", limit)
    families = [[house.issue("budget:read", "chat:write", parent=parent) for _ in range(8)] for parent in (born, later)]

    async def go(client: Client) -> None:
        for family in families:
            await exhaust(client, family, SPEC)

    with gateway(house) as running, watched(house):
        talk(running, go)
    period = "SELECT spent, reserved FROM counter WHERE who = ? AND period = (SELECT period FROM budget WHERE who = ?)"
    for parent in (born, later):
        who = f"token:{parent.claims.shown_id}"
        ((spent, reserved),) = house.rows(period, who, who)
        assert int(reserved) == 0
        assert limit - FLOOR_PUSD < int(spent) <= limit
    house.verify()


def test_a_child_is_bound_by_its_parents_budget_also_where_nothing_has_a_price(house: House) -> None:
    """A budget set for the parent later stands in no claim of the child."""
    parent = house.issue("chat:write", "keys:write")
    house.budget(f"token:{parent.claims.shown_id}", CALL_PUSD)
    child = house.issue("chat:write", parent=parent)

    async def go(client: Client) -> None:
        body = {**chat("p=1"), "model": "openai/nobody-knows-its-price"}
        for token in (parent, child):
            answer = await client.ask("POST", "/v1/chat/completions", token, body)
            assert answer.status == 403 or answer.status >= 400, answer
        made = await client.chat(child, "p=50 c=30000 greedy=0")
        assert int(made.headers["x-aikeys-max-tokens"]) < 30_000

    with gateway(house) as running:
        talk(running, go)
    assert house.provider.served[-1].json.get("max_completion_tokens") or house.provider.served[-1].json["max_tokens"]
    assert len(house.provider.served) == 1


def test_clients_that_leave_after_the_first_piece_spend_only_what_was_spent(house: House) -> None:
    limit = 200 * CALL_PUSD
    house.budget("org", limit)
    token = house.issue()

    async def go(client: Client) -> list[int]:
        async def one(number: int) -> list[int]:
            return [
                await client.leaves_after_first(token, f"p=50 c=40 n=3 gap=2 who={number} turn={turn}")
                for turn in range(4)
            ]

        return [status for found in await asyncio.gather(*map(one, range(CLIENTS))) for status in found]

    with gateway(house) as running, watched(house):
        statuses = talk(running, go)
    assert set(statuses) == {200}
    entries = house.entries()
    assert len(entries) == len(house.provider.served) == 4 * CLIENTS
    assert {entry.source for entry in entries} == {"computed"}
    assert sum(entry.cost_pusd for entry in entries) == house.counter("org")[0] == house.provider.billed_pusd
    house.verify()


def test_a_provider_that_bills_more_than_it_may_is_recorded_and_then_nothing_goes_any_more(house: House) -> None:
    limit = 4 * CALL_PUSD
    house.budget("org", limit)
    token = house.issue()

    async def go(client: Client) -> tuple[int, list[Any]]:
        spec = "p=60 c=1000000 greedy=1 ms=20"
        first = await asyncio.gather(*(client.chat(token, f"{spec} who={who}", max_tokens=500) for who in range(16)))
        after = [await client.chat(token, "p=1 c=1", max_tokens=1) for _ in range(3)]
        return sum(answer.status == 200 for answer in first), after

    with gateway(house) as running:
        sent, after = talk(running, go)
    assert {(answer.status, answer.headers.get("x-should-retry")) for answer in after} == {(402, "false")}
    assert len(house.provider.served) == sent == len(house.entries())
    assert house.counter("org") == (house.provider.billed_pusd, 0)
    assert house.provider.billed_pusd > limit
    assert house.rows("SELECT count(*) FROM entry WHERE act = 'overrun'") == [(sent,)]
    house.verify()


def test_a_long_cached_prompt_is_let_through_under_five_dollars(house: House) -> None:
    house.budget("org", 5 * 10**12)
    token = house.issue()
    long = "A manual that everybody asks about. " * (600_000 // 36)

    async def go(client: Client) -> list[int]:
        body = chat("p=150000 c=200 cached=149000", max_tokens=1000)
        body["messages"].insert(0, {"role": "system", "content": long})
        return [(await client.ask("POST", "/v1/chat/completions", token, body)).status for _ in range(20)]

    with gateway(house) as running, watched(house):
        statuses = talk(running, go)
    assert statuses == [200] * 20
    assert house.counter("org")[0] == house.provider.billed_pusd
    house.verify()


@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_a_budget_that_says_so_revokes_the_token_it_turns_away(house: House, is_sealed: bool) -> None:
    token, other = house.issue(labels=(("team", "loop"),)), house.issue(labels=(("team", "calm"),))
    house.budget("team:loop", CALL_PUSD, "revoke")
    options = sealed(house) if is_sealed else ()

    async def go(client: Client) -> list[int]:
        answers = [await client.chat(token, f"{SPEC} turn={turn}", max_tokens=OUTPUT) for turn in range(4)]
        last = await client.chat(token, "p=1 c=1")
        calm = await client.chat(other, "p=1 c=1")
        return [*(answer.status for answer in answers), last.status, calm.status]

    with gateway(house, *options) as running:
        statuses = talk(running, go)
    assert statuses[-2:] == [401, 200]
    assert statuses[:4].count(402) == 1
    assert statuses[statuses.index(402) + 1] == 401
    house.verify()


def sealed(house: House) -> tuple[str, ...]:
    """Return the options of a sealed gateway, with its credential."""
    from aikeys.gateway import credential

    path = house.folder / "gateway.cred"
    credential.write(str(path), house.office.home.open().rows.header, house.office.gateway())
    return "--sealed", "--credential", str(path)
