"""For whom a prompt is: the nearest word counts, and git and CI say where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys.cli.labels import labels
from aikeys.config import Config
from aikeys.errors import Usage


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no repository, outside CI."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "CI_PROJECT_PATH", "CI_COMMIT_REF_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repository(folder: Path, head: str, config: str = "") -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(head, encoding="utf-8")
    (folder / ".git" / "config").write_text(config, encoding="utf-8")


def test_what_stands_nearer_to_the_command_line_wins(here: Path) -> None:
    (here / ".aikeys.toml").write_text('[defaults]\nlabels = { team = "file", project = "file" }\n', encoding="utf-8")
    settings = Config(labels=(("team", "config"), ("project", "config"), ("environment", "config")))
    found = labels({"team": "typed", "project": ""}, ["client=acme"], settings, {"environment": "key", "user": "key"})
    assert found[:4] == ("typed", "file", "config", "key")
    assert found.tags == (("client", "acme"),)


def test_repository_and_branch_are_tags(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(here, "ref: refs/heads/feature/x\n", '[remote "origin"]\n\turl = git@example.com:team/shop.git\n')
    (here / "deep").mkdir()
    monkeypatch.chdir(here / "deep")
    assert labels({}, [], Config(), {}).tags == (("branch", "feature/x"), ("repository", "shop"))
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/shop")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    assert labels({}, [], Config(), {}).tags == (("branch", "main"), ("repository", "team/shop"))


def test_a_detached_head_has_no_branch(here: Path) -> None:
    repository(here, "0123456789abcdef\n")
    assert labels({}, [], Config(), {}).tags == (("repository", here.name),)


@pytest.mark.parametrize("tag", ["client", "=x", "a b=x", "client=a\nb", "client=" + "x" * 201])
def test_a_tag_that_is_none_is_refused(here: Path, tag: str) -> None:
    with pytest.raises(Usage):
        labels({}, [tag], Config(), {})
