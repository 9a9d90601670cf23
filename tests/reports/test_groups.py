"""What a report can be grouped and filtered by."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.reports.groups import filters_of, groups_of


def test_groups_and_filters_are_read() -> None:
    assert groups_of("team, model,day,tag:client") == ("team", "model", "day", "tag:client")
    assert filters_of(["team=a", "team=b=c", "user="]) == (("team", ("a", "b=c")), ("user", ("",)))


@pytest.mark.parametrize("text", ["", "team,", "teem", "tag:", "team,team", "source", "TEAM"])
def test_an_unknown_group_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        groups_of(text)


def test_a_misspelt_group_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="--by does not know 'teem'") as refused:
        groups_of("teem")
    assert refused.value.hint.startswith("did you mean team?")


@pytest.mark.parametrize("text", ["team", "day=2026-10-01", "=x", "tag:=x"])
def test_a_filter_without_a_group_or_over_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        filters_of([text])
