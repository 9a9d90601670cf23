"""Signals while money is being spent: the first Ctrl-C lets the reply come to its end, so that its cost is known; the
second stops it, and so does SIGTERM or SIGHUP at once. Nothing is interrupted between a reservation and its entry.

    on_signal   the handler; it raises KeyboardInterrupt only where that can do no harm
    stopped     what ends the command, once everything is settled
    busy        money is set aside: interrupts are counted and wait
    reading     bytes come in: the second interrupt raises
    showing     text is handed to whoever reads: the same
    watching    other threads spend: interrupts are counted, they look at the count
    sleep       a wait with nothing under way: an interrupt ends it
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IDLE, BUSY, READING, WATCHING = "idle", "busy", "reading", "watching"


ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals by which a CI's time limit, or a terminal that closes, ends a command: nobody waits for the reply."""


class EndedBySignal(KeyboardInterrupt):
    """Ended by a signal other than Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = 128 + number


class Interruption:
    """The interrupts of one command; `say` must be safe in a signal handler."""

    def __init__(self, say: Callable[[], None] = lambda: None, sleep_s: Callable[[float], None] = time.sleep) -> None:
        self.count = 0
        self._ended_by = 0
        self._is_told = False
        self._say = say
        self._sleep_s = sleep_s
        self._phase = IDLE

    def on_signal(self, number: int = signal.SIGINT, *_: object) -> None:
        """Count an interrupt, one that ends everything as two, and raise where that is safe."""
        self.count += 1
        if number in ENDING:
            self.count, self._ended_by = self.count + 1, self._ended_by or number
        if self._phase == IDLE or (self._phase == READING and self.count > 1):
            self._phase = BUSY  # what is raised goes its way: no other comes into it
            raise self.stopped()
        if self._phase in (READING, WATCHING):
            self._tell()

    def stopped(self) -> KeyboardInterrupt:
        """Return what the command ends with."""
        return EndedBySignal(self._ended_by) if self._ended_by else KeyboardInterrupt()

    def _tell(self) -> None:
        """Say once that the reply is read to its end."""
        if self.count == 1 and not self._is_told:
            self._is_told = True
            self._say()

    def check(self) -> None:
        """Raise what waited."""
        if self.count:
            raise self.stopped()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Hold interrupts back."""
        with self._during(BUSY):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let the second interrupt through, also one that came before."""
        with self._during(READING):
            if self.count > 1:
                raise self.stopped()
            self._tell()
            yield

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Let the second interrupt through where whoever reads does not; not one that came before."""
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
