"""A backup goes through pipes, and what is none is told from what was cut off, empty or damaged."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aikeys.errors import Damaged, MachineFailed, NotFound, UsageError
from aikeys.vault import backup_file
from aikeys.vault.backup import backup, backup_to_pipe, read_backup
from tests.vault.conftest import Home


@pytest.fixture
def home(make_home: Any) -> Home:
    made: Home = make_home()
    made.add("openai", "sk-proj-CANARY-first")
    return made


def made(home: Home) -> bytes:
    found: list[bytes] = []
    backup_to_pipe(home.place, home.rows(), found.append)
    return found[0]


def test_the_bytes_for_a_pipe_are_a_backup_and_hold_no_secret(home: Home, tmp_path: Path) -> None:
    data = made(home)
    backup(home.place, home.rows(), str(tmp_path / "b"))
    (tmp_path / "piped").write_bytes(data)
    assert read_backup(str(tmp_path / "piped")) == read_backup(str(tmp_path / "b")) == home.rows()
    assert b"CANARY" not in data


def test_what_comes_on_a_pipe_is_read_once_into_a_file_of_its_owner_that_is_gone_afterwards(home: Home) -> None:
    data = made(home)
    with backup_file.kept(io.BytesIO(data), "it") as path:
        assert read_backup(path, "it") == home.rows()
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    assert not os.path.exists(os.path.dirname(path))


def test_an_endless_pipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "LARGEST_BYTES", 1 << 21)
    with open("/dev/zero", "rb") as zeros, pytest.raises(UsageError, match="more than 2 MiB"):
        backup_file.kept(zeros, "it").__enter__()


def test_a_disk_without_room_for_the_copy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def read(self, _size: int | None = None) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(MachineFailed, match="No space left"):
        backup_file.kept(Full(), "it").__enter__()


def test_every_cut_and_every_kind_of_garbage_is_named(home: Home, tmp_path: Path) -> None:
    data, path = made(home), tmp_path / "b"
    said = {}
    for size in (0, 1, 15, 16, 99, 100, 1024, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(Damaged) as refused:
            read_backup(str(path), "it")
        said[size] = refused.value.message
        assert "init" not in refused.value.message + refused.value.hint
    assert said.pop(0) == "the backup it is empty"
    assert all(text.startswith("the backup it is cut off") for text in said.values()), said
    for garbage in (b"\0" * 4096, b"-----BEGIN PGP MESSAGE-----", data[1:], b"\x1f\x8b" + data):
        path.write_bytes(garbage)
        with pytest.raises(Damaged, match="it was not written by aikeys backup"):
            read_backup(str(path), "it")
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
        connection.execute("CREATE TABLE x(y)")
    with pytest.raises(Damaged, match="not an aikeys vault"):
        read_backup(str(path), "it")
    with pytest.raises(NotFound, match="folder"):
        read_backup(str(tmp_path))


def test_a_flipped_byte_of_a_backup_advises_another_backup(home: Home, tmp_path: Path) -> None:
    data, path = bytearray(made(home)), tmp_path / "b"
    data[len(data) // 2 : len(data) // 2 + 600] = b"x" * 600
    path.write_bytes(data)
    with pytest.raises(Damaged) as refused:
        read_backup(str(path))
    assert refused.value.hint == "try another backup"


@pytest.mark.parametrize("way", ["-", "/dev/stdin", "fifo"])
def test_a_backup_goes_through_a_pipe_into_another_home(home: Home, tmp_path: Path, way: str) -> None:
    piped = subprocess.run(home.command("backup", "-"), capture_output=True, env=home.environ(), check=True)
    assert piped.stderr == b"aikeys: wrote a backup to standard output: 1 key\n"
    there = home.at(tmp_path / "there")
    source = way
    if way == "fifo":
        source = str(tmp_path / "fifo")
        os.mkfifo(source)
        writer = subprocess.Popen(["sh", "-c", f"cat > {source}"], stdin=subprocess.PIPE)
        assert writer.stdin is not None
        writer.stdin.write(piped.stdout)
        writer.stdin.close()
    done = subprocess.run(
        there.command("--yes", "restore", source), input=piped.stdout, capture_output=True, env=there.environ(),
        check=False, timeout=60,
    )  # fmt: skip
    if way == "fifo":
        writer.wait(20)
    assert done.returncode == 0, done.stderr
    assert there.secrets() == {"openai": "sk-proj-CANARY-first"}
    empty = subprocess.run(
        there.command("--yes", "restore", "-"), input=b"", capture_output=True, env=there.environ(), check=False
    )
    assert (empty.returncode, b"the backup from standard input is empty" in empty.stderr) == (13, True)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no files can be made in memory here")
def test_a_file_in_memory_stays_as_any_other() -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        assert not backup_file.is_pipe(file.name)
    assert backup_file.is_pipe("/dev/null")
    assert backup_file.is_pipe("/proc/self/status")
