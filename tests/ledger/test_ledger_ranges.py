"""Ranges of time as people write them: days for reports, instants for lists of entries."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from aikeys.clock import rfc3339
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar, date_of, number_of
from aikeys.ledger.ranges import DayRange, RangeWords, before, instants_of, month_of, span_of

TODAY = number_of(date(2026, 11, 23))
NOW_US = int(datetime(2026, 11, 23, 10, 30, 15, 999, UTC).timestamp()) * 1_000_000 + 999
ZONE = Calendar("UTC")
BERLIN = Calendar("Europe/Berlin")


def days(typed: RangeWords) -> tuple[str, str]:
    span = span_of(typed, ZONE, NOW_US)
    assert span.between is None
    return str(date_of(span.first)), str(date_of(span.last))


def told(between: tuple[int, int]) -> tuple[str, str]:
    start_us, end_us = between
    return rfc3339(start_us // 1_000_000), rfc3339(end_us // 1_000_000) if end_us < 1 << 62 else "-"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (RangeWords(), ("2026-11-01", "2026-11-30")),
        (RangeWords(month="2026-10"), ("2026-10-01", "2026-10-31")),
        (RangeWords(month="2024-02"), ("2024-02-01", "2024-02-29")),
        (RangeWords(month="2025-12"), ("2025-12-01", "2025-12-31")),
        (RangeWords(since="30d"), ("2026-10-25", "2026-11-23")),
        (RangeWords(since="1d"), ("2026-11-23", "2026-11-23")),
        (RangeWords(since="2w"), ("2026-11-10", "2026-11-23")),
        (RangeWords(since="2026-11-01"), ("2026-11-01", "2026-11-23")),
        (RangeWords(since="last-month"), ("2026-10-01", "2026-10-31")),
        (RangeWords(since="last-month", until="today"), ("2026-10-01", "2026-11-23")),
        (RangeWords(month="last"), ("2026-10-01", "2026-10-31")),
        (RangeWords(since="yesterday"), ("2026-11-22", "2026-11-23")),
        (RangeWords(since="yesterday", until="yesterday"), ("2026-11-22", "2026-11-22")),
        (RangeWords(since="today"), ("2026-11-23", "2026-11-23")),
        (RangeWords(until="yesterday"), ("2026-11-01", "2026-11-22")),
        (RangeWords(since="60d", until="30d"), ("2026-09-25", "2026-10-25")),
        (RangeWords(since="2026-10-05", until="2026-10-05"), ("2026-10-05", "2026-10-05")),
        (RangeWords(since="30d", until="2026-12-24"), ("2026-10-25", "2026-12-24")),
        (RangeWords(until="2026-10-10"), ("2026-10-01", "2026-10-10")),
        (RangeWords(since="99999d"), ("1971-01-01", "2026-11-23")),
    ],
)
def test_dates_are_inclusive_and_the_default_is_this_month(typed: RangeWords, expected: tuple[str, str]) -> None:
    assert days(typed) == expected


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (RangeWords(since="2026-11-24"), "--since 2026-11-24 lies in the future: today is 2026-11-23"),
        (RangeWords(month="2026-12"), "the month 2026-12 lies in the future: today is 2026-11-23"),
        (
            RangeWords(since="2026-11-10", until="2026-11-09"),
            "the range ends (2026-11-09) before it begins (2026-11-10)",
        ),
        (RangeWords(since="30d", until="2020-01-01"), "the range ends (2020-01-01) before it begins (2026-10-25)"),
        (RangeWords(until="2027-01-15"), "--until 2027-01-15 lies in the future: today is 2026-11-23"),
        (RangeWords(since="2026-02-30"), "--since '2026-02-30' is not a time"),
        (RangeWords(month="2026-13"), "--month '2026-13' is not a month"),
        (RangeWords(month="2026-1"), "--month '2026-1' is not a month"),
        (RangeWords(month="next"), "--month 'next' is not a month"),
        (RangeWords(month="2026-10", since="30d"), "--month says the range alone"),
        (RangeWords(month="2026-10", until=""), "--month says the range alone"),
        (RangeWords(since="tomorrow"), "--since 'tomorrow' is not a time"),
        (RangeWords(since="0d"), "--since '0d' is not a time"),
        (RangeWords(since="-5d"), "--since '-5d' is not a time"),
        (RangeWords(since="²d"), "--since '\\xb2d' is not a time"),
        (RangeWords(since=""), "--since '' is not a time"),
        (RangeWords(until="last-month"), "--until 'last-month' is not a time"),
        (RangeWords(until="123456d"), "--until '123456d' is not a time"),
        (RangeWords(since="2026-11-01T10:00:00"), "--since '2026-11-01T10:00:00' is not a time"),
        (RangeWords(since="0001-01-01"), "--since '0001-01-01' is not a time"),
        (RangeWords(since="0001-01-01T00:00:00Z"), "--since '0001-01-01T00:00:00Z' is not a time"),
        (RangeWords(until="9999-12-31"), "--until '9999-12-31' is not a time"),
        (
            RangeWords(since="2026-11-24T00:00:00Z"),
            "--since 2026-11-24T00:00:00Z lies in the future: today is 2026-11-23",
        ),
        (
            RangeWords(since="2h", until="3h"),
            "the range ends (2026-11-23T07:30:15Z) before it begins (2026-11-23T08:30:15Z)",
        ),
    ],
)
def test_what_is_no_range_is_refused_in_one_sentence(typed: RangeWords, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        span_of(typed, ZONE, NOW_US)
    assert refused.value.message == words
    assert refused.value.hint


def test_a_month_is_compared_with_the_month_before_and_a_running_one_with_as_many_days() -> None:
    october, november = month_of(number_of(date(2026, 10, 5))), month_of(TODAY)
    assert before(october, TODAY, ZONE) == month_of(number_of(date(2026, 9, 1)))
    assert before(november, TODAY, ZONE) == DayRange(october.first, october.first + 23)
    march = month_of(number_of(date(2026, 3, 31)))
    assert before(march, number_of(date(2026, 3, 30)), ZONE) == month_of(number_of(date(2026, 2, 1)))


def test_any_other_range_is_compared_with_as_many_days_before_it() -> None:
    week = DayRange(TODAY - 6, TODAY + 1)
    assert before(week, TODAY, ZONE) == DayRange(TODAY - 13, TODAY - 6)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (RangeWords(since="12h"), ("2026-11-22T22:30:15Z", "2026-11-24T00:00:00Z")),
        (RangeWords(since="90m", until="30m"), ("2026-11-23T09:00:15Z", "2026-11-23T10:00:15Z")),
        (
            RangeWords(since="2026-11-01T10:00:00+02:00", until="2026-11-02"),
            ("2026-11-01T08:00:00Z", "2026-11-03T00:00:00Z"),
        ),
        (
            RangeWords(since="2026-11-01", until="2026-11-02T06:00:00Z"),
            ("2026-11-01T00:00:00Z", "2026-11-02T06:00:00Z"),
        ),
    ],
)
def test_a_report_of_instants_holds_the_days_they_are_in(words: RangeWords, expected: tuple[str, str]) -> None:
    span = span_of(words, ZONE, NOW_US)
    assert span.between is not None
    assert told(span.between) == expected
    assert span.first == ZONE.day_of(span.between[0])
    assert span.end == ZONE.day_of(span.between[1] - 1) + 1


def test_instants_are_compared_with_as_much_time_before_them() -> None:
    span = span_of(RangeWords(since="3h", until="1h"), ZONE, NOW_US)
    earlier = before(span, TODAY, ZONE)
    assert earlier.between is not None
    assert told(earlier.between) == ("2026-11-23T05:30:15Z", "2026-11-23T07:30:15Z")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (RangeWords(), ("1970-01-01T00:00:00Z", "-")),
        (RangeWords(since="30d"), ("2026-10-24T10:30:15Z", "-")),
        (RangeWords(since="12h"), ("2026-11-22T22:30:15Z", "-")),
        (RangeWords(since="yesterday", until="yesterday"), ("2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z")),
        (RangeWords(until="2026-11-01"), ("1970-01-01T00:00:00Z", "2026-11-01T23:00:00Z")),
        (RangeWords(month="last"), ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z")),
        (RangeWords(since="last-month"), ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z")),
        (RangeWords(since="last-month", until="today"), ("2026-09-30T22:00:00Z", "2026-11-23T23:00:00Z")),
        (RangeWords(month="2026-11"), ("2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z")),
        (RangeWords(since="99999w"), ("1970-01-01T00:00:00Z", "-")),
    ],
)
def test_a_list_takes_the_same_words_and_days_of_the_ledgers_zone(words: RangeWords, expected: tuple[str, str]) -> None:
    assert told(instants_of(words, BERLIN, NOW_US)) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (RangeWords(since="2026-12-24"), "--since 2026-12-24 lies in the future"),
        (RangeWords(since="today", until="2h"), None),
        (RangeWords(since="1h", until="2h"), "--until 2h is before --since 1h"),
        (RangeWords(since="", until="2h"), "--since '' is not a time"),
        (RangeWords(month=""), "--month '' is not a month"),
        (RangeWords(until="soon"), "--until 'soon' is not a time"),
    ],
)
def test_a_list_refuses_what_is_no_range(words: RangeWords, said: str | None) -> None:
    if said is None:
        assert instants_of(words, ZONE, NOW_US)
        return
    with pytest.raises(UsageError) as refused:
        instants_of(words, ZONE, NOW_US)
    assert refused.value.message.startswith(said)
    assert refused.value.hint
