"""A ledger of format 1 with a row in every table is brought to this format, whatever happens meanwhile, and stays itself."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aikeys import sealing
from aikeys.budgets.verify import verify_all
from aikeys.errors import AikeysError, BadConfiguration
from aikeys.ledger import listing, migration
from aikeys.ledger.act_lines import act_row
from aikeys.ledger.migration_steps import from_format_1
from aikeys.ledger.receipts import parse_receipt
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import Known
from aikeys.storage import notices, sqlite
from tests.ledger.vectors import generate

HOME = generate.read("home", generate.V1)
KEPT = "ledger.db.format-1-00000000"
SUMS = "SELECT sum(requests), sum(cost_high), sum(cost_low), sum(input) FROM"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the old ledger."""
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    (folder / "ledger.db").write_bytes(HOME.ledger)
    (folder / "ledger.db").chmod(0o600)
    (tmp_path / "segment").write_bytes(HOME.segment)
    return folder


def check(folder: Path) -> Ledger:
    """Open a ledger; it is the one of the vector, unchanged in all that anybody has seen of it."""
    ledger = Ledger(str(folder)).open()
    signers = frozenset({bytes.fromhex(HOME.says["public-key"])})
    receipt = parse_receipt(HOME.says["receipt"])
    whole = verify_all(ledger, Known(signers, sealing.is_signed, (receipt,), (str(folder.parent / "segment"),)))
    assert (ledger.head(), whole.verdict.signed) == (receipt.head, int(HOME.says["signed-to"]))
    assert whole.budgets == int(HOME.says["budgets"])
    with ledger.reading() as connection:
        for table in ("rollup_day", "rollup_wide", "rollup_month"):
            found = connection.execute(f"{SUMS} {table}").fetchone()
            assert " ".join(map(str, found)) == HOME.says["sums"], table
    return ledger


def format_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT format FROM ledger").fetchone()[0])


def in_a_child(folder: Path, prepare: Callable[[], None]) -> int:
    """Open the ledger in a process of its own; return how it ended."""
    child = os.fork()
    if not child:
        try:
            prepare()
            Ledger(str(folder)).open()
            os._exit(0)
        except AikeysError as error:
            os._exit(error.exit_status)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(number: int) -> Callable[[], None]:
    """Let the process be killed as its statement of that number begins."""
    left = number

    def count(_statement: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def prepare() -> None:
        real = sqlite.connect

        def connect(path: str, *, read_only: bool = False, frozen: bool = False) -> sqlite3.Connection:
            connection = real(path, read_only=read_only, frozen=frozen)
            connection.set_trace_callback(count)
            return connection

        sqlite.connect = connect

    return prepare


def test_everything_is_as_it_was_and_the_old_one_stands_beside_it(home: Path) -> None:
    told: list[str] = []
    notices.listen(told.append)
    try:
        ledger = check(home)
    finally:
        notices.listen(None)
    assert [KEPT in text for text in told] == [False, True]
    assert "0.2 MiB" in told[1] or "MiB" in told[1]
    assert {path.name for path in home.iterdir()} >= {"ledger.db", KEPT}
    assert format_of(home / KEPT) == 1
    assert (home / KEPT).stat().st_mode & 0o777 == 0o600
    ledger.event(Act("exec", "openai", facts=(("program", "make it"),)))
    ledger.close()
    assert Ledger(str(home)).open().head().number == int(HOME.says["head"]) + 1
    assert len(told) == 2


def test_whoever_is_killed_at_any_statement_leaves_a_ledger_that_opens(home: Path) -> None:
    killed = 0
    for number in range(2, 400, 3):
        shutil.rmtree(home)
        home.mkdir(0o700)
        (home / "ledger.db").write_bytes(HOME.ledger)
        (home / "ledger.db").chmod(0o600)
        ended = in_a_child(home, killed_at(number))
        assert ended in (0, -signal.SIGKILL)
        killed += ended != 0
        check(home).close()
        assert not list(home.glob("*.part*"))
        if not ended:
            break
    assert killed > 20


def test_a_disk_without_room_stops_it_before_it_begins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(HOME.ledger)))
    before = (home / "ledger.db").read_bytes()
    with pytest.raises(sqlite.DiskFull, match=r"no room to bring it to format 2.*MiB are needed") as caught:
        Ledger(str(home)).open()
    assert "nothing was changed" in caught.value.hint
    assert (home / "ledger.db").read_bytes() == before
    assert not list(home.glob("*format*"))


