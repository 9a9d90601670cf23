"""The first command of the README, run whole; what it leaves behind, and what becomes of it when it is stopped."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from tests.conftest import Aikeys

RUN_S = 240  # some five seconds alone; the machine may be busy
_SECRETS = re.compile(r"sk-[A-Za-z0-9]{20}T3Blbk" + r"FJ|aik_")
_TOLD_IN_ORDER = (
    "$ aikeys init --key-file key",
    "OpenAI accepts the key",
    "$ aikeys list",
    "$ aikeys exec openai -- python app.py",
    "OPENAI_API_KEY has 51 characters",
    "$ aikeys prompt -m openai/gpt-4.1",
    " computed; ",
    "$ TOKEN=$(aikeys token issue --for app",
    "$ aikeys gateway --port 0 2> gateway.log &",
    "aikeys: serving on http://127.0.0.1:",
    "x-aikeys-cost-usd: 0.00",
    "$ aikeys budget set team:demo 0.10 --alert 80",
    "$ aikeys alert add ops --webhook $PROVIDER/alerts",
    "10 calls passed, $0.01",
    "402 budget_exceeded: the budget of team:demo does not allow this call",
    "team:demo  month ",
    "(exit status 24)",
    "The webhook got: budget team:demo: $0.08",
    "$ aikeys token revoke agent",
    "401 token_refused",
    "$ aikeys report --by team,model",
    "demo   openai/gpt-4.1 ",
    "$ aikeys audit",
    "$ aikeys ledger verify",
    "all are signed, the last at",
    "Demo finished: 1 key sealed and lent",
)


@pytest.fixture
def stage_folder(bare_home: Aikeys) -> Path:
    """Have the demo make its folder here, and nowhere else."""
    folder = bare_home.folder / "tmp"
    folder.mkdir()
    bare_home.environment["TMPDIR"] = str(folder)
    return folder


def test_the_demo_tells_its_story_in_order_and_leaves_nothing(bare_home: Aikeys, stage_folder: Path) -> None:
    strangers = {
        "AIKEYS_TOKEN": "aik_no",
        "AIKEYS_GATEWAY": "http://127.0.0.1:1",
        "AIKEYS_LEDGER": "/nowhere",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "OPENAI_BASE_URL": "http://127.0.0.1:1",
        "NOTIFY_SOCKET": "/nowhere",
    }
    done = bare_home.run_argv(bare_home.argv("demo"), env=strangers, timeout=RUN_S)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stderr == ""
    at = 0
    for line in _TOLD_IN_ORDER:
        at = done.stdout.index(line, at)
    ((passed, spent_usd),) = re.findall(r"stopped after (\d+) calls, \$(0\.\d+)", done.stdout)
    assert 0.08 <= float(spent_usd) <= 0.10  # no call's worst case is a fifth of it
    assert f"a runaway loop stopped after {passed} calls within" in " ".join(done.stdout.split())
    assert not _SECRETS.search(done.stdout)
    assert "\033" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert list(stage_folder.iterdir()) == []
    assert list((bare_home.folder / "user").rglob("*")) == []
    assert not bare_home.home.exists()
    assert processes_of(stage_folder) == []


def test_ctrl_c_ends_the_demo_with_all_it_started(bare_home: Aikeys, stage_folder: Path) -> None:
    environment = {**bare_home.env(), "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "aikeys", "demo"],
        env=environment,
        timeout=RUN_S,
        encoding="utf-8",
        dimensions=(40, 80),
    )
    child.expect_exact("\033[2m$ aikeys init --key-file key\033[0m")
    child.expect("serving on http")
    assert len(processes_of(stage_folder)) >= 1
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130
    assert list(stage_folder.iterdir()) == []
    assert processes_of(stage_folder) == []


def test_a_kept_home_goes_on_and_a_stopped_demo_says_where_it_is(bare_home: Aikeys, stage_folder: Path) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "aikeys", "demo", "--keep"], env=bare_home.env(), timeout=RUN_S, encoding="utf-8"
    )
    child.expect_exact("$ TOKEN=$(")  # the budget's rest is the first test's business
    os.kill(child.pid, 15)
    child.expect_exact("aikeys: what there is of the demo is in ")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130
    (folder,) = stage_folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert processes_of(stage_folder) == []
    done = bare_home.run("report", env={"AIKEYS_HOME": str(folder / "home")})
    assert done.returncode == 0
    assert "openai/gpt-4.1" in done.stdout


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that were given a home in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"AIKEYS_HOME={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
