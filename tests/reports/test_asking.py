"""Questions to a ledger: days and hours across zones and clock changes, erased people, comparisons, what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys import clock
from aikeys.errors import CannotDecide, UsageError
from aikeys.ledger.calls import Context, Labels
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.store import Act, Ledger
from aikeys.providers.usage import Usage as Tokens
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from aikeys.reports.values import Report
from tests.reports.conftest import NOW_US, OPENAI, USD, Make, call, us

OCT = RangeWords(month="2026-10")


def keys(report: Report) -> dict[tuple[str, ...], int]:
    return {row.keys: row.figures.cost_pusd for row in report.rows}


def test_a_missing_ledger_cannot_be_reported_on(tmp_path: Path) -> None:
    with pytest.raises(CannotDecide, match="there is no ledger at") as refused:
        asking.opened(Ledger(str(tmp_path / "nowhere")))
    assert refused.value.exit_status == 23
    assert refused.value.hint


def test_an_empty_ledger_gives_an_empty_report_with_zeros_and_every_cost_source(make_ledger: Make) -> None:
    report = asking.report(make_ledger([]), ReportRequest("cost", ("team",)), NOW_US)
    assert report.rows == ()
    assert not any(report.total)
    assert [source for source, _ in report.coverage.sources] == [
        "billed", "computed", "estimated", "worst_case", "unpriced",
    ]  # fmt: skip
    assert (report.forecast, report.newest_us, report.prices) == (None, None, ())


def test_the_hour_that_comes_twice_is_two_hours_and_the_day_has_25(make_ledger: Make) -> None:
    berlin = "2026-10-25T0"
    first = us(f"{berlin}1:30") + 3_600_000_000  # 02:30 summer time
    calls = [
        call(f"{berlin}1:30", OPENAI, Tokens(), 1),
        call(f"{berlin}1:30", OPENAI, Tokens(), 10)._replace(at_us=first),
        call(f"{berlin}1:30", OPENAI, Tokens(), 100)._replace(at_us=first + 3_600_000_000),  # 02:30 winter time
        call(f"{berlin}3:30", OPENAI, Tokens(), 1000),
    ]
    ledger = make_ledger(calls)
    found = asking.report(ledger, ReportRequest("cost", ("hour",), typed=RangeWords("2026-10")), NOW_US)
    assert [(row.keys[0], row.figures.cost_pusd) for row in found.rows] == [
        ("2026-10-25T01:00+02:00", 1), ("2026-10-25T02:00+02:00", 10), ("2026-10-25T02:00+01:00", 100),
        ("2026-10-25T03:00+01:00", 1000),
    ]  # fmt: skip
    day = RangeWords(since="2026-10-25", until="2026-10-25")
    assert keys(asking.report(ledger, ReportRequest("cost", ("day",), typed=day), NOW_US)) == {("2026-10-25",): 1111}


def test_another_zone_has_days_of_its_own(make_ledger: Make) -> None:
    calls = [
        call("2026-10-05T00:30", OPENAI, Tokens(), 1),  # 22:30 UTC, 18:30 New York, 04:00 Kolkata
        call("2026-10-05T05:59", OPENAI, Tokens(), 10),  # 03:59 UTC, 23:59 New York
        call("2026-10-05T20:15", OPENAI, Tokens(), 100),  # 23:45 Kolkata
        call("2026-10-05T20:45", OPENAI, Tokens(), 1000),  # 00:15 Kolkata the day after
    ]
    ledger = make_ledger(calls)
    expected = {
        "": {"2026-10-05": 1111},
        "UTC": {"2026-10-04": 1, "2026-10-05": 1110},
        "America/New_York": {"2026-10-04": 11, "2026-10-05": 1100},
        "Asia/Kolkata": {"2026-10-05": 111, "2026-10-06": 1000},
    }
    for zone, days in expected.items():
        report = asking.report(ledger, ReportRequest("cost", ("day",), (), RangeWords("2026-10"), zone), NOW_US)
        assert {row.keys[0]: row.figures.cost_pusd for row in report.rows} == days, zone
    half = asking.report(ledger, ReportRequest("cost", ("hour",), (), RangeWords("2026-10"), "Asia/Kolkata"), NOW_US)
    assert [row.keys[0][11:] for row in half.rows] == ["04:00+05:30", "09:00+05:30", "23:00+05:30", "00:00+05:30"]


def test_an_unknown_zone_is_refused(make_ledger: Make) -> None:
    with pytest.raises(UsageError, match="'Mars/Olympus' is not a time zone"):
        asking.report(make_ledger(), ReportRequest("cost", ("team",), zone="Mars/Olympus"), NOW_US)


def test_weeks_begin_on_monday_and_have_the_number_of_their_thursday(make_ledger: Make) -> None:
    days = ("2024-12-29", "2024-12-30", "2025-12-28", "2025-12-29", "2026-01-04", "2026-01-05")
    ledger = make_ledger([call(f"{day}T12:00", OPENAI, Tokens(), 1) for day in days])
    found = asking.report(ledger, ReportRequest("cost", ("week",), typed=RangeWords(since="2024-01-01")), NOW_US)
    assert keys(found) == {
        ("2024-W52",): 1, ("2025-W01",): 1, ("2025-W52",): 1, ("2026-W01",): 2, ("2026-W02",): 1,
    }  # fmt: skip


def test_an_erased_person_is_shown_as_erased_and_still_counted(make_ledger: Make) -> None:
    people = [OPENAI._replace(labels=Labels("t", user=name)) for name in ("ana", "ben", "cleo", "")]
    ledger = make_ledger([call("2026-10-05T12:00", who, Tokens(), 10**at) for at, who in enumerate(people)])
    with ledger.writing() as writer:
        writer.connection.execute("UPDATE person SET name = NULL, salt = NULL WHERE name IN ('ana', 'cleo')")
    report = asking.report(ledger, ReportRequest("cost", ("user",), typed=OCT), NOW_US)
    assert keys(report) == {("erased",): 101, ("ben",): 10, ("",): 1000}
    assert report.total.cost_pusd == 1111
    only = asking.report(ledger, ReportRequest("cost", ("user",), (("user", ("erased",)),), OCT), NOW_US)
    assert keys(only) == {("erased",): 101}


def test_filters_of_one_group_are_alternatives_and_groups_narrow_down(make_ledger: Make) -> None:
    ledger = make_ledger()
    where = (("team", ("support", "search")), ("model", ("openai/gpt-5",)))
    assert {
        row.keys[0] for row in asking.report(ledger, ReportRequest("cost", ("team",), where, OCT), NOW_US).rows
    } == {"support"}
    nothing = asking.report(ledger, ReportRequest("cost", ("team",), (("team", ("nobody",)),), OCT), NOW_US)
    assert (nothing.rows, nothing.total.cost_pusd) == ((), 0)


def test_a_comparison_shows_groups_that_came_and_went(make_ledger: Make) -> None:
    old, new = OPENAI._replace(labels=Labels("old")), OPENAI._replace(labels=Labels("new"))
    ledger = make_ledger(
        [call("2026-09-10T12:00", old, Tokens(), 7), call("2026-09-11T12:00", OPENAI, Tokens(), 5),
         call("2026-10-10T12:00", OPENAI, Tokens(), 6), call("2026-10-11T12:00", new, Tokens(), 3)]
    )  # fmt: skip
    report = asking.report(ledger, ReportRequest("cost", ("team",), typed=OCT, compare=True), NOW_US)
    assert [(row.keys, row.figures.cost_pusd, row.previous_pusd) for row in report.rows] == [
        (("support",), 6, 5), (("new",), 3, 0), (("old",), 0, 7),
    ]  # fmt: skip
    assert report.previous is not None
    assert report.previous.total.cost_pusd == 12 == sum(row.previous_pusd or 0 for row in report.rows)
    assert report.total.cost_pusd == 9
    with pytest.raises(UsageError, match="--compare cannot stand beside a time"):
        asking.report(ledger, ReportRequest("cost", ("team", "day"), typed=OCT, compare=True), NOW_US)


def test_the_rest_of_a_top_is_one_row_at_the_end(make_ledger: Make) -> None:
    models = [OPENAI._replace(model=f"openai/m{cost}") for cost in (4, 9, 1, 6)]
    ledger = make_ledger([call("2026-10-05T12:00", who, Tokens(1), int(who.model[-1])) for who in models])
    report = asking.report(ledger, ReportRequest("cost", ("model",), typed=OCT, top=2, trend=True), NOW_US)
    assert [(row.keys[0], row.figures.cost_pusd, row.others) for row in report.rows] == [
        ("openai/m9", 9, 0), ("openai/m6", 6, 0), ("", 5, 2),
    ]  # fmt: skip
    assert report.total.cost_pusd == 20
    assert [sum(row.trend) for row in report.rows] == [9, 6, 5]


def test_exec_runs_of_the_range_are_counted_and_no_others(make_ledger: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = ["2026-09-30T23:59", "2026-10-01T00:00", "2026-10-31T23:59", "2026-11-01T00:00"]
    ledger = make_ledger(runs=runs)
    monkeypatch.setattr(clock, "now_us", lambda: us("2026-10-15T12:00"))
    ledger.event(Act("exec", "openai", "program=python"), "denied")
    ledger.event(Act("reveal", "openai"))
    report = asking.report(ledger, ReportRequest("cost", ("team",), typed=OCT), NOW_US)
    assert report.coverage.runs == (2, True)


def test_coverage_keeps_the_cost_sources_apart(make_ledger: Make) -> None:
    report = asking.report(make_ledger(), ReportRequest("cost", ("team",), typed=OCT), NOW_US)
    known = {source: (figures.requests, figures.cost_pusd) for source, figures in report.coverage.sources}
    assert known["billed"] == (1, 31 * USD // 1000)
    assert known["worst_case"] == (1, 5 * USD)
    assert known["unpriced"] == (1, 0)
    assert report.coverage.unpriced.input == 700
    assert report.prices == ("2026-10-01:bundled",)


def test_this_month_has_a_forecast_from_whole_days_before_today(make_ledger: Make) -> None:
    spent = {"2026-10-30": 4, "2026-10-31": 8, "2026-11-01": 2, "2026-11-03": 6, "2026-11-05": 100}
    ledger = make_ledger([call(f"{day}T10:00", OPENAI, Tokens(), cost) for day, cost in spent.items()])
    report = asking.report(ledger, ReportRequest("cost", ("team",)), NOW_US)
    # six days since the first call, 4 8 2 0 6 0: median 3, quartiles 0.5 and 5.5; 25 days to come
    assert report.total.cost_pusd == 108
    assert report.forecast is not None
    assert report.forecast == (108 + 25 * 3, 108, 108 + 25 * 5, 6)
    assert asking.report(ledger, ReportRequest("cost", ("team",), typed=OCT), NOW_US).forecast is None


def test_latency_is_that_of_the_calls_and_leaves_out_what_nobody_measured(make_ledger: Make) -> None:
    report = asking.latency(make_ledger(), ReportRequest("latency", ("model",), typed=OCT), NOW_US)
    rows = {row.keys[0]: row for row in report.rows}
    claude, gpt = rows["anthropic/claude-sonnet-4-5"], rows["openai/gpt-5"]
    assert claude.whole == (2, 4000, 9000, 9000)
    assert gpt.whole == (5, 1000, 2500, 2500)
    assert gpt.first_token == (4, 200, 600, 600)


def test_an_unusual_day_is_found_and_its_spender_named(make_ledger: Make) -> None:
    quiet = [call(f"2026-10-{day:02d}T10:00", OPENAI, Tokens(), USD) for day in range(1, 20)]
    loud = call("2026-10-20T10:00", OPENAI, Tokens(), 50 * USD)
    report = asking.anomalies(make_ledger([*quiet, loud]), ReportRequest("anomalies", (), typed=OCT), NOW_US)
    assert [(str(row.scope), row.spent_pusd, row.median_pusd) for row in report.rows] == [
        ("all", 50 * USD, USD), ("key:openai", 50 * USD, USD), ("model:openai/gpt-5", 50 * USD, USD),
    ]  # fmt: skip
    assert dict(report.rows[0].top)["user"] == "ana"


def test_context_words_with_line_ends_and_equals_signs_are_no_other_tags(make_ledger: Make) -> None:
    tagged = Context(Labels(tags=(("client", "a=b"), ("clientele", "z"))), model="p/m", price="client=c")
    ledger = make_ledger([call("2026-10-05T12:00", tagged, Tokens(), 5)], tags=["client"])
    for by in (("tag:client",), ("tag:client", "token")):
        assert keys(asking.report(ledger, ReportRequest("cost", by, typed=OCT), NOW_US)) == {
            ("a=b", "")[: len(by)]: 5,
        }
