"""What the ledger knows of tokens: made from acts, found when edited, kept through archives; who pays for a child."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock
from aikeys.budgets.booking import book
from aikeys.budgets.changes import set_budget
from aikeys.budgets.counters import ensure_counter, find_counter, made_counter, reserved_pusd, span_of, spent_pusd
from aikeys.budgets.decisions import Ask
from aikeys.budgets.reservations import Reservation, ReserveRequest, attempt, settle
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import Who
from aikeys.errors import Damaged, TokenRefused
from aikeys.ledger import token_acts
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Act, Ledger
from aikeys.ledger.verify import verify
from aikeys.vault import archiving
from aikeys.vault.tokens import issuing, revoking
from tests.vault.tokens_at_hand import MAY_ISSUE, Office

USD = 10**12


@pytest.fixture
def office(make_home: Any) -> Office:
    home = make_home()
    home.add("openai", "sk-A")
    return Office(home)


def ledger_of(office: Office) -> Ledger:
    return office.home.place.ledger.open()


def checked(office: Office) -> None:
    ledger = ledger_of(office)
    verify(ledger)
    verify_budgets(ledger)
    ledger.close()


def tree(office: Office) -> list[issuing.Issued]:
    """Return a token with a budget of 10 USD, its child and its grandchild."""
    root = office.issue(*MAY_ISSUE, budget_pusd=10 * USD)
    child = office.child(root, *MAY_ISSUE, budget_pusd=5 * USD)
    return [root, child, office.child(child)]


EDITS = [
    "UPDATE token SET parent = '' WHERE parent != ''",
    "UPDATE token SET revoked_us = 0",
    "UPDATE token SET revoked_us = 5 WHERE revoked_us = 0",
    "UPDATE token SET used_us = 5",
    "DELETE FROM token WHERE revoked_us > 0",
    "DELETE FROM token WHERE parent != ''",
    "INSERT INTO token VALUES ('00', '', 0, 0)",
    "INSERT INTO archived_token VALUES ('00', '', 0, 0)",
]
ARCHIVED_EDITS = [
    *EDITS,
    "UPDATE archived_token SET revoked_us = 0",
    "UPDATE archived_token SET parent = ''",
    "DELETE FROM archived_token WHERE revoked_us > 0",
]


def _edit(office: Office, statement: str) -> None:
    with closing(sqlite3.connect(office.home.ledger)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.mark.parametrize("statement", EDITS)
def test_an_edited_row_about_a_token_is_found(office: Office, statement: str) -> None:
    tree(office)
    revoking.revoke(office.home.place, [office.issue().claims.id])
    checked(office)
    _edit(office, statement)
    with pytest.raises(Damaged, match="token"):
        checked(office)


@pytest.fixture
def archived(office: Office, tmp_path: Path) -> tuple[Office, list[issuing.Issued], issuing.Issued]:
    """Return an office whose ledger has archived what was done so far, its tokens, and a revoked one."""
    tokens, gone = tree(office), office.issue()
    revoking.revoke(office.home.place, [gone.claims.id])
    archiving.archive(office.home.place, office.home.open(), clock.now_us() + 1, str(tmp_path))
    return office, tokens, gone


def test_an_archive_forgets_nothing_about_tokens(archived: Any) -> None:
    office, tokens, gone = archived
    with ledger_of(office).reading() as connection:
        assert connection.execute("SELECT count(*) FROM entry WHERE act = 'token issue'").fetchone() == (0,)
    checked(office)
    assert office.admit(tokens[2]).claims == tokens[2].claims
    office.run("DELETE FROM revocation")
    with pytest.raises(Damaged, match="revocation was removed"):
        office.admit(gone)
    later = office.child(tokens[1])
    revoking.revoke(office.home.place, [tokens[2].claims.id, gone.claims.id])
    checked(office)
    assert office.admit(later).claims == later.claims
    with pytest.raises(TokenRefused):
        office.admit(tokens[2])


def test_a_second_archive_adds_to_the_first(archived: Any, tmp_path: Path) -> None:
    office, tokens, _ = archived
    revoking.revoke(office.home.place, [tokens[1].claims.id])
    (tmp_path / "second").mkdir()
    archiving.archive(office.home.place, office.home.open(), clock.now_us() + 1, str(tmp_path / "second"))
    checked(office)
    with ledger_of(office).reading() as connection:
        kept = token_acts.read_tokens(connection, "archived_token")
    assert kept[tokens[1].claims.shown_id][1] == tokens[0].claims.shown_id
    assert kept[tokens[1].claims.shown_id][2] > 0
    _edit(office, "UPDATE archived_token SET revoked_us = 0")
    with pytest.raises(Damaged, match="token"):
        checked(office)


@pytest.mark.parametrize("statement", ARCHIVED_EDITS)
def test_an_edited_row_about_a_token_is_found_after_an_archive_too(archived: Any, statement: str) -> None:
    office, _, _ = archived
    _edit(office, statement)
    with pytest.raises(Damaged, match="token"):
        checked(office)


def test_both_tables_edited_alike_are_found_by_the_digest_in_the_chain(archived: Any) -> None:
    office, _, _ = archived
    for table in ("token", "archived_token"):
        _edit(office, f"UPDATE {table} SET revoked_us = 0")  # noqa: S608
    with pytest.raises(Damaged, match="archived entries say of tokens"):
        checked(office)


@pytest.mark.parametrize("act", token_acts.ACTS)
def test_an_attempt_that_was_denied_says_nothing_of_a_token(office: Office, act: str) -> None:
    mine = office.issue()
    ledger_of(office).event(Act(act, mine.claims.shown_id, "parent=0000000000000000"), "denied")
    assert office.admit(mine).claims == mine.claims
    checked(office)


def test_a_label_cannot_name_a_parent(office: Office) -> None:
    other = office.issue()
    mine = office.issue(labels=(("team", f"a parent={other.claims.shown_id}"), ("x parent", other.claims.shown_id)))
    with ledger_of(office).reading() as connection:
        assert token_acts.ancestors(connection, mine.claims.shown_id) == ()


# who pays


def context(token: issuing.Issued) -> Context:
    return Context(Labels(), token=token.claims.shown_id, key="openai", provider="openai", model="m", price="p")


def spend(office: Office, token: issuing.Issued, usd: int) -> None:
    ledger = ledger_of(office)
    with ledger.writing() as writer:
        call = Call(writer.now_us, writer.now_us, context(token), cost_pusd=usd * USD)
        book(writer, call, Calendar(ledger.zone))
    ledger.close()


def reserve(office: Office, token: issuing.Issued, usd: int) -> object:
    ledger = ledger_of(office)
    with ledger.writing() as writer:
        request = ReserveRequest(context(token), Ask(usd * USD, usd * USD))
        return attempt(writer, request, "test", Calendar(ledger.zone), last=True)


def totals(office: Office, tokens: list[issuing.Issued], of: Callable[..., int]) -> list[int]:
    with ledger_of(office).reading() as connection:
        return [of(connection, f"token:{each.claims.shown_id}", span_of("total", 0)) // USD for each in tokens]


def test_what_a_token_spends_counts_for_all_above_it(office: Office) -> None:
    tokens = tree(office)
    for token, usd in zip(tokens, (1, 2, 1), strict=True):
        spend(office, token, usd)
        checked(office)
    assert totals(office, tokens, spent_pusd) == [4, 3, 1]
    with ledger_of(office).reading() as connection:
        for each in tokens:
            who, span = f"token:{each.claims.shown_id}", span_of("total", 0)
            assert find_counter(connection, who, span) == made_counter(connection, who, span)


def test_a_reservation_counts_for_all_above_it_and_is_refused_where_theirs_is_used_up(office: Office) -> None:
    tokens = tree(office)
    held = reserve(office, tokens[2], 4)
    assert isinstance(held, Reservation)
    assert totals(office, tokens, reserved_pusd) == [4, 4, 4]
    checked(office)
    spend(office, tokens[1], 1)
    refused = reserve(office, tokens[2], 1)
    assert not isinstance(refused, Reservation)
    assert isinstance(reserve(office, tokens[0], 1), Reservation)
    ledger = ledger_of(office)
    with ledger.writing() as writer:
        call = Call(writer.now_us, writer.now_us, context(tokens[2]), cost_pusd=2 * USD)
        assert settle(writer, held, call, Calendar(ledger.zone)) is not None
    ledger.close()
    assert totals(office, tokens, spent_pusd) == [3, 3, 2]
    assert totals(office, tokens, reserved_pusd) == [1, 0, 0]
    checked(office)


def test_a_budget_set_later_on_a_parent_counts_what_its_children_spent_before(office: Office) -> None:
    parent = office.issue(*MAY_ISSUE)
    child = office.child(parent)
    spend(office, child, 3)
    ledger = ledger_of(office)
    who = f"token:{parent.claims.shown_id}"
    with ledger.writing() as writer:
        set_budget(writer, Who("token", parent.claims.shown_id), Terms(4 * USD, "month", "block"))
        day = Calendar(ledger.zone).day_of(writer.now_us)
        assert ensure_counter(writer.connection, who, span_of("month", day)).spent_pusd == 3 * USD
    ledger.close()
    assert not isinstance(reserve(office, child, 2), Reservation)
    checked(office)


def test_children_that_were_taken_over_count_for_their_new_parent_alone(office: Office) -> None:
    tokens = tree(office)
    held = reserve(office, tokens[2], 1)
    assert isinstance(held, Reservation)
    spend(office, tokens[2], 1)
    spend(office, tokens[1], 1)
    revoking.take_over_children(office.home.place, office.home.open(), tokens[1].claims.id)
    revoking.revoke(office.home.place, [tokens[1].claims.id])
    checked(office)
    assert totals(office, tokens, spent_pusd) == [2, 1, 1]
    ledger = ledger_of(office)
    with ledger.writing() as writer:
        call = Call(writer.now_us, writer.now_us, context(tokens[2]), cost_pusd=1 * USD)
        settle(writer, held, call, Calendar(ledger.zone))
    ledger.close()
    checked(office)
    assert totals(office, tokens, reserved_pusd) == [0, 0, 0]
    assert totals(office, tokens, spent_pusd)[0] == 3


def test_a_revocation_that_had_to_wait_reaches_the_ledger_with_the_next_change(office: Office, tmp_path: Path) -> None:
    mine = office.issue()
    os.rename(office.home.ledger, tmp_path / "away")
    for end in ("-wal", "-shm"):
        Path(f"{office.home.ledger}{end}").unlink(missing_ok=True)
    assert not revoking.revoke(office.home.place, [mine.claims.id]).in_ledger
    os.rename(tmp_path / "away", office.home.ledger)
    office.home.add("later", "sk-later")
    with ledger_of(office).reading() as connection:
        assert token_acts.revoked(connection, [mine.claims.shown_id]) == mine.claims.shown_id
    checked(office)
