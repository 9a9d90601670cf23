"""One behaviour at both doors: the same call by `prompt` and by a gateway, while budgets change under it.

Each story runs twice, in a home of its own with a provider of its own: once with a real `aikeys prompt`, once with a
real `aikeys gateway` that is sent the very body that `prompt` sends. What is held, booked and refused is the same.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from aikeys.budgets.changes import remove_budget
from aikeys.ledger.calls import COMPUTED, WORST_CASE
from tests.conftest import clean_environment
from tests.gateway.process import Gateway, House, gateway, house_at
from tests.gateway.steered import INPUT_PUSD, OUTPUT_PUSD

COST_PUSD = 50 * INPUT_PUSD + 70 * OUTPUT_PUSD
REFUSED = {"prompt": 22, "gateway": 402}
DONE = {"prompt": 0, "gateway": 200}


class Call:
    """A call under way in a thread; `status` is an exit status or an HTTP status."""

    def __init__(self, make: Callable[[], int]) -> None:
        self.status = -1

        def run() -> None:
            self.status = make()

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def wait(self) -> int:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.status


class Door:
    """One way to make calls in a home of its own."""

    def __init__(self, name: str, house: House, running: Gateway | None) -> None:
        self.name, self.house, self._running = name, house, running
        self.token = house.issue() if running else None
        user = house.folder / "user"
        user.mkdir(exist_ok=True)
        self._environment = {**clean_environment(user), "AIKEYS_HOME": house.place.home}

    def ask(self, spec: str, *, stream: bool, cap: int) -> Call:
        return Call(lambda: (self._prompt if self._running is None else self._send)(spec, stream, cap))

    def _prompt(self, spec: str, stream: bool, cap: int) -> int:
        words = ["prompt", "-m", "openai/gpt-4.1", "--max-tokens", str(cap), f"[[{spec}]]", "--no-stdin"]
        words += [] if stream else ["--no-stream"]
        done = subprocess.run(
            [sys.executable, "-m", "aikeys", *words], env=self._environment, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        return done.returncode

    def _send(self, spec: str, stream: bool, cap: int) -> int:
        assert self._running is not None
        assert self.token is not None
        body: dict[str, Any] = {
            "model": "gpt-4.1", "messages": [{"role": "user", "content": f"[[{spec}]]"}], "max_completion_tokens": cap,
        }  # fmt: skip
        body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        headers = {"authorization": f"Bearer {self.token.text}", "content-type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self._running.port, timeout=60)) as link:
            link.request("POST", "/openai/v1/chat/completions", json.dumps(body, separators=(",", ":")), headers)
            answer = link.getresponse()
            try:
                answer.read()
            except http.client.IncompleteRead:  # the provider broke off: so does the gateway
                assert "fault=die" in spec
            return answer.status

    def arrived(self, count: int = 1) -> None:
        self.house.provider.wait_for(count)

    def let(self) -> None:
        self.house.provider.held.set()

    def budget(self, pusd: int) -> None:
        self.house.budget("org", pusd)

    def remove(self) -> None:
        ledger = self.house.place.ledger.open()
        with ledger.writing() as writer:
            remove_budget(writer, "org")
        ledger.close()

    @property
    def held_pusd(self) -> list[int]:
        return [int(row[0]) for row in self.house.rows("SELECT pusd FROM reservation ORDER BY id")]

    @property
    def counter(self) -> tuple[int, int]:
        return self.house.counter("org")

    @property
    def booked(self) -> list[tuple[int, str, str]]:
        return [(entry.cost_pusd, entry.source, entry.status) for entry in self.house.entries()]


class Seen(NamedTuple):
    """What a story saw at a door, in the order it looked."""

    facts: tuple[object, ...]


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[tuple[Door, Door]]:
    with ExitStack() as stack:
        made = []
        for name in REFUSED:
            folder = tmp_path / name
            folder.mkdir()
            house = stack.enter_context(house_at(folder))
            made.append(Door(name, house, stack.enter_context(gateway(house)) if name == "gateway" else None))
        yield made[0], made[1]
    for door in made:
        assert not door.held_pusd
        door.house.verify()


def same(doors: tuple[Door, Door], story: Callable[[Door], tuple[object, ...]]) -> tuple[object, ...]:
    """Return what a story saw, which is the same at both doors."""
    prompt, gateway_ = (story(door) for door in doors)
    assert prompt == gateway_
    bodies = [[one.json for one in door.house.provider.served] for door in doors]
    assert bodies[0] == bodies[1]
    return prompt


HOLD = "ms=hold p=50 c=70"


def met(door: Door, call: Call) -> str:
    """Return how a call ended, in words that fit both doors."""
    status = call.wait()
    return {DONE[door.name]: "done", REFUSED[door.name]: "refused"}.get(status, "failed")


@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_set_meanwhile_sees_the_open_call(doors: tuple[Door, Door], stream: bool) -> None:
    def story(door: Door) -> tuple[object, ...]:
        call = door.ask(HOLD, stream=stream, cap=100)
        door.arrived()
        before = door.held_pusd
        door.budget(10**12)
        under_way = door.counter
        door.let()
        return before, under_way, met(door, call), door.counter, door.booked

    before, under_way, _, after, booked = same(doors, story)
    assert under_way == (0, before[0])  # type: ignore[index]
    assert (after, booked) == ((COST_PUSD, 0), [(COST_PUSD, COMPUTED, "ok")])


@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_at_exactly_what_is_held_lets_nobody_else_in(doors: tuple[Door, Door], stream: bool) -> None:
    def story(door: Door) -> tuple[object, ...]:
        first = door.ask(HOLD, stream=stream, cap=100)
        door.arrived()
        (bound,) = door.held_pusd
        door.budget(bound + 10_000)
        second = door.ask("p=50 c=70", stream=stream, cap=100)  # waits for the first, which leaves too little
        door.let()
        return bound, met(door, second), met(door, first), door.counter, len(door.house.provider.served)

    _, second, first, after, served = same(doors, story)
    assert (second, first, served) == ("refused", "done", 1)
    assert after == (COST_PUSD, 0)


@pytest.mark.parametrize("change", ["lowered", "removed", "raised", "removed and set again"])
def test_a_budget_that_changes_under_an_open_call(doors: tuple[Door, Door], change: str) -> None:
    def story(door: Door) -> tuple[object, ...]:
        door.budget(10**10)
        first = door.ask(HOLD, stream=True, cap=100)
        door.arrived()
        if change.startswith("removed"):
            door.remove()
        if change != "removed":
            door.budget(10**12 if change == "raised" else COST_PUSD + 1)
        counters = door.counter
        second = met(door, door.ask("p=50 c=70", stream=False, cap=100)) if change != "removed" else ""
        door.let()
        return counters, second, met(door, first), door.counter, door.booked

    counters, second, first, after, booked = same(doors, story)
    assert first == "done"
    assert second == {"raised": "done", "removed": ""}.get(change, "refused")
    calls = 2 if change == "raised" else 1
    assert booked == [(COST_PUSD, COMPUTED, "ok")] * calls
    assert (counters, after) == ((0, 0), (0, 0)) if change == "removed" else after == (calls * COST_PUSD, 0)


@pytest.mark.parametrize("spec", ["ms=hold p=50 c=70 fault=die", "ms=hold p=50 c=70 usage=0", "ms=hold fault=dead"])
def test_an_unknown_end_under_a_budget_set_meanwhile(doors: tuple[Door, Door], spec: str) -> None:
    def story(door: Door) -> tuple[object, ...]:
        call = door.ask(spec, stream=True, cap=100)
        door.arrived()
        (bound,) = door.held_pusd
        door.budget(10**12)
        door.let()
        call.wait()
        return bound, door.counter, door.booked

    bound, after, booked = same(doors, story)
    (cost, source, status), *others = booked  # type: ignore[misc]
    assert after == (sum(one[0] for one in booked), 0)  # type: ignore[attr-defined]
    assert (cost, source) == (bound, WORST_CASE), status
    assert not [one for one in others if one[0] > bound]  # type: ignore[operator]


def test_a_call_at_exactly_its_bound_is_made_and_one_pico_less_is_not(doors: tuple[Door, Door]) -> None:
    def story(door: Door) -> tuple[object, ...]:
        call = door.ask(HOLD, stream=False, cap=100)
        door.arrived()
        (bound,) = door.held_pusd
        door.let()
        call.wait()
        spent = door.booked[0][0]
        door.budget(spent + bound - 1)
        refused = met(door, door.ask("p=50 c=70 n=1", stream=False, cap=100))
        door.budget(spent + bound)
        return bound, refused, met(door, door.ask("p=50 c=70 n=1", stream=False, cap=100)), door.counter

    same(doors, story)
