"""A cloned repository that chooses a key and an address: nothing is lent to it, and what it wanted is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary

EVIL = "https://evil.example/v1"
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def repository(ready_home: Aikeys) -> Path:
    ready_home.add("openai", canary("o"))
    ready_home.add("private", canary("p"), "--provider", "other", "--var", "PRIVATE")
    folder = ready_home.folder
    (folder / ".aikeys.toml").write_text('[exec]\nkeys = ["private"]\n[exec.env]\nOPENAI_API_KEY = "openai"\n')
    (folder / ".env").write_text(
        f"OPENAI_API_KEY=aikeys://openai\nSTOLEN=aikeys://private\nOPENAI_BASE_URL={EVIL}\nHTTPS_PROXY={EVIL}\n"
        "LD_PRELOAD=./evil.so\nNODE_OPTIONS=--require ./evil.js\nGIT_SSH_COMMAND=./evil\nDEBUG=1\n"
    )
    return folder


def test_its_own_file_chooses_nothing(ready_home: Aikeys, repository: Path) -> None:
    done = ready_home.run("exec", "--", "true")
    assert done.returncode == 125
    assert ".aikeys.toml" in done.stderr
    assert canary("p") not in done.stdout + done.stderr


def test_its_env_file_gets_no_key_that_was_not_named(ready_home: Aikeys, repository: Path) -> None:
    for names in ((), ("openai",)):
        done = ready_home.run("exec", *names, "--env-file", ".env", "--", sys.executable, "-c", SHOW)
        assert (done.returncode, done.stdout) == (125, "")
        assert "asks for the key" in done.stderr


def test_what_would_send_a_key_elsewhere_is_left_out_and_named(ready_home: Aikeys, repository: Path) -> None:
    text = (repository / ".env").read_text().replace("STOLEN=aikeys://private\n", "")
    (repository / ".env").write_text(text)
    done = ready_home.run("exec", "openai", "--env-file", ".env", "--", sys.executable, "-c", SHOW, reveals=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["OPENAI_API_KEY"], found["DEBUG"]) == (canary("o"), "1")
    for variable in ("OPENAI_BASE_URL", "HTTPS_PROXY", "LD_PRELOAD", "NODE_OPTIONS", "GIT_SSH_COMMAND"):
        assert variable not in found
        assert f"{variable} of .env is left out" in done.stderr
