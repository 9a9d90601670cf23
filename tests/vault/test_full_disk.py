"""No room left: a clear error and nothing lost; what takes access away still works."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ADD = ("add", "second", "--provider", "openai", "--stdin", "--no-verify")


def _limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _is_clear(ended: subprocess.CompletedProcess[str]) -> bool:
    text = ended.stderr.lower()
    return ended.returncode == 1 and "full" in text and "traceback" not in text and "internal error" not in text


@pytest.mark.parametrize("size", ["nothing", "4 KiB", "the vault", "half the ledger", "the ledger"])
def test_a_key_that_finds_no_room_is_refused_with_a_clear_error_and_nothing_is_lost(make_home: Any, size: str) -> None:
    home = make_home()
    home.add("openai", "sk-proj-first")
    ledger = home.ledger.stat().st_size
    limits = {
        "nothing": 0,
        "4 KiB": 4096,
        "the vault": home.vault.stat().st_size,
        "half the ledger": ledger // 2,
        "the ledger": ledger,
    }
    ended = home.run(*ADD, stdin="sk-proj-second", preexec=_limited(limits[size]))
    now = home.secrets()
    if ended.returncode == 0:
        assert limits[size] > 4096, "a vault was written without room"
        assert now == {"openai": "sk-proj-first", "second": "sk-proj-second"}
    else:
        assert _is_clear(ended), (ended.returncode, ended.stderr)
        assert now == {"openai": "sk-proj-first"}
    assert home.run(*ADD[:1], "third", *ADD[2:], stdin="sk-proj-third").returncode == 0
    assert home.secrets() == {**now, "third": "sk-proj-third"}
    ledger_file = home.place.ledger.open()
    ledger_file.verify()
    ledger_file.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MiB; skips where that is not permitted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"mount is not permitted: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def _fill(path: Path) -> None:
    with open(path / "filling", "ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size):
                    continue
            except OSError:
                continue
    assert os.statvfs(path).f_bavail == 0


def test_on_a_full_disk_add_fails_clearly_while_revoke_and_lock_work(make_home: Any, small_disk: Path) -> None:
    home = make_home(base=small_disk)
    home.add("openai", "sk-proj-first")
    home.add("kept", "sk-proj-kept")
    unlocked = home.run("unlock", "--ttl", "10m").returncode == 0
    _fill(small_disk)
    refused = home.run(*ADD, stdin="sk-proj-second")
    assert _is_clear(refused), (refused.returncode, refused.stderr)
    revoked = home.run("--yes", "revoke", "openai")
    assert revoked.returncode == 0, revoked.stderr
    assert b"sk-proj-first" not in home.vault.read_bytes()
    _fill(small_disk)
    locked = home.run("lock")
    assert locked.returncode == 0, locked.stderr
    assert not unlocked or "no unlocked session" not in locked.stderr + locked.stdout
    (small_disk / "filling").unlink()
    assert home.secrets() == {"kept": "sk-proj-kept"}
    assert home.run(*ADD, stdin="sk-proj-second").returncode == 0
    assert home.secrets() == {"kept": "sk-proj-kept", "second": "sk-proj-second"}
    ledger = home.place.ledger.open()
    ledger.verify()
    acts = [(entry.act, entry.subject) for entry, _ in ledger.entries()]
    ledger.close()
    assert ("revoke", "openai") in acts
