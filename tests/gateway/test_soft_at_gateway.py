"""Unknown ends at the gateway under a soft budget: which break is the provider's, and what a client cannot bring about."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import ClientError

from aikeys.gateway.upstream import UpstreamReply
from aikeys.money import parse_usd
from aikeys.providers.masking import intake
from aikeys.providers.transport import Timeouts
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.process import Client, House, chat, gateway, talk
from tests.gateway.serving import Client as ServedClient
from tests.gateway.serving import talk_to
from tests.gateway.steered import OUTPUT_PUSD

WORST, COMPUTED, ESTIMATED = "worst_case", "computed", "estimated"
_STREAM: dict[str, Any] = {"stream": True}
ENDS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("fault=die", _STREAM, ESTIMATED),
    ("c=5", _STREAM, COMPUTED),
    ("fault=dead", _STREAM, WORST),
    ("fault=dead", {}, WORST),
    ("fault=garbage", _STREAM, WORST),
    ("usage=0", _STREAM, WORST),
    ("fault=half-gzip", {}, WORST),
)
"""(how, fields, the source of the entry's cost)"""


def doubts(house: House) -> list[int]:
    return [row[0] for row in house.rows("SELECT doubt_pusd FROM call ORDER BY id")]


def test_each_end_under_a_soft_budget(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13, when_unknown="estimate")

    async def go(client: Client) -> None:
        for number, (how, fields, _) in enumerate(ENDS):
            await client.chat(token, f"p=50 {how} number={number}", max_tokens=100, **fields)

    with gateway(house) as running:
        talk(running, go)
    entries = house.entries()
    assert [entry.source for entry in entries] == [source for _, _, source in ENDS]
    assert [bool(doubt) for doubt in doubts(house)] == [source == ESTIMATED for _, _, source in ENDS]
    assert doubts(house)[0] >= 90 * OUTPUT_PUSD
    assert house.reserved == 0
    house.verify()


async def streams(client: ServedClient, token: Issued, spec: str, *, leaves: bool = False) -> None:
    """Read a stream to its end, or its first piece."""
    head = {"authorization": f"Bearer {token.text}"}
    body = chat(spec, stream=True, max_tokens=1000)
    async with client.session.post(client.url + "/v1/chat/completions", json=body, headers=head) as answer:
        with suppress(ClientError):
            await (answer.content.readany() if leaves else answer.read())
        if leaves:
            answer.close()


def test_a_client_that_leaves_pays_the_worst_case_whatever_the_provider_does_then(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13, when_unknown="estimate")

    async def leaving(client: ServedClient) -> None:
        await streams(client, token, "p=50 n=400 gap=20", leaves=True)
        await streams(client, token, "p=50 n=20 gap=50 dies=15", leaves=True)

    talk_to(house.office, leaving, drain_s=2.0)
    entries = house.entries()
    assert sorted((entry.source, entry.status) for entry in entries) == [(WORST, "broken"), (WORST, "cancelled")]
    assert doubts(house) == [0, 0]


def test_a_stream_that_stalls_is_estimated_and_one_that_takes_too_long_is_not(house: House) -> None:
    token = house.issue()
    house.budget("org", 10**13, when_unknown="estimate")

    async def asking(client: ServedClient) -> None:
        await streams(client, token, "p=50 c=70 n=3 gap=3000")

    for timeouts in (Timeouts(between_s=0.3), Timeouts(total_s=0.3)):
        talk_to(house.office, asking, timeouts=timeouts)
    entries = house.entries()
    assert [(entry.source, entry.status) for entry in entries] == [(ESTIMATED, "timeout"), (WORST, "timeout")]


@pytest.mark.parametrize("callers", [64])
def test_64_clients_whose_streams_break_never_leave_more_missing_than_a_fifth(house: House, callers: int) -> None:
    token = house.issue()
    limit_pusd = parse_usd("5")
    house.budget("org", limit_pusd, when_unknown="estimate")

    async def go(client: Client) -> None:
        calls = [
            client.chat(token, f"p=50 fault=die number={number}", max_tokens=4000, stream=True)
            for number in range(callers)
        ]
        await asyncio.gather(*calls)

    with gateway(house) as running:
        talk(running, go)
    found, kept = house.entries(), doubts(house)
    sources = [entry.source for entry in found]
    assert set(sources) == {WORST, ESTIMATED}
    assert sum(kept) * 5 <= limit_pusd < (sum(kept) + max(kept)) * 5
    true_most = sum(entry.cost_pusd for entry in found) + sum(kept)
    assert true_most <= limit_pusd + limit_pusd // 5
    assert house.reserved == 0
    house.verify()


class Silent:
    """A response that says nothing."""

    status = 200

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("late_s", "expected"), [(0.1, True), (30.0, False)])
def test_whoever_looks_late_stood_still_itself(late_s: float, expected: bool) -> None:
    async def looked() -> bool:
        came = intake((), 200, [])
        now_s = asyncio.get_running_loop().time()
        reply = UpstreamReply(Silent(), came, 1 << 20, now_s + 900, 60.0)  # type: ignore[arg-type]
        reply._is_reading, reply._last_s = True, now_s - 60.0 - late_s
        reply._look()
        reply.unwatch()
        return reply._is_stalled

    assert asyncio.run(looked()) is expected
