"""The last minutes by a few labels, from calls as `aikeys log --json` has them."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.money import parse_usd
from aikeys.reports.recent import parse_by, recent


def call(team: str | None, usd: str, **more: object) -> dict[str, object]:
    return {
        "team": team, "model": "openai/gpt-5", "cost_usd": usd, "cost_source": "computed", "status": "ok",
        "input_tokens": 10, "output_tokens": 2, "corrects": None, "at": "2026-11-23T10:00:00.5Z", **more,
    }  # fmt: skip


def test_groups_are_the_dearest_first_and_add_up_to_the_total() -> None:
    rows, total = recent(
        [call("a", "0.10"), call(None, "0.000000000001"), call("b", "0.3"), call("a", "0.15")], ["team"]
    )
    assert [(one.keys, one.requests, one.cost_pusd) for one in rows] == [
        (("b",), 1, parse_usd("0.3")), (("a",), 2, parse_usd("0.25")), (("",), 1, 1),
    ]  # fmt: skip
    assert total.cost_pusd == sum(one.cost_pusd for one in rows)
    assert (total.requests, total.input, total.output) == (4, 40, 8)


def test_a_failure_is_a_request_and_a_correction_is_none() -> None:
    calls = [
        call("a", "0.10", status="server"),
        call("a", "-0.04", corrects=7, status="resolved", input_tokens=-5, at="2026-11-23T10:09:00Z"),
        call("a", "0.00", cost_source="unpriced"),
    ]
    ((row,), _) = recent(calls, ["team"])
    assert (row.requests, row.failed, row.unpriced, row.input) == (2, 1, 1, 15)
    assert row.cost_pusd == parse_usd("0.06")
    assert row.newest_at.startswith("2026-11-23T10:00")


def test_nothing_is_no_group() -> None:
    assert recent([], ("team", "model"))[0] == []


@pytest.mark.parametrize("text", ["", "tema", "team,team", "day", "team,,model"])
def test_a_group_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="--by"):
        parse_by(text)
