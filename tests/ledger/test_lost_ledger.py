"""What was spent in a ledger that is lost is unknown, and everything says so until it is put back or settled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock
from aikeys.budgets.booking import book as booking
from aikeys.budgets.check import budget_states_of, checked
from aikeys.budgets.verify import verify_all
from aikeys.budgets.who import parse_who
from aikeys.errors import UsageError
from aikeys.ledger import archive
from aikeys.ledger.listing import call_at
from aikeys.ledger.lost_ledgers import find, settle
from aikeys.ledger.store import Act
from aikeys.ledger.verify import Known
from tests.conftest import Aikeys
from tests.ledger.conftest import DAY_US, START_US, Book, Clock, call

NOT_KNOWN = "is not known: the ledger of that time was lost, and its limits with it"
WAY_OUT = "aikeys ledger resolve new-ledger --cost USD"


def begin_anew(book: Book) -> None:
    intent = book.ledger.intent(Act("new-ledger", "vault", "instead_of=00"), b"v" * 16, 7)
    book.ledger.outcome(intent.number, "ok", b"m" * 64)


def test_what_is_settled_is_a_call_of_nobody_at_that_time_and_is_said_no_longer(book: Book, ticking: Clock) -> None:
    book.act()
    begin_anew(book)
    ticking.move(3 * DAY_US)
    with book.ledger.reading() as connection:
        found = find(connection)
        assert found == (2, START_US)
        assert find(connection, START_US - 1) == found
        assert find(connection, START_US) is None, "what began afterwards is known"
    with book.ledger.writing() as writer:
        lost, number = settle(writer, 5 * 10**12, booking)
    assert (lost, number) == (found, 4)
    with book.ledger.reading() as connection:
        assert find(connection) is None
        one = call_at(connection, book.ledger, 4)
    assert one is not None
    assert (one.call.at_us, one.call.cost_pusd, one.call.cost_source) == (START_US, 5 * 10**12, "estimated")
    assert one.call.context.labels == ("", "", "", "", ())
    assert book.ledger.entries(1)[0][0].detail == "lost=2 entry=4 cost_usd=5.00"
    verify_all(book.ledger, Known())
    with pytest.raises(UsageError, match="stands for no lost one"), book.ledger.writing() as writer:
        settle(writer, 1, booking)
    begin_anew(book)
    with book.ledger.writing() as writer:
        assert settle(writer, 0, booking)[1] == 0, "nothing spent is an act alone"
    verify_all(book.ledger, Known())


def test_the_act_is_not_archived_before_it_is_settled(book: Book, ticking: Clock) -> None:
    book.record(call())
    begin_anew(book)
    ticking.move(DAY_US)
    with pytest.raises(UsageError, match="entry 2 stays until it is settled"):
        archive.last_before(book.ledger, ticking.now_us, 1 << 60)
    with book.ledger.writing() as writer:
        settle(writer, 0, booking)
    assert archive.last_before(book.ledger, ticking.now_us, 1 << 60).number == 3


@pytest.fixture
def home(ready_home: Aikeys) -> Aikeys:
    """A home with a budget, a limited token and a day's spending, whose ledger is then lost."""
    assert ready_home.run("budget", "set", "org", "10").returncode == 0
    assert ready_home.run("token", "issue", "--name", "bounded", "--for", "app", "--budget", "5").returncode == 0
    spent = ready_home.folder / "spent.jsonl"
    at = clock.rfc3339(clock.now_s() - 2)
    spent.write_text(json.dumps({"id": "1", "at": at, "provider": "openai", "model": "gpt-5", "cost_usd": "7"}))
    assert ready_home.run("ledger", "import", str(spent)).returncode == 0
    return ready_home


def lose(home: Aikeys, aside: Path) -> str:
    aside.mkdir()
    for path in home.home.glob("ledger.db*"):
        shutil.move(path, aside)
    done = home.run("ledger", "import", "--new-ledger", "--yes")
    assert done.returncode == 0, done.stderr
    return done.stderr


def found(home: Aikeys, *words: str, status: int = 0) -> dict[str, Any]:
    done = home.run(*words, "--json")
    assert done.returncode == status, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


SAYING = {
    "report": ("report",), "usage": ("report", "usage", "--format", "markdown"), "latency": ("report", "latency"),
    "anomalies": ("report", "anomalies"), "csv": ("report", "--format", "csv"),
    "latency csv": ("report", "latency", "--format", "csv"), "focus": ("report", "--format", "focus"),
    "openmetrics": ("report", "--format", "openmetrics"), "log": ("log",), "top": ("top", "--once"),
    "list": ("budget", "list"),
}  # fmt: skip


