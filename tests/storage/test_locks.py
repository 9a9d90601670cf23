"""A file system whose locks fail is named at once, where SQLite would wait half a minute and call it something else."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from aikeys.errors import MachineFailed
from aikeys.ledger.store import Ledger
from aikeys.storage import locks
from aikeys.vault.store import VaultFile
from tests.conftest import Aikeys

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int flock(int fd, int how) { (void)fd; (void)how; errno = FAILS; return -1; }
static int refused(int (*real)(int, int, ...), int fd, int what, void *more) {
  if (what == F_SETLK || what == F_SETLKW) { errno = FAILS; return -1; }
  return real(fd, what, more);
}
int fcntl(int fd, int what, ...) {
  va_list list; va_start(list, what); void *more = va_arg(list, void *); va_end(list);
  return refused((int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl"), fd, what, more);
}
int fcntl64(int fd, int what, ...) {
  va_list list; va_start(list, what); void *more = va_arg(list, void *); va_end(list);
  return refused((int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64"), fd, what, more);
}
"""


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_vault_and_ledger_say_that_files_cannot_be_locked(
    ready_home: Aikeys, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    for work in (VaultFile(str(ready_home.home)).read, Ledger(str(ready_home.home)).open):
        with pytest.raises(MachineFailed, match="cannot be locked"):
            work()


def test_a_lock_that_somebody_holds_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, "busy")

    monkeypatch.setattr(locks.fcntl, "lockf", busy)
    (tmp_path / "ballast").write_bytes(b"")
    locks.refuse_without_locks(str(tmp_path))
    locks.refuse_without_locks(str(tmp_path / "none"))


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize("fails", ["ENOLCK", "EOPNOTSUPP"])
@pytest.mark.parametrize("words", [("list",), ("init",)])
def test_a_command_ends_within_five_seconds(
    ready_home: Aikeys, tmp_path: Path, fails: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "shim.c").write_text(SHIM)
    shim = str(tmp_path / "shim.so")
    build = ["cc", "-shared", "-fPIC", f"-DFAILS={fails}", "-o", shim, str(tmp_path / "shim.c"), "-ldl"]
    subprocess.run(build, check=True, capture_output=True)
    more = {"LD_PRELOAD": shim}
    if words == ("init",):
        more["AIKEYS_HOME"] = str(tmp_path / "another")
        words = ("init", "--key-file", str(tmp_path / "another.key"))
    start_s = time.monotonic()
    done = ready_home.run(*words, env=more)
    assert time.monotonic() - start_s < 5
    assert (done.returncode, "cannot be locked" in done.stderr) == (1, True), done.stderr
