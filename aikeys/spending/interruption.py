"""Ctrl-C while money is being spent: the first lets the reply come to its end, so that its cost is known; the second
stops it. Nothing is interrupted between a reservation and its entry.

    on_signal   the handler; it raises KeyboardInterrupt only where that can do no harm
    busy        money is set aside: interrupts are counted and wait
    reading     bytes come in: the second interrupt raises
    watching    other threads spend: interrupts are counted, they look at the count
    sleep       a wait with nothing under way: an interrupt ends it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IDLE, BUSY, READING, WATCHING = "idle", "busy", "reading", "watching"


class Interruption:
    """The interrupts of one command; `say` must be safe in a signal handler."""

    def __init__(self, say: Callable[[], None] = lambda: None, sleep_s: Callable[[float], None] = time.sleep) -> None:
        self.count = 0
        self._say = say
        self._sleep_s = sleep_s
        self._phase = IDLE

    def on_signal(self, *_: object) -> None:
        """Count an interrupt, and raise where that is safe."""
        self.count += 1
        if self._phase == IDLE:
            raise KeyboardInterrupt
        if self._phase == READING:
            if self.count > 1:
                raise KeyboardInterrupt
            self._say()
        if self._phase == WATCHING and self.count == 1:
            self._say()

    def check(self) -> None:
        """Raise what waited."""
        if self.count:
            raise KeyboardInterrupt

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Hold interrupts back."""
        with self._during(BUSY):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let the second interrupt through."""
        with self._during(READING):
            yield

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let other threads see interrupts, and raise none."""
        with self._during(WATCHING):
            yield

    def sleep(self, seconds: float) -> None:
        """Sleep; an interrupt ends it, and one that came before does too."""
        with self._during(IDLE):
            self.check()
            self._sleep_s(seconds)

    @contextmanager
    def _during(self, phase: str) -> Iterator[None]:
        before, self._phase = self._phase, phase
        try:
            yield
        finally:
            self._phase = before
