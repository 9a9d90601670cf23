"""`aikeys config` as a repository uses it."""

from __future__ import annotations

import json

from tests.conftest import Aikeys


def test_a_policy_goes_out_into_git_and_comes_back(ready_home: Aikeys) -> None:
    run = ready_home.run
    run("budget", "set", "team:support", "200", "--period", "week")
    exported = run("config", "export")
    assert exported.returncode == 0
    policy = ready_home.folder / "policy.toml"
    policy.write_text(exported.stdout.replace("200.00", "250.00"))
    planned = run("config", "apply", str(policy), "--dry-run")
    assert planned.returncode == 0
    assert planned.stdout == (
        "- budget team:support  $200.00 a week, at limit block, alerts at 80,100\n"
        "+ budget team:support  $250.00 a week, at limit block, alerts at 80,100\n"
    )
    asked = run("config", "apply", str(policy))
    assert asked.returncode == 3
    assert run("config", "export").stdout == exported.stdout
    assert run("--yes", "config", "apply", str(policy)).returncode == 0
    assert run("config", "export").stdout == policy.read_text()
    again = run("config", "apply", "-", input=policy.read_text())
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing changes" in again.stderr
    plan = json.loads(run("config", "apply", str(policy), "--dry-run", "--json").stdout)
    assert plan == {"schema": "aikeys.policy-plan/1", "changes": []}


def test_bad_files_are_named_and_change_nothing(ready_home: Aikeys) -> None:
    before = (ready_home.home / "ledger.db").read_bytes()
    bad = ready_home.folder / "bad.toml"
    bad.write_bytes(b"\xff\xfe")
    for path, status, said in ((str(bad), 2, "not UTF-8"), (str(ready_home.folder / "none"), 10, "there is no file")):
        done = ready_home.run("config", "apply", path)
        assert (done.returncode, done.stdout) == (status, "")
        assert said in done.stderr
    assert (ready_home.home / "ledger.db").read_bytes() == before


def test_without_a_ledger_there_is_no_policy(bare_home: Aikeys) -> None:
    assert bare_home.run("config", "export").returncode == 10
