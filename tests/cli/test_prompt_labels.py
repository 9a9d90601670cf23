"""For whom a prompt is: the nearest word counts, and git and CI say where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from aikeys.cli.around import Around
from aikeys.cli.prompts.labels import labels
from aikeys.config import Config
from aikeys.errors import UsageError
from aikeys.ledger.calls import Labels
from aikeys.ledger.store import Ledger
from tests.cli.repositories import allow, repository

CONFIG = Config()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not a repository, outside CI."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "CI_PROJECT_PATH", "CI_COMMIT_REF_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found_here(
    home: Path, typed: dict[str, str] | None = None, settings: Config = CONFIG, of_key: dict[str, str] | None = None
) -> Labels:
    return labels(typed or {}, [], settings, of_key or {}, Around(str(home)))


def test_what_stands_nearer_to_the_command_line_wins_and_the_projects_file_replaces_nothing(here: Path) -> None:
    home = here / "home"
    names = ("team", "project", "environment", "user", "branch", "open")
    (here / ".aikeys.toml").write_text("[defaults.labels]\n" + "".join(f'{name} = "file"\n' for name in names))
    repository(here, "ref: refs/heads/main\n")
    allow(str(home), here)
    settings = Config(labels=(("team", "config"), ("project", "config")))
    typed = {"team": "typed", "project": ""}
    found = labels(typed, ["client=acme"], settings, {"project": "key", "environment": "key"}, Around(str(home)))
    assert found[:4] == ("typed", "config", "key", "file")
    assert dict(found.tags) == {"branch": "main", "client": "acme", "open": "file", "repository": here.name}


def test_a_projects_file_that_is_not_allowed_labels_nothing_and_is_named_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / ".aikeys.toml").write_text('[defaults]\nlabels = { team = "file" }\n')
    around = Around(str(here / "home"))
    for _ in range(3):
        assert labels({}, [], CONFIG, {}, around).team == ""
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{here}/.aikeys.toml is not allowed and ignored" in said[0]


def test_where_a_budget_of_its_kind_exists_it_is_said_that_the_call_counts_for_none(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / ".aikeys.toml").write_text('[defaults]\nlabels = { team = "file", project = "p" }\n')
    ledger = Ledger(str(here / "home")).open_or_create(b"l" * 16)
    with ledger.writing() as writer:
        set_budget(writer, parse_who("team:*"), Terms(10**12))
    around = Around(str(here / "home"))
    around.say_uncounted(labels({}, [], CONFIG, {}, around), ledger)
    said = capsys.readouterr().err
    assert "no team is set, so this counts for no budget of a team" in said
    assert "of a project" not in said
    around.say_uncounted(labels({"team": "typed"}, [], CONFIG, {}, around), ledger)
    assert "budget" not in capsys.readouterr().err
    ledger.close()


def test_in_ci_the_labels_come_from_its_variables(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(here, "ref: refs/heads/feature/x\n")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/shop")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    assert found_here(here).tags == (("branch", "main"), ("repository", "team/shop"))


def test_a_folder_that_was_deleted_labels_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert found_here(here).tags == ()


@pytest.mark.parametrize("tag", ["client", "=x", "a b=x", "client=a\nb", "client=" + "x" * 201])
def test_a_tag_that_is_none_is_refused(here: Path, tag: str) -> None:
    with pytest.raises(UsageError):
        labels({}, [tag], CONFIG, {}, Around(str(here)))
