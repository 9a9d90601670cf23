"""A reserver that does one thing after the other in the caller's thread, and whose time is the test's.

Tests of what is decided and written use it; the one that serves (budgets.reserver) has tests of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aikeys.budgets.counters import PeriodRun, find_counter
from aikeys.budgets.decisions import Busy, Refuse, Room, Undecided, Wait
from aikeys.budgets.open_reservations import open_of
from aikeys.budgets.rates import Counted, Full, RateLimit, RateReached, admit, correct, take_back
from aikeys.budgets.recovery import recover
from aikeys.budgets.refusals import refusal
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled, attempt, check_price, release, settle
from aikeys.budgets.store import shown_text
from aikeys.errors import AikeysError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Ledger
from aikeys.storage.process_lock import ProcessLock

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05
_LOOK_AGAIN_S = 1.0


class Waiting(NamedTuple):
    """How long to wait for open reservations, and how."""

    deadline_s: float = 20.0
    now_s: Callable[[], float] = time.monotonic
    sleep_s: Callable[[float], None] = time.sleep


PATIENT = Waiting()


class SerialReserver:
    """The reservations of this process on one ledger. One per thread: it shares the ledger's connection."""

    def __init__(self, ledger: Ledger, patience: Waiting = PATIENT) -> None:
        self.ledger = ledger.open()
        self.calendar = Calendar(ledger.zone)
        self.patience = patience
        self.process = ProcessLock.take(os.path.dirname(ledger.path))
        self._looked_s: float | None = None
        self._counted: dict[bytes, Counted] = {}

    def close(self) -> None:
        """Let go; what is still reserved is booked at its worst case by the next recovery."""
        with self.ledger.reading() as connection:
            is_empty = not open_of(connection, self.process.name)
        if is_empty:
            self.process.close()
        else:
            self.process.leave()

    def reserve(self, request: ReserveRequest, rates: Sequence[RateLimit] = (), tokens: int = 0) -> Reservation:
        """Set a call's worst case aside, or what is left of a budget for it; wait for open reservations and rates.

        `tokens` is about how many the call will use. Raises BudgetExceeded (22, 402) where the floor could not be paid
        even if all of them cost nothing; BudgetBusy or RateReached (32, 429) when the time to wait is over or would be.
        """
        check_price(request.price)
        self._check_process()
        until_s = self.patience.now_s() + self.patience.deadline_s
        self._look_for_the_dead()
        pause_s = _FIRST_PAUSE_S
        while True:
            last = self.patience.now_s() >= until_s
            with self.ledger.writing() as writer:
                now_us, counted = writer.now_us, admit(writer, rates, tokens)
                if isinstance(counted, Full):
                    outcome: Reservation | Wait | Refuse | Busy | Undecided | Full = counted
                else:
                    outcome = attempt(writer, request, self.process.name, self.calendar, last=last)
                    if not isinstance(outcome, Reservation):
                        take_back(writer, counted)
                    elif rates:
                        self._counted[outcome.id] = counted
            if isinstance(outcome, Reservation):
                return outcome
            if isinstance(outcome, Full):
                self._wait_for_rate(outcome, now_us, until_s)
                continue
            if not isinstance(outcome, Wait):
                raise self._refusal(outcome, request)
            if not self._look_for_the_dead():
                pause_s = self._wait_for(outcome.room, pause_s, until_s)

    def settle(self, reservation: Reservation, call: Call, soft: Call | None = None) -> Settled | None:
        """Book what a call cost in the place of its reservation; None where that was done before."""
        with self.ledger.writing() as writer:
            settled = settle(writer, reservation, call, self.calendar, soft=soft)
            counted = self._counted.get(reservation.id)
            if counted is not None:
                correct(writer, counted, call.usage.input + call.usage.output)
        self._counted.pop(reservation.id, None)
        return settled

    def release(self, reservation: Reservation) -> bool:
        """Give back what a call that was never sent had reserved; False where it was not reserved any more."""
        with self.ledger.writing() as writer:
            released = release(writer, reservation.id)
            counted = self._counted.get(reservation.id)
            if counted is not None:
                take_back(writer, counted)
        self._counted.pop(reservation.id, None)
        return released

    def _look_for_the_dead(self) -> bool:
        """Book what dead processes left, asking at most once a second; True where there was something."""
        now_s = self.patience.now_s()
        if self._looked_s is not None and now_s - self._looked_s < _LOOK_AGAIN_S:
            return False
        self._looked_s = now_s
        return bool(recover(self.ledger, self.process.name))

    def _wait_for(self, room: Room, pause_s: float, until_s: float) -> float:
        """Sleep until the room is not what it was, a second has passed or the time is over; return the next pause.

        Looking takes no lock: only who finds a change asks again.
        """
        patience = self.patience
        until_s = min(until_s, patience.now_s() + _LOOK_AGAIN_S)
        while (left_s := until_s - patience.now_s()) > 0:
            patience.sleep_s(min(left_s, pause_s * (1 + os.urandom(1)[0] / 256)))  # not all at the same instant
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            with self.ledger.reading() as connection:
                counter = find_counter(connection, room.who, PeriodRun(room.period, room.start))
            if counter is None or counter[3:] != (room.spent_pusd, room.reserved_pusd):
                break
        return pause_s

    def _wait_for_rate(self, full: Full, now_us: int, until_s: float) -> None:
        """Sleep until a rate lets a call through, a second at most; RateReached where that is beyond the deadline."""
        left_s = (full.free_us - now_us) / 1_000_000
        if self.patience.now_s() + left_s > until_s:
            raise RateReached(full, now_us)
        self.patience.sleep_s(min(left_s, _LOOK_AGAIN_S))

    def _refusal(self, outcome: Refuse | Busy | Undecided, request: ReserveRequest) -> AikeysError:
        with self.ledger.reading() as connection:
            return refusal(outcome, request.price, request.name_of(shown_text(connection, outcome.room.who)))

    def _check_process(self) -> None:
        if not self.process.is_held:
            raise RuntimeError("a forked process needs a reserver of its own")
