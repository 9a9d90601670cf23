"""How a gateway stops: the first signal waits for what is under way, the second cuts it off and settles it."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.gateway.process import Client, Gateway, House, Issued, gateway, talk

HELD = "p=50 c=70 ms=hold"


def _signal_with_two_calls_held(running: Gateway, token: Issued, signals: int) -> None:
    """Signal the gateway while the provider holds two calls back; returns when the clients have their answers."""
    talk(running, lambda client: _two_calls(client, running, token, signals))


async def _two_calls(client: Client, running: Gateway, token: Issued, signals: int) -> None:
    house = running.house
    calls = [asyncio.create_task(client.chat(token, f"{HELD} who={who}", max_tokens=100)) for who in range(2)]
    await asyncio.to_thread(house.provider.wait_for, 2)
    for number in range(signals):
        running.process.send_signal(signal.SIGINT)
        if not number:
            await asyncio.to_thread(running.wait_for, lambda: "come to their end" in running.log or _each(running))
    if signals == 1:
        house.provider.held.set()
    await asyncio.gather(*calls, return_exceptions=True)


def _each(running: Gateway) -> bool:
    """Tell whether two workers said that they stop, of one call each."""
    return running.log.count("1 call comes to its end") == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_cuts_off_what_is_under_way_and_settles_it(house: House, workers: str) -> None:
    house.budget("org", 10**13)
    token = house.issue()
    with gateway(house, "--workers", workers) as running:
        _signal_with_two_calls_held(running, token, 2)
        assert running.process.wait(20) == 130
    entries = house.entries()
    assert [entry.source for entry in entries] == ["worst_case", "worst_case"]
    assert all(entry.status != "lost" for entry in entries)  # settled by the gateway itself, not found later
    assert house.reserved == 0
    house.verify()
    house.provider.held.set()


def test_the_first_signal_lets_calls_come_to_their_end_and_says_how_to_cut_them_off(house: House) -> None:
    token = house.issue()
    with gateway(house) as running:
        _signal_with_two_calls_held(running, token, 1)
        assert running.process.wait(20) == 0
    assert "stopping: 2 calls come to their end; a second signal cuts them off" in running.log
    assert [entry.source for entry in house.entries()] == ["computed", "computed"]


def test_a_third_signal_ends_at_once_and_the_next_command_finds_the_calls(house: House) -> None:
    house.budget("org", 10**13)
    token = house.issue()
    with gateway(house, "--workers", "1") as running:
        _signal_with_two_calls_held(running, token, 20)
        running.process.wait(20)
    with gateway(house):
        assert [entry.source for entry in house.entries()] == ["worst_case", "worst_case"]
    assert house.reserved == 0
    house.provider.held.set()
