"""The vault's hold on its ledger through archiving, killed and failed at every step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from aikeys import sealing
from aikeys.budgets.booking import book
from aikeys.errors import AikeysError, BadConfiguration, NotFound
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.schema import FORMAT
from aikeys.ledger.verify import Known, LedgerVerdict, verify
from aikeys.secret import Secret
from aikeys.vault.archiving import archive
from aikeys.vault.opening import Opened, Place, picture, place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.unlock import methods
from tests.conftest import ROOT
from tests.ledger.conftest import DAY_US, START_US, Clock, call

KEY = bytes(range(32))
CUT_US = START_US + 6 * DAY_US


def opened(place: Place) -> Opened:
    rows = picture(place)
    method = rows.methods[0]
    return Opened(rows, Secret(methods.open_with(method, KEY, rows.header)), method.id)


def checked(place: Place, *segments: str) -> LedgerVerdict:
    rows = picture(place)
    ledger = place.ledger.open()
    try:
        return verify(ledger, Known(frozenset({rows.header.signing_public}), sealing.is_signed, (), segments))
    finally:
        ledger.close()


@pytest.fixture
def place(tmp_path: Path, ticking: Clock) -> Place:
    """A vault whose ledger has calls of ten days."""
    place = place_of(str(tmp_path / "home"))
    make_vault(place, [methods.NewMethod(methods.KEY_FILE, "", KEY)])
    ledger = place.ledger.open()
    for _ in range(10):
        ticking.move(DAY_US)
        with ledger.writing() as writer:
            book(writer, call(ticking.now_us - 5, team="support", user="ana"), Calendar(ledger.zone))
    ledger.close()
    return place


def test_the_vault_opens_and_the_ledger_verifies_after_archiving(place: Place) -> None:
    segment = archive(place, opened(place), CUT_US, place.home)
    assert checked(place).first == segment.header.last + 1 > 1
    assert checked(place, segment.path).first == 1
    again = archive(place, opened(place), CUT_US + DAY_US, place.home)
    assert checked(place, again.path, segment.path).first == 1
    with pytest.raises(NotFound):
        archive(place, opened(place), CUT_US, place.home)


def test_what_the_vault_names_is_never_archived(place: Place, ticking: Clock) -> None:
    ticking.move(DAY_US)
    segment = archive(place, opened(place), ticking.now_us + DAY_US, place.home)
    assert segment.header.last < picture(place).manifest.ledger_count
    assert checked(place, segment.path).first == 1


STEPS = ("aikeys.ledger.archive.last_before", "aikeys.vault.writing._note_success", "aikeys.ledger.archive.write", "aikeys.ledger.archive.remove",
         "aikeys.ledger.segments.os.replace", "aikeys.ledger.store.Writer.checkpoint")  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_can_be_run_again(place: Place, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    ready = opened(place)
    with monkeypatch.context() as broken:
        broken.setattr(step, fail)
        with pytest.raises((OSError, AikeysError)):
            archive(place, ready, CUT_US, place.home)
    assert checked(place).first == 1
    segment = archive(place, opened(place), CUT_US, place.home)
    assert checked(place, segment.path).first == 1


KILLED = """
import os, signal, sys
from unittest.mock import patch
sys.path.insert(0, sys.argv[3])
from tests.ledger.test_ledger_and_vault import CUT_US, opened
from aikeys.vault.archiving import archive
from aikeys.vault.opening import place_of
place = place_of(sys.argv[1])
ready = opened(place)
with patch(sys.argv[2], lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)):
    archive(place, ready, CUT_US, place.home)
"""


@pytest.mark.parametrize(
    "step", [*STEPS[1:], "aikeys.ledger.archive._restate", "aikeys.ledger.archive.archived_digest"]
)
def test_a_process_killed_at_any_step_leaves_all_entries(place: Place, step: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, place.home, step, str(ROOT)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert checked(place).first == 1
    segment = archive(place, opened(place), CUT_US, place.home)
    assert checked(place, segment.path).first == 1
    assert picture(place).manifest.epoch >= 2


def test_a_ledger_of_a_newer_format_says_so(place: Place) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(place.ledger.path)) as connection, connection:
        connection.execute("UPDATE ledger SET format = ?", (FORMAT + 1,))
    with pytest.raises(BadConfiguration, match=f"has ledger format {FORMAT + 1}, this aikeys knows {FORMAT}"):
        place.ledger.open()


READER = """
import os, shlex, sys
sys.path.insert(0, sys.argv[2])
from aikeys.cli import app
app.load_all()
import aikeys.ledger.projections, aikeys.ledger.schema
from aikeys.errors import AikeysError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
Calendar("UTC"), Calendar(sys.argv[3])
os.setgroups([]), os.setgid(65534), os.setuid(65534)
ledger = Ledger(sys.argv[1]).open()
print(verify(ledger).head.number)
try:
    ledger.event(Act("exec", "openai"))
except AikeysError as error:
    print(error.exit_status, "readonly" in error.message)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_copy_that_cannot_be_written_still_verifies(place: Place) -> None:
    ledger = place.ledger.open()
    number, zone = ledger.head().number, ledger.zone
    ledger.truncate_log()
    ledger.close()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103
        copy = Path(folder, "ledger.db")
        copy.write_bytes(Path(place.ledger.path).read_bytes())
        copy.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", READER, folder, str(ROOT), zone],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.stdout.splitlines() == [str(number), "1 True"], done.stderr
