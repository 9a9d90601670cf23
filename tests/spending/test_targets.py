"""Targets are asked in order, one call after the other; never another one once a client has a part of an answer."""

from __future__ import annotations

import pytest

from aikeys.budgets.reservations import Reservation
from aikeys.budgets.reservations import ReserveRequest as Asked
from aikeys.ledger.calls import Context, Labels
from aikeys.pricing.book import Book
from aikeys.providers.transport import Broken
from aikeys.providers.usage import NOTHING
from aikeys.providers.wire.values import Message, Options, Reply, Request, Text
from aikeys.spending.bill import AttemptUse, Bill
from aikeys.spending.blocking import BlockingIo, Tools, run
from aikeys.spending.call import Outcome
from aikeys.spending.exchange import Received
from aikeys.spending.interruption import Interruption
from aikeys.spending.io import Conditions
from aikeys.spending.names import Target
from aikeys.spending.order import Translated
from aikeys.spending.targets import spend
from tests.spending.test_plan import circumstances, target

FIRST, SECOND = "openai/gpt-4.1", "anthropic/claude-sonnet-4-5"


class Silent:
    """Nothing happens between two calls."""

    repeats = is_over = False

    def say(self, text: str) -> None:
        """Nobody hears it."""

    async def pause(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize(("is_begun", "asked"), [(True, [FIRST]), (False, [FIRST, SECOND])])
def test_no_stand_in_answers_a_client_that_has_the_head_of_a_reply(*, is_begun: bool, asked: list[str]) -> None:
    found: list[str] = []

    async def make(to: Target) -> Outcome:
        found.append(str(to))
        request = Request("", (Message("user", (Text("hi"),)),), options=Options(max_tokens=10))
        made = Translated(request).plan(to, circumstances())
        received = Received("broken", AttemptUse(True), Reply(), Broken("it broke"))
        return Outcome(made, received, Bill(NOTHING, 0, "estimated"), 1, b"", 200, {}, 1, None, None, is_begun)

    spent = run(spend([target(FIRST), target(SECOND)], make, Silent()))
    assert found == asked
    assert len(spent.calls) == len(asked)


class Granting:
    """A reserver that grants in the very moment in which the one who waits is interrupted."""

    def __init__(self, granted: Reservation, interruption: Interruption) -> None:
        self.released: list[Reservation] = []
        self.looked = 0
        self._granted = granted
        self._interruption = interruption
        self._is_first = True

    def reserve(self, _request: object, **_: object) -> Granting:
        return self

    def result(self, timeout_s: float | None = None) -> object:
        if self._is_first and timeout_s is not None:
            self._is_first = False
            self._interruption.count = 1
            raise TimeoutError
        return self._granted

    def cancel(self) -> bool:
        return False  # too late

    def release(self, reservation: Reservation) -> Granting:
        self.released.append(reservation)
        return self

    def look_again(self) -> None:
        self.looked += 1


def test_what_is_granted_in_the_moment_of_an_interrupt_is_given_back() -> None:
    interruption = Interruption()
    granted = Reservation(b"r" * 16, 1, Context(Labels()), 5)
    reserver = Granting(granted, interruption)
    tools = Tools(
        reserver, None, None, Conditions(Book("", {}, {}, {})), lambda _held: None, interruption  # type: ignore[arg-type]
    )  # fmt: skip
    request = Asked(granted.context, None)  # type: ignore[arg-type]
    with interruption.busy(), pytest.raises(KeyboardInterrupt):
        run(BlockingIo(tools).reserve(request, None))  # type: ignore[arg-type]
    assert reserver.released == [granted]
    assert reserver.looked == 1
