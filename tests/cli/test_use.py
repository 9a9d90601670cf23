"""`aikeys use` writes a project's file and allows exactly it; a stranger's file is looked at first."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary


@pytest.fixture
def project(ready_home: Aikeys) -> Path:
    ready_home.add("openai", canary("o"))
    ready_home.add("gemini", canary("g"))
    return ready_home.folder


def lent(home: Aikeys) -> dict[str, str]:
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    done = home.run("exec", "--", sys.executable, "-c", script, reveals=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_exec_without_a_name_lends_them(ready_home: Aikeys, project: Path) -> None:
    assert ready_home.run("use", "openai", "MY_GEMINI=gemini").returncode == 0
    found = lent(ready_home)
    assert (found["OPENAI_API_KEY"], found["MY_GEMINI"]) == (canary("o"), canary("g"))
    assert (project / ".aikeys.toml").stat().st_mode & 0o022 == 0


def test_what_else_the_file_says_stays(ready_home: Aikeys, project: Path) -> None:
    file = project / ".aikeys.toml"
    file.write_text('# ours\n[defaults]\nlabels = { team = "search" }  # yes\n')
    assert ready_home.run("use", "openai").returncode == 14  # not looked at yet
    assert "exec" not in file.read_text()
    digest = __import__("hashlib").sha256(file.read_bytes()).hexdigest()
    assert ready_home.run("allow", "--allow-file", digest).returncode == 0
    assert ready_home.run("use", "OPENAI_KEY=openai").returncode == 0
    assert file.read_text().startswith('# ours\n[defaults]\nlabels = { team = "search" }  # yes\n')
    assert lent(ready_home)["OPENAI_KEY"] == canary("o")
    assert ready_home.run("use", "gemini").returncode == 0
    assert "OPENAI_KEY" not in file.read_text()
    assert "GEMINI_API_KEY" in lent(ready_home)


@pytest.mark.parametrize(
    ("word", "status"),
    [("opneai", 10), ("PATH=openai", 2), ("LD_PRELOAD=openai", 2), ("=opneai", 10), ("A B=openai", 2)],
)
def test_what_is_wrong_writes_nothing(ready_home: Aikeys, project: Path, word: str, status: int) -> None:
    assert ready_home.run("use", word).returncode == status
    assert not (project / ".aikeys.toml").exists()


def test_a_link_is_never_written_through(ready_home: Aikeys, project: Path) -> None:
    target = project / "target"
    target.write_text("")
    os.symlink(target, project / ".aikeys.toml")
    assert ready_home.run("use", "openai").returncode in (10, 14)
    assert target.read_text() == ""
