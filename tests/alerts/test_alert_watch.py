"""Looking at a ledger: what is unusual is put out once, with who spent it and what to type."""

from __future__ import annotations

import pytest

from aikeys.alerts.channels import CommandChannel
from aikeys.alerts.messages import ANOMALY, BUDGET, VELOCITY, decode
from aikeys.alerts.watch import _paces, put_all, watch
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.recording import append_call
from aikeys.money import parse_usd
from tests.alerts.servers import NOW_US, Book

DAY_US = 86_400_000_000
COMMAND = CommandChannel(("/bin/true",))


def spend(book: Book, usd: str, at_us: int, token: str = "", user: str = "ana") -> None:
    context = Context(
        Labels("support", "", "", user), token=token, key="openai", provider="openai", model="openai/gpt-4.1"
    )
    with book.ledger.writing() as writer:
        call = Call(at_us, at_us, context, cost_pusd=parse_usd(usd))
        append_call(writer, call, Calendar(book.ledger.zone))


def look(book: Book) -> list[str]:
    found = watch(book.ledger, book.clock.now_us)
    put_all(book.ledger, found)
    return [due.once for due in found]


@pytest.fixture
def spiky(book: Book) -> Book:
    """Have ten days of $10 and then one of $50."""
    for day in range(1, 11):
        spend(book, "10", NOW_US - day * DAY_US)
    spend(book, "50", NOW_US)
    return book


def test_an_unusual_day_is_put_out_once_for_each_scope(spiky: Book) -> None:
    spiky.add(COMMAND, on=(ANOMALY,))
    assert len(look(spiky)) == 3
    spend(spiky, "5", NOW_US + 1)
    spiky.clock.move(60)
    assert len(look(spiky)) == 3
    assert [row.once.split(":")[1] for row in spiky.rows()] == ["all", "key", "model"]
    message = decode(spiky.texts()[0])
    assert message.subject == "unusual spending, everything: $50.00 on 2026-11-23"
    assert message.text == (
        "On 2026-11-23 everything cost $50.00. A usual day costs $10.00 (the median of the four weeks before).\n"
        "The largest part is $50.00: key openai, model openai/gpt-4.1, team support, user ana.\n\n"
        "See who spent it: aikeys report --by key,model,team,user --since 2026-11-23 --until 2026-11-23"
    )
    assert dict(message.facts)["spent_usd"] == "50.00"
    assert all("ana" not in row.once for row in spiky.rows())


def test_what_was_spent_just_before_midnight_is_told_the_day_after(spiky: Book) -> None:
    spiky.add(COMMAND, on=(ANOMALY,))
    spiky.clock.move(86400)
    assert len(look(spiky)) == 3
    spiky.clock.move(86400)
    assert look(spiky) == []


def test_without_a_channel_for_it_nothing_is_looked_for(spiky: Book) -> None:
    assert look(spiky) == []
    spiky.add(COMMAND, on=(BUDGET,))
    assert look(spiky) == []


def test_a_ledger_with_nothing_new_is_not_written_to(spiky: Book) -> None:
    spiky.add(COMMAND, on=(ANOMALY,))
    look(spiky)
    with spiky.ledger.reading() as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        changes = connection.total_changes
    look(spiky)
    with spiky.ledger.reading() as connection:
        assert (connection.execute("PRAGMA data_version").fetchone(), connection.total_changes) == (before, changes)


def budget(book: Book, who: str, limit: str, period: str = "month") -> None:
    with book.ledger.writing() as writer:
        row = (who, period, str(parse_usd(limit)), "block", "80,100", 1)
        writer.connection.execute(
            "INSERT INTO budget(who, period, limit_pusd, at_limit, alerts, entry) VALUES (?, ?, ?, ?, ?, ?)", row
        )


def test_a_token_that_runs_away_is_told_once_an_hour(book: Book) -> None:
    book.add(COMMAND, on=(VELOCITY,))
    budget(book, "token:t1", "200")
    budget(book, "token:t1", "20", "day")
    spend(book, "0.60", NOW_US - 60_000_000, "t1")
    spend(book, "0.50", NOW_US - 30 * 60_000_000, "t1")
    assert len(look(book)) == 1
    book.clock.move(60)
    assert len(look(book)) == 1
    (row,) = book.rows()
    assert row.once.startswith("velocity:t1:")
    message = decode(book.texts()[0])
    assert message.subject == "the token t1 spent $0.6000 in five minutes"
    assert "$1.10 in an hour. Its budget is $20.00." in message.text
    assert "aikeys token revoke t1" in message.text


@pytest.mark.parametrize(("five_minutes_ago", "who"), [(301, "token:t1"), (60, "token:t2"), (60, "team:support")])
def test_old_spending_and_tokens_without_a_budget_are_quiet(book: Book, five_minutes_ago: int, who: str) -> None:
    book.add(COMMAND, on=(VELOCITY,))
    budget(book, who, "20")
    spend(book, "5", NOW_US - five_minutes_ago * 1_000_000, "t1")
    assert look(book) == []


def test_a_budget_for_each_token_counts_where_it_has_none_of_its_own(book: Book) -> None:
    book.add(COMMAND, on=(VELOCITY,))
    budget(book, "token:*", "20")
    budget(book, "token:t2", "1000")
    spend(book, "5", NOW_US, "t1")
    spend(book, "5", NOW_US, "t2")
    assert [once.split(":")[1] for once in look(book)] == ["t1"]


def test_no_call_is_read_where_no_token_spent_enough_in_its_hours(book: Book) -> None:
    """Whoever asks every ten seconds asks the sums by hour first."""
    book.add(COMMAND, on=(VELOCITY,))
    budget(book, "token:t1", "20")
    spend(book, "0.20", NOW_US - 60_000_000, "t1")
    asked: list[str] = []

    def looked() -> int:
        asked.clear()
        with book.ledger.reading() as connection:
            connection.set_trace_callback(asked.append)
            try:
                return len(list(_paces(connection, NOW_US, 0)))
            finally:
                connection.set_trace_callback(None)

    assert looked() == 0
    assert not [text for text in asked if "FROM call" in text]
    spend(book, "0.90", NOW_US - 60_000_000, "t1")
    assert looked() == 1
    assert [text for text in asked if "FROM call" in text]
