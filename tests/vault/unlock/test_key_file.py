"""Key files: made once, private, recognised, and refused when others could have changed them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aikeys.errors import Damaged, ExistsAlready, Locked, MachineFailed
from aikeys.vault.unlock import key_file

KEY = bytes(range(32))
LINE = "aikeys-key-file-1:" + KEY.hex()


def written(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_created_file_is_one_private_line_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    key_file.create(str(path), KEY)
    assert path.read_text() == LINE + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_file.read(str(path)).reveal() == KEY


def test_a_relative_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    key_file.create("vault.key", KEY)
    assert key_file.read("vault.key").reveal() == KEY


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_an_existing_file_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "vault.key"
    if kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExistsAlready, match=r"vault\.key exists already"):
        key_file.create(str(path), KEY)
    assert not (tmp_path / "elsewhere").exists()
    assert kind != "file" or path.read_text() == "precious"


def test_a_file_that_cannot_be_created_names_the_path_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match=r"no/vault\.key cannot be created: no such file"):
        key_file.create(str(tmp_path / "no" / "vault.key"), KEY)


def test_a_full_disk_leaves_no_half_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "vault.key"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineFailed, match="cannot be written: no space left on device"):
        key_file.create(str(path), KEY)
    assert not path.exists()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_line_end_does_not_matter(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "vault.key"
    path.write_bytes((LINE + ending).encode())
    path.chmod(0o600)
    assert key_file.read(str(path)).reveal() == KEY


def test_a_missing_file_means_locked_and_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(Locked, match=r"vault\.key is missing"):
        key_file.read(str(tmp_path / "vault.key"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.hex(),
        LINE[:-1],
        LINE + "0",
        LINE + "\n\n",
        LINE + "\nmore",
        LINE[:-2] + "zz",
        LINE[:-2] + " 0",
        LINE.replace("-1:", "-2:"),
        "é" * 41,
    ],
)
def test_a_malformed_file_is_damaged_and_its_content_is_not_shown(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "vault.key", text)
    with pytest.raises(Damaged) as caught:
        key_file.read(path)
    assert str(caught.value) == f"the key file {path} is damaged, or is not a key file"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "my vault.key", LINE, mode)
    with pytest.raises(Damaged, match="can be written by other users") as caught:
        key_file.read(path)
    subprocess.run(["sh", "-c", caught.value.hint.removeprefix("run: ")], check=True)
    assert key_file.read(path).reveal() == KEY


@pytest.mark.parametrize(("mode", "expected"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_noticed_but_read(tmp_path: Path, mode: int, expected: bool) -> None:
    path = written(tmp_path / "vault.key", LINE, mode)
    assert key_file.readable_by_others(path) is expected
    assert key_file.read(path).reveal() == KEY


def test_a_missing_file_is_not_readable_by_others(tmp_path: Path) -> None:
    assert not key_file.readable_by_others(str(tmp_path / "vault.key"))


def test_a_directory_or_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path, pipe):
        with pytest.raises(Damaged, match=r"is a (folder|FIFO)"):
            key_file.read(str(path))


def test_reading_a_key_file_imports_nothing_heavy() -> None:
    code = (
        "import sys, aikeys.vault.unlock.key_file; "
        "print(*{'re', 'pathlib', 'shlex', 'ctypes', 'hashlib', 'threading', 'typing'} & set(sys.modules))"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {os.getcwd()!r}); {code}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(printed.stdout.split()) <= {"typing", "re"}  # errors.py and secret.py decide about those two
