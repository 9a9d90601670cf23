"""What the ledger's commands say: counts in good English, questions after the look, the parser's words in ours."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Aikeys

LINE = {"id": "1", "at": "2026-09-01T10:00:00Z", "provider": "openai", "model": "gpt-5", "cost_usd": "0.25"}


def test_one_call_is_one_call(ready_home: Aikeys) -> None:
    done = ready_home.run("ledger", "import", "-", input=json.dumps(LINE))
    assert "imported 1 call\n" in done.stderr
    again = "\n".join(json.dumps({**LINE, "id": each}) for each in ("1", "2", "3"))
    assert "imported 2 calls; 1 was here already" in ready_home.run("ledger", "import", "-", input=again).stderr
    assert "0 reservations became calls" in ready_home.run("ledger", "resolve").stderr


def test_erase_looks_before_it_asks(ready_home: Aikeys) -> None:
    done = ready_home.run("ledger", "erase", "--user", "nobody-here")
    assert done.returncode == 10, done.stderr
    assert "nobody of that name" in done.stderr


@pytest.mark.parametrize("group", ["ledger", "config"])
def test_a_group_says_its_exit_statuses(bare_home: Aikeys, group: str) -> None:
    assert "Exit status:" in bare_home.run(group, "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("log", "--newest", "x"), "'x' is not a whole number"),
        (("log", "-n", "1.5"), "'1.5' is not a whole number"),
        (("log", "-n", "0"), "0 is less than 1"),
    ],
)
def test_the_parsers_words_are_ours(bare_home: Aikeys, words: tuple[str, ...], said: str) -> None:
    done = bare_home.run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "range" not in done.stderr


def test_the_hint_speaks_of_the_option_that_was_typed(ready_home: Aikeys) -> None:
    done = ready_home.run("report", "--until", "2199-01-01")
    assert done.returncode == 2
    assert "--since" not in done.stderr
    assert "write --until" in done.stderr
    assert "--since 30d" in ready_home.run("report", "--since", "2199-01-01").stderr
