"""Repository and branch, read as git lays them out: worktrees, submodules, detached heads, and what is another's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aikeys.cli.repository import named
from tests.cli.repositories import repository

OTHER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
ORIGIN = '[remote "origin"]\n\turl = git@example.com:team/shop.git\n'
pytestmark = pytest.mark.time_limit(20)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=environment)


def commit(folder: Path, branch: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", branch)
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("git@example.com:team/shop.git", "shop"),
        ("https://example.com/team/shop.git/", "shop"),
        ("https://example.com/team/shop", "shop"),
        ("/srv/git/shop.git", "shop"),
    ],
)
def test_the_name_is_that_of_the_remote_and_the_branch_that_of_the_head(tmp_path: Path, url: str, name: str) -> None:
    repository(
        tmp_path, "ref: refs/heads/feature/x\n", f'[remote "other"]\n\turl = a/b\n[remote "origin"]\n\turl={url}\n'
    )
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert named(str(tmp_path / "deep" / "er")) == {"repository": name, "branch": "feature/x"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ('[remote "origin"]\n\turl = "https://example.com/team/shop.git"\n', "shop"),
        ('[REMOTE "origin"] URL = https://example.com/team/shop ; ours\n', "shop"),
        ('[remote "origin"]\n# url = https://example.com/no.git\nurl = a/shop.git\n', "shop"),
        ('[remote "origin"]\nfetch = +refs/heads/[a-z]:x\npushurl = b/no\nurl = a/shop\n', "shop"),
        ('[remote "origin"]\nurl = https://example.com/team/shop.git?private_token=0123abcd\n', "shop"),
        ('[remote "origin"]\nurl = https://me:glpat-0123456789abcdefghij@example.com/team/shop.git\n', "shop"),
        ('[remote "origin"]\nurl = https://glpat-0123456789abcdefghij@\n', "folder"),
        ('[remote "origin"]\nurl = C:\\src\\shop\n', "shop"),
        ('[remote "other"]\nurl = a/no\n', "folder"),
    ],
)
def test_the_remote_is_read_as_git_writes_it_and_no_login_or_query_is_a_name(
    tmp_path: Path, settings: str, name: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    repository(folder, "ref: refs/heads/x\nmore\n", settings)
    assert named(str(folder)) == {"repository": name, "branch": "x"}


@pytest.mark.parametrize("head", ["0123456789abcdef\n", "ref: refs/heads/.invalid\n", "", "ref: refs/remotes/o/x\n"])
def test_a_head_that_is_on_no_branch_has_none(tmp_path: Path, head: str) -> None:
    repository(tmp_path, head)
    assert named(str(tmp_path)) == {"repository": tmp_path.name, "branch": ""}


@needs_git
def test_a_worktree_beside_or_inside_has_its_own_branch_and_the_repositorys_name(tmp_path: Path) -> None:
    main = tmp_path / "shop"
    commit(main, "main")
    for place, branch in ((tmp_path / "beside", "b1"), (main / "inside", "b2")):
        git(main, "worktree", "add", "-q", str(place), "-b", branch)
        assert named(str(place)) == {"repository": "shop", "branch": branch}
    git(main, "remote", "add", "origin", "https://example.com/team/store.git")
    assert named(str(tmp_path / "beside")) == {"repository": "store", "branch": "b1"}
    git(tmp_path / "beside", "checkout", "-q", "--detach")
    assert named(str(tmp_path / "beside")) == {"repository": "store", "branch": ""}
    assert named(str(main)) == {"repository": "store", "branch": "main"}


@needs_git
def test_a_worktree_of_a_bare_repository_has_that_ones_name(tmp_path: Path) -> None:
    commit(tmp_path / "first", "main")
    git(tmp_path, "clone", "-q", "--bare", "first", "shop.git")
    git(tmp_path / "shop.git", "remote", "remove", "origin")
    git(tmp_path / "shop.git", "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "b")
    assert named(str(tmp_path / "wt")) == {"repository": "shop", "branch": "b"}


@needs_git
def test_a_submodule_has_its_own_name_and_branch(tmp_path: Path) -> None:
    commit(tmp_path / "library", "trunk")
    commit(tmp_path / "shop", "main")
    git(tmp_path / "shop", "submodule", "add", "-q", "../library", "lib")
    assert named(str(tmp_path / "shop" / "lib")) == {"repository": "library", "branch": "trunk"}
    assert named(str(tmp_path / "shop"))["branch"] == "main"


@needs_root
@pytest.mark.parametrize("part", ["", ".git", ".git/HEAD", ".git/config"])
def test_what_belongs_to_another_user_labels_nothing(tmp_path: Path, part: str) -> None:
    repository(tmp_path / "r", "ref: refs/heads/main\n", ORIGIN)
    os.chown(tmp_path / "r" / part, OTHER, OTHER)
    found = named(str(tmp_path / "r"))
    if part == ".git/HEAD":
        assert found == {"repository": "shop", "branch": ""}
    elif part == ".git/config":
        assert found == {"repository": "r", "branch": "main"}
    else:
        assert found == {}


@needs_root
def test_a_foreign_repository_inside_hides_the_one_around_it_and_a_link_to_it_changes_nothing(tmp_path: Path) -> None:
    repository(tmp_path / "mine", "ref: refs/heads/main\n", ORIGIN)
    repository(tmp_path / "mine" / "theirs", "ref: refs/heads/evil\n", ORIGIN)
    os.chown(tmp_path / "mine" / "theirs" / ".git", OTHER, OTHER)
    assert named(str(tmp_path / "mine" / "theirs")) == {}
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".git").write_text(f"gitdir: {tmp_path}/mine/theirs/.git\n")
    assert named(str(tmp_path / "linked")) == {}


@pytest.mark.parametrize("part", [".git", ".git/HEAD", ".git/config", ".git/commondir"])
@pytest.mark.parametrize("state", ["FIFO", "device", "loop", "garbage", "empty", "endless", "NUL"])
def test_what_is_no_file_of_git_is_not_waited_for_and_labels_nothing_of_itself(
    tmp_path: Path, part: str, state: str
) -> None:
    repository(tmp_path / "r", "ref: refs/heads/main\n", ORIGIN)
    path = tmp_path / "r" / part
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    match state:
        case "FIFO":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
        case "NUL":
            path.write_bytes(b"gitdir: a\0b\n")
        case _:
            path.write_bytes({"garbage": b"\xff\xfe\x00", "empty": b"", "endless": b"x" * (1 << 20)}[state])
    found = named(str(tmp_path / "r"))
    assert found.get("branch", "") in ("", "main")
    assert found.get("repository", "") in ("", "shop", "r")
    assert (found == {}) == (part == ".git" or (part == ".git/commondir" and state == "endless"))


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")
def test_a_worktree_whose_own_git_folder_is_another_users_gives_nothing(tmp_path: Path) -> None:
    common, own, tree = tmp_path / "shop" / ".git", tmp_path / "theirs", tmp_path / "tree"
    for folder in (common, own, tree):
        folder.mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {own}\n")
    (own / "commondir").write_text(f"{common}\n")
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    assert named(str(tree)) == {"repository": "shop", "branch": "main"}
    os.chown(own, 65534, 65534)
    assert named(str(tree)) == {}
