"""What is shown once and cannot be shown: nobody has it, so it opens nothing, and that is said."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aikeys.cli.keys import new_vault
from aikeys.errors import MachineFailed
from aikeys.vault.opening import place_of
from aikeys.vault.store import VaultFile
from tests.conftest import Aikeys, canary

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


class Full(io.StringIO):
    """A stream with no room."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def into(home: Aikeys, stdout: int, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        home.argv(*words), env=home.env(), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
        text=True, check=False, start_new_session=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


def into_full(home: Aikeys, *words: str) -> tuple[int, str]:
    with FULL.open("wb") as full:
        return into(home, full.fileno(), *words)


def states(home: Aikeys) -> list[str]:
    return [row["state"] for row in json.loads(home.run("token", "list", "--all", "--json").stdout)["tokens"]]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_a_token_that_cannot_be_shown_is_revoked_at_once(ready_home: Aikeys, more: tuple[str, ...]) -> None:
    ready_home.add("openai", canary())
    status, said = into_full(ready_home, "token", "issue", "--scope", "env:read", *more)
    assert status == 1
    assert "could not be shown, and was revoked" in said
    assert "standard output cannot be written" in said
    assert states(ready_home) == ["revoked"]


def test_a_token_for_a_pipe_that_nobody_reads_is_revoked_at_once(ready_home: Aikeys) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        status, said = into(ready_home, writing, "token", "issue")
    finally:
        os.close(writing)
    assert (status, "could not be shown, and was revoked" in said) == (141, True)
    assert states(ready_home) == ["revoked"]


def test_a_recovery_code_that_cannot_be_shown_is_none(ready_home: Aikeys) -> None:
    status, said = into_full(ready_home, "unlock-method", "add", "recovery")
    assert (status, "standard output cannot be written" in said) == (1, True)
    assert [row.kind for row in place_of(str(ready_home.home)).vault.read().methods] == ["key-file"]


def test_a_vault_whose_recovery_code_cannot_be_shown_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    monkeypatch.setenv("AIKEYS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("aikeys.cli.home.is_interactive", lambda: True)
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(MachineFailed, match="standard output cannot be written"):
        new_vault.make(key_file=str(key))
    monkeypatch.undo()
    assert not VaultFile(str(tmp_path / "home")).exists
    assert not key.exists()


def test_a_backup_that_cannot_be_written_is_not_in_the_ledger(ready_home: Aikeys) -> None:
    status, said = into_full(ready_home, "backup", "-")
    assert (status, "standard output cannot be written" in said) == (1, True)
    assert "backup" not in [row["act"] for row in json.loads(ready_home.run("audit", "--json").stdout)["entries"]]
