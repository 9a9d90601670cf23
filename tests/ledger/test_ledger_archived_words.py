"""What is archived is called archived, never missing, and never left out without a word."""

from __future__ import annotations

import json

import pytest

from aikeys.cli.render.report_words import footing
from aikeys.errors import CannotDecide, NotFound
from aikeys.ledger import archive, listing
from aikeys.ledger.calendar import Calendar, date_of
from aikeys.ledger.corrections import correct
from aikeys.ledger.queries import reading
from aikeys.ledger.questions import SumQuery
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.recording import append_call
from aikeys.ledger.store import Ledger
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from tests.conftest import Aikeys
from tests.ledger.conftest import DAY_US, SIGNER, START_US, Book, Clock

FIRST = START_US // DAY_US


@pytest.fixture
def shortened(filled: Book, ticking: Clock) -> Book:
    """A ledger of four days whose first three are archived."""
    last = archive.last_before(filled.ledger, START_US + 3 * DAY_US - 1, 1 << 60)
    archive.remove(filled.ledger, archive.write(filled.ledger, last, SIGNER, str(filled.folder)), SIGNER)
    return filled


def test_an_archived_call_is_not_called_missing(shortened: Book) -> None:
    with shortened.ledger.reading() as connection:
        assert "entry 2 is archived" in listing.no_call(connection, shortened.ledger, 2).message
        assert "there is no call 99" in listing.no_call(connection, shortened.ledger, 99).message
    for number, words in ((2, "entry 2 is archived"), (99, "there is no call 99")):
        with pytest.raises(NotFound, match=words), shortened.ledger.writing() as writer:
            correct(writer, number, 5, append_call)


def test_hours_that_are_archived_name_the_last_archived_day(shortened: Book) -> None:
    asked = SumQuery(("token", "hour"), (), FIRST, FIRST + 9, Calendar("UTC"))
    with reading(shortened.ledger) as books, pytest.raises(CannotDecide, match=f"up to {date_of(FIRST + 2)} are"):
        books.sums(asked)
    with reading(shortened.ledger) as books:
        assert books.sums(asked._replace(first=FIRST + 3)).cells


def test_exec_runs_of_archived_days_are_not_counted_as_at_least_none(shortened: Book, ticking: Clock) -> None:
    def notes(month: str) -> str:
        found = asking.report(
            shortened.ledger, ReportRequest("cost", ("team",), typed=RangeWords(month)), ticking.now_us
        )
        return "\n".join(footing(found, None))

    assert "not in the total: at least 4 exec runs whose spending" in notes("2026-09")
    with shortened.by_hand() as connection:
        connection.execute("DELETE FROM entry WHERE act = 'exec'")
        connection.execute("DELETE FROM raw_runs")
    assert "at least 0" not in notes("2026-09")
    assert "exec runs of archived days" in notes("2026-09")


def test_commands_say_what_is_archived(ready_home: Aikeys) -> None:
    line = {"id": "1", "at": "2026-09-01T10:00:00Z", "provider": "openai", "model": "gpt-5", "cost_usd": "0.25"}
    (ready_home.folder / "in.jsonl").write_text(json.dumps(line))
    assert ready_home.run("ledger", "import", "in.jsonl").returncode == 0
    assert "archived" not in ready_home.run("ledger", "export").stderr
    ledger = Ledger(str(ready_home.home)).open()
    last = archive.last_before(ledger, 1 << 60, keep_from=4)
    archive.remove(ledger, archive.write(ledger, last, SIGNER, str(ready_home.folder)), SIGNER)
    ledger.close()
    done = ready_home.run("log", "3")
    assert done.returncode == 10
    assert "entry 3 is archived" in done.stderr
    for words in ((), ("--since", "2026-01-01"), ("--format", "csv")):
        assert (
            "entries up to 3 are archived and not in this export" in ready_home.run("ledger", "export", *words).stderr
        )
