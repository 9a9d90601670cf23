"""What was archived still counts: reports say the same before and after, or say what they no longer know."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys import sealing
from aikeys.errors import CannotDecide
from aikeys.ledger import archive
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.store import Ledger, Signer
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from tests.reports.conftest import NOW_US, Make, us
from tests.reports.test_totals import OCT, sum_of_billed

PRIVATE = bytes(range(32))
SIGNER = Signer(sealing.signing_public(PRIVATE), lambda message: sealing.sign(PRIVATE, message))
RUNS = ["2026-10-03T12:00", "2026-10-30T12:00"]


def archive_to(ledger: Ledger, at: str, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    last = archive.last_before(ledger, us(at), 1 << 62)
    archive.remove(ledger, archive.write(ledger, last, SIGNER, str(folder)), SIGNER)


def test_sums_are_those_of_before(make_ledger: Make, tmp_path: Path) -> None:
    ledger = make_ledger(tags=["client"])
    questions = [
        ReportRequest("cost", by, where, OCT)
        for by in (("team", "model"), ("token",), ("tag:client",), ("token", "model"), ("day", "tag:other"))
        for where in ((), (("token", ("tok1", "")),))
    ]
    before = [asking.report(ledger, question, NOW_US) for question in questions]
    billed = sum_of_billed(asking.focus_rows(ledger, questions[0], NOW_US, {}))
    archive_to(ledger, "2026-10-21T00:00", tmp_path / "segments")
    for question, known in zip(questions, before, strict=True):
        found = asking.report(ledger, question, NOW_US)
        assert (found.rows, found.total) == (known.rows, known.total), question
        assert found.coverage.sources == known.coverage.sources
    rows = [*asking.focus_rows(ledger, questions[0], NOW_US, {})]
    assert sum_of_billed(rows) == billed
    archived = [row for row in rows if (row["ChargePeriodStart"] or "") < "2026-10-20"]
    assert archived
    assert {(row["ListUnitPrice"], row["SkuPriceId"]) for row in archived} == {(None, None)}


def test_hours_that_are_not_kept_are_refused_and_not_guessed(make_ledger: Make, tmp_path: Path) -> None:
    ledger = make_ledger()
    archive_to(ledger, "2026-10-21T00:00", tmp_path / "segments")
    for request in (
        ReportRequest("cost", ("hour", "token"), typed=OCT),
        ReportRequest("cost", ("token",), (), OCT, "UTC"),
    ):
        with pytest.raises(CannotDecide, match="are archived: only their days in Europe/Berlin are known"):
            asking.report(ledger, request, NOW_US)
    later = RangeWords(since="2026-10-22", until="2026-10-31")
    assert asking.report(ledger, ReportRequest("cost", ("hour", "token"), typed=later), NOW_US).total.requests == 3


def test_exec_runs_of_archived_days_are_counted_and_said_to_be_more(make_ledger: Make, tmp_path: Path) -> None:
    ledger = make_ledger(runs=RUNS)
    assert asking.report(ledger, ReportRequest("cost", ("team",), typed=OCT), NOW_US).coverage.runs == (2, True)
    archive_to(ledger, "2026-10-21T00:00", tmp_path / "segments")
    assert asking.report(ledger, ReportRequest("cost", ("team",), typed=OCT), NOW_US).coverage.runs == (2, False)
