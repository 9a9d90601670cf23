"""Which project's files count: the one that was allowed, by place, owner and every byte; read once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys import project
from aikeys.config import Project
from aikeys.errors import BadConfiguration
from aikeys.project import ProjectFile

OTHER = 65534
NAME = ".aikeys.toml"
TEXT = '[exec]\nkeys = ["openai"]\n[defaults]\nlabels = { team = "search" }\n'
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")
pytestmark = pytest.mark.time_limit(20)


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path / "home")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / NAME).write_text(TEXT)
    return folder


def found_in(folder: Path) -> ProjectFile:
    found = project.find(str(folder))
    assert found is not None
    return found


def test_the_file_is_found_upwards_and_the_nearest_one_is_meant(shop: Path) -> None:
    deep = shop / "a" / "b"
    deep.mkdir(parents=True)
    assert found_in(deep).path == str(shop / NAME)
    (shop / "a" / NAME).write_text("")
    assert found_in(deep).path == str(shop / "a" / NAME)
    (deep / NAME).mkdir()
    assert found_in(deep).path == str(shop / "a" / NAME)


def test_a_file_counts_when_it_is_allowed_and_no_more_when_a_byte_of_it_changes(home: str, shop: Path) -> None:
    assert not project.is_allowed(home, found_in(shop))
    project.allow(home, found_in(shop), 1)
    assert project.is_allowed(home, found_in(shop))
    assert project.says(found_in(shop)) == Project(("openai",), (), (("team", "search"),))
    (shop / NAME).write_text(TEXT + "\n")
    assert not project.is_allowed(home, found_in(shop))
    (shop / NAME).write_text(TEXT)
    assert project.is_allowed(home, found_in(shop))
    assert project.disallow(home, str(shop / NAME))
    assert not project.is_allowed(home, found_in(shop))
    assert not project.disallow(home, str(shop / NAME))


def test_the_same_bytes_elsewhere_do_not_count_nor_does_a_link_to_what_does(
    home: str, shop: Path, tmp_path: Path
) -> None:
    project.allow(home, found_in(shop), 1)
    for name in ("copy", "link"):
        (tmp_path / name).mkdir()
    (tmp_path / "copy" / NAME).write_text(TEXT)
    (tmp_path / "link" / NAME).symlink_to(shop / NAME)
    assert not project.is_allowed(home, found_in(tmp_path / "copy"))
    assert not project.is_allowed(home, found_in(tmp_path / "link"))
    (tmp_path / "way").symlink_to(shop)
    assert project.is_allowed(home, found_in(tmp_path / "way"))


@needs_root
def test_another_owner_of_the_same_bytes_does_not_count(home: str, shop: Path) -> None:
    project.allow(home, found_in(shop), 1)
    os.chown(shop / NAME, OTHER, OTHER)
    assert not project.is_allowed(home, found_in(shop))


UNFIT: dict[str, Callable[[Path], object]] = {
    "666": lambda path: path.chmod(0o666),
    "620": lambda path: path.chmod(0o620),
    "FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "loop": lambda path: (path.unlink(), path.symlink_to(path)),
    "loose link": lambda path: (path.unlink(), path.symlink_to("/nowhere")),
    "garbage": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "too large": lambda path: path.write_bytes(b"#" * ((1 << 20) + 1)),
    "a command": lambda path: path.write_text('[exec]\ncommand = "x"\n'),
    "other owner": lambda path: os.chown(path, OTHER, OTHER),
}


@pytest.mark.parametrize(
    "how", [pytest.param(name, marks=needs_root if name == "other owner" else ()) for name in UNFIT]
)
def test_what_others_can_write_or_own_or_what_is_no_such_file_is_never_allowed(home: str, shop: Path, how: str) -> None:
    UNFIT[how](shop / NAME)
    with pytest.raises(BadConfiguration) as caught:
        project.allow(home, found_in(shop), 1)
    assert str(shop / NAME) in caught.value.message
    assert not os.path.exists(home)
    assert not project.is_allowed(home, found_in(shop))


def test_what_was_hashed_is_what_is_parsed(home: str, shop: Path) -> None:
    found = found_in(shop)
    (shop / NAME).write_text('[exec]\nkeys = ["evil"]\n')
    assert project.says(found).exec_keys == ("openai",)
    project.allow(home, found, 1)
    assert not project.is_allowed(home, found_in(shop))


def test_the_list_is_the_owners_alone_and_survives_many_files(home: str, shop: Path, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / NAME).write_text(TEXT)
        project.allow(home, found_in(tmp_path / str(number)), number)
    project.allow(home, found_in(tmp_path / "0"), 9)
    assert [row.allowed_at for row in project.allowed(home)] == [9, 1, 2]
    assert os.stat(os.path.join(home, project.ALLOWED_FILE)).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": 1}',
        '{"files": [{}]}',
        '{"files": [{"path": 1, "owner": 1, "sha256": "", "allowed_at": 1}]}',
        "[" * 9999,
    ],
)
def test_a_list_that_is_damaged_is_named_and_allows_nothing(home: str, shop: Path, text: str) -> None:
    project.allow(home, found_in(shop), 1)
    Path(home, project.ALLOWED_FILE).write_text(text)
    with pytest.raises(BadConfiguration, match="not what aikeys allow writes"):
        project.is_allowed(home, found_in(shop))


def test_a_list_that_others_could_write_allows_nothing(home: str, shop: Path) -> None:
    project.allow(home, found_in(shop), 1)
    Path(home, project.ALLOWED_FILE).chmod(0o666)
    with pytest.raises(BadConfiguration, match="can be written by other users"):
        project.is_allowed(home, found_in(shop))
    Path(home, project.ALLOWED_FILE).chmod(0o600)
    assert json.loads(Path(home, project.ALLOWED_FILE).read_text())["schema"] == project.SCHEMA
