"""A forked run is as one that is started the usual way: what it prints, how it ends, what it is given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Aikeys, make_aikeys
from tests.forking import ForkingProcess, forking_process, run, start_and_read_errors

PRINTS = """
import json, os, signal, sys
print(json.dumps({
    "cwd": os.getcwd(), "session": os.getsid(0) == os.getppid(), "files": sorted(os.listdir("/proc/self/fd")),
    "ignored": [n for n in range(1, 32) if signal.getsignal(n) is signal.SIG_IGN],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "input": sys.stdin.read(),
    "environment": dict(os.environ),
}))
"""
LENDS = ("exec", "openai", "--", sys.executable, "-c", PRINTS)


@pytest.fixture
def forking(ready_home: Aikeys) -> ForkingProcess:
    found = forking_process(ready_home.env())
    assert found is not None
    return found


def usual(home: Aikeys, *args: str, input_text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        home.argv(*args), env=home.env(), cwd=home.folder, input=input_text, capture_output=True, encoding="utf-8",
        check=False, start_new_session=True,
    )  # fmt: skip


def forked(forking: ForkingProcess, home: Aikeys, *args: str, input_text: str = "") -> subprocess.CompletedProcess[str]:
    return run(forking, list(args), home.env(), str(home.folder), input_text, 60)


@pytest.mark.parametrize(
    "args",
    [
        ("--version",), ("list",), ("list", "--json"), ("--help",), ("show", "nothing"), ("nothing",), (), ("budget",),
        ("exec", "nothing", "--", "true"), ("list", "\udcff"), ("doctor",), ("completion", "bash"),
    ],
)  # fmt: skip
def test_it_prints_and_ends_as_the_usual_one(
    forking: ForkingProcess, ready_home: Aikeys, args: tuple[str, ...]
) -> None:
    one, other = forked(forking, ready_home, *args), usual(ready_home, *args)
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_a_child_of_it_gets_what_a_child_of_the_usual_one_gets(forking: ForkingProcess, ready_home: Aikeys) -> None:
    ready_home.add("openai", "sk-of-the-test-0123456789")
    text = "é\n" * 50_000
    one = forked(forking, ready_home, *LENDS, input_text=text)
    other = usual(ready_home, *LENDS, input_text=text)
    assert one.returncode == 0, one.stderr
    assert one.stdout == other.stdout


def test_nothing_of_a_run_is_seen_by_the_next(tmp_path: Path, ready_home: Aikeys, forking: ForkingProcess) -> None:
    (tmp_path / "other").mkdir()
    first, second = make_aikeys(tmp_path / "other"), ready_home
    assert forked(forking, first, "init", "--key-file", str(first.key_file)).returncode == 0
    first.add("openai", "sk-of-the-test-0123456789")
    assert "openai" in forked(forking, first, "list").stdout
    assert "openai" not in forked(forking, second, "list").stdout


def test_many_run_at_once(forking: ForkingProcess, ready_home: Aikeys) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: forked(forking, ready_home, "show", f"key{number}"), range(16)))
    assert [done.returncode for done in runs] == [10] * 16
    assert all(f"key{number}" in done.stderr for number, done in enumerate(runs))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_signal_ends_it_as_it_ends_the_usual_one(forking: ForkingProcess, ready_home: Aikeys, number: int) -> None:
    ready_home.add("openai", "sk-of-the-test-0123456789")
    args, environment, folder = ["gateway", "--port", "0"], ready_home.env(), str(ready_home.folder)
    started = start_and_read_errors(forking, args, environment, folder)
    usually = subprocess.Popen(
        ready_home.argv(*args), env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    ends = []
    for process in (started, usually):
        assert process.stderr is not None
        with process.stderr as lines:
            assert any("serving on" in line for line in lines)
            assert process.poll() is None
            process.send_signal(number)
            ends.append(process.wait(30))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", ["PYTHONDEVMODE", "LC_ALL", "LD_PRELOAD"])
def test_where_the_environment_says_how_python_starts_it_is_started(ready_home: Aikeys, name: str) -> None:
    assert forking_process(ready_home.env({name: "another"})) is None


def test_it_ends_with_the_process_that_started_it(ready_home: Aikeys) -> None:
    started = ForkingProcess(ready_home.env())
    assert not started.has_ended
    started.close()
    assert started.has_ended


def test_a_run_whose_forking_process_is_gone_counts_as_killed(ready_home: Aikeys) -> None:
    started = ForkingProcess(ready_home.env())
    process = start_and_read_errors(started, ["gateway", "--port", "0"], ready_home.env(), str(ready_home.folder))
    assert process.stderr is not None
    assert process.stderr.readline()
    os.kill(started.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    os.kill(process.pid, signal.SIGKILL)
    process.stderr.close()
    started.close()
