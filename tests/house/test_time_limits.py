"""The suite's own time limits and signal dispositions: what hangs fails, and nothing that it started is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_HANGS = """
import subprocess, sys, pathlib
import pytest

@pytest.mark.time_limit(0.5)
def test_waits_for_a_child_that_never_ends():
    child = subprocess.Popen([sys.executable, "-c", "import time\\ntry: time.sleep(600)\\nfinally: pass"], start_new_session=True)
    pathlib.Path("child").write_text(str(child.pid))
    try:
        child.wait()
    finally:
        child.wait()

def test_the_next_one_runs():
    pass
"""
_DISPOSITIONS = """
import signal

def test_dispositions():
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        assert signal.getsignal(number) is not signal.SIG_IGN, number
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""
_FILES = """
import gc, os
import pytest

FAILURE = ValueError("of every test")
HELD = []

def opened():
    return len(os.listdir("/proc/self/fd"))

@pytest.mark.parametrize("failure", [FAILURE])
@pytest.mark.parametrize("time", range(3))
def test_an_error_that_is_a_parameter_holds_no_files(failure, time):
    assert FAILURE.__traceback__ is None
    file = open("/dev/null")
    with pytest.raises(ValueError):
        raise failure

class Cycle:
    def __init__(self):
        self.me, self.files = self, [os.open("/dev/null", os.O_RDONLY) for _ in range(250)]

    def __del__(self):
        for file in self.files:
            os.close(file)

def test_files_are_left_in_a_cycle():
    gc.disable()
    Cycle()
    assert opened() > 250

def test_they_are_closed_by_now():
    assert opened() < 250
    HELD.append(Cycle())

def test_what_is_held_is_looked_for_once():
    HELD.append(gc.collect)
    gc.collect = lambda: HELD.append("looked")

def test_and_not_again():
    gc.collect = HELD[1]
    assert "looked" not in HELD
"""


def _pytest(folder: Path, text: str, *before: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    argv = [*before, sys.executable, "-m", "pytest", "-q", "-p", "tests.time_limits", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def test_a_test_that_hangs_fails_and_its_child_is_gone(tmp_path: Path) -> None:
    done = _pytest(tmp_path, _HANGS)
    assert done.returncode == 1, done.stdout
    assert "longer than 0.5 seconds" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "child").read_text()), 0)


@pytest.mark.parametrize("before", [["nohup"], ["sh", "-c", 'trap "" INT QUIT HUP TERM; exec "$@"', "sh"]])
def test_a_runner_that_ignores_signals_does_not_pass_that_on_to_tests(tmp_path: Path, before: list[str]) -> None:
    done = _pytest(tmp_path, _DISPOSITIONS, *before)
    assert done.returncode == 0, done.stdout


def test_files_that_tests_leave_open_are_closed_and_looked_for_no_more_than_needed(tmp_path: Path) -> None:
    done = _pytest(tmp_path, _FILES)
    assert done.returncode == 0, done.stdout
