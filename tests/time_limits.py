"""Time limits and signal dispositions of the test suite (a pytest plugin, loaded by conftest).

- Signal dispositions are those of a terminal, whoever started pytest: a runner, `nohup` or `&` of a shell without job
  control starts programs with SIGINT, SIGQUIT or SIGHUP ignored, and every child would inherit that.
- A test that takes longer than its limit fails: first the processes that it started are ended, so that nothing that waits
  for them hangs, then it is interrupted, again and again until it gives up; a worker that cannot be interrupted ends.
- What is left of a session's processes is ended with it.

A test says `@pytest.mark.time_limit(SECONDS)` where the usual limit is not its own.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType

import pytest

USUAL_S = 120.0
_AGAIN_S = 10.0
_MOST_TIMES = 3
_MANY_FILES = 200
_PR_SET_CHILD_SUBREAPER = 36
_OF_A_TERMINAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
}


class TooSlow(BaseException):
    """A test took longer than its limit. No `except Exception` of the code under test swallows it."""


def as_in_a_terminal() -> None:
    """Set the dispositions that a program started in a terminal has, and block no signal."""
    for number, disposition in _OF_A_TERMINAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, disposition)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def descendants(pid: int) -> set[int]:
    """Return the processes below a process, at any depth."""
    found: set[int] = set()
    above = [pid]
    while above:
        for child in _children(above.pop()) - found:
            found.add(child)
            above.append(child)
    return found


def end(pids: set[int]) -> None:
    """Kill processes and whatever they started."""
    for pid in pids:
        for each in {pid, *descendants(pid)}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found.update(map(int, file.read().split()))
    return found


class _Limit:
    """The limit of one test. `before` are the processes of fixtures that outlive it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before = descendants(os.getpid())
        self._times = 0

    def start(self) -> None:
        signal.signal(signal.SIGALRM, self._over)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN_S)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _over(self, _number: int, _frame: FrameType | None) -> None:
        self._times += 1
        faulthandler.dump_traceback(sys.__stderr__ or 2)
        end(descendants(os.getpid()) - self._before)
        if self._times > _MOST_TIMES:
            os._exit(70)
        raise TooSlow(f"the test took longer than {self._seconds:g} seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Make this process the parent of every orphan of a test."""
    config.addinivalue_line("markers", "time_limit(seconds): how long the test may take")
    as_in_a_terminal()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Bound a test together with its fixtures."""
    marked = item.get_closest_marker("time_limit")
    limit = _Limit(float(marked.args[0]) if marked else USUAL_S)
    limit.start()
    try:
        return (yield)
    finally:
        limit.stop()
        _forget_tracebacks(item)
        _let_go.after_a_test()


def _forget_tracebacks(item: pytest.Item) -> None:
    """An error that is a test's parameter lives as long as the session; where it was raised need not, nor its files."""
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, BaseException):
            value.__traceback__ = value.__context__ = None


class _LetGo:
    """Looks for garbage when many files are open: commands that run in this process leave some, in cycles."""

    def __init__(self) -> None:
        self._kept = 0

    def after_a_test(self) -> None:
        if len(os.listdir("/proc/self/fd")) > self._kept + _MANY_FILES:
            gc.collect()
            self._kept = len(os.listdir("/proc/self/fd"))


_let_go = _LetGo()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, and leave what was collected out of every later search: it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_unconfigure() -> None:
    """End what tests left running."""
    end(descendants(os.getpid()))
