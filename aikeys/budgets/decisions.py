"""May a call go, wait, be lowered or be refused (pure): whole pico-USD, no clock, no files.

- spent + reserved + what is reserved now ≤ limit, for every blocking budget: the tightest decides.
- Refused is only what could not be paid if every open reservation cost nothing: there is no phantom refusal.
- What costs nothing at worst always goes, also at a limit of zero or beyond one.
- What nothing bounds goes where no budget blocks, and nowhere else.
- A token is revoked by a limit that it has spent of: one call that is too dear for an untouched limit is only refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aikeys.budgets.who import Somebody

BLOCK, WARN, REVOKE = AT_LIMIT = ("block", "warn", "revoke")
BLOCKING = frozenset((BLOCK, REVOKE))


class Room(NamedTuple):
    """A budget as one call meets it: whom it is for (concrete, stored form), over which period, how full it is."""

    who: Somebody
    period: str
    start: int
    limit_pusd: int
    spent_pusd: int
    reserved_pusd: int
    at_limit: str = BLOCK
    is_soft: bool = False

    @property
    def left_pusd(self) -> int:
        """What is left once every open reservation has cost nothing."""
        return self.limit_pusd - self.spent_pusd

    @property
    def is_used(self) -> bool:
        """Tell whether anything was spent of it; of a limit of zero nothing ever could be."""
        return self.spent_pusd > 0 or self.limit_pusd <= 0

    @property
    def free_pusd(self) -> int:
        """What is left next to the open reservations."""
        return self.limit_pusd - self.spent_pusd - self.reserved_pusd


class Ask(NamedTuple):
    """What a call can cost: at worst, and at least for it to be worth sending (input's worst case + minimum output)."""

    worst_pusd: int
    floor_pusd: int
    is_bounded: bool = True
    """Whether `worst_pusd` is a bound; else it is what is known of one, and a budget that blocks refuses the call."""


class Go(NamedTuple):
    """Reserve this much. Less than the worst case means that the cap on output has to be lowered to fit."""

    pusd: int


class Wait(NamedTuple):
    """Open reservations stand in the way, in this budget first."""

    room: Room


class Refuse(NamedTuple):
    """The money is not there, whatever the open reservations cost; `revoke`: the call's token should be revoked."""

    room: Room
    revoke: bool


class Busy(NamedTuple):
    """The time to wait is over and what is free is below the floor."""

    room: Room


class Undecided(NamedTuple):
    """Nothing bounds what the call costs, and this budget limits it."""

    room: Room


Decision = Go | Wait | Refuse | Busy | Undecided


def decide(rooms: Sequence[Room], price: Ask, *, last: bool = False) -> Decision:
    """Decide about a call; `last` when its time to wait is over. Rooms that only warn have no say."""
    blocking = [room for room in rooms if room.at_limit in BLOCKING]
    if blocking and not price.is_bounded:
        return Undecided(blocking[0])
    if not blocking or price.worst_pusd == 0:
        return Go(price.worst_pusd)
    tightest = min(blocking, key=lambda room: room.left_pusd)
    floor = max(price.floor_pusd, 1)  # a call that costs something is not lowered to nothing
    target = min(price.worst_pusd, tightest.left_pusd)
    if target < floor:
        short = [room for room in blocking if room.left_pusd < floor]
        return Refuse(tightest, any(room.at_limit == REVOKE and room.is_used for room in short))
    fullest = min(blocking, key=lambda room: room.free_pusd)
    if target <= fullest.free_pusd:
        return Go(target)
    if not last:
        return Wait(fullest)
    return Go(fullest.free_pusd) if fullest.free_pusd >= floor else Busy(fullest)
