"""What the kernel sees: no secret in an argument list, and in no write but the child's own output."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import CANARY, Aikeys, canary

if shutil.which("strace") is None:
    pytest.skip("strace is not installed", allow_module_level=True)


def traced(aikeys: Aikeys, trace: Path, *args: str, input: str | None = None) -> list[str]:  # noqa: A002
    words = ["strace", "-f", "-e", "trace=execve,write,pwrite64", "-s", "4096", "-o", str(trace), *aikeys.argv(*args)]
    done = aikeys.run_argv(words, input=input, reveals=True)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("ptrace is not permitted here")
    assert done.returncode == 0, done.stderr
    return trace.read_text(encoding="utf-8", errors="replace").splitlines()


def test_add_shows_the_secret_in_no_argument_and_no_write(ready_home: Aikeys, tmp_path: Path) -> None:
    lines = traced(ready_home, tmp_path / "trace", "add", "openai", "--stdin", "--no-verify", input=canary())
    assert any("execve(" in line for line in lines)
    assert any("pwrite64(" in line or "write(" in line for line in lines)
    assert not [line for line in lines if CANARY in line]


def test_exec_shows_the_secret_only_where_the_child_prints_it(ready_home: Aikeys, tmp_path: Path) -> None:
    ready_home.add("openai", canary())
    script = "import os; os.write(1, os.environ['OPENAI_API_KEY'].encode())"
    lines = traced(ready_home, tmp_path / "trace", "exec", "openai", "--", sys.executable, "-c", script)
    shown = [line for line in lines if CANARY in line]
    assert len(shown) == 1, shown
    assert "write(1, " in shown[0]


def test_import_and_scan_write_the_secret_nowhere_and_undo_only_into_its_file(
    ready_home: Aikeys, tmp_path: Path
) -> None:
    file = ready_home.folder / ".env"
    file.write_text(f"# mine\nOPENAI_API_KEY={canary()}\n")
    lines = traced(ready_home, tmp_path / "trace", "import", "--yes", "--remove", str(file))
    assert not [line for line in lines if CANARY in line]
    lines = traced(ready_home, tmp_path / "trace", "scan", str(ready_home.folder))
    assert not [line for line in lines if CANARY in line]
    lines = traced(ready_home, tmp_path / "trace", "import", "--undo")
    shown = [line for line in lines if CANARY in line]
    assert len(shown) == 1, shown
    assert canary() in file.read_text()


def test_a_file_in_memory_is_the_only_one_with_the_secret(ready_home: Aikeys, tmp_path: Path) -> None:
    ready_home.add("openai", canary())
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-e", "trace=execve,write,pwrite64,memfd_create", "-s", "4096", "-o", str(trace)]
    done = ready_home.run_argv([*words, *ready_home.argv("exec", "--as-file", "K=openai", "--", "true")])
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("ptrace is not permitted here")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    (made,) = [line for line in lines if "memfd_create(" in line]
    (shown,) = [line for line in lines if CANARY in line]
    assert f"write({made.rpartition('= ')[2].strip()}, " in shown
