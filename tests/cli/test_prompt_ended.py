"""`prompt` ended by SIGTERM or SIGHUP, as a CI's time limit or a closed terminal does: settled at once, as it is known.

The signals are sent by the provider that the prompt waits for, so that they come when they are meant to.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import IO

import pytest

from aikeys.spending.interruption import BUSY, EndedBySignal, Interruption
from tests.conftest import Aikeys, canary
from tests.spending.conftest import WHOLE_STREAM, FakeProvider, Play, Seen, chunk, stream

ENDINGS = [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    yield one
    one.close()


@pytest.fixture
def home(ready_home: Aikeys, provider: FakeProvider) -> Aikeys:
    ready_home.add("openai", canary(), "--base-url", f"{provider.url}/v1")
    return ready_home


def entries(home: Aikeys) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(home.run("log", "--json").stdout)["calls"]
    assert home.run("ledger", "verify").returncode == 0
    return found


class Run:
    """A prompt that its provider ends."""

    def __init__(self, home: Aikeys, number: int) -> None:
        self.home = home
        self.number = number
        self.gone = threading.Event()
        self.started = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None

    def ending(self, *before: object, silent: bool = False) -> Play:
        """Send what comes before and, once that is shown, the signal; then nothing until the prompt is gone."""
        begin = stream(*before, stall=self.started)  # it is set when the text before it was read

        def play(connection: socket.socket, seen: Seen) -> None:
            if not silent:
                begin(connection, seen)
            assert self.started.wait(20)
            assert self.child is not None
            os.kill(self.child.pid, self.number)
            self.gone.wait(20)

        return play

    def go(self, *args: str, before: str = "", shows: bytes = b"") -> tuple[int, bytes, bytes]:
        argv = [*self.home.argv("prompt", *args)]
        if before:
            argv = ["sh", "-c", f'{before}; exec "$@"', "sh", *argv]
        self.child = subprocess.Popen(
            argv, env=self.home.env(), cwd=self.home.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.child.stdout is not None
        shown = self.child.stdout.read(len(shows))
        assert shown == shows
        self.started.set()
        out, errors = self.child.communicate(timeout=60)
        self.gone.set()
        return self.child.returncode, shown + out, errors


@pytest.mark.parametrize(("number", "status"), ENDINGS)
@pytest.mark.parametrize("silent", [False, True], ids=["in the middle of a reply", "before any byte of it"])
def test_what_is_known_is_settled_and_the_next_command_books_nothing(
    home: Aikeys, provider: FakeProvider, number: int, status: int, silent: bool
) -> None:
    run = Run(home, number)
    provider.plays = [run.ending(chunk("Hel"), silent=silent)]
    found, out, errors = run.go("-m", "gpt4", "hello", shows=b"" if silent else b"Hel")
    assert found == status, errors
    assert b"Traceback" not in errors
    assert out.strip() == (b"" if silent else b"Hel")
    (entry,) = entries(home)
    assert (entry["cost_source"], entry["status"]) == ("estimated", "cancelled")
    assert Decimal(str(entry["cost_usd"])) < Decimal("0.001")
    assert "worst case" not in home.run("report").stderr


def test_under_a_budget_it_is_the_worst_case_as_after_a_second_ctrl_c(home: Aikeys, provider: FakeProvider) -> None:
    home.run("budget", "set", "org", "5")
    run = Run(home, signal.SIGTERM)
    provider.plays = [run.ending(chunk("Hel"))]
    assert run.go("-m", "gpt4", "hello", "--max-tokens", "50", shows=b"Hel")[0] == 143
    (entry,) = entries(home)
    assert (entry["cost_source"], entry["status"]) == ("worst_case", "cancelled")


def test_several_models_are_all_settled(home: Aikeys, provider: FakeProvider) -> None:
    run = Run(home, signal.SIGTERM)
    both_there = threading.Barrier(2)
    ending = run.ending(silent=True)

    def play(connection: socket.socket, seen: Seen) -> None:
        if both_there.wait(20) == 0:
            ending(connection, seen)
        else:
            run.gone.wait(20)

    provider.plays = [play]
    found, _, errors = run.go("-m", "gpt4", "-m", "openai/gpt-4o", "hello")
    assert found == 143, errors
    assert [(one["cost_source"], one["status"]) for one in entries(home)] == [("estimated", "cancelled")] * 2


def held_in(pipe: IO[bytes]) -> int:
    """Return how many bytes wait in a pipe."""
    found = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, found)
    return int.from_bytes(found, sys.byteorder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a full pipe holds 64 kB on Linux")
@pytest.mark.parametrize("models", [("gpt4",), ("gpt4", "openai/gpt-4o")])
def test_a_reader_that_reads_no_more_keeps_nobody_from_ending_it(
    home: Aikeys, provider: FakeProvider, models: tuple[str, ...]
) -> None:
    provider.plays = [stream(chunk("word " * 40_000), *WHOLE_STREAM[2:])]
    asked = [word for model in models for word in ("-m", model)]
    with subprocess.Popen(
        home.argv("prompt", *asked, "hello"), env=home.env(), cwd=home.folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        pause = threading.Event()
        while held_in(child.stdout) < 60_000 and child.poll() is None:
            pause.wait(0.01)  # until it is full, and the prompt waits for us
        child.send_signal(signal.SIGTERM)
        try:
            status = child.wait(20)
        finally:
            child.kill()
    assert status == 143
    ended = [one["status"] for one in entries(home)]
    assert len(ended) == len(models)
    assert set(ended) <= {"ok", "cancelled"}  # a second model may still have been asked when the signal came


def test_what_nohup_protects_goes_on(home: Aikeys, provider: FakeProvider) -> None:
    run = Run(home, signal.SIGHUP)
    whole = stream(*WHOLE_STREAM)

    def play(connection: socket.socket, seen: Seen) -> None:
        assert run.started.wait(20)
        assert run.child is not None
        os.kill(run.child.pid, signal.SIGHUP)
        whole(connection, seen)

    provider.plays = [play]
    found, out, errors = run.go("-m", "gpt4", "hello", before="trap '' HUP")
    assert (found, out) == (0, b"Hello\n"), errors
    assert [one["cost_source"] for one in entries(home)] == ["computed"]


@pytest.mark.parametrize(("number", "status"), ENDINGS)
def test_nothing_is_interrupted_between_a_reservation_and_its_entry(number: int, status: int) -> None:
    interruption = Interruption()
    with interruption.busy():
        interruption.on_signal(number, None)
        assert interruption.count == 2
        with pytest.raises(EndedBySignal) as caught, interruption.reading():
            interruption.on_signal(number, None)
        assert caught.value.exit_status == status
    with pytest.raises(EndedBySignal):
        interruption.check()
    with pytest.raises(EndedBySignal):
        Interruption().on_signal(number, None)
    after_ctrl_c = Interruption()
    with after_ctrl_c._during(BUSY):
        after_ctrl_c.on_signal(signal.SIGINT, None)
    assert type(after_ctrl_c.stopped()) is KeyboardInterrupt
