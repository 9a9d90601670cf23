"""A report's total is the sum of its rows and of the entries, to the pico-dollar, however it is asked."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys import clock
from aikeys.ledger import queries
from aikeys.ledger.calendar import Calendar, period_end, period_start
from aikeys.ledger.calls import COST_SOURCES, Call, Context, Labels
from aikeys.ledger.questions import CALLS, ROLL_UPS, Figures, SumQuery
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.rollups import declare_tag
from aikeys.ledger.store import Ledger
from aikeys.providers.usage import Usage
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from aikeys.reports.rows import total_of
from tests.reports.conftest import NOW_US, OCTOBER, ZONE, Make, fill, us

OCT = RangeWords(month="2026-10")
GROUPS = ("team", "project", "environment", "user", "key", "token", "provider", "model", "day", "week", "month", "hour",
          "tag:client", "tag:free")  # fmt: skip

names = st.sampled_from(["", "a", "b", "c=d"])
tags = st.sampled_from([(), (("client", "x"),), (("client", "y"), ("free", "z")), (("free", "client=x"),)])
contexts = st.builds(
    Context,
    st.builds(Labels, names, names, names, names, tags),
    token=names,
    key=names,
    provider=st.just("p"),
    model=st.sampled_from(["p/m", "p/n"]),
    price=st.sampled_from(["", "p/m@1:bundled input=3/2 output=7/1", "p/m@2:user input=0/1", "odd text"]),
)
usages = st.builds(
    Usage,
    *[st.integers(0, 10**6)] * 6,
    other=st.sampled_from([(), (("web_searches", 3),), (("input_audio_tokens", 5),)]),
)
costs = st.one_of(st.integers(-(10**6), 10**13), st.just(9 * 10**18))
instants = st.integers(us("2026-10-01T00:00"), us("2026-11-01T00:00") - 1)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    at_us = draw(instants)
    return Call(
        at_us, at_us + 5, draw(contexts), draw(usages), cost_pusd=draw(costs),
        cost_source=draw(st.sampled_from(COST_SOURCES)), status=draw(st.sampled_from(["ok", "died"])),
        corrects=draw(st.sampled_from([None, None, 1])), request_id=draw(st.sampled_from(["", "r"])),
    )  # fmt: skip


def figures(call: Call) -> Figures:
    usage, counts = call.usage, call.corrects is None
    written = usage.cache_write_5m + usage.cache_write_1h
    return Figures(
        int(counts), int(counts and call.status != "ok"), usage.input, usage.cache_read, written, usage.output,
        usage.reasoning, call.cost_pusd,
    )  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(calls(), max_size=12),
    st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3, unique=True),
    st.dictionaries(st.sampled_from(["team", "user", "key", "token", "model", "tag:client", "tag:free"]),
                    st.lists(st.sampled_from(["", "a", "c=d", "x", "p/m"]), min_size=1, max_size=2), max_size=2),
    st.sampled_from(["", "Asia/Kolkata", "UTC"]),
)  # fmt: skip
def test_every_question_has_the_total_of_the_entries(
    monkeypatch: pytest.MonkeyPatch,
    booked: list[Call],
    by: list[str],
    where: dict[str, list[str]],
    zone: str,
) -> None:
    monkeypatch.setattr(clock, "now_us", lambda: NOW_US)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder).open_or_create(bytes(16), ZONE)
        with ledger.writing() as writer:
            declare_tag(writer, "client")
        fill(ledger, booked)
        calendar = Calendar(zone or ZONE)
        span = (calendar.start_us(20_727), calendar.start_us(20_758))  # October 2026
        wanted = [call for call in booked if span[0] <= call.at_us < span[1] and matches(call, where)]
        filters = tuple((name, tuple(texts)) for name, texts in where.items())
        request = ReportRequest("cost", tuple(by), filters, OCT, zone)
        report = asking.report(ledger, request, NOW_US)
        expected = total_of(map(figures, wanted))
        assert report.total == expected
        assert total_of(row.figures for row in report.rows) == expected
        assert total_of(figures for _, figures in report.coverage.sources) == expected
        assert len({row.keys for row in report.rows}) == len(report.rows)
        top = asking.report(ledger, request._replace(top=1), NOW_US)
        assert total_of(row.figures for row in top.rows) == expected
        billed = sum_of_billed(asking.focus_rows(ledger, request, NOW_US, {}))
        assert billed == expected.cost_pusd
        ledger.close()


def matches(call: Call, where: dict[str, list[str]]) -> bool:
    labels = call.context.labels
    known = {**labels._asdict(), **call.context._asdict(), **{f"tag:{name}": value for name, value in labels.tags}}
    return all(known.get(name, "") in texts for name, texts in where.items())


def sum_of_billed(rows: Iterable[dict[str, str | None]]) -> int:
    return sum(exact(row["BilledCost"] or "") for row in rows)


def exact(text: str) -> int:
    whole, _, rest = text.removeprefix("-").partition(".")
    pusd = int(whole) * 10**12 + int(rest.ljust(12, "0"))
    return -pusd if text.startswith("-") else pusd


def test_all_groupings_of_october_have_the_same_total(make_ledger: Make) -> None:
    ledger = make_ledger(tags=["client"])
    found = {
        asking.report(ledger, ReportRequest("cost", by, typed=OCT), NOW_US).total
        for by in [(name,) for name in GROUPS] + [*itertools.combinations(("team", "token", "day", "tag:client"), 2)]
    }
    start, end = us("2026-10-01T00:00"), us("2026-11-01T00:00")
    assert found == {total_of(figures(call) for call in OCTOBER if start <= call.at_us < end)}


def test_sums_beyond_what_sqlite_can_add_are_right(make_ledger: Make) -> None:
    dear = [OCTOBER[1]._replace(cost_pusd=9 * 10**18) for _ in range(5)]
    ledger = make_ledger(dear)
    for by in (("team",), ("token",), ("team", "token"), ("hour",)):
        assert asking.report(ledger, ReportRequest("cost", by, typed=OCT), NOW_US).total.cost_pusd == 45 * 10**18


@pytest.mark.parametrize(
    ("by", "where", "zone", "read"),
    [
        (("team", "model"), (), "", ROLL_UPS),
        (("day", "week", "user"), (("key", ("openai",)),), "", ROLL_UPS),
        (("token",), (), "", ROLL_UPS),
        (("day", "token"), (("token", ("tok1", "")),), "", ROLL_UPS),
        (("tag:client",), (), "", ROLL_UPS),
        (("tag:other",), (), "", CALLS),
        (("token", "model"), (), "", CALLS),
        (("token", "tag:client"), (), "", CALLS),
        (("hour",), (), "", CALLS),  # its first hours are older than five weeks
        (("hour",), (), "America/New_York", ROLL_UPS),
        (("team",), (), "UTC", ROLL_UPS),
        (("token",), (), "UTC", CALLS),
        (("team",), (), "Asia/Kolkata", CALLS),
    ],
)
def test_roll_ups_answer_what_they_can_and_the_rest_is_said_to_be_read_from_the_calls(
    make_ledger: Make, by: tuple[str, ...], where: tuple[tuple[str, tuple[str, ...]], ...], zone: str, read: str
) -> None:
    ledger = make_ledger(tags=["client"])
    assert asking.report(ledger, ReportRequest("cost", by, where, OCT, zone), NOW_US).head.read == read


def test_roll_ups_and_calls_say_the_same(make_ledger: Make) -> None:
    ledger = make_ledger(tags=["client"])
    for by in (("token",), ("tag:client",), ("team", "day")):
        quick = asking.report(ledger, ReportRequest("cost", by, typed=OCT), NOW_US)
        slow = asking.report(ledger, ReportRequest("cost", (*by, "tag:nothing"), typed=OCT), NOW_US)
        assert (quick.head.read, slow.head.read) == (ROLL_UPS, CALLS)
        assert {row.keys: row.figures for row in quick.rows} == {row.keys[:-1]: row.figures for row in slow.rows}


def test_a_question_without_persons_reads_sums_that_do_not_grow_with_them(make_ledger: Make) -> None:
    ledger = make_ledger(OCTOBER)
    with queries.reading(ledger) as books:
        days = (books.first_day() or 0, 1 << 20)
        without = books.sums(SumQuery(("team",), (), *days, Calendar(ZONE)))
        with_them = books.sums(SumQuery(("team", "user"), (), *days, Calendar(ZONE)))
        assert (without.is_wide, with_them.is_wide) == (True, False)
        assert books.prices(without) == books.prices(with_them) != []
    assert sum(each.cost_pusd for each in without.cells.values()) == sum(
        each.cost_pusd for each in with_them.cells.values()
    )
    assert without.slots != with_them.slots


def test_whole_months_are_read_from_the_sums_by_month(make_ledger: Make) -> None:
    ledger = make_ledger(OCTOBER)
    with queries.reading(ledger) as books:
        day = books.first_day() or 0
        first, after = period_start("month", day), period_end("month", day)
        asked: list[str] = []
        books._connection.set_trace_callback(asked.append)
        found = []
        for span in ((first, after), (first + 1, after), (first, after - 1)):
            asked.clear()
            found.append(books.sums(SumQuery(("team",), (), *span, Calendar(ZONE))))
            assert any("rollup_month" in text for text in asked) == (span == (first, after))
        by_day = books.sums(SumQuery(("team", "day"), (), first, after, Calendar(ZONE)))
        books._connection.set_trace_callback(None)
    whole = {keys[0]: figures.cost_pusd for (keys, _), figures in found[0].cells.items()}
    days: dict[str, int] = {}
    for (keys, _), figures in by_day.cells.items():
        days[keys[0]] = days.get(keys[0], 0) + figures.cost_pusd
    assert {**whole} == days != {}
