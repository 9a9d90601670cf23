"""Whatever breaks, every call that the provider saw has exactly one entry, and no money stays set aside."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.load import watched
from tests.gateway.process import Answer, Client, Entry, Gateway, House, chat, gateway, talk
from tests.gateway.steered import INPUT_PUSD, OUTPUT_PUSD

WORST, COMPUTED, ESTIMATED = "worst_case", "computed", "estimated"
_STREAM: dict[str, Any] = {"stream": True}
FAULTS: tuple[tuple[str, dict[str, Any], int, bool, str], ...] = (
    ("status=500", {}, 500, False, COMPUTED),
    ("status=429", {}, 429, False, COMPUTED),
    ("status=401 fault=echo-key", {}, 502, False, COMPUTED),
    ("fault=redirect", {}, 502, False, COMPUTED),
    ("fault=dead", {}, 502, False, WORST),
    ("fault=gzip", {}, 200, False, COMPUTED),
    ("fault=half-gzip", {}, 502, False, WORST),
    ("fault=huge", {}, 502, False, WORST),
    ("status=500", _STREAM, 500, False, COMPUTED),
    ("fault=dead", _STREAM, 502, False, WORST),
    ("fault=die", _STREAM, 200, True, WORST),
    ("fault=garbage", _STREAM, 200, True, WORST),
    ("usage=0", _STREAM, 200, False, WORST),
    ("fault=redirect", _STREAM, 502, False, COMPUTED),
)
"""(how, fields, the client's status, whether its stream is cut, the source of the entry's cost)"""


def check_every_call_is_there_once(house: House, but: int = 0) -> list[Entry]:
    """Compare ledger and provider by the digests of what was sent; `but`: entries of what was lost with a process."""
    entries = house.entries()
    sent = [one.digest for one in house.provider.served]
    for digest in sent:
        assert sum(digest in entry.extra for entry in entries) <= 1
    unseen = [digest for digest in sent if not any(digest in entry.extra for entry in entries)]
    lost = [entry for entry in entries if entry.status == "lost"]
    assert len(unseen) <= len(lost)
    assert len(lost) == but or but < 0
    assert house.reserved == 0
    house.verify()
    return entries


def test_each_fault_of_a_provider_has_its_status_and_its_cost(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13)

    async def go(client: Client) -> list[Answer]:
        return [
            await client.chat(token, f"p=50 c=70 {how} number={number}", max_tokens=100, **fields)
            for number, (how, fields, *_) in enumerate(FAULTS)
        ]

    with gateway(house) as running, watched(house):
        answers = talk(running, go)
        resident_mib = _resident_mib(running.process.pid)
    entries = check_every_call_is_there_once(house)
    for answer, entry, (how, fields, status, is_cut, source) in zip(answers, entries, FAULTS, strict=True):
        assert (answer.status, answer.is_cut, entry.source) == (status, is_cut, source), (how, fields, answer, entry)
        if source == WORST:
            assert entry.cost_pusd >= 50 * INPUT_PUSD + 70 * OUTPUT_PUSD, (how, entry)
        elif "gzip" in how:
            assert entry.cost_pusd == 50 * INPUT_PUSD + 70 * OUTPUT_PUSD
        else:
            assert entry.cost_pusd == 0, (how, entry)
    assert not any("stolen" in one.path for one in house.provider.served)
    assert resident_mib < 700, resident_mib  # for a reply of 100 MiB


def _resident_mib(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) // 1024


def test_a_provider_that_is_down_costs_nothing_and_is_said_so(house: House) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        house.add_key("work", "sk-down", base_url=f"http://127.0.0.1:{closed.getsockname()[1]}/v1")
        token = house.issue()
        house.budget("org", 10**12)

        async def go(client: Client) -> Answer:
            return await client.ask("POST", "/v1/chat/completions", token, {**chat("c=1"), "model": "work/gpt-4.1"})

        with gateway(house) as running:
            answer = talk(running, go)
    assert answer.status == 502
    ((_, cost, source, status, _, _),) = house.entries()
    assert (cost, source, status) == (0, COMPUTED, "not_sent")


def test_a_client_that_leaves_is_billed_for_what_was_sent(house: House) -> None:
    limited, free = house.issue(labels=(("team", "limited"),)), house.issue(labels=(("team", "free"),))
    house.budget("team:limited", 10**12)
    cost = 50 * INPUT_PUSD + 70 * OUTPUT_PUSD

    async def go(client: Client) -> None:
        for token in (limited, free):
            before = len(house.provider.served)
            task = asyncio.create_task(client.chat(token, f"p=50 c=70 ms=hold who={before}", max_tokens=100))
            await asyncio.to_thread(house.provider.wait_for, before + 1)
            task.cancel()  # before the head of the reply
        house.provider.held.set()
        for token in (limited, free):
            await client.leaves_after_first(token, f"p=50 c=70 n=400 gap=5 who={token.claims.shown_id}", max_tokens=100)

    with gateway(house) as running:
        talk(running, go)
    entries = check_every_call_is_there_once(house)
    found = sorted((entry.source, entry.status) for entry in entries)
    assert found == [(COMPUTED, "ok")] * 3 + [(ESTIMATED, "cancelled")]
    assert [entry.cost_pusd for entry in entries if entry.source == COMPUTED] == [cost] * 3
    assert 0 < next(entry.cost_pusd for entry in entries if entry.source == ESTIMATED) < 2 * cost
    assert house.counter("team:limited") == (2 * cost, 0)


def test_a_client_that_leaves_while_it_waits_for_the_budget_is_not_sent(house: House) -> None:
    token = house.issue()
    house.budget("org", 30_000_000_000)  # for one of these calls at a time

    async def go(client: Client) -> None:
        first = asyncio.create_task(client.chat(token, "p=50 c=70 ms=hold", max_tokens=1000))
        await asyncio.to_thread(house.provider.wait_for, 1)
        waiting = [asyncio.create_task(client.chat(token, f"p=50 c=70 n={n}", max_tokens=2000)) for n in range(8)]
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        assert not done
        for task in waiting:
            task.cancel()
        house.provider.held.set()
        assert (await first).status == 200
        assert (await client.chat(token, "p=50 c=70", max_tokens=1000)).status == 200

    with gateway(house) as running, watched(house):
        talk(running, go)
    check_every_call_is_there_once(house)
    assert len(house.provider.served) <= 10


@pytest.mark.parametrize("workers", [1, 4])
def test_after_a_kill_with_64_streams_open_everything_sent_is_in_the_ledger_once(house: House, workers: int) -> None:
    limit = 10**13
    token = house.issue()
    house.budget("org", limit)
    with gateway(house, "--workers", str(workers)) as running, watched(house):
        talk(running, lambda client: _killed_under_load(client, running, house))
    standing = house.reserved
    seen = len(house.provider.served)
    with gateway(house) as running, watched(house):
        assert house.reserved == 0
        after = talk(running, lambda client: client.chat(token, "p=50 c=70", max_tokens=100))
    assert after.status == 200
    entries = check_every_call_is_there_once(house, but=-1)
    lost = [entry for entry in entries if entry.status == "lost"]
    assert {entry.source for entry in lost} == {WORST}
    assert len(lost) == standing >= 64
    assert len(entries) >= seen + 1
    assert sum(entry.cost_pusd for entry in entries) == house.counter("org")[0] <= limit
    assert house.counter("org")[0] >= house.provider.billed_pusd


async def _killed_under_load(client: Client, running: Gateway, house: House) -> None:
    token = house.issue()
    short = [client.chat(token, f"p=50 c=70 who={who}", max_tokens=100) for who in range(40)]
    assert {answer.status for answer in await asyncio.gather(*short)} == {200}
    long = [
        asyncio.create_task(client.chat(token, f"p=50 c=70 n=300 gap=200 who={who}", max_tokens=100, stream=True))
        for who in range(64)
    ]
    await asyncio.to_thread(house.provider.wait_for, 104)
    more = [asyncio.create_task(client.chat(token, f"p=5 c=7 more={who}", max_tokens=100)) for who in range(64)]
    await asyncio.to_thread(house.provider.wait_for, 120)
    running.kill()
    await asyncio.gather(*long, *more, return_exceptions=True)


def test_sigterm_lets_every_stream_come_to_its_end_and_settles_it(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13)

    async def go(client: Client) -> list[Answer]:
        streams = [
            asyncio.create_task(client.chat(token, f"p=50 c=70 n=20 gap=40 who={who}", max_tokens=100, stream=True))
            for who in range(32)
        ]
        await asyncio.to_thread(house.provider.wait_for, 32)
        running.process.terminate()
        return list(await asyncio.gather(*streams))

    with gateway(house) as running:
        answers = talk(running, go)
        assert running.process.wait(30) == 0
    assert all(answer.status == 200 and not answer.is_cut and b"[DONE]" in answer.body for answer in answers)
    entries = check_every_call_is_there_once(house)
    assert {(entry.source, entry.status) for entry in entries} == {(COMPUTED, "ok")}
    assert house.counter("org") == (house.provider.billed_pusd, 0)


def test_a_full_disk_refuses_new_calls_and_loses_none(house: House) -> None:
    """A limit on the size of files stands for the disk: what was sent before is booked when there is room."""
    token = house.issue()
    house.budget("org", 10**13)
    limit_kib = 320
    before = ("bash", "-c", f'ulimit -f {limit_kib}; exec "$@"', "bash")

    async def go(client: Client) -> list[int]:
        async def one(who: int) -> list[int]:
            return [
                (await client.chat(token, f"p=50 c=70 who={who} turn={n}", max_tokens=100)).status for n in range(4)
            ]

        return [status for found in await asyncio.gather(*map(one, range(24))) for status in found]

    with gateway(house, before=before) as running:
        statuses = talk(running, go)
    assert set(statuses) <= {200, 503}
    assert statuses.count(503) > 0
    with gateway(house) as running:
        assert talk(running, lambda client: client.chat(token, "p=50 c=70")).status == 200
    entries = check_every_call_is_there_once(house, but=-1)
    assert len(entries) >= len(house.provider.served)
    assert house.counter("org")[0] >= house.provider.billed_pusd


def test_a_client_that_left_before_its_turn_is_dropped_from_the_queue_and_costs_nothing(house: House) -> None:
    token, looks = house.issue(), house.issue("usage:read")
    house.budget("org", 30_000_000_000)  # for one of these calls at a time

    async def waiting(client: Client) -> int:
        answer = await client.ask("GET", "/metrics", looks)
        lines = answer.body.decode().splitlines()
        return next(int(line.split()[-1]) for line in lines if line.startswith("aikeys_gateway_calls_waiting{"))

    async def until(client: Client, count: int) -> None:
        async with asyncio.timeout(30):
            while await waiting(client) != count:
                pass

    async def go(client: Client) -> None:
        first = asyncio.create_task(client.chat(token, "p=50 c=70 ms=hold", max_tokens=1000))
        await asyncio.to_thread(house.provider.wait_for, 1)
        asked = [asyncio.create_task(client.chat(token, f"p=50 c=70 n={n}", max_tokens=2000)) for n in range(5)]
        await until(client, 5)
        for task in asked:
            task.cancel()
        await until(client, 0)  # while the first one still holds the budget
        house.provider.held.set()
        assert (await first).status == 200

    with gateway(house) as running, watched(house):
        talk(running, go)
    assert len(house.provider.served) == len(check_every_call_is_there_once(house)) == 1


def test_nothing_stands_in_for_a_client_that_left(house: House) -> None:
    token = house.issue()
    config = Path(house.place.home) / "config.toml"
    config.write_text('[fallbacks]\n"openai/gpt-4.1" = ["openai/gpt-4.1-mini"]\n')

    async def go(client: Client) -> None:
        async def left() -> None:
            task = asyncio.create_task(client.chat(token, "ms=hold status=500 who=left"))
            await asyncio.to_thread(house.provider.wait_for, 1)
            task.cancel()

        await left()
        assert (await client.ask("GET", "/v1/models", token)).status == 200  # the gateway saw the connection end
        house.provider.held.set()
        await asyncio.to_thread(_until_settled, house)

    with gateway(house) as running:
        talk(running, go)
    assert [(one.json["model"], one.spec["who"]) for one in house.provider.served] == [("gpt-4.1", "left")]
    check_every_call_is_there_once(house)


def _until_settled(house: House) -> None:
    until_s = time.monotonic() + 30
    while not house.entries():
        assert time.monotonic() < until_s
        time.sleep(0.02)
