"""Every instant belongs to exactly one day, whatever the zone does to its clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import Damaged, UsageError
from aikeys.ledger.calendar import Calendar, date_of, number_of, period_end, period_start, typed_calendar

HOUR_US = 3_600_000_000
# midnight skipped (Sao Paulo 2018, Beirut, Cairo), repeated (Havana, Azores), days of 23.5 and 24.5 hours (Lord Howe)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/Havana",
         "Atlantic/Azores", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Pacific/Kiritimati")  # fmt: skip


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 10, 26), 24),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("UTC", date(2024, 2, 29), 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, day: date, hours: float) -> None:
    calendar, number = Calendar(zone), number_of(day)
    assert calendar.start_us(number + 1) - calendar.start_us(number) == hours * HOUR_US


def test_the_day_samoa_left_out_has_no_instant() -> None:
    calendar = Calendar("Pacific/Apia")
    missing = number_of(date(2011, 12, 30))
    before, after = at("2011-12-30T09:59:59+00:00"), at("2011-12-30T10:00:00+00:00")
    assert date_of(calendar.day_of(before)) == date(2011, 12, 29)
    assert date_of(calendar.day_of(after)) == date(2011, 12, 31)
    assert calendar.start_us(missing + 1) <= after
    assert calendar.start_us(missing) >= before


@given(st.sampled_from(ZONES), st.integers(0, 4_000_000_000_000_000))
def test_every_instant_is_within_its_day(zone: str, instant: int) -> None:
    calendar = Calendar(zone)
    day = calendar.day_of(instant)
    assert calendar.start_us(day) <= instant < calendar.start_us(day + 1)
    local = datetime.fromtimestamp(instant // 1_000_000, UTC).astimezone(ZoneInfo(zone)).date()
    assert abs(date_of(day) - local) <= timedelta(days=1)


@given(st.sampled_from(ZONES), st.integers(0, 45_000))
def test_days_follow_each_other_without_gaps_around_every_change(zone: str, day: int) -> None:
    calendar = Calendar(zone)
    start, end = calendar.start_us(day), calendar.start_us(day + 1)
    assert start <= end
    if start < end:
        assert [calendar.day_of(start), calendar.day_of(end - 1)] == [day, day]


def test_one_calendar_asked_back_and_forth_answers_the_same() -> None:
    calendar = Calendar("Europe/Berlin")
    instants = [at("2026-10-25T00:30:00+00:00"), at("2026-10-24T21:59:59+00:00"), at("2026-10-25T23:00:00+00:00")] * 2
    assert [calendar.day_of(each) for each in instants] == [Calendar("Europe/Berlin").day_of(each) for each in instants]


@pytest.mark.parametrize(
    ("period", "day", "start", "end"),
    [
        ("day", date(2024, 2, 29), date(2024, 2, 29), date(2024, 3, 1)),
        ("week", date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 30)),
        ("week", date(2026, 11, 22), date(2026, 11, 16), date(2026, 11, 23)),
        ("week", date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 4)),
        ("month", date(2024, 2, 29), date(2024, 2, 1), date(2024, 3, 1)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_period_begins_and_ends(period: str, day: date, start: date, end: date) -> None:
    first = period_start(period, number_of(day))
    last = period_end(period, first)
    assert last is not None
    assert (date_of(first), date_of(last)) == (start, end)


def test_total_is_one_period_without_an_end() -> None:
    assert (period_start("total", 20_000), period_end("total", 0)) == (0, None)


@pytest.mark.parametrize("zone", ["", "Europe", "Europe/Nowhere", "../etc/passwd", "Europe/Berlin\0"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(UsageError, match="is not a time zone"):
        typed_calendar(zone)
    with pytest.raises(Damaged, match="the ledger's time zone"):
        Calendar(zone)


@pytest.mark.parametrize("day", [1 << 62, -(1 << 62), 4_000_000])
def test_a_day_no_calendar_has_is_damage(day: int) -> None:
    with pytest.raises(Damaged, match=f"day {day}"):
        date_of(day)
