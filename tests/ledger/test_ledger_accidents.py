"""The commands over real processes: what was archived, killed, interrupted or had no room."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Aikeys
from tests.ledger.test_ledger_commands import LINE, said, spend


@pytest.fixture
def spent_home(ready_home: Aikeys) -> Aikeys:
    spend(ready_home, {"id": "1", "team": "support", "user": "ana"}, {"id": "2"})
    return ready_home


def test_archive_moves_old_entries_and_everything_goes_on(
    bare_home: Aikeys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The home was made a year ago (this process has an old clock), the commands run today."""
    old_home(bare_home, monkeypatch)
    before = [row["cost_usd"] for row in said(bare_home, "log", "-n", "1000")["calls"]]
    assert len(before) == 40
    receipt = bare_home.run("ledger", "head").stdout.strip()
    assert bare_home.run("ledger", "archive", "--before", "2199-01-01").returncode == 2
    assert bare_home.run("ledger", "archive", "--before", "2001-01-01").returncode == 10
    assert bare_home.run("ledger", "archive", "--before", "2026-01-01", "--to", "/nowhere").returncode == 10
    done = bare_home.run("ledger", "archive", "--before", "2025-10-20", "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    segment = done.stdout.strip()
    assert Path(segment).stat().st_mode & 0o777 == 0o600
    after = said(bare_home, "log", "-n", "1000")["calls"]
    assert 0 < len(after) < 40
    assert "openai" in bare_home.run("list").stdout
    found = said(bare_home, "ledger", "verify", "--expect", receipt, "--archive", segment)
    assert (found["first"], found["unsigned"]) == (1, 0)
    assert said(bare_home, "ledger", "verify")["first"] > 1
    bare_home.add("second", "sk-x-0123456789abcdef01234567", "--provider", "openai")
    assert bare_home.run("ledger", "verify", "--archive", segment).returncode == 0
    assert bare_home.run("ledger", "verify", "--archive", "/nowhere/x").returncode == 10


def old_home(home: Aikeys, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikeys import clock
    from aikeys.budgets.booking import book
    from aikeys.ledger.calendar import Calendar
    from aikeys.vault.opening import place_of
    from aikeys.vault.setup import make_vault
    from aikeys.vault.unlock import key_file, methods
    from tests.ledger.conftest import DAY_US, call

    now_us = 1_760_000_000_000_000  # 2025-10-09
    key = os.urandom(32)
    key_file.create(str(home.key_file), key)
    place = place_of(str(home.home))
    with monkeypatch.context() as past:
        past.setattr(clock, "now_us", lambda: now_us)
        make_vault(place, [methods.NewMethod(methods.KEY_FILE, str(home.key_file), key)])
        ledger = place.ledger.open()
        for _ in range(20):
            now_us += DAY_US
            with ledger.writing() as writer:
                for number in range(2):
                    book(writer, call(now_us - number, team="support", user="ana"), Calendar(ledger.zone))
        ledger.close()
    home.add("openai", "sk-x-0123456789abcdef01234567", "--provider", "openai")


KILLED = """
import os, signal, sys
from aikeys.budgets.decisions import Ask
from tests.budgets.one_at_a_time import SerialReserver
from aikeys.budgets.reservations import ReserveRequest
from aikeys.ledger.store import Ledger
from tests.ledger.conftest import call
one = call(team="support", user="ana", price="openai/gpt-5@x")
SerialReserver(Ledger(sys.argv[1])).reserve(ReserveRequest(one.context, Ask(5 * 10**11, 10**9)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_reserved_is_booked_and_then_corrected(spent_home: Aikeys) -> None:
    done = spent_home.run_argv([sys.executable, "-c", KILLED, str(spent_home.home)])
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = said(spent_home, "ledger", "resolve")
    assert found["recovered"] == [6]
    one = said(spent_home, "log", "6")["call"]
    assert (one["cost_source"], one["cost_usd"], one["team"], one["user"]) == ("worst_case", "0.50", "support", "ana")
    assert said(spent_home, "ledger", "resolve")["recovered"] == []
    assert said(spent_home, "ledger", "resolve", "6", "--cost", "0.1")["correction"]["before_usd"] == "0.50"
    assert spent_home.run("ledger", "verify").returncode == 0


def test_erasing_takes_the_name_out_of_messages_that_wait(spent_home: Aikeys) -> None:
    from aikeys.alerts.messages import AlertMessage
    from aikeys.alerts.outbox import put
    from aikeys.ledger.store import Ledger

    spent_home.run("alert", "add", "ops", "--command", "true")
    ledger = Ledger(str(spent_home.home)).open()
    with ledger.writing() as writer:
        put(
            writer,
            "budget:user:x:80",
            AlertMessage("budget", "ana reached 80 percent", "ana spent it", (("who", "user:ana"),)),
        )
    with ledger.reading() as connection:
        assert "ana" in connection.execute("SELECT message FROM outbox").fetchone()[0]
    ledger.close()
    assert spent_home.run("ledger", "erase", "--user", "ana", "--yes").returncode == 0
    with ledger.reading() as connection:
        assert "ana" not in connection.execute("SELECT message FROM outbox").fetchone()[0]
    ledger.close()
    assert spent_home.run("ledger", "verify").returncode == 0


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_a_full_disk_in_an_import_leaves_nothing_of_it(ready_home: Aikeys) -> None:
    before = ready_home.run("ledger", "head").stdout
    path = ready_home.folder / "in.jsonl"
    path.write_text("".join(json.dumps(LINE | {"id": str(number)}) + "\n" for number in range(30_000)))
    done = subprocess.run(
        ready_home.argv("ledger", "import", str(path)), env=ready_home.env(), capture_output=True, text=True,
        check=False, preexec_fn=limited, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "full" in done.stderr
    assert ready_home.run("ledger", "head").stdout == before
    assert ready_home.run("ledger", "verify").returncode == 0


def test_ctrl_c_in_an_import_leaves_whole_pieces_and_the_same_command_goes_on(ready_home: Aikeys) -> None:
    path, count = ready_home.folder / "in.jsonl", 20_000
    path.write_text("".join(json.dumps(LINE | {"id": str(number)}) + "\n" for number in range(count)))
    process = subprocess.Popen(
        ready_home.argv("ledger", "import", str(path)), env=ready_home.env(), stderr=subprocess.PIPE, text=True
    )
    log = ready_home.home / "ledger.db-wal"
    while process.poll() is None and not (log.exists() and log.stat().st_size > 0):
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command again takes the rest, each call once" in said
    assert ready_home.run("ledger", "verify").returncode == 0
    done = json.loads(ready_home.run("ledger", "import", str(path), "--json").stdout)
    assert (done["imported"] + done["known"], done["imported"] > 0, done["known"] > 0) == (count, True, True)
    assert ready_home.run("ledger", "verify").returncode == 0
