"""Keeps a terminal from showing what is typed, and never leaves it to anybody else in that state.

- Ctrl-Z gives the shell its echo back before the process stops; after `fg` the echo is off again, and the question is
  put once more. What was typed up to then is thrown away, on both sides.
- A signal that ends the process gives the echo back first. A signal that is ignored stays ignored.
- SIGSTOP cannot be caught: there the shell looks after its terminal, and here the echo goes off after SIGCONT.

Must not know: what is asked, and why.
"""

from __future__ import annotations

import os
import signal
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ENDING = (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
_LOCAL_MODES = 3  # where termios.tcgetattr puts ECHO


@contextmanager
def silent(descriptor: int, ask_again: Callable[[], None]) -> Iterator[None]:
    """Show nothing that is typed inside the block; `ask_again` is called after a stop."""
    watch = _TerminalState(descriptor, ask_again)
    try:
        watch.begin()
        yield
    finally:
        watch.end()


class _TerminalState:
    """The terminal's modes, before and meanwhile, and the signals' handlers before."""

    def __init__(self, descriptor: int, ask_again: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._ask_again = ask_again
        self._loud = termios.tcgetattr(descriptor)
        self._silent = [*self._loud]
        self._silent[_LOCAL_MODES] = self._loud[_LOCAL_MODES] & ~termios.ECHO
        self._is_on = False
        self._handlers: dict[int, Any] = {}

    def begin(self) -> None:
        self._is_on = True
        with suppress(ValueError):  # not the main thread: no handlers there
            self._handle(signal.SIGTSTP, self._stop)
            self._handle(signal.SIGCONT, self._go_on)
            for number in _ENDING:
                self._handle(number, self._die)
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._silent)  # fails where it would show the answer

    def end(self) -> None:
        self._is_on = False  # a stop from here on changes nothing any more
        self._set(self._loud)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        """Take a signal over unless it is ignored, or handled outside Python."""
        before = signal.getsignal(number)
        if before is not None and before != signal.SIG_IGN:
            self._handlers[number] = signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._set(self._loud)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # stops here, unless no shell is there to let it go on
        signal.signal(number, self._stop)
        signal.signal(signal.SIGCONT, self._go_on)
        self._resume()

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._resume()

    def _resume(self) -> None:
        if self._is_on:
            self._set(self._silent)
            self._ask_again()

    def _die(self, number: int, frame: FrameType | None) -> None:
        """Give the echo back, then let the signal do what it did before."""
        self._set(self._loud)
        before = self._handlers[number]
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _set(self, modes: list[Any]) -> None:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, modes)
