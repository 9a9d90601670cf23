"""Where `ledger export -o` writes: a new file whole or not at all, through what is not a file, never over anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Aikeys


def test_an_existing_file_stays_as_it_was(ready_home: Aikeys) -> None:
    out = ready_home.folder / "out.jsonl"
    out.write_text("mine")
    link = ready_home.folder / "link"
    link.symlink_to(out)
    for path in (out, link):
        done = ready_home.run("ledger", "export", "-o", str(path))
        assert done.returncode == 15, done.stderr
        assert "is there already" in done.stderr
    assert out.read_text() == "mine"
    assert link.is_symlink()


def test_a_link_is_followed(ready_home: Aikeys) -> None:
    target = ready_home.folder / "target.jsonl"
    link = ready_home.folder / "link"
    link.symlink_to(target)
    assert ready_home.run("ledger", "export", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    assert target.read_text() == ready_home.run("ledger", "export").stdout


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "vault.db", "vault.db-journal"])
def test_the_vault_and_the_ledger_are_no_place_for_it(ready_home: Aikeys, name: str) -> None:
    before = (ready_home.home / "vault.db").read_bytes()
    done = ready_home.run("ledger", "export", "-o", str(ready_home.home / name))
    assert done.returncode == 2, done.stderr
    assert "belongs to aikeys" in done.stderr
    assert (ready_home.home / "vault.db").read_bytes() == before
    assert ready_home.run("ledger", "verify").returncode == 0


def test_what_is_no_file_is_written_through(ready_home: Aikeys) -> None:
    pipe = ready_home.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = ready_home.run("ledger", "export", "-o", str(pipe))
        assert done.returncode == 0, done.stderr
        assert os.read(reader, 1 << 16).decode() == ready_home.run("ledger", "export").stdout
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert ready_home.run("ledger", "export", "-o", "/dev/stdout").stdout == ready_home.run("ledger", "export").stdout
    assert Path("/dev/null").is_char_device()


def test_a_directory_is_no_file(ready_home: Aikeys) -> None:
    assert ready_home.run("ledger", "export", "-o", str(ready_home.folder)).returncode == 2
