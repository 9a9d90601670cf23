"""A writer's turn: one at a time, in the end given up on, gone with its process, and never needed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.errors import MachineFailed
from aikeys.ledger.store import Act, Ledger
from aikeys.storage import sqlite, writers_turn
from aikeys.storage.locks import TURN_NAME
from aikeys.storage.writers_turn import TurnMissed, turn

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, signal
from aikeys.storage.writers_turn import turn
with turn(sys.argv[1], 10):
    print("mine", flush=True)
    signal.pause()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "turn")


def is_free(path: str) -> bool:
    try:
        with turn(path, 0.01):
            return True
    except TurnMissed:
        return False


def test_the_second_waits_until_the_first_is_done(path: str) -> None:
    order: list[str] = []

    def second() -> None:
        with turn(path, 20):
            order.append("second")

    with turn(path, 20):
        thread = threading.Thread(target=second)
        thread.start()
        assert not is_free(path)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    assert is_free(path)


def test_who_gave_up_leaves_no_turn_taken_and_no_file_open(path: str) -> None:
    with turn(path, 20):
        for _ in range(3):
            with pytest.raises(TurnMissed, match="database is locked"), turn(path, 0.001):
                raise AssertionError("it is not its turn")
    last_s = time.monotonic() + 20
    while writers_turn._open and time.monotonic() < last_s:  # each that was given up on gives its turn back at once
        os.sched_yield()
    assert not writers_turn._open
    assert is_free(path)


def test_what_fails_inside_gives_the_turn_back(path: str) -> None:
    with pytest.raises(ZeroDivisionError), turn(path, 1):
        raise ZeroDivisionError
    assert is_free(path)


def test_a_killed_process_has_no_turn(path: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    assert not is_free(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert is_free(path)


def test_a_forked_child_that_lives_on_does_not_keep_the_turn_of_its_parent(path: str) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # it takes a turn, forks, and is killed; its own child lives on
        with turn(path, 10):
            if not os.fork():
                os.write(writing, b"x")  # what it inherited it has let go of by now
                os.close(writing)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not the test's own time limit
                signal.alarm(20)
                signal.pause()
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    assert is_free(path)


def directory(path: str) -> None:
    os.mkdir(path)


def link(path: str) -> None:
    os.symlink("/nowhere", path)


def fifo(path: str) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [directory, link, fifo])
def test_without_a_lock_file_everybody_goes_on(path: str, make: Callable[[str], None]) -> None:
    make(path)
    with turn(path, 1):
        pass
    assert not writers_turn._open


def test_a_file_system_without_locks_is_no_reason_to_stop(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(writers_turn.fcntl, "flock", refuse)
    with turn(path, 1):
        pass


def test_a_ledger_is_written_in_turn_and_says_what_it_always_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    ledger = Ledger(str(tmp_path)).open_or_create(b"L" * 16)
    with turn(str(tmp_path / TURN_NAME), 1), pytest.raises(MachineFailed, match="database is locked"):
        ledger.event(Act("test", "x"))
    ledger.event(Act("test", "y"))
    assert ledger.head().number == 1
    ledger.close()


def test_a_writer_that_knows_of_no_turns_is_waited_for_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(str(tmp_path)).open_or_create(b"L" * 16)
    older = sqlite3.connect(ledger.path, isolation_level=None, check_same_thread=False)
    older.execute("BEGIN IMMEDIATE")
    threading.Timer(0.05, lambda: older.execute("COMMIT")).start()
    ledger.event(Act("test", "x"))
    assert ledger.head().number == 1
    ledger.close()
    older.close()
