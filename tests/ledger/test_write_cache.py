"""What a busy writer remembers while others write: contexts stay, and whatever an act of others changed is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.budgets.booking import book
from aikeys.budgets.budget_cache import applying, whos_in
from aikeys.budgets.changes import set_budget
from aikeys.budgets.reservations import attempt
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who
from aikeys.ledger import token_acts
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Context
from aikeys.ledger.erasure import erase_person
from aikeys.ledger.rollups import declare_tag
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
from aikeys.ledger.write_cache import WriteCache, cached_writing
from tests.budgets.conftest import call_of, context_of, request_of


@pytest.fixture
def home(tmp_path: Path) -> tuple[Ledger, Ledger]:
    """Two connections to one ledger: the busy writer's and another's."""
    return Ledger(str(tmp_path)).open_or_create(b"L" * 16), Ledger(str(tmp_path)).open()


CONTEXT = context_of(user="ana", team="support", token="child")
TAGGED = CONTEXT._replace(labels=CONTEXT.labels._replace(tags=(("run", "7"),)))


def spend(ledger: Ledger, cache: WriteCache, context: Context) -> tuple[str, ...]:
    with cached_writing(ledger, cache) as writer:
        attempt(writer, request_of("1", user="ana"), "nobody", Calendar("UTC"), last=True)
        book(writer, call_of(context, "0.10", writer.now_us), Calendar("UTC"))
        applying(writer, whos_in(writer, context))
        return whos_in(writer, context)


def test_calls_of_others_leave_contexts_in_memory_and_make_counters_read_again(home: tuple[Ledger, Ledger]) -> None:
    mine, other = home
    with other.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(10**18, "month", "block", ()))
    cache = WriteCache()
    spend(mine, cache, CONTEXT)
    spend(other, WriteCache(), CONTEXT)
    seen: list[str] = []
    with mine.looking() as connection:
        connection.set_trace_callback(seen.append)
    spend(mine, cache, CONTEXT)
    assert not [text for text in seen if "FROM context" in text or "FROM person" in text or "FROM token" in text]
    assert [text for text in seen if "FROM counter" in text]
    verify(mine)
    verify_budgets(mine)


def test_a_counter_that_others_made_is_counted_on(home: tuple[Ledger, Ledger]) -> None:
    mine, other = home
    cache = WriteCache()
    budget_of_each_user(other)
    book_only(mine, cache)
    spend(other, WriteCache(), CONTEXT)  # the first reservation makes the counter
    book_only(mine, cache)
    verify_budgets(mine)


def book_only(ledger: Ledger, cache: WriteCache) -> None:
    with cached_writing(ledger, cache) as writer:
        book(writer, call_of(CONTEXT, "0.10", writer.now_us), Calendar("UTC"))


def erased(ledger: Ledger) -> None:
    erase_person(ledger, "ana")


def reparented(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        writer.act(Act(token_acts.ISSUE, "child", "parent=boss"))


def budget_of_each_user(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        set_budget(writer, parse_who("user:*"), Terms(10**18, "month", "block", ()))


def declared(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        declare_tag(writer, "run")


@pytest.mark.parametrize("change", [erased, reparented, budget_of_each_user, declared])
def test_an_act_of_others_that_changes_what_is_remembered_is_noticed(
    home: tuple[Ledger, Ledger], change: Callable[[Ledger], None]
) -> None:
    mine, other = home
    with other.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(10**18, "month", "block", ()))
    cache = WriteCache()
    before = spend(mine, cache, TAGGED)
    change(other)
    spend(other, WriteCache(), CONTEXT)  # and calls after it
    after = spend(mine, cache, TAGGED)
    with mine.reading() as connection:
        persons = {name: digest for digest, name in connection.execute("SELECT digest, name FROM person")}
    assert f"user:{persons['ana'].hex()}" in after
    assert ("token:boss" in after) is (change is reparented)
    assert (before == after) is (change in (budget_of_each_user, declared))
    verify(mine)
    verify_budgets(mine)
