"""aikeys allow: what the file says is shown before it is asked, without a terminal its digest is the answer."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from aikeys.cli import app, terminal
from aikeys.ledger.store import Ledger
from tests.conftest import Aikeys, canary

NAME = ".aikeys.toml"
TEXT = '[exec]\nkeys = ["openai"]\n[exec.env]\nSEARCH_KEY = "other"\n[defaults]\nlabels = { team = "search" }\n'
DIGEST = sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AIKEYS_TOKEN", "AIKEYS_GATEWAY", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIKEYS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())
    monkeypatch.setattr(terminal, "can_ask", lambda **_: False)
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / NAME).write_text(TEXT)
    monkeypatch.chdir(shop)
    return shop


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert app.main(["allow", "--list", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["files"]
    return rows


def test_it_shows_keys_variables_and_labels_before_it_asks(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []

    def ask(question: str, **_: object) -> bool:
        said.append(capsys.readouterr().err)
        return len(said) > 1

    monkeypatch.setattr(terminal, "can_ask", lambda **_: True)
    monkeypatch.setattr(terminal, "confirm", ask)
    assert app.main(["allow"]) == 3
    assert listed(capsys) == []
    assert app.main(["allow"]) == 0
    for words in ("key openai", "variable SEARCH_KEY gets the key other", "label team=search", DIGEST):
        assert words in said[0]
    assert [row["path"] for row in listed(capsys)] == [str(here / NAME)]
    assert app.main(["allow"]) == 0
    assert len(said) == 2, "what is allowed already is not asked again"


@pytest.mark.parametrize("words", [[], ["--yes"], ["--no-input"]])
def test_without_a_terminal_it_names_the_digest_it_wants_and_asks_nothing(
    here: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["allow", *words]) == 3
    assert f"aikeys allow --allow-file {DIGEST} {here}" in capsys.readouterr().err
    assert listed(capsys) == []


def test_the_digest_of_this_very_file_allows_it_and_another_does_not(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["allow", "--allow-file", "0" * 64]) == 14
    assert listed(capsys) == []
    assert app.main(["allow", "--allow-file", DIGEST.upper(), "--json", str(here)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sha256"] == DIGEST
    assert (said["keys"], said["variables"], said["labels"]) == (
        ["openai"],
        {"SEARCH_KEY": "other"},
        {"team": "search"},
    )
    assert app.main(["allow", "--allow-file", "0" * 64]) == 14, "another digest than that of the file allowed already"
    assert f"look at the file and its digest: aikeys allow {here}" in capsys.readouterr().err
    (here / NAME).write_text(TEXT + "#")
    assert app.main(["allow", "--allow-file", DIGEST]) == 14


def test_removing_works_from_below_and_when_the_file_is_gone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["allow", "--allow-file", DIGEST])
    (here / "deep").mkdir()
    (here / NAME).unlink()
    assert app.main(["allow", "--remove", str(here / "deep")]) == 0
    assert listed(capsys) == []
    assert app.main(["allow", "--remove"]) == 10
    assert app.main(["allow"]) == 10
    assert app.main(["allow", "--list"]) == 0
    assert app.main(["allow", "--list", "--remove"]) == 2


def test_allowing_and_removing_are_acts_in_the_chain(here: Path) -> None:
    home = os.environ["AIKEYS_HOME"]
    ledger = Ledger(home).open_or_create(b"l" * 16)
    app.main(["allow", "--allow-file", DIGEST])
    app.main(["allow", "--remove"])
    acts = [(entry.act, entry.subject, entry.detail) for entry, _ in ledger.entries()]
    ledger.close()
    assert acts == [("allow", "shop", f"sha256={DIGEST}"), ("disallow", "shop", "")]


def test_nothing_is_allowed_where_the_act_cannot_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Path(os.environ["AIKEYS_HOME"])
    Ledger(str(home)).open_or_create(b"l" * 16).close()
    (home / "ledger.db").write_bytes(b"x" * 4096)
    assert app.main(["allow", "--allow-file", DIGEST]) == 13
    assert listed(capsys) == []


def test_a_key_in_the_file_is_not_repeated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / NAME).write_text(f'[exec]\nkeys = ["{canary()}-{"a1" * 40}"]\n')
    assert app.main(["allow"]) == 14
    seen = capsys.readouterr()
    assert "CANARY" not in seen.out + seen.err


def test_exec_takes_keys_and_variables_from_the_file_once_it_is_allowed(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    ready_home.add("other", canary("two"), "--provider", "openai")
    (ready_home.folder / NAME).write_text(TEXT)
    refused = ready_home.run("exec", "--", "true")
    assert refused.returncode == 125
    assert f"{ready_home.folder}/{NAME} is not allowed and ignored" in refused.stderr
    done = ready_home.run("allow", "--allow-file", DIGEST)
    assert done.returncode == 0, done.stderr
    lent = ready_home.lent()
    assert (lent["OPENAI_API_KEY"], lent["SEARCH_KEY"]) == (canary("one"), canary("two"))
    named = ready_home.lent("other")
    assert "SEARCH_KEY" not in named, "a key that is named goes where it always goes"
    token = ready_home.run("token", "issue", "--for", "ci", "--key", "openai", reveals=True).stdout.strip()
    assert ready_home.lent("openai", env={"AIKEYS_TOKEN": token})["OPENAI_API_KEY"] == canary("one")
    (ready_home.folder / NAME).write_text(TEXT.replace('"openai"', '"openai" '))
    assert ready_home.run("exec", "--", "true").returncode == 125


def test_a_key_that_is_named_reads_no_project_file(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    (ready_home.folder / NAME).write_text(TEXT)
    done = ready_home.run("exec", "openai", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
