"""No crash writes a secret to disk, no other program looks in, and it is so before the first secret is read."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
STATE = (
    "import ctypes, resource; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))"
)


def limited() -> tuple[int, int]:
    """Return a soft limit that is not 0, and the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return (4096 * 512 if hard == resource.RLIM_INFINITY else hard), hard


def run(*words: str, **given: str) -> str:
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(ROOT), **given}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limited()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_protected_process_is_not_dumpable_and_knows_the_limits_from_before_however_often_it_asks() -> None:
    soft, hard = limited()
    code = f"from aikeys.own_memory import protect; protect(); print(*protect()); {STATE}"
    assert run(sys.executable, "-c", code) == f"{soft} {hard}\n0 0 {hard}\n"


def test_a_forked_process_is_as_protected() -> None:
    code = f"import os; from aikeys.own_memory import protect; protect(); os.fork() or os._exit(0); {STATE}"
    assert run(sys.executable, "-W", "ignore", "-c", code).startswith("0 0 ")


@pytest.mark.parametrize("metered", [(), ("--metered",)], ids=["exec", "metered"])
def test_the_program_has_its_own_limit_and_is_dumpable(ready_home: Aikeys, metered: tuple[str, ...]) -> None:
    ready_home.add("openai", canary())
    soft, hard = limited()
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    try:
        done = ready_home.run("exec", *metered, "openai", "--", sys.executable, "-c", STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert done.stdout == f"1 {soft} {hard}\n", done.stderr


COMMANDS = {
    "add": ("add", "openai", "--stdin", "--no-verify"),
    "exec": ("exec", "first", "--", "true"),
    "show": ("show", "first", "--reveal", "--raw"),
    "token issue": ("token", "issue", "--scope", "env:read"),
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_no_secret_is_read_before_dumps_and_looks_are_forbidden(
    ready_home: Aikeys, tmp_path: Path, command: str
) -> None:
    ready_home.add("first", canary(), "--provider", "openai")
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-e", "trace=prctl,prlimit64,setrlimit,openat,read", "-o", str(trace)]
    done = ready_home.run_argv([*words, *ready_home.argv(*COMMANDS[command])], input=canary("2"), reveals=True)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("ptrace is not permitted here")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    is_secret = re.compile(r"(vault\.db|ledger\.db|\.key|passphrase)[^/]*\"|read\(0,")
    first = next(number for number, line in enumerate(lines) if is_secret.search(line))
    core = next(number for number, line in enumerate(lines) if "RLIMIT_CORE, {rlim_cur=0" in line)
    looks = next(number for number, line in enumerate(lines) if "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in line)
    assert max(core, looks) < first, lines[first]
