"""What stands in a report, a log and a check of budgets for a token that sees its own: nothing of anybody else.

Every question is asked of one ledger before and after others spend, set budgets and run programs: the answer is the
same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.booking import book
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import HIGHER, Who
from aikeys.errors import NotFound
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import UNPRICED, Call, Context, Labels
from aikeys.ledger.ranges import RangeWords
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.token_acts import ISSUE
from aikeys.providers.usage import Usage
from aikeys.reports import asking
from aikeys.reports.calls import CallRange, newest_calls, one_call
from aikeys.reports.own_budgets import BudgetQuestion, checked, listed
from aikeys.reports.usage import range_of, used
from aikeys.tokens.sight import EVERYTHING, Sight, sight_of
from tests.tokens.test_tokens_sight import ANA, SUPPORT, claims

USD = 10**12
NOW_US = 1_795_000_000 * 1_000_000
DAY_US = 86_400_000_000
BARE, LABELLED = claims(1), claims(2, SUPPORT, ANA)
RUN, CHILD, OTHER = "00000000000000aa", "00000000000000bb", "00000000000000cc"
SIGHTS = {"bare": sight_of(BARE, (), ["openai"]), "labelled": sight_of(LABELLED, (), ["openai"])}


def call(token: str, labels: Labels, pusd: int, number: int, **more: Any) -> Call:
    context = Context(
        labels, token, "openai", "openai", f"openai/{labels.team or 'none'}", door="gateway", price="p@v1"
    )
    at_us = NOW_US - DAY_US + number
    return Call(
        at_us, at_us + 1_000_000, context, Usage(100, 0, 0, 0, 20, 0), cost_pusd=pusd, latency_ms=5,
        reservation=bytes([number]) * 16, **more,
    )  # fmt: skip


OURS = Labels("support", "", "", "ana")
THEIRS = Labels("search", "secret-plan", "prod", "ben", (("client", "evil-corp"),))
OWN = {
    "bare": (
        call(BARE.shown_id, Labels(), 1 * USD, 1), call(RUN, Labels(project="x"), 2 * USD, 2),
        call(CHILD, Labels(), 4 * USD, 3),
    ),
    "labelled": (call(LABELLED.shown_id, OURS, 3 * USD, 4), call(OTHER, OURS, 5 * USD, 5)),
}  # fmt: skip
SUMS = {"bare": 7 * USD, "labelled": 8 * USD}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(str(tmp_path)).open_or_create(bytes(16), "UTC")
    with made.writing() as writer:
        writer.act(Act(ISSUE, BARE.shown_id, "expires=never"))
        writer.act(Act(ISSUE, RUN, f"parent={BARE.shown_id} metered=x"))
        writer.act(Act(ISSUE, CHILD, f"parent={RUN} expires=never"))
        writer.act(Act(ISSUE, LABELLED.shown_id, "expires=never"))
        for one in (*OWN["bare"], *OWN["labelled"]):
            book(writer, one, Calendar("UTC"))
    return made


def others_act(ledger: Ledger) -> None:
    """Spend, set budgets and run programs, as others do."""
    with ledger.writing() as writer:
        for who in (Who("team", "search"), Who("user", "ben"), Who("token", OTHER), Who("project", "secret-plan")):
            set_budget(writer, who, Terms(USD // 100))
        for number in range(40, 90):
            more = {"cost_source": UNPRICED, "unpriced": (("input", 100),)} if number % 2 else {}
            theirs = call(OTHER, THEIRS, USD, number, **more)
            book(writer, theirs._replace(at_us=theirs.at_us - 12 * DAY_US), Calendar("UTC"))
            book(writer, theirs, Calendar("UTC"))
        writer.act(Act("exec", "openai", "program=python"))
        writer.act(Act("exec", "openai", f"program=python token={OTHER}"))


def ask_report(ledger: Ledger, sight: Sight) -> Any:
    kinds = [
        asking.report(
            ledger, asking.ReportRequest("cost", by, (), RangeWords(), "", compare, trend=True, sight=sight), NOW_US
        )
        for by, compare in ((("team", "model"), False), (("token",), False), (("user",), True), (("day", "key"), False))
    ]
    return [repr(each) for each in kinds]


def ask_latency(ledger: Ledger, sight: Sight) -> Any:
    return repr(asking.latency(ledger, asking.ReportRequest("latency", ("model",), sight=sight), NOW_US))


def ask_anomalies(ledger: Ledger, sight: Sight) -> Any:
    return repr(asking.anomalies(ledger, asking.ReportRequest("anomalies", (), sight=sight), NOW_US))


def ask_focus(ledger: Ledger, sight: Sight) -> Any:
    return list(asking.focus_rows(ledger, asking.ReportRequest("cost", (), sight=sight), NOW_US, {}))


def ask_usage(ledger: Ledger, sight: Sight) -> Any:
    return repr(used(ledger, ("team", "user"), (), range_of("", "", Calendar("UTC"), NOW_US), sight))


def ask_log(ledger: Ledger, sight: Sight) -> Any:
    found = [one.fields for one in newest_calls(ledger, CallRange(100), sight)]
    name = "number" if sight == EVERYTHING else "id"
    return [*found, *(one_call(ledger, str(each[name]), sight) for each in found)]


def ask_check(ledger: Ledger, sight: Sight) -> Any:
    return repr([checked(ledger, BudgetQuestion((), share), NOW_US, sight) for share in (None, Decimal(0))])


def ask_list(ledger: Ledger, sight: Sight) -> Any:
    return listed(ledger, NOW_US, sight)


QUESTIONS: dict[str, Callable[[Ledger, Sight], Any]] = {
    "report": ask_report, "latency": ask_latency, "anomalies": ask_anomalies, "focus": ask_focus, "usage": ask_usage,
    "log": ask_log, "check": ask_check, "list": ask_list,
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("whose", SIGHTS)
def test_what_others_do_changes_no_answer(ledger: Ledger, whose: str, question: str) -> None:
    ask, sight = QUESTIONS[question], SIGHTS[whose]
    with ledger.writing() as writer:
        set_budget(writer, Who("org"), Terms(USD * 1000))  # far from any state but ok
    before = json.dumps(ask(ledger, sight))
    others_act(ledger)
    after = json.dumps(ask(ledger, sight))
    assert after == before
    assert after != json.dumps(ask(ledger, EVERYTHING))
    names = ("search", "secret-plan", "ben", "evil-corp", "prod", ledger.ledger_id.hex())
    assert not any(name in after for name in names if f'"{name}' in after or f"'{name}" in after)


@pytest.mark.parametrize("whose", SIGHTS)
def test_a_report_counts_a_tokens_own_calls_its_runs_and_its_childrens(ledger: Ledger, whose: str) -> None:
    others_act(ledger)
    for by in (("team", "model"), ("token",), (), ("day",), ("tag:client",)):
        found = asking.report(ledger, asking.ReportRequest("cost", by, sight=SIGHTS[whose]), NOW_US)
        assert found.total.cost_pusd == sum(row.figures.cost_pusd for row in found.rows) == SUMS[whose], by
        assert found.total.requests == len(OWN[whose])
    spent = used(ledger, ("model",), (), range_of("", "", Calendar("UTC"), NOW_US), SIGHTS[whose])
    assert spent.total.cost_pusd == SUMS[whose]


def test_a_report_says_what_it_is_narrowed_to_without_the_ids_of_every_run(ledger: Ledger) -> None:
    def where(whose: str) -> Any:
        return asking.report(ledger, asking.ReportRequest("cost", ("team",), sight=SIGHTS[whose]), NOW_US).head.where

    assert where("bare") == (("token", (BARE.shown_id,)),)
    assert where("labelled") == (("team", ("support",)), ("user", ("ana",)))


@pytest.mark.parametrize(
    ("whose", "asked"),
    [("labelled", ("team", "search")), ("labelled", ("team", "never-was")), ("labelled", ("user", "")),
     ("bare", ("token", OTHER)), ("bare", ("token", "0" * 16))],
)  # fmt: skip
def test_somebody_elses_is_not_found_as_what_never_was(ledger: Ledger, whose: str, asked: tuple[str, str]) -> None:
    with pytest.raises(NotFound) as refusal:
        asking.report(
            ledger, asking.ReportRequest("cost", ("team",), ((asked[0], (asked[1],)),), sight=SIGHTS[whose]), NOW_US
        )
    assert refusal.value.message == f"there is no such {asked[0]} for this token"


def test_a_child_is_found_by_its_id(ledger: Ledger) -> None:
    request = asking.ReportRequest("cost", ("model",), (("token", (CHILD,)),), sight=SIGHTS["bare"])
    assert asking.report(ledger, request, NOW_US).total.cost_pusd == 4 * USD


@pytest.mark.parametrize("whose", SIGHTS)
def test_ones_own_calls_are_named_by_request_id_and_others_are_not_found(ledger: Ledger, whose: str) -> None:
    others_act(ledger)
    sight = SIGHTS[whose]
    found = [one.fields for one in newest_calls(ledger, CallRange(100), sight)]
    assert [row["id"] for row in found] == [one.reservation.hex() for one in OWN[whose]]
    assert {row["number"] for row in found} == {None}
    everybodys = [one.fields for one in newest_calls(ledger, CallRange(500), EVERYTHING)]
    others = [str(row["number"]) for row in everybodys] + [bytes([40]).hex() * 16, "never-was", "f" * 32, ""]
    for name in others:
        with pytest.raises(NotFound, match=f"^there is no call {name}"):
            one_call(ledger, name, sight)
    assert one_call(ledger, bytes([40]).hex() * 16, EVERYTHING)["team"] == "search"
    assert one_call(ledger, str(everybodys[0]["number"]), EVERYTHING)["id"] == everybodys[0]["id"]


def test_raw_runs_of_ones_own_tokens_are_counted(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        writer.act(Act("exec", "openai", f"program=python token={CHILD}"))
        writer.act(Act("exec", "openai", f"program=python token={OTHER}"))
    with ledger.writing():
        pass
    request = asking.ReportRequest("cost", ("team",), (), RangeWords(since="2026-01-01"), sight=SIGHTS["bare"])
    from aikeys import clock

    assert asking.report(ledger, request, clock.now_us()).coverage.runs.known == 1


# --- budgets -------------------------------------------------------------------------------------------------------


def limit(ledger: Ledger, who: Who, usd: float) -> None:
    with ledger.writing() as writer:
        set_budget(writer, who, Terms(int(usd * USD)))


def states(ledger: Ledger, whose: str, *wanted: Who) -> list[tuple[str, str, int]]:
    found, _ = checked(ledger, BudgetQuestion(wanted), NOW_US, SIGHTS[whose])
    return [(one.who, one.state, one.spent_pusd // USD) for one in found]


def test_budgets_of_ones_own_are_told_in_full_and_those_above_in_one_line(ledger: Ledger) -> None:
    for who in (
        Who("team", is_each=True),
        Who("user", "ana"),
        Who("token", LABELLED.shown_id),
        Who("key", "openai"),
        Who("org"),
    ):
        limit(ledger, who, 100)
    limit(ledger, Who("key", "spare"), 0.001)
    others_act(ledger)
    assert states(ledger, "labelled") == [
        (f"token:{LABELLED.shown_id}", "ok", 3), ("team:support", "ok", 8), ("user:ana", "ok", 8),
        (HIGHER, "exceeded", 0),
    ]  # fmt: skip
    rows = listed(ledger, NOW_US, SIGHTS["labelled"])
    assert [row["who"] for row in rows] == [f"token:{LABELLED.shown_id}", "team:support", "user:ana", HIGHER]
    told = {name: value for name, value in rows[-1].items() if value is not None}
    assert told == {"who": HIGHER, "state": "exceeded"}


def test_budgets_of_children_are_ones_own(ledger: Ledger) -> None:
    limit(ledger, Who("token", CHILD), 1)
    limit(ledger, Who("token", OTHER), 1)
    assert states(ledger, "bare") == [(f"token:{CHILD}", "exceeded", 4)]
    assert states(ledger, "bare", Who("token", RUN)) == [(f"token:{RUN}", "undecided", 0)]


def test_a_token_that_no_budget_limits_says_what_it_spent_and_is_ok(ledger: Ledger) -> None:
    limit(ledger, Who("team", "search"), 0.001)
    (itself,), notes = checked(ledger, BudgetQuestion(), NOW_US, SIGHTS["bare"])
    assert (itself.who, itself.state, notes) == (f"token:{BARE.shown_id}", "ok", [])
    assert itself.reason == "no budget of its own; it spent $7.00 this month"


@pytest.mark.parametrize(
    "who",
    [Who("team", "search"), Who("team", "never-was"), Who("team", is_each=True), Who("user", "ben"), Who("token", OTHER),
     Who("key", "spare"), Who("org"), Who("token", is_each=True)],
    ids=str,
)  # fmt: skip
def test_a_budget_of_somebody_else_is_asked_for_in_vain(ledger: Ledger, who: Who) -> None:
    before = checked(ledger, BudgetQuestion([who]), NOW_US, SIGHTS["labelled"])
    assert [(one.who, one.state, one.reason) for one in before[0]] == [(str(who), "undecided", "there is no budget")]
    if who != Who("org"):
        limit(ledger, who, 0.001)
    others_act(ledger)
    assert checked(ledger, BudgetQuestion([who]), NOW_US, SIGHTS["labelled"]) == before


def test_the_organisation_asked_for_by_name_is_a_higher_limit(ledger: Ledger) -> None:
    limit(ledger, Who("org"), 1)
    assert states(ledger, "labelled", Who("org")) == [(HIGHER, "exceeded", 0)]
