"""`aikeys scan` names every place that holds a key, prints none of it, and runs nothing of a repository's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from aikeys.imports import places
from tests.conftest import Aikeys, canary

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def groq(seed: int) -> str:
    return "gsk_" + "".join(Random(seed).choices(LETTERS, k=52))


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, "-C", str(folder), *words], check=True, capture_output=True, timeout=60)


def findings(home: Aikeys, *words: str, status: int = 25) -> list[tuple[str, int, str, str | None]]:
    done = home.run("scan", "--json", *words)
    assert done.returncode == status, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "aikeys.scan/1"
    return [(row["path"], row["line"], row["provider"], row["key"]) for row in told["findings"]]


@pytest.fixture
def tree(ready_home: Aikeys) -> Path:
    folder = ready_home.folder / "src"
    folder.mkdir()
    return folder


def test_keys_in_files_are_named_and_a_clean_tree_is_said_to_be(ready_home: Aikeys, tree: Path) -> None:
    (tree / "a.py").write_text(f"x = 1\nclient = Groq(api_key='{groq(1)}')\n")
    assert findings(ready_home, str(tree)) == [(f"{tree}/a.py", 2, "groq", None)]
    done = ready_home.run("scan", str(tree))
    assert done.stdout == f"{tree}/a.py:2: a key of Groq in api_key\n"
    assert groq(1)[:12] not in done.stdout + done.stderr
    (tree / "a.py").write_text("x = 1\n")
    assert findings(ready_home, str(tree), status=0) == []


def test_a_key_of_the_vault_is_told_by_its_name_whatever_it_looks_like(ready_home: Aikeys, tree: Path) -> None:
    ready_home.add("local", canary(), "--provider", "other")
    (tree / "notes.txt").write_text(f"the password is {canary()}, use it\n")
    assert findings(ready_home, str(tree)) == [(f"{tree}/notes.txt", 1, "other", "local")]
    assert "your local key, not revoked here" in ready_home.run("scan", str(tree)).stdout


def test_what_git_ignores_is_passed_over_and_its_history_is_searched_if_wished(ready_home: Aikeys, tree: Path) -> None:
    git(tree, "init", "-q")
    (tree / ".gitignore").write_text(".env\n")
    (tree / ".env").write_text(f"GROQ_API_KEY={groq(1)}\n")
    (tree / "old.sh").write_text(f"export GROQ_API_KEY={groq(2)}\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "x")
    (tree / "old.sh").write_text("true\n")
    assert findings(ready_home, str(tree), status=0) == []
    assert findings(ready_home, "--all-files", str(tree)) == [(f"{tree}/.env", 1, "groq", None)]
    ((place, line, provider, _),) = findings(ready_home, "--git", str(tree))
    assert (place.startswith("old.sh (git object "), line, provider) == (True, 1, "groq")


def test_histories_and_transcripts_are_searched_if_wished(ready_home: Aikeys, tree: Path) -> None:
    user = Path(ready_home.env()["HOME"])
    (user / ".bash_history").write_text(f"ls\ncurl -H 'Authorization: Bearer {groq(1)}'\n")
    (user / ".claude" / "projects" / "x").mkdir(parents=True)
    (user / ".claude" / "projects" / "x" / "s.jsonl").write_text(json.dumps({"text": f"use {groq(2)}"}) + "\n")
    assert findings(ready_home, str(tree), status=0) == []
    assert [one[1:3] for one in findings(ready_home, "--history", str(tree))] == [(2, "groq")]
    assert [one[1:3] for one in findings(ready_home, "--agents", str(tree))] == [(1, "groq")]


def test_a_workflow_gets_annotations(ready_home: Aikeys, tree: Path) -> None:
    (tree / "a,b:c.py").write_text(f"k = '{groq(1)}'\n")
    done = ready_home.run("scan", "--format", "github", str(tree))
    assert done.returncode == 25
    assert done.stdout == f"::error file={tree}/a%2Cb%3Ac.py,line=1,title=aikeys::this is a key of Groq\n"


@pytest.mark.parametrize("words", [("--format", "xml"), ("nowhere",)])
def test_what_is_wrong_is_said(ready_home: Aikeys, words: tuple[str, ...]) -> None:
    assert ready_home.run("scan", *words).returncode == (2 if words[0].startswith("-") else 10)


def test_a_hostile_repository_runs_nothing(ready_home: Aikeys, tree: Path) -> None:
    git(tree, "init", "-q")
    program = tree / "run.sh"
    program.write_text(f"#!/bin/sh\ntouch {tree}/hacked\n")
    program.chmod(0o755)
    (tree / "a.txt").write_text("x\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "x")
    for name in (
        "core.fsmonitor",
        "diff.external",
        "core.pager",
        "core.editor",
        "filter.x.clean",
        "diff.x.textconv",
        "core.sshCommand",
    ):
        git(tree, "config", name, str(program))
    git(tree, "config", "core.hooksPath", str(tree))
    git(tree, "config", "alias.ls-files", f"!{program}")
    (tree / ".gitattributes").write_text("* filter=x diff=x\n")
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        (tree / hook).symlink_to(program)
        (tree / ".git" / "hooks" / hook).symlink_to(program)
    (tree / "pipe").unlink(missing_ok=True)
    os.mkfifo(tree / "pipe")
    (tree / "zero").symlink_to("/dev/zero")
    findings(ready_home, "--git", str(tree), status=0)
    findings(ready_home, "--all-files", str(tree), status=0)
    assert not (tree / "hacked").exists()


def test_a_large_file_is_read_in_parts_with_its_line_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_PART", 1000)
    file = tmp_path / "large"
    lines = [f"line {number} {'x' * (number % 70)}\n".encode() for number in range(500)]
    file.write_bytes(b"".join(lines))
    parts = list(places.of_file(str(file)))
    assert b"".join(part.data for part in parts) == file.read_bytes()
    assert len(parts) > 10
    for part in parts:
        assert part.data.startswith(f"line {part.first_line - 1} ".encode())
        assert len(part.data) <= 3000
    file.write_bytes(b"y" * 10_000 + b"\nend")
    assert b"".join(part.data for part in places.of_file(str(file))) == file.read_bytes()
