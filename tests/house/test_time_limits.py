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
