"""The stage of the demo: a step that fails says which, nothing unspoken is shown, nothing of outside comes in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aikeys.cli.demo.stage import Stage
from aikeys.errors import MachineFailed

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AIKEYS_TOKEN": "no",
    "https_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "OPENAI_BASE_URL": "http://127.0.0.1:1",
    "NOTIFY_SOCKET": "/run/no",
    "CI": "1",
    "GITHUB_REPOSITORY": "own/er",
    "LANG": "C.UTF-8",
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(str(tmp_path), _ENVIRONMENT)


def test_a_failing_step_is_named_with_its_number_and_status(stage: Stage) -> None:
    stage.title("One")
    stage.title("Two")
    with pytest.raises(MachineFailed, match=r"step 2 of the demo failed: `python -c .*` ended with status 3, not 0"):
        stage.run("python -c 'raise SystemExit(3)'")


def test_a_step_that_does_not_say_what_it_should_fails(stage: Stage) -> None:
    with pytest.raises(MachineFailed, match="did not say “yes”"):
        stage.run("python -c 'print(\"no\")'", says="yes")


def test_what_must_not_be_printed_is_not_shown(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.keep("TOKEN", "python -c 'print(\"hush-hush\")'")
    assert stage.variables["TOKEN"] == "hush-hush"
    with pytest.raises(MachineFailed, match="printed a key or a token"):
        stage.run("NAME=$TOKEN python -c 'import os; print(os.environ[\"NAME\"])'")
    assert "hush" not in capsys.readouterr().out.replace('print("hush-hush")', "")


def test_nothing_of_the_surroundings_comes_in(stage: Stage, tmp_path: Path) -> None:
    said = stage.run("python -c 'import os; print(*sorted(os.environ))'")
    names = set(said.split())
    assert names.isdisjoint(set(_ENVIRONMENT) - {"PATH", "LANG"})
    assert {"AIKEYS_HOME", "AIKEYS_NO_INPUT", "NO_COLOR"} <= names
    assert str(tmp_path / "home") in stage.run("python -c 'import os; print(os.environ[\"AIKEYS_HOME\"])'")


def test_lines_fold_at_80_columns(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.say("word " * 40)
    stage.run("python -c 'print(\"word \" * 40)' " + "argument " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "    argument argument" in "\n".join(lines)


def test_what_starts_in_the_background_is_ended_and_known_by_its_log(stage: Stage) -> None:
    code = 'import sys, signal; print("up at 7", file=sys.stderr, flush=True); signal.pause()'
    assert stage.start(f"python -c '{code}'", "log", r"up at (\d)") == "7"
    stage.leave()
    assert stage._behind == []


def test_what_ends_before_it_is_ready_fails(stage: Stage) -> None:
    with pytest.raises(MachineFailed, match="did not start"):
        stage.start("python -c 'print()'", "log", "up at (7)")
    stage.leave()


def test_more_than_a_terminal_holds_is_read_whole(stage: Stage) -> None:
    assert stage.run(f"{sys.executable} -c 'print(\"x\\n\" * 50000)'").count("x") == 50000