@pytest.mark.parametrize("times", [0.4, 0.6, 0.8])
def test_a_disk_that_fills_meanwhile_leaves_it_as_it_was(home: Path, times: float) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = int(len(HOME.ledger) * times)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    assert in_a_child(home, limit) == 1
    assert format_of(home / "ledger.db") == 1
    check(home)


def test_two_processes_at_once_bring_it_up_once(home: Path) -> None:
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            try:
                Ledger(str(home)).open()
                os._exit(0)
            finally:
                os._exit(99)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    check(home)


def test_a_ledger_that_somebody_has_brought_up_meanwhile_is_taken_as_it_is(home: Path) -> None:
    check(home).close()
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        migration.migrate(connection, str(home / "ledger.db"))
    check(home)


def test_a_later_format_asks_for_another_aikeys(home: Path) -> None:
    check(home).close()
    with closing(sqlite3.connect(home / "ledger.db")) as connection, connection:
        connection.execute("UPDATE ledger SET format = 3")
    with pytest.raises(BadConfiguration, match="has ledger format 3, this aikeys knows 2") as caught:
        Ledger(str(home)).open()
    assert (caught.value.exit_status, caught.value.hint) == (14, "upgrade aikeys")


def test_what_format_1_said_of_a_call_reads_the_same(home: Path) -> None:
    ledger = check(home)
    with ledger.reading() as connection:
        calls = {one.number: one.call for one in listing.calls(connection, ledger)}
        ids = dict(
            connection.execute("SELECT call, id FROM imported WHERE call > (SELECT base FROM ledger)").fetchall()
        )
        assert ids
        for number, identity in ids.items():
            assert (calls[number].import_id, calls[number].request_id) == (identity, "")
        metered = [(number, one) for number, one in calls.items() if one.reservation and not one.corrects]
        assert len(metered) > 20
        for number, one in metered:
            assert listing.number_of_request(connection, one.reservation.hex()) == number
            if one.request_id.startswith("req_"):
                assert listing.number_of_request(connection, one.request_id) == number


def test_acts_of_both_formats_say_what_was_done(home: Path) -> None:
    ledger = check(home)
    ledger.event(Act("exec", "openai", facts=(("program", "make it"), ("token", "aa"))))
    with ledger.reading() as connection:
        rows = [act_row(*one) for one in listing.acts(connection, ledger)]
    assert (rows[-1]["detail"], rows[-1]["facts"]) == (
        "program=make it token=aa",
        {"program": "make it", "token": "aa"},
    )
    assert (rows[-2]["detail"], "facts" in rows[-2]) == ("program=after token=bb", False)


def test_a_step_that_fails_leaves_the_ledger_to_the_next_try(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: sqlite3.Connection) -> None:
        from_format_1(connection)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("aikeys.ledger.migration._STEPS", {1: half})
    with pytest.raises(sqlite.DiskFull):
        Ledger(str(home)).open()
    assert format_of(home / "ledger.db") == 1
    monkeypatch.undo()
    check(home)


def test_finding_a_call_or_an_act_walks_no_table(home: Path) -> None:
    with check(home).reading() as connection:
        for query in (
            "SELECT id FROM call WHERE corrects = 0 AND reservation = ? AND reservation <> x'' ORDER BY id DESC",
            "SELECT id FROM call WHERE corrects = 0 AND request_id = ? AND request_id <> '' ORDER BY id DESC",
            "SELECT id FROM call WHERE corrects = 0 AND message_id = ? AND message_id <> '' ORDER BY id DESC",
            "SELECT id FROM entry WHERE act = ? ORDER BY id DESC LIMIT 5",
            "SELECT id FROM entry WHERE actor = ? ORDER BY id DESC LIMIT 5",
            "SELECT id FROM entry WHERE person = ? ORDER BY id DESC LIMIT 5",
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", ("x",))]
            assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step], (query, plan)