def not_saying(home: Aikeys) -> set[str]:
    """Return what says nothing of the lost ledger."""
    ran = {name: home.run(*words) for name, words in SAYING.items()}
    return {name for name, done in ran.items() if NOT_KNOWN not in done.stdout + done.stderr}


def test_everything_says_so_until_it_is_settled(home: Aikeys, tmp_path: Path) -> None:
    said = lose(home, tmp_path / "aside")
    assert "all budgets and alerts of the lost ledger are gone" in said
    assert "refused from now on, issue new ones: bounded (" in said
    assert WAY_OUT in said
    missing = {
        name for name, words in SAYING.items() if NOT_KNOWN not in (done := home.run(*words)).stdout + done.stderr
    }
    assert missing == set()
    before = found(home, "report")["coverage"]["lost_ledger"]
    assert before == found(home, "report", "latency")["lost_ledger"] == found(home, "budget", "list")["lost_ledger"]
    assert before == found(home, "log")["lost_ledger"] == found(home, "top")["lost_ledger"]
    none = home.run("budget", "check")
    assert (none.returncode, NOT_KNOWN in none.stderr) == (23, True)
    assert home.run("budget", "set", "org", "10").returncode == 0
    undecided = home.run("budget", "check")
    assert undecided.returncode == 23
    assert WAY_OUT in undecided.stderr
    assert found(home, "budget", "check", status=23)["state"] == "undecided"
    assert found(home, "budget", "list")["budgets"][0]["state"] == "undecided"
    doctor = home.run("doctor", "--json")
    assert WAY_OUT in next(one for one in json.loads(doctor.stdout)["checks"] if one["name"] == "lost ledger")["hint"]

    settled = found(home, "ledger", "resolve", "new-ledger", "--cost", "7")
    assert (settled["new_ledger"]["cost_usd"], settled["new_ledger"]["before"]) == ("7.00", before["before"])
    assert not_saying(home) == SAYING.keys()
    report = found(home, "report")
    assert report["total"]["cost_usd"] == "7.00"
    checked_now = found(home, "budget", "check")
    assert (checked_now["state"], checked_now["budgets"][0]["spent_usd"]) == ("ok", "7.00")
    assert home.run("ledger", "resolve", "new-ledger", "--cost", "7").returncode == 2
    assert home.run("ledger", "verify").returncode == 0


def test_an_old_ledger_that_is_put_back_with_its_vault_says_nothing_of_it(home: Aikeys, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert home.run("backup", str(backup)).returncode == 0
    lose(home, tmp_path / "aside")
    for path in home.home.glob("ledger.db*"):
        path.unlink()
    for path in (tmp_path / "aside").iterdir():
        shutil.copy2(path, home.home)
    done = home.run("restore", str(backup), "--yes")
    assert done.returncode == 0, done.stderr
    report = found(home, "report")
    assert report["total"]["cost_usd"] == "7.00"
    assert "lost_ledger" not in report["coverage"]
    assert found(home, "budget", "check")["state"] == "ok"


def test_a_budget_of_a_time_after_the_loss_is_decided(book: Book, ticking: Clock) -> None:
    from tests.budgets.conftest import set_limit

    begin_anew(book)
    set_limit(book.ledger, "org", "10", "day")
    set_limit(book.ledger, "team:*", "10", "day")
    set_limit(book.ledger, "team:a", "10", "total")
    first = {(one.who, one.state) for one in budget_states_of(book.ledger, (), ticking.now_us)}
    assert first == {("org", "undecided"), ("team:*", "undecided"), ("team:a", "undecided")}
    ticking.move(2 * DAY_US)
    after, notes = checked(book.ledger, [parse_who("org")], ticking.now_us, None)
    assert [one.state for one in after] == ["ok"]
    assert notes == []
    later = {(one.who, one.state) for one in budget_states_of(book.ledger, (), ticking.now_us)}
    assert later == {("org", "ok"), ("team:*", "ok"), ("team:a", "undecided")}


@pytest.mark.parametrize("words", [("0", "--cost", "1"), ("abc", "--cost", "1"), ("new-ledger",), ("--cost", "1")])
def test_what_is_to_be_settled_is_a_number_or_the_new_ledger(ready_home: Aikeys, words: tuple[str, ...]) -> None:
    done = ready_home.run("ledger", "resolve", *words)
    assert (done.returncode, done.stdout) == (2, "")
