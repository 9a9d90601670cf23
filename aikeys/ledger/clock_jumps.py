"""Jumps of the clock: noticed by whoever writes next, written down as an act, and found again in the chain.

- Every entry has a time at which it was written: an act its own, a call when it was settled. Time that goes back over
  an hour from one entry to the next is a jump, whatever kind of entry stands there.
- A clock that was put forward looks like a ledger that nobody used. Only a process that goes on notices it, by a clock
  that counts on evenly; else it shows when the clock is put right.
- Expiry, days and budgets follow the clock. So a jump is said, and changes nothing by itself.
"""

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.ledger.entries import Entry
from aikeys.storage.record import NamedTuple

if TYPE_CHECKING:
    from aikeys.ledger.store import Writer

JUMP = "clock jump"
HOUR_US = 3_600_000_000
_EXPECTED = "expected_us="


class Jump(NamedTuple):
    """The entry behind the jump, the time of the entry before or at which the clock should have been, and its own."""

    entry: int
    from_us: int
    to_us: int


class ClockPace:
    """The wall clock against one that counts on evenly, from one writing of a process to the next."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._next: tuple[int, int] | None = None

    def expected_us(self, now_us: int) -> int | None:
        """Return what the time should be after what has passed since the last writing; None for the first."""
        even_us = clock.even_us()
        self._next = (now_us, even_us)
        return None if self._last is None else self._last[0] + even_us - self._last[1]

    def written(self) -> None:
        """Count from the time that was just asked for: what was noticed then is on disk."""
        self._last = self._next


class Times:
    """The times of entries in the order of the chain, as a walk over it finds them."""

    def __init__(self) -> None:
        self.latest_us = 0
        self.jumps: list[Jump] = []
        self._last_us = 0

    def add(self, number: int, at_us: int) -> None:
        """Take an entry's time into account."""
        if at_us < self._last_us - HOUR_US:
            self.jumps.append(Jump(number, self._last_us, at_us))
        self._last_us = at_us
        self.latest_us = max(self.latest_us, at_us)


def note_jump(writer: "Writer", pace: ClockPace, newest_us: int | None) -> None:
    """Write a jump down before anything else of a transaction; `newest_us` is when the newest entry was written."""
    now_us = writer.now_us
    should_us = pace.expected_us(now_us)
    if should_us is None or abs(now_us - should_us) <= HOUR_US:
        should_us = newest_us if newest_us is not None and newest_us > now_us + HOUR_US else now_us
    if should_us != now_us:
        from aikeys.ledger.store import Act

        writer.act(Act(JUMP, "forward" if now_us > should_us else "back", f"{_EXPECTED}{should_us}"))


def forward_jump(entry: Entry) -> Jump | None:
    """Return what an act says of a jump forward, which no time of an entry shows; None for everything else."""
    if entry.act != JUMP or entry.subject != "forward":
        return None
    text = entry.detail.removeprefix(_EXPECTED)
    return Jump(entry.id, int(text), entry.at_us) if text.isascii() and text.isdecimal() else None
