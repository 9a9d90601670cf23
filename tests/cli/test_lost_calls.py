"""A call whose process was killed: the next command that reads the ledger books it and says so, or says what it holds.

An interpreter that holds the lock of a process is killed; its reservation stays.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.conftest import Aikeys

RESERVE = """
import os, signal, sys
from aikeys.budgets.decisions import Ask
from tests.budgets.one_at_a_time import SerialReserver
from aikeys.budgets.reservations import ReserveRequest
from aikeys.ledger.calls import Context, Labels
from aikeys.ledger.store import Ledger
context = Context(Labels("support", user="ana"), key="openai", provider="openai", model="openai/gpt-4.1", price="bundled")
SerialReserver(Ledger(sys.argv[1]).open()).reserve(ReserveRequest(context, Ask(2 * 10**12, 0)))
print("reserved", flush=True)
signal.pause()
"""
COMMANDS = (("report",), ("log",), ("log", "2"), ("top",), ("doctor",), ("budget", "check"), ("budget", "list"))
HELD = "1 call whose process ended holds $2.00"
BOOKED = "a call was under way when its process ended: entry"


def start_a_call(home: Aikeys) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", RESERVE, str(home.home)]
    process = subprocess.Popen(words, env=home.env(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reserved\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def one_home(ready_home: Aikeys) -> Aikeys:
    assert ready_home.run("budget", "set", "org", "3").returncode == 0
    return ready_home


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_next_command_books_the_call_and_says_so(one_home: Aikeys, words: tuple[str, ...]) -> None:
    kill(start_a_call(one_home))
    before = one_home.run("ledger", "head", "--json").stdout
    number = json.loads(before)["number"] + 1
    done = one_home.run(*(str(number) if word == "2" else word for word in words))
    assert f"{BOOKED} {number} holds its worst case" in " ".join(done.stderr.split())
    assert BOOKED not in one_home.run(*words).stderr  # said once, by who booked it
    total = json.loads(one_home.run("report", "--json").stdout)
    assert (total["total"]["cost_usd"], total["coverage"]["worst_case"]["requests"]) == ("2.00", 1)


def test_the_answer_has_the_booked_call(one_home: Aikeys) -> None:
    kill(start_a_call(one_home))
    assert json.loads(one_home.run("budget", "check", "--json").stdout)["budgets"][0]["spent_usd"] == "2.00"


def test_a_call_that_is_under_way_is_left_alone(one_home: Aikeys) -> None:
    process = start_a_call(one_home)
    try:
        for words in COMMANDS:
            assert "process ended" not in one_home.run(*words).stderr
        assert "lost" not in json.loads(one_home.run("report", "--json").stdout)["coverage"]
    finally:
        kill(process)


@pytest.mark.parametrize("words", [(*COMMANDS[0], "--json"), *COMMANDS[1:2], *COMMANDS[3:]], ids=" ".join)
def test_where_nothing_can_be_written_what_the_call_holds_is_said(one_home: Aikeys, words: tuple[str, ...]) -> None:
    kill(start_a_call(one_home))
    done = without_room(one_home, *words)
    assert f"{HELD}, in no total: aikeys ledger resolve" in " ".join(done.stderr.split())
    assert BOOKED not in done.stderr
    assert BOOKED in one_home.run("log").stderr  # once there is room


def test_what_the_call_holds_is_in_the_answer(one_home: Aikeys) -> None:
    kill(start_a_call(one_home))
    coverage = json.loads(without_room(one_home, "report", "--json").stdout)["coverage"]
    assert coverage["lost"] == {"requests": 1, "reserved_usd": "2.00"}
    assert "not in the total: $2.00 reserved by 1 call whose process ended" in without_room(one_home, "report").stdout
    assert HELD in json.loads(without_room(one_home, "budget", "check", "--json").stdout)["notes"]
    checks = json.loads(without_room(one_home, "doctor", "--json").stdout)["checks"]
    assert [(one["finding"], one["hint"]) for one in checks if one["name"] == "calls"] == [
        (HELD, "aikeys ledger resolve")
    ]


def without_room(home: Aikeys, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file, as on a full disk."""
    return home.run_argv(["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *home.argv(*words)])
