"""Drives calls in an event loop: the life of a call is spending.call's, here is what it has done for it.

A call is a task of its own: whoever asked may leave, what was reserved becomes an entry all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, ParamSpec, TypeVar

from aikeys.budgets.queues import Rates
from aikeys.budgets.reservations import Reservation, ReserveRequest, Settled
from aikeys.gateway import reserver as reservers
from aikeys.gateway.off_the_loop import off_the_loop
from aikeys.gateway.state import WorkerState
from aikeys.ledger.calls import Call
from aikeys.ledger.store import Ledger
from aikeys.ledger.stored_objects import MadeObject
from aikeys.providers.transport import Parcel, Timeouts
from aikeys.secret import Secret
from aikeys.spending.authorise import Caller
from aikeys.spending.call import Asking, Outcome, make_call
from aikeys.spending.entry import context_of
from aikeys.spending.io import Audience, CallerLeft, Conditions, IncomingReply, Listener
from aikeys.spending.names import Target
from aikeys.spending.room import Left, left_for
from aikeys.vault.tokens.admission import Holder
from aikeys.vault.tokens.revoking import revoke

P = ParamSpec("P")
R = TypeVar("R")


class Asker(NamedTuple):
    """Whose token a call is made with, and how urgent it is."""

    holder: Holder
    priority: int


async def answered(state: WorkerState, asker: Asker, asking: Asking, listener: Listener) -> Outcome:
    """Make a call in a task of its own, which goes on where the client leaves."""
    io = LoopIo(state, asker, listener)
    task = asyncio.get_running_loop().create_task(make_call(io, asking, listener))
    state.calls.add(task)
    task.add_done_callback(state.calls.discard)
    return await asyncio.shield(task)


class LoopIo:
    """An Io of one event loop, for one call."""

    def __init__(self, state: WorkerState, asker: Asker, listener: Listener) -> None:
        self._state = state
        self._asker = asker
        self._listener = listener
        self.conditions: Conditions = state.conditions
        self.ledger: Ledger = state.ledger
        self.now_s: Callable[[], float] = time.monotonic

    def left(self, caller: Caller, target: Target, now_us: int) -> Left:
        """Return what the tightest blocking budget has left; nothing is read where none can apply."""
        has_budget = caller.claims is not None and caller.claims.budget_pusd is not None
        if not has_budget and not self._state.is_anybody_blocked():
            return Left()
        return left_for(self._state.ledger, caller, context_of(caller, target), now_us)

    async def off_the_loop(self, size_bytes: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what is large in a thread."""
        return await off_the_loop(size_bytes, work, *args, **kwargs)

    async def uninterrupted(self, work: Coroutine[Any, Any, R]) -> R:
        """Do it in a task that nobody cancels."""
        return await asyncio.shield(work)

    async def reserve(self, request: ReserveRequest, rates: Rates) -> Reservation:
        """Reserve; whoever leaves meanwhile waits no more."""
        try:
            return await reservers.reserve(self._state.reserver, request, self._asker.priority, rates, self._is_gone)
        except reservers.Gone:
            raise CallerLeft from None

    async def release(self, reservation: Reservation) -> None:
        """Give it back."""
        await self._state.reserver.release(reservation)

    async def settle(
        self, reservation: Reservation, call: Call, note: MadeObject | None, soft: Call | None
    ) -> Settled | None:
        """Book it."""
        return await self._state.reserver.settle(reservation, call, note, soft)

    async def revoke(self, token: bytes) -> None:
        """End a token."""
        await asyncio.to_thread(revoke, self._state.place, [token])

    async def key_of(self, target: Target) -> Secret:
        """Open a key with the token of the request, looked at again."""
        self._state.admit_again(self._asker.holder)
        return self._state.secret_of(self._asker.holder, target)

    def send(self, parcel: Parcel, timeouts: Timeouts) -> AbstractAsyncContextManager[IncomingReply]:
        """Send."""
        return self._state.upstream.send(parcel, timeouts)

    def _is_gone(self) -> bool:
        return self._listener.audience is not Audience.LISTENS
