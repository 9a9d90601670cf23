"""Words that are not a text, or hold what moves a cursor: one sentence, and nothing on the screen but what can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys.budgets.booking import book
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.names import quoted
from tests.cli.every_command import RunHere, commands

ODD = {
    "not UTF-8": "a\udcff\udcfeb", "lone surrogate": "\ud800", "escape": "a\x1b[31mb", "bell": "\a", "return": "a\rb", "line": "a\nb",
    "C1": "\x9b2J", "next line": "\x85", "override": "\u202eab", "separator": "\u2028", "empty": "", "endless": "x" * 100_000,
    "mark": "\ufeff", "tab": "a\tb",
}  # fmt: skip
PLACES = ["{}", "--{}", "--{}=x", "-{}", "NAME={}", "./{}", "team:{}", "--json {}"]


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_an_odd_word_is_one_sentence_and_moves_no_cursor(path: list[str], run_here: RunHere) -> None:
    for number, (what, odd) in enumerate(ODD.items()):
        place = PLACES[(number + len(path[-1])) % len(PLACES)]
        words = [each.format(odd) for each in place.split(" ")]
        if words == ["--"]:
            continue  # which ends the options of a command that is right, and may serve
        printed = run_here([*path, *words])
        unseen = [sign for sign in printed if not (sign.isprintable() or sign in "\n\t")]
        assert not unseen, (path, what, words, unseen)
        assert len(printed) < 60_000, (path, what)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_word_is_no_command_and_no_program(odd: str, run_here: RunHere) -> None:
    for words in (
        [odd], [f"--home={odd}/x", "list"], ["exec", odd], ["exec", "openai", "--", odd or "-"], ["exec", "--env", f"{odd}=openai", "--", "true-not"],
        ["exec", "openai", "--", f"/nowhere/{odd}"], ["show", "openai", odd], ["budget", "set", odd, odd], ["prompt", odd, "-m", odd],
    ):  # fmt: skip
        printed = run_here(words)
        assert not [sign for sign in printed if not (sign.isprintable() or sign in "\n\t")], words


@pytest.mark.parametrize("sign", ["\x1b]0;x\a", "\r", "\n", "\x9b2J", "\u202e", "\u2028", "\x85", "\ufeff"])
def test_what_an_old_ledger_holds_moves_no_cursor(sign: str, small_home: Path, run_here: RunHere) -> None:
    odd = f"a{sign}b"
    ledger = Ledger(str(small_home)).open()
    with ledger.writing() as writer:
        context = Context(
            Labels(odd, odd, odd, odd, (("client", odd),)),
            key=odd,
            provider="openai",
            model=f"openai/{odd}",
            answered=odd,
        )
        book(
            writer, Call(writer.now_us, writer.now_us, context, cost_pusd=10**12, request_id=odd), Calendar(ledger.zone)
        )
    ledger.close()
    assert "a budget" not in run_here(["budget", "set", f"team:{quoted(odd)}", "5"])
    for words in (
        ["report", "--by", "team,project,environment,user,key,model"], ["report", "--format", "csv", "--by", "team,tag:client"],
        ["report", "--format", "markdown", "--by", "team"], ["report", "--json", "--by", "team"], ["report", "--format", "openmetrics"],
        ["report", "--format", "focus"], ["report", "latency", "--by", "team"], ["log"], ["log", "--json"], ["log", "1"], ["audit"],
        ["audit", "--json"], ["budget", "list"], ["budget", "check"], ["budget", "check", "--format", "github"], ["config", "export"],
        ["ledger", "export"], ["top", "--once"], ["report", "--where", f"team={quoted(odd)}"],
    ):  # fmt: skip
        printed = run_here(words)
        assert not [each for each in printed if not (each.isprintable() or each in "\n\t")], words
    verified = run_here(["ledger", "verify"])
    assert "damaged" not in verified
