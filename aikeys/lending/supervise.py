"""Stand behind a program that was started, as if it had been started alone (I/O edge).

- It is in our process group, so it has the terminal: Ctrl-C, Ctrl-\\ and Ctrl-Z reach it without us. What a process
  sends to us alone (kill, a service manager) is passed on; what the terminal sends is not, else it would come twice.
- Where the program stops (Ctrl-Z), we stop the same way, so that the shell has its job back; where we are continued,
  it is.
- Its status is ours; 128+N for a signal.
- Signals are waited for, never handled: `Supervisor` blocks them in the thread that makes it, before any other thread
  begins, and the program gets the mask from before. What was ignored stays ignored, for it too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

_STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_FROM_TERMINAL = frozenset((signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, *_STOPS))
_PASSED_ON = frozenset(
    (
        *(signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
        *(signal.SIGALRM, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT),
    )
)
_IMPATIENT = frozenset((signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP))


class Caught(NamedTuple):
    """A signal that came, and whether the terminal sent it: then the whole process group has it."""

    number: int
    is_terminals: bool


class Supervisor:
    """Waits for one program, in the main thread. `mask` is the program's signal mask."""

    def __init__(self) -> None:
        wanted = [number for number in (*_PASSED_ON, *_STOPS) if signal.getsignal(number) is not signal.SIG_IGN]
        self._waited = frozenset((*wanted, signal.SIGCHLD))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, no status would be left to wait for
        self.mask: frozenset[int] = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, self._waited))

    def leave(self) -> None:
        """Handle signals as before; those that wait now are dropped."""
        if hasattr(signal, "sigtimedwait"):
            while signal.sigtimedwait(self._waited, 0) is not None:
                pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    def wait_for(self, pid: int) -> int:
        """Return the exit status of a program when it has ended."""
        while True:
            ended = self._looked(pid)
            if ended is not None:
                return ended
            caught = _next(self._waited)
            if caught.number in _PASSED_ON and not (caught.is_terminals and caught.number in _FROM_TERMINAL):
                with suppress(ProcessLookupError):
                    os.kill(pid, caught.number)

    def wait_until(self, is_over: Callable[[], bool], hurry: Callable[[], None]) -> None:
        """Wait until something is over; whoever is impatient (Ctrl-C, SIGTERM) makes it hurry.

        SIGCHLD, sent to this process, makes it ask again.
        """
        while not is_over():
            if _next(self._waited).number in _IMPATIENT:
                hurry()

    def _looked(self, pid: int) -> int | None:
        """Return the status of a program that has ended; stop with one that was stopped."""
        while True:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if not found:
                return None
            if os.WIFSTOPPED(status):
                if os.WSTOPSIG(status) in _STOPS:
                    self._stop(os.WSTOPSIG(status), pid)
                continue
            return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def _stop(self, number: int, pid: int) -> None:
        """Stop by this signal, until somebody continues this process: then the program goes on, too."""
        if hasattr(signal, "sigtimedwait"):  # the terminal's own would stop us a second time
            while signal.sigtimedwait(_STOPS, 0) is not None:
                pass
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_BLOCK, (number,))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _next(waited: Iterable[int]) -> Caught:
    """Return the next signal. Where the system does not tell who sent it, a terminal's key is the likelier."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(waited)
        return Caught(info.si_signo, info.si_code > 0)
    number = signal.sigwait(waited)  # pragma: no cover (macOS, untested)
    return Caught(number, number in _FROM_TERMINAL)  # pragma: no cover
