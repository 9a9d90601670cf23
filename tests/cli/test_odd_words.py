"""Words that are no text, or hold what moves a cursor: one sentence, and nothing on the screen but what can be seen."""

from __future__ import annotations

import pytest

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
