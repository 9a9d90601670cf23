"""The life of a call as steps in and out: what was reserved becomes one entry or is given back, wherever it is cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys.budgets.decisions import Ask, Room
from aikeys.budgets.queues import Rates
from aikeys.budgets.refusals import exceeded
from aikeys.budgets.reservations import Reservation, Settled
from aikeys.budgets.reservations import ReserveRequest as Asked
from aikeys.errors import AikeysError, MachineFailed, TokenRefused
from aikeys.ledger.calls import COMPUTED, ESTIMATED, WORST_CASE, Call, Labels
from aikeys.ledger.store import Ledger
from aikeys.pricing.book import Book
from aikeys.providers.transport import Broken, NotSent, Timeouts
from aikeys.providers.wire.values import Event, Message, Options, Request, Text
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller
from aikeys.spending.call import Asking, Outcome, make_call
from aikeys.spending.io import Audience, CallerLeft, Conditions, Stopped
from aikeys.spending.order import Translated
from aikeys.spending.plan import Plan
from aikeys.spending.room import Left
from tests.spending.conftest import REPLY, USAGE_PUSD, WHOLE_STREAM
from tests.spending.test_plan import circumstances, target

MODEL = "openai/gpt-4.1"
STREAM = [b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in WHOLE_STREAM]
WHOLE = [json.dumps(REPLY).encode()]
RICH, UNLIMITED = Left(10**13, 10**13), Left()


class Step:
    """Something that is waited for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __await__(self) -> Generator[Step, None, None]:
        yield self


