"""The outbox: once per occasion and channel, in the caller's transaction, claimed by one process, tried with patience."""

from __future__ import annotations

import pytest

from aikeys.alerts import outbox
from aikeys.alerts.channels import CommandChannel, Email, Webhook
from aikeys.alerts.messages import ANOMALY, BUDGET, KEY, VELOCITY, AlertMessage, decode, encode, without_person
from aikeys.alerts.outbox import DELAYS_S, GIVEN_UP, LEASE_S, SENT, WAITING, Claimed
from aikeys.errors import Damaged, ExistsAlready, NotFound
from tests.alerts.servers import MESSAGE, NOW_US, Book

COMMAND = CommandChannel(("/bin/true",))
MAIL = Email("ana@example.com", "aikeys@example.com", "127.0.0.1", 25, "plain")


def claim(book: Book, *names: str) -> Claimed | None:
    with book.ledger.writing() as writer:
        return outbox.claim(writer, names or ("ops",), 0)


def claimed(book: Book) -> Claimed:
    found = claim(book)
    assert found is not None
    return found


def fail(book: Book, one: Claimed, *, rejected: bool = False) -> str:
    with book.ledger.writing() as writer:
        return outbox.mark_failed(writer, one, "no answer", rejected=rejected)


def test_an_occasion_is_put_out_once_to_each_channel_that_wants_its_kind(book: Book) -> None:
    book.add(COMMAND, "one")
    book.add(COMMAND, "two", (BUDGET, KEY))
    book.add(COMMAND, "three", (ANOMALY, VELOCITY))
    book.put("first")
    book.put("first", MESSAGE._replace(subject="another text for the same occasion"))
    book.put("second")
    assert [(row.once, row.channel) for row in book.rows()] == [
        ("first", "one"), ("first", "two"), ("second", "one"), ("second", "two"),
    ]  # fmt: skip


def test_without_a_channel_nothing_is_put_out(book: Book) -> None:
    book.put()
    assert book.rows() == []


def test_what_a_transaction_that_fails_put_out_is_not_there(book: Book) -> None:
    book.add(COMMAND)

    def settle_and_fail() -> None:
        with book.ledger.writing() as writer:
            outbox.put(writer, "once", MESSAGE)
            raise RuntimeError("the settling failed")

    with pytest.raises(RuntimeError):
        settle_and_fail()
    assert book.rows() == []
    book.put("once")
    assert book.states() == [WAITING]


def test_a_claimed_message_is_nobody_elses_until_its_lease_ends(book: Book) -> None:
    book.add(COMMAND)
    book.put()
    first = claimed(book)
    assert claim(book) is None
    book.clock.move(LEASE_S - 1)
    assert claim(book) is None
    book.clock.move(1)
    second = claimed(book)
    assert (second.message_id, second.attempt) == (first.message_id, 2)


def test_the_id_of_a_message_is_its_own_for_each_occasion_and_channel() -> None:
    ids = {outbox.message_id(once, channel) for once in ("a", "ab") for channel in ("b", "")}
    assert len(ids) == 4
    assert outbox.message_id("a", "b") == outbox.message_id("a", "b")


