"""A secret of several lines goes to its program as a file that is nowhere, and is nowhere else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd_create is Linux's")
ACCOUNT = json.dumps({"type": "service_account", "private_key": f"-----BEGIN\n{canary()}\n-----END\n"}, indent=2) + "\n"
PROGRAM = """
import fcntl, json, os, subprocess, sys
path = os.environ["CREDENTIALS"]
text = open(path).read()
child = subprocess.run(["cat", path], capture_output=True, text=True).stdout
try:
    os.write(int(path.rpartition("/")[2]), b"x")
    changed = True
except OSError:
    changed = False
print(json.dumps([text, child, changed, text in " ".join(os.environ.values()), open("/proc/self/cmdline").read()]))
"""


@pytest.fixture
def gcp(ready_home: Aikeys) -> Aikeys:
    file = ready_home.folder / "account.json"
    file.write_text(ACCOUNT)
    done = ready_home.run(
        "add", "gcp", "--provider", "other", "--file", str(file), "--var", "CREDENTIALS_JSON", "--no-verify"
    )
    assert done.returncode == 0, done.stderr
    file.unlink()
    return ready_home


def test_the_program_reads_it_and_nobody_changes_it(gcp: Aikeys) -> None:
    done = gcp.run("exec", "--as-file", "CREDENTIALS=gcp", "--", sys.executable, "-c", PROGRAM, reveals=True)
    assert done.returncode == 0, done.stderr
    text, child, changed, in_environment, arguments = json.loads(done.stdout)
    assert (text, child, changed, in_environment) == (ACCOUNT, ACCOUNT, False, False)
    assert canary() not in arguments
    for path in Path(gcp.folder).rglob("*"):
        assert not path.is_file() or canary().encode() not in path.read_bytes()


def test_a_variable_gets_it_as_it_is(gcp: Aikeys) -> None:
    assert gcp.lent("gcp")["CREDENTIALS_JSON"] == ACCOUNT


@pytest.mark.parametrize(
    "words",
    [
        ("--metered", "--as-file", "A=gcp", "gcp"),
        ("--as-file", "A"),
        ("--as-file", "PATH=gcp"),
        ("--as-file", "A=nobody"),
    ],
)
def test_what_is_wrong_is_refused(gcp: Aikeys, words: tuple[str, ...]) -> None:
    assert gcp.run("exec", *words, "--", "true").returncode == 125


@pytest.mark.parametrize(
    ("more", "data"),
    [(("--provider", "openai"), b"x"), (("--provider", "other", "--stdin"), b"x"), (("--provider", "other"), b""), (("--provider", "other"), b"\xff"),
     (("--provider", "other"), b"a\0b"), (("--provider", "other"), b"x" * 70_000)],
)  # fmt: skip
def test_a_file_that_cannot_be_a_secret_is_refused(ready_home: Aikeys, more: tuple[str, ...], data: bytes) -> None:
    file = ready_home.folder / "f"
    file.write_bytes(data)
    done = ready_home.run("add", "x", "--file", str(file), *more)
    assert done.returncode == 2, done.stderr
    assert ready_home.run("add", "x", "--provider", "other", "--file", "nowhere").returncode == 10
