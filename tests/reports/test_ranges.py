"""Which days a report is about."""

from __future__ import annotations

from datetime import date

import pytest

from aikeys.errors import UsageError
from aikeys.ledger.calendar import date_of, number_of
from aikeys.reports.ranges import DayRange, RangeWords, before, month_of, span_of

TODAY = number_of(date(2026, 11, 23))


def days(typed: RangeWords) -> tuple[str, str]:
    span = span_of(typed, TODAY)
    return str(date_of(span.first)), str(date_of(span.last))


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
        (RangeWords(since="last-month"), ("2026-10-01", "2026-11-23")),
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
        (RangeWords(since="2026-11-24"), "2026-11-24 lies in the future: today is 2026-11-23"),
        (RangeWords(month="2026-12"), "the month 2026-12 lies in the future: today is 2026-11-23"),
        (
            RangeWords(since="2026-11-10", until="2026-11-09"),
            "the range ends (2026-11-09) before it begins (2026-11-10)",
        ),
        (RangeWords(since="30d", until="2020-01-01"), "the range ends (2020-01-01) before it begins (2026-10-25)"),
        (RangeWords(until="2027-01-15"), "2027-01-01 lies in the future: today is 2026-11-23"),
        (RangeWords(since="2026-02-30"), "--since 2026-02-30 is not in the calendar"),
        (RangeWords(month="2026-13"), "--month 2026-13 is not in the calendar"),
        (RangeWords(month="2026-1"), "--month '2026-1' is not a month"),
        (RangeWords(month="2026-10", since="30d"), "--month says the range alone"),
        (RangeWords(since="yesterday"), "--since 'yesterday' is not a date"),
        (RangeWords(since="0d"), "--since '0d' is not a date"),
        (RangeWords(since="-5d"), "--since '-5d' is not a date"),
        (RangeWords(since="²d"), "--since '\\xb2d' is not a date"),
        (RangeWords(since=""), "--since '' is not a date"),
        (RangeWords(until="30d"), "--until '30d' is not a date"),
        (RangeWords(since="0001-01-01"), "--since 0001-01-01 is out of range"),
        (RangeWords(until="9999-12-31"), "--until 9999-12-31 is out of range"),
    ],
)
def test_what_is_no_range_is_refused_in_one_sentence(typed: RangeWords, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        span_of(typed, TODAY)
    assert refused.value.message == words
    assert refused.value.hint


def test_a_month_is_compared_with_the_month_before_and_a_running_one_with_as_many_days() -> None:
    october, november = month_of(number_of(date(2026, 10, 5))), month_of(TODAY)
    assert before(october, TODAY) == month_of(number_of(date(2026, 9, 1)))
    assert before(november, TODAY) == DayRange(october.first, october.first + 23)
    march = month_of(number_of(date(2026, 3, 31)))
    assert before(march, number_of(date(2026, 3, 30))) == month_of(number_of(date(2026, 2, 1)))


def test_any_other_range_is_compared_with_as_many_days_before_it() -> None:
    week = DayRange(TODAY - 6, TODAY + 1)
    assert before(week, TODAY) == DayRange(TODAY - 13, TODAY - 6)