@dataclass
class Door:
    """An Io and a Listener that keep what was done, in order."""

    ledger: Ledger
    pieces: list[bytes]
    left_now: Left = RICH
    status: int = 200
    fails: dict[str, BaseException] = field(default_factory=dict)
    leaves_after: int | None = None
    leaves_as: Audience = Audience.LEFT
    drain_s: float = 60.0
    steps: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    settled: list[Call] = field(default_factory=list)
    heard: bytes = b""
    clock_s: float = 0.0
    key_fails: AikeysError | None = None

    @property
    def conditions(self) -> Conditions:
        return Conditions(Book("", {}, {}, {}), (), Timeouts(), self.drain_s)

    async def _do(self, name: str) -> None:
        self.tried.append(name)
        await Step(name)
        self.clock_s += 1
        self.steps.append(name)
        if name in self.fails:
            raise self.fails.pop(name)

    def now_s(self) -> float:
        return self.clock_s

    def left(self, *_: object) -> Left:
        return self.left_now

    async def off_the_loop(self, _size: int, work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    async def uninterrupted(self, work: Coroutine[Any, Any, Any]) -> Any:
        return driven(work)

    async def reserve(self, request: Asked, _rates: Rates) -> Reservation:
        await self._do("reserve")
        return Reservation(b"r" * 16, 1_795_435_200_000_000, request.context, request.price.worst_pusd)

    async def release(self, _reservation: Reservation) -> None:
        await self._do("release")

    async def settle(self, _reservation: Reservation, call: Call, _note: object, _soft: Call | None) -> Settled | None:
        await self._do("settle")
        self.settled.append(call)
        return Settled(len(self.settled), 0)

    async def revoke(self, token: bytes) -> None:
        await self._do(f"revoke {token.hex()}")

    async def key_of(self, _target: object) -> Secret:
        await self._do("key")
        if self.key_fails is not None:
            raise self.key_fails
        return Secret(b"sk-one-two-three-four")

    @property
    def headers(self) -> Mapping[str, str]:
        kind = "text/event-stream" if len(self.pieces) > 1 else "application/json"
        return {"content-type": kind}

    async def _pieces(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await self._do("piece")
            yield piece

    def watch(self, _is_over: object) -> None:
        """Nothing comes between the pieces here."""

    @property
    def audience(self) -> Audience:
        is_gone = self.leaves_after is not None and len(self.steps) >= self.leaves_after
        return self.leaves_as if is_gone else Audience.LISTENS

    def reserved(self, request_id: str) -> None:
        assert request_id == (b"r" * 16).hex()

    def sends(self, made: Plan) -> None:
        assert made.cost.worst_pusd > 0

    async def begins(self, _made: Plan, status: int, _headers: Mapping[str, str]) -> None:
        assert status == 200

    async def hears(self, data: bytes, _events: list[Event]) -> None:
        await self._do("hears")
        self.heard += data


def driven(life: Coroutine[Step, None, Any], cut: int | None = None, by: BaseException | None = None) -> Any:
    """Run a coroutine to its end; at the wait number `cut` raise in it, or close it where there is nothing to raise."""
    number = 0
    try:
        while True:
            if number == cut:
                if by is None:
                    life.close()
                    return None
                life.throw(by)
                number += 1
                continue
            life.send(None)
            number += 1
    except StopIteration as over:
        return over.value


def asking(*, stream: bool, most: int | None = 100) -> Asking:
    request = Request("", (Message("user", (Text("hi"),)),), options=Options(max_tokens=most), stream=stream)
    return Asking(Caller(Labels("support"), "prompt"), target(MODEL), Translated(request), [])


def life(door: Door, *, stream: bool) -> Coroutine[Any, Any, Outcome]:
    door.pieces = STREAM if stream else WHOLE
    reply = Reading(door)
    return make_call(Speaking(door, reply), asking(stream=stream), door)  # type: ignore[arg-type]


class Reading:
    """The reply of a door."""

    def __init__(self, door: Door) -> None:
        self.status, self.headers, self.watch, self.pieces = door.status, door.headers, door.watch, door._pieces


class Speaking:
    """A door as an Io, whose `send` gives its reply."""

    def __init__(self, door: Door, reply: Reading) -> None:
        self._door, self._reply = door, reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    @asynccontextmanager
    async def send(self, *_: object) -> AsyncIterator[Reading]:
        await self._door._do("send")
        yield self._reply


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    one = Ledger(str(Path(tmp_path_factory.mktemp("call")))).open_or_create(b"l" * 16)
    yield one
    one.close()


def test_a_call_is_reserved_before_its_key_is_opened_and_settled_after_its_reply(ledger: Ledger) -> None:
    door = Door(ledger, [])
    outcome = driven(life(door, stream=False))
    assert door.steps == ["reserve", "key", "send", "piece", "settle"]
    assert (door.settled[0].cost_pusd, door.settled[0].cost_source) == (USAGE_PUSD, COMPUTED)
    assert outcome.entry == 1


def test_a_stream_is_handed_on_as_it_comes(ledger: Ledger) -> None:
    door = Door(ledger, [])
    outcome = driven(life(door, stream=True))
    assert door.steps == ["reserve", "key", "send", *["piece", "hears"] * len(STREAM), "settle"]
    assert door.heard == b"".join(STREAM)
    assert outcome.is_begun


@pytest.mark.parametrize(
    ("step", "failure", "status", "source"),
    [
        ("send", NotSent("no"), "not_sent", COMPUTED),
        ("send", Broken("broke"), "broken", WORST_CASE),
        ("piece", Broken("late", status="timeout"), "timeout", WORST_CASE),
        ("piece", Stopped(), "cancelled", WORST_CASE),
    ],
)
def test_what_goes_wrong_on_the_way_is_an_entry(
    ledger: Ledger, step: str, failure: BaseException, status: str, source: str
) -> None:
    door = Door(ledger, [], fails={step: failure})
    outcome = driven(life(door, stream=True))
    (call,) = door.settled
    assert (call.status, call.cost_source) == (status, source)
    assert outcome.received.failure is not None


def test_a_key_that_may_not_be_opened_any_more_costs_nothing_and_is_an_entry(ledger: Ledger) -> None:
    door = Door(ledger, [], key_fails=TokenRefused("over"))
    with pytest.raises(TokenRefused):
        driven(life(door, stream=False))
    assert door.steps == ["reserve", "key", "settle"]
    assert (door.settled[0].cost_pusd, door.settled[0].status) == (0, "not_sent")


def test_who_leaves_before_it_is_sent_gets_everything_back(ledger: Ledger) -> None:
    door = Door(ledger, [], leaves_after=2)
    with pytest.raises(CallerLeft):
        driven(life(door, stream=False))
    assert door.steps == ["reserve", "key", "release"]


@pytest.mark.parametrize(
    ("left", "leaves_as", "drain_s", "source"),
    [
        (RICH, Audience.LEFT, 60, COMPUTED),
        (RICH, Audience.LEFT, 0, WORST_CASE),
        (UNLIMITED, Audience.LEFT, 60, ESTIMATED),
        (UNLIMITED, Audience.STOPS, 60, COMPUTED),
        (UNLIMITED, Audience.STOPS, 0, ESTIMATED),
    ],
)
def test_who_leaves_a_stream(ledger: Ledger, left: Left, leaves_as: Audience, drain_s: float, source: str) -> None:
    door = Door(ledger, [], left, leaves_after=5, leaves_as=leaves_as, drain_s=drain_s)
    driven(life(door, stream=True))
    assert door.settled[0].cost_source == source
    assert door.heard == STREAM[0]


def test_a_whole_reply_is_read_to_its_end_for_nobody(ledger: Ledger) -> None:
    door = Door(ledger, [], UNLIMITED, leaves_after=3)
    driven(life(door, stream=False))
    assert door.settled[0].cost_source == COMPUTED


def test_what_cannot_be_written_is_told_and_the_reply_handed_over(ledger: Ledger) -> None:
    door = Door(ledger, [], fails={"settle": MachineFailed("full", "")})
    outcome = driven(life(door, stream=False))
    assert isinstance(outcome.unsettled, MachineFailed)
    assert outcome.body == WHOLE[0]


def test_a_budget_that_refuses_leaves_nothing_behind(ledger: Ledger) -> None:
    refusal = exceeded(Room("org", "month", 0, 1, 1, 0), asking_price(), "org", revoke=False)
    door = Door(ledger, [], fails={"reserve": refusal})
    with pytest.raises(type(refusal)):
        driven(life(door, stream=False))
    assert door.steps == ["reserve"]


def asking_price() -> Ask:
    one = asking(stream=False)
    return one.order.plan(one.target, circumstances(10**13)).cost


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stream=st.booleans(),
    limited=st.booleans(),
    cut=st.integers(0, 14),
    by=st.sampled_from([None, KeyboardInterrupt, ZeroDivisionError, RuntimeError]),
    leaves=st.tuples(st.none() | st.integers(1, 12), st.sampled_from([Audience.LEFT, Audience.STOPS])),
)
def test_cut_between_any_two_steps_what_was_reserved_is_settled_or_given_back_once(
    ledger: Ledger,
    stream: bool,
    limited: bool,
    cut: int,
    by: type[BaseException] | None,
    leaves: tuple[int | None, Audience],
) -> None:
    door = Door(ledger, [], RICH if limited else UNLIMITED, leaves_after=leaves[0], leaves_as=leaves[1])
    raised: BaseException | None = None
    try:
        driven(life(door, stream=stream), cut, by() if by else None)
    except (KeyboardInterrupt, ZeroDivisionError, RuntimeError, CallerLeft) as failure:
        raised = failure
    assert raised is None or isinstance(raised, CallerLeft | (by or CallerLeft))
    ended = door.steps.count("settle") + door.steps.count("release")
    assert ended == door.steps.count("reserve")
    assert len(door.settled) == door.steps.count("settle")
    assert "send" not in door.steps or door.settled  # what was sent has an entry
    for call in door.settled:
        is_sent = "send" in door.tried
        assert call.cost_pusd > 0 or not is_sent or call.status in ("not_sent", "broken")
        assert is_sent or (call.cost_pusd, call.status) == (0, "not_sent")


OPENING = b'data: {"id":"c1","model":"gpt-4.1","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
FAILING = b'data: {"error":{"message":"busy","type":"server_error"}}\n\n'


def held(door: Door, *pieces: bytes) -> Outcome:
    """Make a call that another target may answer instead."""
    door.pieces = list(pieces)
    asked = asking(stream=True)._replace(holds=True)
    made: Outcome = driven(make_call(Speaking(door, Reading(door)), asked, door))  # type: ignore[arg-type]
    return made


def test_what_is_held_goes_out_with_the_first_piece_of_an_answer_and_nothing_is_lost(ledger: Ledger) -> None:
    door = Door(ledger, [])
    outcome = held(door, OPENING, *STREAM)
    assert door.steps == [
        "reserve",
        "key",
        "send",
        "piece",
        "piece",
        "hears",
        *["hears", "piece"] * 4,
        "hears",
        "settle",
    ]
    assert door.heard == OPENING + b"".join(STREAM)
    assert (outcome.is_begun, outcome.body) == (True, b"")


def test_a_stream_that_fails_while_it_is_held_reaches_nobody_and_is_kept_for_who_may_be_told(ledger: Ledger) -> None:
    door = Door(ledger, [])
    outcome = held(door, OPENING, FAILING)
    assert (door.heard, outcome.is_begun) == (b"", False)
    assert outcome.body == OPENING + FAILING
    assert outcome.received.failure is not None
    assert len(door.settled) == 1


def test_signs_of_life_and_long_beginnings_are_not_held_for_ever(ledger: Ledger) -> None:
    quiet = [b": wait\n\n"] * 30
    door = Door(ledger, [])
    outcome = held(door, *quiet, FAILING)
    assert outcome.is_begun
    assert door.steps.index("hears") < 3 + 20  # a piece is a second here
    assert door.heard == b"".join(quiet) + FAILING
    door = Door(ledger, [])
    assert held(door, b": " + b"x" * 300_000 + b"\n\n", FAILING).is_begun


def test_a_stream_that_ends_well_and_says_nothing_is_handed_on(ledger: Ledger) -> None:
    door = Door(ledger, [])
    outcome = held(
        door,
        OPENING,
        b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}\n\n',
        b"data: [DONE]\n\n",
    )
    assert outcome.is_begun == (outcome.received.failure is None)
    assert door.heard in (b"", b"".join(door.pieces))
    assert (outcome.body or door.heard) == b"".join(door.pieces)


def test_a_client_that_leaves_while_a_stream_is_held_hears_nothing_and_its_call_is_an_entry(ledger: Ledger) -> None:
    door = Door(ledger, [], left_now=UNLIMITED, leaves_after=4)
    outcome = held(door, OPENING, *STREAM)
    assert (door.heard, len(door.settled)) == (b"", 1)
    assert outcome.received.status == "cancelled"