def test_a_message_is_tried_for_almost_three_days_and_then_given_up(book: Book) -> None:
    book.add(COMMAND)
    book.put()
    waits = []
    state = WAITING
    while state == WAITING:
        before_us = book.clock.now_us
        while (one := claim(book)) is None:
            book.clock.move(30)
        waits.append((book.clock.now_us - before_us) // 1_000_000)
        state = fail(book, one)
    assert waits == [0, *DELAYS_S]
    assert 2.7 * 86400 < sum(waits) < 3 * 86400
    assert (state, book.states(), book.texts()) == (GIVEN_UP, [GIVEN_UP], [""])
    assert claim(book) is None


def test_what_the_other_side_will_never_take_is_given_up_after_three_tries(book: Book) -> None:
    book.add(COMMAND)
    book.put()
    states = []
    for _ in range(3):
        states.append(fail(book, claimed(book), rejected=True))
        book.clock.move(86400)
    assert states == [WAITING, WAITING, GIVEN_UP]


def test_a_process_that_died_with_every_claim_does_not_keep_a_message_for_ever(book: Book) -> None:
    book.add(COMMAND)
    book.put()
    for _ in range(len(DELAYS_S)):
        claimed(book)
        book.clock.move(LEASE_S)
    assert fail(book, claimed(book)) == GIVEN_UP


def test_a_late_failure_does_not_undo_what_another_process_delivered(book: Book) -> None:
    book.add(COMMAND)
    book.put()
    slow = claimed(book)
    book.clock.move(LEASE_S)
    quick = claimed(book)
    with book.ledger.writing() as writer:
        outbox.mark_sent(writer, quick)
    fail(book, slow)
    assert book.states() == [SENT]


def test_a_delivered_message_is_emptied_and_its_occasion_stays(book: Book) -> None:
    book.add(COMMAND)
    book.put("once")
    assert "Jos\\u00e9" in book.texts()[0]
    with book.ledger.writing() as writer:
        one = outbox.claim(writer, ["ops"], 0)
        assert one is not None
        outbox.mark_sent(writer, one)
    book.put("once")
    assert (book.states(), book.texts()) == ([SENT], [""])


def test_a_clock_that_was_years_ahead_delays_nothing(book: Book) -> None:
    book.add(COMMAND)
    book.clock.now_us = NOW_US + 5 * 365 * 86_400_000_000
    book.put()
    fail(book, claimed(book))
    book.clock.now_us = NOW_US
    assert claimed(book).attempt == 2


def test_an_erased_person_is_taken_out_of_what_waits(book: Book) -> None:
    book.add(COMMAND)
    book.put(
        "one", AlertMessage(BUDGET, "budget user:ana", "ana spent $5, banana did not.\nana.", (("who", "user:ana"),))
    )
    with book.ledger.writing() as writer:
        outbox.forget_person(writer, "ana")
    assert decode(book.texts()[0]) == AlertMessage(
        BUDGET, "budget user:(erased)", "(erased) spent $5, banana did not.\n(erased).", (("who", "user:(erased)"),)
    )


@pytest.mark.parametrize("name", ["a.b", "x+", "José", "ana@example.com"])
def test_a_name_is_taken_out_as_it_is_written(name: str) -> None:
    assert name not in without_person(AlertMessage(BUDGET, f"by {name}", f"{name}: 5"), name).text


def test_a_message_survives_its_stored_form_without_what_forges_lines() -> None:
    assert decode(encode(MESSAGE)) == MESSAGE._replace(text=MESSAGE.text.rstrip("\n"))
    forged = AlertMessage(BUDGET, "a\nb\x1b[31m", "one\ntwo\u2028three\u202efour", (("who", "x\r\ny"),))
    assert decode(encode(forged)) == AlertMessage(BUDGET, "a b [31m", "one\ntwo\nthree four", (("who", "x  y"),))


def test_a_message_damaged_in_the_file_does_not_stop_the_others(book: Book) -> None:
    book.add(COMMAND)
    book.put("once")
    with book.ledger.writing() as writer:
        writer.connection.execute("UPDATE outbox SET message = 'x'")
    assert "once was damaged" in claimed(book).message.text


# --- channels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [COMMAND, MAIL, Webhook(url="https://example.com/a", style="json"), Webhook(url_key="slack", sign_key="sign")],
)
def test_a_channel_comes_back_as_it_was_added(book: Book, settings: CommandChannel | Email | Webhook) -> None:
    added = book.add(settings, on=(BUDGET, KEY))
    with book.ledger.reading() as connection:
        assert outbox.channels(connection) == [added]
        assert outbox.find_channel(connection, "ops") == added
        assert outbox.first_wrong_channel(connection) is None


def test_a_channels_name_is_taken_once(book: Book) -> None:
    book.add(COMMAND)
    with pytest.raises(ExistsAlready, match="there is an alert named ops"):
        book.add(COMMAND)


def test_removing_a_channel_drops_what_waits_and_names_the_others_when_it_is_unknown(book: Book) -> None:
    book.add(COMMAND)
    book.add(COMMAND, "pager")
    book.put()
    with book.ledger.writing() as writer:
        assert outbox.remove_channel(writer, "ops") == 1
    assert [(row.channel, row.state) for row in book.rows()] == [("ops", GIVEN_UP), ("pager", WAITING)]
    assert book.texts()[0] == ""
    with pytest.raises(NotFound) as unknown, book.ledger.writing() as writer:
        outbox.remove_channel(writer, "ops")
    assert unknown.value.hint == "alerts: pager"


def test_the_chain_knows_a_channel_by_a_digest_and_no_address(book: Book) -> None:
    book.add(MAIL)
    ((subject, detail, status),) = book.acts("alert-add")
    assert (subject, status) == ("ops", "ok")
    assert detail.startswith("kind=email on=budget settings=")
    assert "ana" not in detail


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE channel SET settings = replace(settings, 'ana@example.com', 'thief@example.com')",
        "UPDATE channel SET entry = 7",
        "UPDATE channel SET kind = 'webhook'",
        "UPDATE channel SET name = 'other'",
        "DELETE FROM channel",
        "INSERT INTO channel SELECT 'more', kind, settings, entry FROM channel",
        "INSERT INTO channel SELECT 'more', kind, settings, 0 FROM channel",
    ],
)
def test_a_channel_edited_by_hand_is_found(book: Book, edit: str) -> None:
    book.add(MAIL)
    with book.ledger.writing() as writer:
        writer.connection.execute(edit)
    with book.ledger.reading() as connection:
        assert outbox.first_wrong_channel(connection) in {"ops", "other", "more"}


def test_a_channel_removed_and_made_again_is_right(book: Book) -> None:
    book.add(MAIL)
    with book.ledger.writing() as writer:
        outbox.remove_channel(writer, "ops")
    with book.ledger.reading() as connection:
        assert outbox.first_wrong_channel(connection) is None
    book.add(COMMAND)
    with book.ledger.reading() as connection:
        assert outbox.first_wrong_channel(connection) is None


def test_settings_that_cannot_be_read_are_damage_and_lose_no_message(book: Book) -> None:
    book.add(MAIL)
    with book.ledger.writing() as writer:
        writer.connection.execute("UPDATE channel SET settings = '{'")
    book.put()
    assert book.states() == [WAITING]
    with pytest.raises(Damaged, match="the settings of the alert ops are damaged"), book.ledger.reading() as connection:
        outbox.channels(connection)
