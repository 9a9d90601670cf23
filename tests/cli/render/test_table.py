"""Tables on a narrow terminal: nothing is lost, and no word is broken that fits a line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.cli.render import table as module
from aikeys.cli.render.grid import text_width
from aikeys.cli.render.table import table

AUDIT = ("ID", "WHEN", "WHO", "FROM", "ACT", "WHAT", "STATUS", "DETAIL")
ACTS = (
    ("9", "2026-11-23T14:58:03Z", "root", "local", "init", "vault", "ok", "methods=passphrase,recovery,key-file"),
    ("10", "2026-11-23T14:58:03Z", "root", "local", "unlock-method-add", "keyring", "ok", ""),
)
KEYS = ("NAME", "PROVIDER", "REGION", "LABELS", "DUE")
WORDS = st.lists(st.text(alphabet="abcdé模-/=", min_size=1, max_size=12), max_size=4).map(" ".join)

At = Callable[[int | None], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    return lambda width: monkeypatch.setattr(module, "screen_width", lambda: width)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_no_word_of_the_audit_is_broken(at: At, width: int) -> None:
    at(width)
    shown = table(AUDIT, ACTS)
    assert {word for act in ACTS for cell in act for word in cell.split()} <= set(shown.split())
    assert max(map(len, shown.split("\n"))) <= width


def test_the_long_text_goes_below_before_any_other_column(at: At) -> None:
    at(85)
    assert table(AUDIT, ACTS).splitlines() == [
        "ID  WHEN                  WHO   FROM   ACT                WHAT     STATUS",
        "9   2026-11-23T14:58:03Z  root  local  init               vault    ok",
        "    detail methods=passphrase,recovery,key-file",
        "10  2026-11-23T14:58:03Z  root  local  unlock-method-add  keyring  ok",
    ]


def test_an_empty_column_goes_only_where_room_is_short(at: At) -> None:
    rows = [("openai", "openai", "", "team=research", "")]
    at(80)
    assert table(KEYS, rows).splitlines()[0] == "NAME    PROVIDER  REGION  LABELS         DUE"
    at(35)
    assert table(KEYS, rows).splitlines() == ["NAME    PROVIDER  LABELS", "openai  openai    team=research"]


def test_texts_are_folded_between_words(at: At) -> None:
    at(34)
    assert table(("CHECK", "FOUND", "DO"), [("unlock", "one method and no recovery code", "add one")]).splitlines() == [
        "CHECK   FOUND              DO",
        "unlock  one method and no  add one",
        "        recovery code",
    ]


def test_in_a_pipe_everything_stands_side_by_side(at: At) -> None:
    at(None)
    assert table(AUDIT, ACTS).splitlines()[1].endswith("vault    ok      methods=passphrase,recovery,key-file")


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(8, 90))
def test_no_line_is_wider_than_the_screen_and_no_text_is_lost(rows: list[tuple[str, ...]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "screen_width", lambda: width)
        shown = table(("NAME", "NOTE", "DUE"), rows)
    assert max(map(text_width, shown.split("\n"))) <= width
    letters = "".join(shown.split())
    assert all(letters.count(sign) >= sum("".join(row).count(sign) for row in rows) for sign in "b模/")
