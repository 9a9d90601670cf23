"""A process lives as long as it holds its lock: killed, stopped, forked, and with many who ask at once."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys.errors import MachineFailed
from aikeys.storage.process_lock import ProcessLock, buried, left_behind, path_of

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, signal
from aikeys.storage.process_lock import ProcessLock
lock = ProcessLock.take(sys.argv[1])
print(lock.name, flush=True)
signal.pause()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    if process.poll() is None:
        process.kill()
    process.communicate()


def is_gone(folder: Path, name: str) -> bool:
    with buried(str(folder), name) as gone:
        return gone


def test_the_file_is_for_its_owner_alone_and_closed_in_other_programs(tmp_path: Path) -> None:
    lock = ProcessLock.take(str(tmp_path))
    path = path_of(str(tmp_path), lock.name)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.get_inheritable(lock._descriptor)
    lock.close()
    assert left_behind(str(tmp_path)) == []


def test_a_living_process_is_not_gone_and_keeps_its_file(tmp_path: Path) -> None:
    lock = ProcessLock.take(str(tmp_path))
    assert not is_gone(tmp_path, lock.name)
    assert left_behind(str(tmp_path)) == [lock.name]
    lock.close()


def test_two_locks_of_one_process_are_told_apart(tmp_path: Path) -> None:
    one, other = ProcessLock.take(str(tmp_path)), ProcessLock.take(str(tmp_path))
    one.leave()
    assert is_gone(tmp_path, one.name)
    assert not is_gone(tmp_path, other.name)
    other.close()


def test_a_killed_process_is_gone_and_its_file_removed(
    tmp_path: Path, holder: tuple[subprocess.Popen[str], str]
) -> None:
    process, name = holder
    assert not is_gone(tmp_path, name)
    process.kill()
    process.wait()
    assert is_gone(tmp_path, name)
    assert left_behind(str(tmp_path)) == []
    assert is_gone(tmp_path, name)


def test_a_stopped_process_is_not_gone(tmp_path: Path, holder: tuple[subprocess.Popen[str], str]) -> None:
    process, name = holder
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    assert not is_gone(tmp_path, name)
    process.send_signal(signal.SIGCONT)


def test_while_one_buries_nobody_else_does(tmp_path: Path) -> None:
    lock = ProcessLock.take(str(tmp_path))
    lock.leave()
    with buried(str(tmp_path), lock.name) as first, buried(str(tmp_path), lock.name) as second:
        assert (first, second) == (True, False)


def test_a_burial_that_fails_leaves_the_file_for_the_next(tmp_path: Path) -> None:
    lock = ProcessLock.take(str(tmp_path))
    lock.leave()
    with pytest.raises(ZeroDivisionError), buried(str(tmp_path), lock.name):
        raise ZeroDivisionError
    assert left_behind(str(tmp_path)) == [lock.name]
    assert is_gone(tmp_path, lock.name)


def test_a_file_removed_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikeys.storage import process_lock

    real, swept = process_lock._lock, []

    def sweep_first(descriptor: int, *, wait: bool) -> bool:
        if not swept:
            swept.extend(left_behind(str(tmp_path)))
            os.unlink(path_of(str(tmp_path), swept[0]))
        return real(descriptor, wait=wait)

    monkeypatch.setattr(process_lock, "_lock", sweep_first)
    lock = ProcessLock.take(str(tmp_path))
    assert left_behind(str(tmp_path)) == [lock.name]
    lock.close()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match="nowhere"):
        ProcessLock.take(str(tmp_path / "nowhere"))


def test_a_directory_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match="cannot read"):
        left_behind(str(tmp_path / "missing"))
