"""What an attempt owes: nothing for what was never sent; and what it made is known before its client hears of it."""

from __future__ import annotations

import pytest

from tests.gateway.process import Client, House, chat, gateway, talk
from tests.gateway.serving import Client as InProcess
from tests.gateway.serving import talk_to


def test_what_fails_before_it_is_sent_costs_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    token = house.issue()
    house.budget("org", 10**13)

    def broken(*_: object) -> None:
        raise RuntimeError("sk-secret")

    async def ask(client: InProcess) -> None:
        monkeypatch.setattr("aikeys.spending.call.Parcel", broken)
        assert (await client.ask("POST", "/v1/chat/completions", token, chat("c=1"))).status == 500
        assert client.said[0].startswith("internal error: RuntimeError")
        client.said.clear()

    talk_to(house.office, ask)
    ((_, cost, _, status, _, _),) = house.entries()
    assert (cost, status) == (0, "not_sent")
    assert house.provider.served == []
    assert house.reserved == 0


def test_a_stored_response_can_be_named_in_the_very_next_request(house: House) -> None:
    token = house.issue()

    async def go(client: Client) -> list[int]:
        statuses, last = [], ""
        for turn in range(60):
            body = {"model": "openai/gpt-4.1", "input": f"hi {turn}", "max_output_tokens": 50}
            answer = await client.ask(
                "POST", "/v1/responses", token, {**body, **({"previous_response_id": last} if last else {})}
            )
            statuses.append(answer.status)
            last = answer.told.json["id"] if answer.status == 200 else ""
        return statuses

    with gateway(house) as running:
        assert talk(running, go) == [200] * 60
