"""A passphrase file: a pipe is read once in a run, a file that is too large is not a passphrase."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from aikeys.errors import BadConfiguration
from aikeys.vault.unlock import order


def test_a_pipe_is_read_once_however_often_the_passphrase_is_needed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    writer = Thread(target=pipe.write_bytes, args=(b"correct horse\n",))
    writer.start()
    found = [order.given_passphrase({"AIKEYS_PASSPHRASE_FILE": str(pipe)}) for _ in range(3)]
    writer.join()
    assert found == ["correct horse"] * 3


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for text in ("one", "two"):
        file.write_text(text)
        assert order.read_passphrase_file(str(file)) == text


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) + 1])
def test_a_passphrase_is_never_cut(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    if size <= 1 << 16:
        assert len(order.read_passphrase_file(str(tmp_path / "file"))) == size
        return
    with pytest.raises(BadConfiguration, match="larger than 64 KiB"):
        order.read_passphrase_file(str(tmp_path / "file"))
