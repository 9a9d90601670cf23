"""A secret that an earlier reply brought into the ledger is found; beside the chain it is masked, and all verifies."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aikeys.errors import Damaged, NotFound
from aikeys.ledger import archive, listing, stored_objects
from aikeys.ledger.calls import context_digest
from aikeys.ledger.repeated_secrets import Places, mask, places
from aikeys.ledger.store import Act
from aikeys.providers.masking import Search
from tests.ledger.conftest import DAY_US, SIGNER, START_US, Book, Clock, call
from tests.providers.forms import forms, shows

KEY = b"sk-CANARY/ledger+0123456789abcdef"
OTHER = b"sk-CANARY-other-0123456789abcdef"
SEARCH = Search([KEY])


def files(book: Book) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(book.ledger.path).parent.glob("ledger.db*")))


def answered(book: Book) -> list[str]:
    with book.ledger.reading() as connection:
        return [one.call.context.answered for one in listing.calls(connection, book.ledger)]


@pytest.mark.parametrize("form", forms(KEY))
def test_what_a_reply_called_its_model_is_masked_in_every_form(book: Book, form: str) -> None:
    text = forms(KEY)[form].decode()
    book.record(call(answered="gpt-5"), call(answered=f"<{text}>", team="support"), call(answered=f"<{text}>"))
    with book.ledger.writing() as writer:
        writer.connection.execute("INSERT INTO kept_object VALUES ('openai', ?, 't', 'support')", (f"resp_{text}",))
    book.sign()
    head = book.ledger.head()
    found = places(book.ledger, SEARCH)
    assert (found.can_be_masked, found.entries, found.names) == (2, (), 0)
    assert mask(book.ledger, SEARCH, "openai", SIGNER) == found
    assert answered(book) == ["gpt-5", f"<{'*' * len(text)}>", f"<{'*' * len(text)}>"]
    assert shows(files(book), KEY) == ""
    assert not any(places(book.ledger, SEARCH))
    assert book.ledger.hash_at(head.number) == head.hash
    book.verify()


def test_calls_go_on_and_a_second_secret_of_the_same_text_is_masked_too(book: Book) -> None:
    text = f"{KEY.decode()} {OTHER.decode()}"
    book.record(call(answered=text, team="support"))
    mask(book.ledger, SEARCH, "openai", SIGNER)
    book.record(call(START_US + 1, answered=text.replace(KEY.decode(), "*" * len(KEY)), team="support"))
    book.record(call(START_US + 2, answered=text, team="support"))
    book.verify()
    mask(book.ledger, Search([OTHER]), "second", SIGNER)
    book.verify()
    assert answered(book) == [f"{'*' * len(KEY)} {'*' * len(OTHER)}"] * 3
    assert shows(files(book), KEY) == shows(files(book), OTHER) == ""


def test_what_is_part_of_an_entry_or_names_something_stays_and_is_told(book: Book) -> None:
    text = KEY.decode()
    book.record(call(request_id=f"req {text}"), call(), call(team=text, answered=text))
    book.act(detail=f"said {text}")
    assert places(book.ledger, SEARCH) == Places((places(book.ledger, SEARCH).answered[0],), (), (), (1, 4), 1)
    found = mask(book.ledger, SEARCH, "openai", SIGNER)
    assert found.staying == ["the chain: entry 1, 4", "a label or another name"]
    after = places(book.ledger, SEARCH)
    assert (after.can_be_masked, after.entries, after.names) == (0, (1, 4), 1)
    book.verify()


def test_a_ledger_without_the_secret_is_left_alone(book: Book) -> None:
    book.record(call(answered="gpt-5", request_id="req_1"))
    head = book.ledger.head()
    with pytest.raises(NotFound, match="does not hold the secret of openai"):
        mask(book.ledger, SEARCH, "openai", SIGNER)
    assert book.ledger.head() == head
    book.verify()


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE slot SET team = (SELECT id FROM word WHERE text = 'openai')",
        "UPDATE word SET text = 'gpt-5' WHERE text LIKE '***%'",
        "UPDATE context SET door = answered",
        "UPDATE entry SET detail = replace(detail, 'a', 'b') WHERE subject = 'context'",
        "DELETE FROM entry WHERE subject = 'context'",
    ],
)
def test_a_masked_call_is_still_checked(book: Book, edit: str) -> None:
    book.record(call(answered=KEY.decode(), team="support"))
    mask(book.ledger, SEARCH, "openai", SIGNER)
    book.verify()
    with book.by_hand() as connection:
        assert connection.execute(edit).rowcount > 0
    with pytest.raises(Damaged):
        book.verify()


def test_nobody_without_the_key_can_say_that_a_call_had_other_texts(book: Book) -> None:
    book.record(call(team="support"))
    book.sign()
    with book.ledger.writing() as writer:
        connection = writer.connection
        (stored,) = connection.execute("SELECT digest FROM context").fetchone()
        connection.execute("UPDATE slot SET team = (SELECT id FROM word WHERE text = 'openai')")
        fresh = context_digest(*listing.Texts(connection).digested(1))
        writer.act(Act("ledger erase", "context", f"{stored.hex()} {fresh.hex()}"))
    with pytest.raises(Damaged, match="masked by nobody with the key"):
        book.verify()


def test_a_masked_call_can_be_archived(book: Book, ticking: Clock, tmp_path: Path) -> None:
    book.record(call(answered=KEY.decode(), team="support"), call(answered="gpt-5"))
    mask(book.ledger, SEARCH, "openai", SIGNER)
    ticking.move(40 * DAY_US)
    book.record(call(ticking.now_us, answered=KEY.decode(), team="support"))
    last = archive.last_before(book.ledger, START_US + DAY_US, 1 << 62)
    segment = archive.write(book.ledger, last, SIGNER, str(tmp_path))
    archive.remove(book.ledger, segment, SIGNER)
    book.verify(segments=(segment.path,))
    book.verify()
    body = gzip.decompress(Path(segment.path).read_bytes().split(b"\n", 3)[3])
    assert shows(body, KEY) == ""
    assert b"*" * len(KEY) in body
    assert answered(book) == ["*" * len(KEY)]


@pytest.mark.parametrize("name", ["resp_" + "x" * 96, "resp_\n", "resp_\x1b[31m", "resp_\u202e"])
def test_a_name_that_no_provider_gives_an_object_is_not_kept(book: Book, name: str) -> None:
    owner = stored_objects.Owner("token", "support")
    with book.ledger.writing() as writer:
        stored_objects.note(writer.connection, "openai", name, owner)
        stored_objects.note(writer.connection, "openai", "resp_" + "x" * 95, owner)
        names = writer.connection.execute("SELECT name FROM kept_object").fetchall()
    assert names == [("resp_" + "x" * 95,)]
