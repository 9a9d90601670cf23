"""Calls are the same, asked on their own machine or through a gateway."""

from __future__ import annotations

import pytest

from aikeys import clock
from aikeys.cli.ports.calls import CallsHere, CallsPort, CallsThere
from aikeys.errors import NotFound
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.calls import Usage as Used
from tests.cli.ports.conftest import Both, Pick
from tests.gateway.serving import record


class TestCallsContract:
    @pytest.fixture
    def calls(self, pick: Pick) -> CallsPort:
        return pick(CallsHere, CallsThere)

    def test_the_newest_come_last_and_no_more_than_were_asked_for(self, calls: CallsPort) -> None:
        found = calls.newest(2)
        assert len(found) == 2
        assert str(found[0]["at"]) <= str(found[1]["at"])

    def test_a_call_has_what_it_was_for_and_what_it_cost(self, calls: CallsPort) -> None:
        found = next(call for call in calls.newest(100) if call["input_tokens"] == 101)
        assert (found["team"], found["project"], found["cost_usd"]) == ("ads", "bot", "0.00028")
        assert (found["model"], found["output_tokens"], found["latency_ms"]) == ("openai/gpt-4.1", 10, 500)

    def test_more_tells_only_what_came_since(self, calls: CallsPort, both: Both) -> None:
        calls.newest(100)
        assert calls.more() == []
        now_us = clock.now_us()
        context = Context(Labels(team="late"), "", "openai", "openai", "openai/gpt-4.1", door="prompt")
        record(both.house.office, Call(now_us, now_us, context, Used(input=7), cost_pusd=14_000_000))
        assert [call["team"] for call in calls.more()] == ["late"]
        assert calls.more() == []

    def test_calls_from_an_instant_on_are_at_most_so_many(self, calls: CallsPort) -> None:
        now_s = clock.now_s()
        assert len(calls.since(now_s - 3600, 100)) >= 3
        assert len(calls.since(now_s - 3600, 1)) == 1

    def test_nothing_is_lost_where_no_ledger_was(self, calls: CallsPort) -> None:
        calls.newest(1)
        assert calls.lost_us() is None
        assert calls.lost_us(clock.now_us()) is None


def test_both_places_tell_every_field_alike(both: Both, at_home: None) -> None:
    assert CallsHere().newest(3) == CallsThere(both.gateway).newest(3)


def test_one_call_is_shown_alike_here_and_by_a_gateway_and_one_that_is_not_there_by_neither(
    both: Both, at_home: None
) -> None:
    here, there = CallsHere(), CallsThere(both.gateway)
    call = here.newest(1)[0]
    assert here.one(f"{call['number']}") == there.one(f"{call['number']}")
    assert here.one(f"{call['number']}")["number"] == call["number"]
    for port in (here, there):
        for name in ("471100", "msg_unknown"):
            with pytest.raises(NotFound):
                port.one(name)


class Told:
    """A gateway whose ledger of before is lost."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def get(self, _path: str, query: list[tuple[str, str]]) -> dict[str, object]:
        self.asked.append(dict(query))
        return {"calls": [], "lost_ledger": {"before": "2026-11-01T00:00:00Z"}}


def test_a_gateway_tells_of_a_lost_ledger_with_the_newest_calls_and_with_those_since() -> None:
    for ask, query in (
        (lambda calls: calls.newest(3), {"limit": "3"}),
        (lambda calls: calls.since(1_000_000_000, 3), {"limit": "3", "since": "2001-09-09T01:46:40Z"}),
    ):
        told = Told()
        calls = CallsThere(told)  # type: ignore[arg-type]
        ask(calls)
        assert told.asked == [query]
        assert calls.lost_us() == 1_793_491_200_000_000
